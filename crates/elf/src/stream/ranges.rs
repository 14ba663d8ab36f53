//! A set of ranges of a file that is asked about in ascending order.

use std::ops::Range;

/// Ranges that are disjoint and sorted, and how far the questions have come.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    ranges: Vec<Range<u64>>,
    next: usize,
}

impl Ranges {
    /// Takes ranges in any order, which may overlap or be empty.
    pub(super) fn new(mut ranges: Vec<Range<u64>>) -> Ranges {
        ranges.retain(|range| range.start < range.end);
        ranges.sort_unstable_by_key(|range| range.start);
        ranges.dedup_by(|next, kept| {
            let joined = next.start <= kept.end;
            if joined {
                kept.end = kept.end.max(next.end);
            }
            joined
        });
        Ranges { ranges, next: 0 }
    }

    /// Tells whether any byte of `range` is in one of the ranges. Each question is about later bytes than the last.
    pub(super) fn touch(&mut self, range: &Range<u64>) -> bool {
        while self.ranges.get(self.next).is_some_and(|known| known.end <= range.start) {
            self.next += 1;
        }
        self.ranges.get(self.next).is_some_and(|known| known.start < range.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_joined_and_found_in_order() {
        let given = vec![30..40, 0..5, 35..50, 7..7, 50..51, 5..6];
        let mut ranges = Ranges::new(given.clone());
        assert_eq!(ranges.ranges, [0..6, 30..51]);
        for start in (0..60).step_by(3) {
            let asked = start..start + 3;
            let expected =
                given.iter().any(|known| known.start < asked.end.min(known.end) && asked.start < known.end);
            assert_eq!(ranges.touch(&asked), expected, "{asked:?}");
        }
    }
}
