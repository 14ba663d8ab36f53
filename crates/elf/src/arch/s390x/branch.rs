//! Calls of s390x: z/Architecture Principles of Operation, BRANCH RELATIVE AND SAVE (LONG), BRANCH AND SAVE. Instructions
//! have 2, 4 or 6 bytes.

use crate::arch::Target;

/// Recognises `brasl %r14`, `bras %r14` and `basr %r14`.
pub(super) fn follows_call(before: &[u8]) -> bool {
    matches!(before, [.., 0xc0, 0xe5, _, _, _, _] | [.., 0xa7, 0xe5, _, _])
        || matches!(before, [.., 0x0d, registers] if registers & 0xf0 == 0xe0)
}

/// Decodes the `brasl` or `bras` before `end`: they count in half-words from their own address on.
pub(super) fn call_target(end: u64, before: &[u8]) -> Option<Target> {
    Some(Target::Direct(match *before {
        [.., 0xc0, 0xe5, a, b, c, d] => relative(end.wrapping_sub(6), i32::from_be_bytes([a, b, c, d])),
        [.., 0xa7, 0xe5, a, b] => relative(end.wrapping_sub(4), i16::from_be_bytes([a, b]).into()),
        _ => return None,
    }))
}

/// Finds the slot that a stub of a procedure linkage table jumps through: `larl %r1` and `lg %r1,0(%r1)`.
pub(super) fn stub_slot(address: u64, code: &[u8]) -> Option<u64> {
    match *code {
        [0xc0, 0x10, a, b, c, d, 0xe3, 0x10, 0x10, 0x00, 0x00, 0x04, ..] => {
            Some(relative(address, i32::from_be_bytes([a, b, c, d])))
        }
        _ => None,
    }
}

fn relative(from: u64, halfwords: i32) -> u64 {
    from.wrapping_add_signed(2 * i64::from(halfwords))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_recognised() {
        let calls: [&[u8]; 3] = [&[0xc0, 0xe5, 0, 0, 0, 8], &[0xa7, 0xe5, 0, 8], &[0x0d, 0xe1]];
        for call in calls {
            assert!(follows_call(&[&[0x07, 0x07], call].concat()), "{call:x?}");
        }
        // brcl, br %r14, basr %r1,%r2
        let others: [&[u8]; 4] = [&[0xc0, 0xf4, 0, 0, 0, 8], &[0x07, 0xfe], &[0x0d, 0x12], &[]];
        for other in others {
            assert!(!follows_call(other), "{other:x?}");
        }
    }

    #[test]
    fn calls_count_in_half_words() {
        assert_eq!(call_target(0x1006, &[7, 7, 0xc0, 0xe5, 0, 0, 0, 8]), Some(Target::Direct(0x1010)));
        assert_eq!(call_target(0x1004, &[0xa7, 0xe5, 0xff, 0xff]), Some(Target::Direct(0xffe)));
        assert_eq!(call_target(0x1002, &[0x0d, 0xe1]), None);
    }

    #[test]
    fn a_stub_says_its_slot() {
        let stub = [0xc0, 0x10, 0, 0, 0x0c, 0xe8, 0xe3, 0x10, 0x10, 0, 0, 0x04, 0x07, 0xf1];
        assert_eq!(stub_slot(0x640, &stub), Some(0x2010));
        assert_eq!(stub_slot(0x640, &[0x07, 0xfe]), None);
    }
}
