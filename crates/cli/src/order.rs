//! In which order cores are read, told and kept.

use std::cmp::Reverse;
use std::path::Path;
use std::time::SystemTime;

use epitaph_capture::Candidate;

/// Sorts cores, where there may be room for so many more crashes: the job's own first, then those from elsewhere, which
/// others may have left; the oldest first. Where they are more than there is room for, the newest ones of the job's own,
/// then the newest others go before all the rest.
pub(crate) fn sort(candidates: &mut [Candidate], room: Option<usize>, is_own: impl Fn(&Path) -> bool) {
    sort_by(candidates, room, |core| (is_own(&core.path), core.modified));
}

fn sort_by<T>(cores: &mut [T], room: Option<usize>, key: impl Fn(&T) -> (bool, SystemTime)) {
    let room = room.unwrap_or(usize::MAX).min(cores.len());
    if room < cores.len() {
        cores.sort_by_key(|core| Reverse(key(core)));
    }
    // What is beyond is told, if at all, in the order in which it may still be kept: of the others, some may be the same.
    let first = if room == 0 { cores } else { cores.split_at_mut(room).0 };
    first.sort_by_key(|core| {
        let (is_own, modified) = key(core);
        (Reverse(is_own), modified)
    });
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// The cores in their order: whether each is the job's own, and when it was written.
    fn sorted(cores: &[(bool, u64)], room: Option<usize>) -> Vec<(bool, u64)> {
        let mut cores = cores.to_vec();
        sort_by(&mut cores, room, |(own, second)| {
            (*own, SystemTime::UNIX_EPOCH + Duration::from_secs(*second))
        });
        cores
    }

    #[test]
    fn own_cores_come_first_and_the_oldest_of_them() {
        let all = [(false, 1), (true, 3), (false, 2), (true, 4)];
        let expected = [(true, 3), (true, 4), (false, 1), (false, 2)];
        for room in [None, Some(4), Some(9), Some(0)] {
            assert_eq!(sorted(&all, room), expected, "{room:?}");
        }
        assert_eq!(sorted(&[], Some(3)), []);
    }

    #[test]
    fn where_there_is_no_room_for_all_the_newest_own_ones_go_before_others() {
        let all = [(false, 1), (true, 2), (true, 3), (false, 9), (true, 4)];
        assert_eq!(sorted(&all, Some(2)), [(true, 3), (true, 4), (true, 2), (false, 9), (false, 1)]);
        assert_eq!(sorted(&all, Some(4)), [(true, 2), (true, 3), (true, 4), (false, 9), (false, 1)]);
    }
}
