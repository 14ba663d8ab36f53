//! Calls of RISC-V: The RISC-V Instruction Set Manual, volume I, "Control Transfer Instructions" and "C" extension.
//! Instructions have 2 or 4 bytes.

use crate::arch::Target;
use crate::arch::branch::{last_word, sign_extended};

/// Recognises `jal ra` and `jalr ra`, and the short `c.jalr`.
pub(super) fn follows_call(before: &[u8]) -> bool {
    let long = last_word(before).is_some_and(|code| code & 0xfff == 0x0ef || code & 0x7fff == 0x00e7);
    let short = before.last_chunk().map(|bytes| u16::from_le_bytes(*bytes));
    long || short.is_some_and(|code| code & 0xf07f == 0x9002 && code & 0x0f80 != 0)
}

/// Decodes the call before `end`: `jal ra`, or `auipc ra` and `jalr ra, ra`.
pub(super) fn call_target(end: u64, before: &[u8]) -> Option<Target> {
    let code = last_word(before)?;
    if code & 0xfff == 0x0ef {
        let offset = (code & 0x8000_0000) >> 11 | code & 0xf_f000 | code >> 9 & 0x800 | code >> 20 & 0x7fe;
        return Some(Target::Direct(end.wrapping_sub(4).wrapping_add_signed(sign_extended(offset, 21))));
    }
    let upper = last_word(before.get(..before.len().checked_sub(4)?)?)?;
    if code & 0xf_ffff != 0x0_80e7 || upper & 0xfff != 0x097 {
        return None;
    }
    Some(Target::Direct(pair(end.wrapping_sub(8), upper, code)))
}

/// Finds the slot that a stub of a procedure linkage table jumps through: `auipc t3` and `ld t3, t3`.
pub(super) fn stub_slot(address: u64, code: &[u8]) -> Option<u64> {
    let (upper, load) = (last_word(code.get(..4)?)?, last_word(code.get(4..8)?)?);
    (upper & 0xfff == 0xe17 && load & 0xf_ffff == 0xe_3e03).then(|| pair(address, upper, load))
}

/// What `auipc` at an address and the 12 bits of the instruction after it add up to.
fn pair(address: u64, upper: u32, lower: u32) -> u64 {
    let upper = i64::from((upper & 0xffff_f000).cast_signed());
    address.wrapping_add_signed(upper + sign_extended(lower >> 20, 12))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn calls_are_recognised() {
        // jal ra, 16; jalr ra, 0(a5); nop and c.jalr a5
        for call in [0x0100_00ef, 0x0007_80e7, 0x9782_0001] {
            assert!(follows_call(&bytes(&[0x13, call])), "{call:#x}");
        }
        // nop, ret, j, jr a5; nop and c.jr a5; nop and c.ebreak
        for other in [0x13, 0x0000_8067, 0x0100_006f, 0x0007_8067, 0x8782_0001, 0x9002_0001] {
            assert!(!follows_call(&bytes(&[0x0100_00ef, other])), "{other:#x}");
        }
    }

    #[test]
    fn calls_lead_near_and_far() {
        assert_eq!(call_target(0x1004, &bytes(&[0x13, 0x0100_00ef])), Some(Target::Direct(0x1010)));
        // jal ra, -4
        assert_eq!(call_target(0x1004, &bytes(&[0x13, 0xffdf_f0ef])), Some(Target::Direct(0xffc)));
        // auipc ra, 0x2; jalr ra, -16(ra)
        assert_eq!(call_target(0x1008, &bytes(&[0x2097, 0xff00_80e7])), Some(Target::Direct(0x2ff0)));
        assert_eq!(call_target(0x1008, &bytes(&[0x13, 0x0007_80e7])), None);
    }

    #[test]
    fn a_stub_says_its_slot() {
        // auipc t3, 0x2; ld t3, -1576(t3); jalr t1, t3; nop
        let stub = bytes(&[0x2e17, 0x9d8e_3e03, 0x000e_0367, 0x13]);
        assert_eq!(stub_slot(0x640, &stub), Some(0x2018));
        assert_eq!(stub_slot(0x640, &bytes(&[0x13, 0x13])), None);
    }
}
