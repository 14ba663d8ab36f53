//! Calls of 32-bit Arm: Arm Architecture Reference Manual for A-profile, F5 (BL, BLX), in the instruction sets A32 (4 bytes)
//! and T32 (2 or 4 bytes).

/// Recognises `bl` and `blx` of both instruction sets, and `mov lr, pc` before whatever loads the program counter, which
/// is how Arm code called through a register before it had `blx`.
pub(super) fn follows_call(before: &[u8]) -> bool {
    let arm = |bytes: &[u8]| bytes.last_chunk().map(|bytes| u32::from_le_bytes(*bytes));
    let is_arm_call = |code: u32| {
        let unconditional = code >> 28 == 0xf;
        (!unconditional && code & 0x0f00_0000 == 0x0b00_0000)
            || code & 0xfe00_0000 == 0xfa00_0000
            || (!unconditional && code & 0x0fff_fff0 == 0x012f_ff30)
    };
    let earlier = before.len().checked_sub(4).and_then(|len| before.get(..len));
    arm(before).is_some_and(is_arm_call)
        || earlier.and_then(arm) == Some(0xe1a0_e00f)
        || is_thumb_call(before)
}

fn is_thumb_call(before: &[u8]) -> bool {
    let half = |bytes: &[u8]| bytes.last_chunk().map(|bytes| u16::from_le_bytes(*bytes));
    let earlier = before.len().checked_sub(2).and_then(|len| before.get(..len)).and_then(half);
    let Some(last) = half(before) else { return false };
    last & 0xff87 == 0x4780
        || (last & 0xc000 == 0xc000 && earlier.is_some_and(|first| first & 0xf800 == 0xf000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arm_calls_are_recognised() {
        // bl, blne, blx label, blx r3
        for call in [0xeb00_0010_u32, 0x1b00_0010, 0xfa00_0010, 0xe12f_ff33] {
            assert!(follows_call(&call.to_le_bytes()), "{call:#x}");
        }
        // mov lr, pc; bx r3
        let old = [0xe1a0_e00f_u32.to_le_bytes(), 0xe12f_ff13_u32.to_le_bytes()].concat();
        assert!(follows_call(&old));
        // nop, b, bx lr
        for other in [0xe1a0_0000_u32, 0xea00_0010, 0xe12f_ff1e] {
            assert!(!follows_call(&other.to_le_bytes()), "{other:#x}");
        }
    }

    #[test]
    fn thumb_calls_are_recognised() {
        // bl; blx label; nop and blx r3
        for call in [[0xf000_u16, 0xf808], [0xf7ff, 0xe800], [0xbf00, 0x4798]] {
            assert!(follows_call(&call.map(u16::to_le_bytes).concat()), "{call:x?}");
        }
        // nops; b.w; nop and bx lr
        for other in [[0xbf00_u16, 0xbf00], [0xf000, 0xb808], [0xbf00, 0x4770]] {
            assert!(!follows_call(&other.map(u16::to_le_bytes).concat()), "{other:x?}");
        }
    }
}
