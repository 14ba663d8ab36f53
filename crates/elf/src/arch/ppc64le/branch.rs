//! Calls of Power: Power ISA, book I, chapter 2 ("Branch Facility"). Every instruction has 4 bytes (but for prefixed ones,
//! of which none is a call).

use crate::arch::Target;
use crate::arch::branch::last_word;

/// Recognises `bl`, `bctrl` and `blrl`.
pub(super) fn follows_call(before: &[u8]) -> bool {
    last_word(before).is_some_and(|code| is_bl(code) || code == 0x4e80_0421 || code == 0x4e80_0021)
}

/// Decodes the `bl` before `end`.
pub(super) fn call_target(end: u64, before: &[u8]) -> Option<Target> {
    let code = last_word(before).filter(|code| is_bl(*code))?;
    let offset = i64::from((code & 0x03ff_fffc).cast_signed() << 6 >> 6);
    Some(Target::Direct(end.wrapping_sub(4).wrapping_add_signed(offset)))
}

fn is_bl(code: u32) -> bool {
    code & 0xfc00_0003 == 0x4800_0001
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_recognised() {
        for call in [0x4800_0011_u32, 0x4bff_fffd, 0x4e80_0421, 0x4e80_0021] {
            assert!(follows_call(&call.to_le_bytes()), "{call:#x}");
        }
        // nop, b, blr, bctr
        for other in [0x6000_0000_u32, 0x4800_0010, 0x4e80_0020, 0x4e80_0420] {
            assert!(!follows_call(&other.to_le_bytes()), "{other:#x}");
        }
    }

    #[test]
    fn calls_lead_forward_and_back() {
        let target = |code: u32| call_target(0x1004, &code.to_le_bytes());
        assert_eq!(target(0x4800_0011), Some(Target::Direct(0x1010)));
        assert_eq!(target(0x4bff_fffd), Some(Target::Direct(0xffc)));
        assert_eq!(target(0x4e80_0421), None);
    }
}
