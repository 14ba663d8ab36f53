//! How much of each stack is kept where there is not room for all of them.

/// Bytes below the stack pointer that a function may use (System V ABI, AMD64, 3.2.2: 128; PowerPC, ELFv2: 512).
pub(crate) const RED_ZONE: u64 = 512;

/// Returns the length to which each need is cut so that together they fit into `room`: the short ones are kept whole,
/// and the long ones share what they leave.
pub(crate) fn fair_limit(mut needs: Vec<u64>, mut room: u64) -> u64 {
    needs.sort_unstable();
    let mut left = needs.len() as u64;
    for need in needs {
        let share = room / left.max(1);
        if need > share {
            return share;
        }
        room -= need;
        left -= 1;
    }
    u64::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_needs_leave_their_share_to_long_ones() {
        assert_eq!(fair_limit(vec![], 0), u64::MAX);
        assert_eq!(fair_limit(vec![1, 2, 3], 6), u64::MAX);
        assert_eq!(fair_limit(vec![10, 1, 1], 8), 6);
        assert_eq!(fair_limit(vec![10, 10, 1], 9), 4);
        assert_eq!(fair_limit(vec![5; 4], 8), 2);
        assert_eq!(fair_limit(vec![u64::MAX, u64::MAX], 7), 3);
    }
}
