//! Which stacks can be alike at all: those that share a frame near the top of one of them.

use std::collections::HashMap;

use super::likeness::Likeness;
use super::trace::{Trace, UNKNOWN};

/// Where each frame occurs in many stacks.
#[derive(Debug)]
pub(super) struct Neighbours {
    reach: usize,
    places: HashMap<u64, Places>,
}

/// The stacks with one frame, by number, rising.
#[derive(Debug, Default)]
struct Places {
    /// Where it is within reach of the top.
    top: Vec<u32>,
    /// Wherever it is.
    any: Vec<u32>,
}

impl Neighbours {
    /// Indexes stacks, for distances up to `threshold`.
    pub(super) fn new(traces: &[&Trace], likeness: &Likeness, threshold: f32) -> Neighbours {
        let reach = likeness.reach(threshold);
        let mut places: HashMap<u64, Places> = HashMap::new();
        for (number, trace) in (0u32..).zip(traces) {
            for (depth, symbol) in
                trace.symbols().iter().enumerate().filter(|(_, symbol)| **symbol != UNKNOWN)
            {
                let place = places.entry(*symbol).or_default();
                if place.any.last() != Some(&number) {
                    place.any.push(number);
                }
                if depth < reach && place.top.last() != Some(&number) {
                    place.top.push(number);
                }
            }
        }
        Neighbours { reach, places }
    }

    /// Returns the numbers below `below` of all stacks that may be no farther from `trace` than the threshold, rising.
    pub(super) fn of(&self, trace: &Trace, below: u32) -> Vec<u32> {
        let mut found = Vec::new();
        for numbers in self.lists(trace) {
            let end = numbers.partition_point(|number| *number < below);
            found.extend_from_slice(numbers.get(..end).unwrap_or_default());
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Returns how many [`of`](Self::of) would return, at most: quickly.
    pub(super) fn at_most(&self, trace: &Trace, below: u32) -> u64 {
        let counts =
            self.lists(trace).map(|numbers| numbers.partition_point(|number| *number < below) as u64);
        counts.sum::<u64>().min(u64::from(below))
    }

    /// A stack's frames near its top may be anywhere in the others, and all of its frames near their tops.
    fn lists(&self, trace: &Trace) -> impl Iterator<Item = &Vec<u32>> {
        trace.symbols().iter().enumerate().filter_map(|(depth, symbol)| {
            let places = self.places.get(symbol)?;
            Some(if depth < self.reach { &places.any } else { &places.top })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Random, families};
    use super::*;

    /// Whatever is near enough by comparing all with all is among the neighbours.
    #[test]
    fn no_pair_is_missed() {
        let likeness = Likeness::new();
        let mut random = Random(7);
        for threshold in [0.1, 0.35, 0.5, 0.7] {
            let traces = families(&mut random, 120);
            let traces: Vec<&Trace> = traces.iter().collect();
            let neighbours = Neighbours::new(&traces, &likeness, threshold);
            let mut near = 0;
            for (number, trace) in (0u32..).zip(&traces) {
                let found = neighbours.of(trace, number);
                assert!(found.len() as u64 <= neighbours.at_most(trace, number));
                for (other_number, other) in (0..number).zip(&traces) {
                    if likeness.distance(trace, other) <= threshold {
                        near += 1;
                        assert!(found.contains(&other_number), "{trace:?} {other:?}");
                        assert!(!likeness.surely_beyond(trace, other, threshold), "{trace:?} {other:?}");
                    }
                }
            }
            assert!(near > 20, "{near}: there was something to miss");
        }
    }
}
