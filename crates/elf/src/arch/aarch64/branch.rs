//! Calls and jumps of aarch64: Arm Architecture Reference Manual for A-profile, C6.2 (B, BL, BLR, BLRAA, ADRP, LDR,
//! BTI). Every instruction has 4 bytes.

use crate::arch::branch::{last_word, sign_extended};
use crate::arch::{Jump, Target};

/// `bti c`, where an indirect branch may land.
const BTI_C: u32 = 0xd503_245f;

/// Recognises `bl`, `blr`, and `blraa` and its kin, which check the address first.
pub(super) fn follows_call(before: &[u8]) -> bool {
    last_word(before).is_some_and(|code| {
        is_bl(code) || code & 0xffff_fc1f == 0xd63f_0000 || code & 0xfeff_f800 == 0xd63f_0800
    })
}

/// Decodes the `bl` before `end`. The other forms lead where registers pointed.
pub(super) fn call_target(end: u64, before: &[u8]) -> Option<Target> {
    let code = last_word(before).filter(|code| is_bl(*code))?;
    Some(Target::Direct(branch(end.wrapping_sub(4), code)))
}

/// Finds the `b` instructions. Conditional branches reach no other function in practice.
pub(super) fn jumps(start: u64, code: &[u8]) -> Vec<Jump> {
    (0..)
        .map(|index: u64| start.wrapping_add(4 * index))
        .zip(code.chunks_exact(4))
        .filter_map(|(address, bytes)| {
            let code = last_word(bytes).filter(|code| code & 0xfc00_0000 == 0x1400_0000)?;
            Some(Jump { target: Target::Direct(branch(address, code)), end: address.wrapping_add(4) })
        })
        .collect()
}

/// Finds the slot that a stub of a procedure linkage table jumps through: `bti c` if it has it, `adrp x16, page`, and
/// `ldr x17, [x16, #offset]`.
pub(super) fn stub_slot(address: u64, code: &[u8]) -> Option<u64> {
    let word = |index: usize| last_word(code.get(4 * index..4 * index + 4)?);
    let first = usize::from(word(0)? == BTI_C);
    let (adrp, ldr) = (word(first)?, word(first + 1)?);
    if adrp & 0x9f00_001f != 0x9000_0010 || ldr & 0xffc0_03ff != 0xf940_0211 {
        return None;
    }
    let pages = (adrp >> 5 & 0x7_ffff) << 2 | adrp >> 29 & 3;
    let page = address.wrapping_add(4 * first as u64) & !0xfff;
    let slot = page.wrapping_add_signed(sign_extended(pages, 21) << 12);
    Some(slot.wrapping_add(u64::from(ldr >> 10 & 0xfff) * 8))
}

fn is_bl(code: u32) -> bool {
    code & 0xfc00_0000 == 0x9400_0000
}

/// Where the `b` or `bl` at an address leads.
fn branch(address: u64, code: u32) -> u64 {
    address.wrapping_add_signed(sign_extended(code & 0x3ff_ffff, 26) * 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn calls_are_recognised() {
        // bl, blr x3, blraa x1, x2, blrabz x9
        for call in [0x9400_0010, 0xd63f_0060, 0xd73f_0822, 0xd63f_0d3f] {
            assert!(follows_call(&bytes(&[0xd503_201f, call])), "{call:#x}");
        }
        // nop, b, br x17, ret
        for other in [0xd503_201f, 0x1400_0010, 0xd61f_0220, 0xd65f_03c0] {
            assert!(!follows_call(&bytes(&[0x9400_0010, other])), "{other:#x}");
        }
        assert!(!follows_call(&[]));
    }

    #[test]
    fn branches_lead_forward_and_back() {
        assert_eq!(call_target(0x1004, &bytes(&[0x9400_0010])), Some(Target::Direct(0x1040)));
        assert_eq!(call_target(0x1004, &bytes(&[0x97ff_ffff])), Some(Target::Direct(0xffc)));
        assert_eq!(call_target(0x1004, &bytes(&[0xd63f_0060])), None);
        let jump = Jump { target: Target::Direct(0x1014), end: 0x1008 };
        assert_eq!(jumps(0x1000, &bytes(&[0xd503_201f, 0x1400_0004, 0x5400_0040])), [jump]);
    }

    #[test]
    fn a_stub_says_its_slot() {
        // adrp x16, 0x1f000 (from 0x650); ldr x17, [x16, #4088]; add x16, x16, #0xff8; br x17
        let stub = bytes(&[0xf000_00f0, 0xf947_fe11, 0x913f_e210, 0xd61f_0220]);
        assert_eq!(stub_slot(0x650, &stub), Some(0x1_fff8));
        let with_bti = bytes(&[BTI_C, 0xf000_00f0, 0xf947_fe11, 0x913f_e210]);
        assert_eq!(stub_slot(0x650, &with_bti), Some(0x1_fff8));
        assert_eq!(stub_slot(0x650, &bytes(&[0xd503_201f, 0xd65f_03c0])), None);
    }
}
