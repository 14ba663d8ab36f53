//! How far apart two stacks are: position dependent, as ReBucket has it (Dang et al., "ReBucket: A Method for Clustering
//! Duplicate Crash Reports Based on Call Stack Similarity", ICSE 2012).

use super::trace::{LONGEST, Trace, UNKNOWN};

/// How fast frames lose weight with their distance from the top.
const FROM_TOP: f32 = 0.3;
/// How fast two equal frames lose weight with the distance between their places.
const APART: f32 = 0.13;

/// The weights, computed once.
#[derive(Debug)]
pub(super) struct Likeness {
    /// Of equal frames at `i` in one stack and at `j` in the other: `exp(-0.3 min(i, j) - 0.13 |i - j|)`.
    pair: [[f32; LONGEST]; LONGEST],
    /// What the first so many frames weigh together, at most.
    first: [f32; LONGEST + 1],
}

impl Likeness {
    pub(super) fn new() -> Likeness {
        let mut pair = [[0.0; LONGEST]; LONGEST];
        for (i, row) in pair.iter_mut().enumerate() {
            for (j, weight) in row.iter_mut().enumerate() {
                *weight = (-FROM_TOP * i.min(j) as f32 - APART * i.abs_diff(j) as f32).exp();
            }
        }
        let mut first = [0.0; LONGEST + 1];
        let mut sum = 0.0;
        for (i, total) in first.iter_mut().enumerate().skip(1) {
            sum += (-FROM_TOP * (i - 1) as f32).exp();
            *total = sum;
        }
        Likeness { pair, first }
    }

    /// What so many frames weigh at most.
    fn weight(&self, frames: usize) -> f32 {
        self.first.get(frames).copied().unwrap_or_default()
    }

    /// How far apart two stacks are: 0 if they are equal, 1 if they have nothing in common. A stack without frames is
    /// far from every other, and a frame without a name is like no other.
    pub(super) fn distance(&self, a: &Trace, b: &Trace) -> f32 {
        let whole = self.weight(a.len().max(b.len()));
        if whole == 0.0 {
            return 1.0;
        }
        // The heaviest common subsequence; one row of the usual table is enough.
        let mut row = [0.0f32; LONGEST];
        for (weights, one) in self.pair.iter().zip(a.symbols()) {
            let (mut above_left, mut left) = (0.0f32, 0.0f32);
            for ((weight, other), cell) in weights.iter().zip(b.symbols()).zip(&mut row) {
                let above = *cell;
                let equal = one == other && *one != UNKNOWN;
                let matched = if equal { above_left + weight } else { above_left };
                left = matched.max(above).max(left);
                *cell = left;
                above_left = above;
            }
        }
        let common = row.iter().copied().fold(0.0, f32::max);
        (1.0 - common / whole).max(0.0)
    }

    /// Tells cheaply that two stacks are farther apart than `threshold`; what it lets pass may still be.
    pub(super) fn surely_beyond(&self, a: &Trace, b: &Trace, threshold: f32) -> bool {
        let whole = self.weight(a.len().max(b.len()));
        // No more frames can be matched than either has, nor than have a counterpart.
        let matched = a.possibly_in(b).min(b.len());
        // The margin is for rounding.
        self.weight(matched) < (1.0 - threshold) * whole - 1e-4
    }

    /// How many frames of the shorter way to the top can be without a counterpart in stacks that are no farther apart
    /// than `threshold`: the first match lies among so many frames of one of them.
    ///
    /// The places of the matches rise in both stacks, so the k-th one (from 0) lies k places or more below the first,
    /// and all together weigh no more than the frames from the first match's place on. That is the most in the longest
    /// stacks.
    pub(super) fn reach(&self, threshold: f32) -> usize {
        let whole = self.weight(LONGEST);
        let lost = |frames: &usize| self.weight(*frames) / whole;
        (0..LONGEST).take_while(|frames| lost(frames) <= threshold + 1e-4).count().max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(symbols: impl IntoIterator<Item = u64>) -> Trace {
        Trace::of_symbols(symbols)
    }

    fn distance(a: &Trace, b: &Trace) -> f32 {
        let likeness = Likeness::new();
        let distance = likeness.distance(a, b);
        assert!((distance - likeness.distance(b, a)).abs() < 1e-6, "it is the same both ways");
        distance
    }

    #[test]
    fn frames_near_the_top_weigh_most() {
        let base = trace(1..=20);
        for (differ, expected) in [(0, 0.0), (1, 0.26), (2, 0.45), (3, 0.60)] {
            let other = trace((1..=20).map(|symbol| if symbol <= differ { symbol + 100 } else { symbol }));
            let found = distance(&base, &other);
            assert!((found - expected).abs() < 0.006, "{differ}: {found}");
        }
    }

    #[test]
    fn an_inserted_frame_and_a_lost_tail_cost_little() {
        let base = trace(1..=20);
        let inserted = distance(&base, &trace(std::iter::once(99).chain(1..=19)));
        assert!((0.115..0.13).contains(&inserted), "{inserted}");
        let cut = distance(&base, &trace(1..=10));
        assert!((0.04..0.06).contains(&cut), "{cut}");
    }

    #[test]
    fn nothing_is_like_nothing() {
        assert!(distance(&trace([]), &trace([])) > 0.999);
        assert!(distance(&trace([]), &trace([1])) > 0.999);
        assert!(distance(&trace([UNKNOWN]), &trace([UNKNOWN])) > 0.999);
        assert!(distance(&trace([1]), &trace([1])) < 0.001);
        assert!(distance(&trace([1]), &trace([2])) > 0.999);
    }

    #[test]
    fn order_counts() {
        assert!(distance(&trace([1, 2, 3]), &trace([3, 2, 1])) > 0.35);
    }

    #[test]
    fn the_first_match_is_within_reach() {
        let likeness = Likeness::new();
        assert_eq!(likeness.reach(0.0), 1);
        assert_eq!(likeness.reach(0.35), 2);
        assert_eq!(likeness.reach(0.5), 3);
    }
}
