//! Stores of registers on the stack: `push %rbp; mov %rsp,%rbp`, and `mov %reg,offset(%rsp)`.
//!
//! Encodings: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, chapter 2.

use crate::arch::RegisterStore;

/// DWARF numbers of the registers, by their numbers in instructions (System V ABI for AMD64, figure 3.36).
const DWARF: [u16; 8] = [0, 2, 1, 3, 7, 6, 4, 5];
/// The longest one that is looked for: `mov %reg,offset32(%rsp)`.
const LONGEST: usize = 8;

/// Finds stores of 64-bit registers. Where instructions start isn't known, so that some of what it finds is none.
pub(super) fn register_stores(code: &[u8]) -> Vec<RegisterStore> {
    let at = |start: usize| {
        let end = code.len().min(start.saturating_add(LONGEST));
        store(start, code.get(start..end)?)
    };
    (0..code.len()).filter_map(at).collect()
}

fn store(start: usize, code: &[u8]) -> Option<RegisterStore> {
    let behind = |len: usize| (start + len) as u64;
    let (register, offset, len) = match *code {
        [0x55, 0x48, 0x89, 0xe5, ..] => (6, 0, 1),
        // REX.W (and REX.R for r8 to r15), the ModRM byte with an SIB byte, which says `%rsp` without an index
        [rex @ (0x48 | 0x4c), 0x89, modrm, 0x24, ref rest @ ..] if modrm & 7 == 4 => {
            let low = modrm >> 3 & 7;
            let number = if rex == 0x4c { u16::from(low) + 8 } else { *DWARF.get(usize::from(low))? };
            match (modrm >> 6, rest) {
                (0b00, _) => (number, 0, 4),
                (0b01, [offset, ..]) => (number, i64::from(offset.cast_signed()), 5),
                (0b10, [a, b, c, d, ..]) => (number, i64::from(i32::from_le_bytes([*a, *b, *c, *d])), 8),
                _ => return None,
            }
        }
        _ => return None,
    };
    Some(RegisterStore { register, offset, end: behind(len) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(code: &[u8]) -> Vec<(u16, i64, u64)> {
        register_stores(code).iter().map(|store| (store.register, store.offset, store.end)).collect()
    }

    #[test]
    fn the_frame_pointer_is_pushed() {
        // endbr64; push %rbp; mov %rsp,%rbp
        assert_eq!(stored(&[0xf3, 0x0f, 0x1e, 0xfa, 0x55, 0x48, 0x89, 0xe5]), [(6, 0, 5)]);
        assert_eq!(stored(&[0x55, 0x48, 0x89, 0xe6]), []);
    }

    #[test]
    fn registers_are_moved_to_the_stack() {
        // sub $0x28,%rsp; mov %rbp,0x20(%rsp)
        assert_eq!(stored(&[0x48, 0x83, 0xec, 0x28, 0x48, 0x89, 0x6c, 0x24, 0x20]), [(6, 0x20, 9)]);
        // mov %rbp,0x178(%rsp)
        assert_eq!(stored(&[0x48, 0x89, 0xac, 0x24, 0x78, 1, 0, 0]), [(6, 0x178, 8)]);
        // mov %rbx,(%rsp)
        assert_eq!(stored(&[0x48, 0x89, 0x1c, 0x24]), [(3, 0, 4)]);
        // mov %r12,-0x8(%rsp)
        assert_eq!(stored(&[0x4c, 0x89, 0x64, 0x24, 0xf8]), [(12, -8, 5)]);
    }

    #[test]
    fn other_and_cut_instructions_are_none() {
        // mov 0x20(%rsp),%rbp; mov %rbp,0x20(%rax); mov %rbp,%rsp
        for code in
            [&[0x48, 0x8b, 0x6c, 0x24, 0x20][..], &[0x48, 0x89, 0x68, 0x20], &[0x48, 0x89, 0xec, 0x24]]
        {
            assert_eq!(stored(code), [], "{code:x?}");
        }
        assert_eq!(stored(&[0x48, 0x89, 0xac, 0x24, 0x78, 1, 0]), []);
    }
}
