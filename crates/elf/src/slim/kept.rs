//! The addresses that are kept, within a budget.

use std::collections::BTreeMap;
use std::ops::Range;

use super::PAGE;
use super::budget::{KeptBytes, Reason};
use crate::segment::Segment;

/// Disjoint ranges of addresses, in whole pages, of which the core has every byte.
pub(super) struct Kept<'a> {
    /// What the core holds: parts of segments, sorted and disjoint.
    held: &'a [Held],
    /// Start and end.
    ranges: BTreeMap<u64, u64>,
    /// What may still be added before the rest of the budget, which is for others, is touched.
    ceiling: u64,
    bytes: KeptBytes,
}

/// A range of memory that is in the core's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) address: u64,
    pub(super) size: u64,
    /// Where it is in the file.
    pub(super) offset: u64,
}

impl Held {
    /// Returns what a file of `size` bytes has of its segments.
    pub(super) fn of(segments: &[Segment], size: u64) -> Vec<Held> {
        let held = |segment: &Segment| {
            let there = segment.file_size.min(size.saturating_sub(segment.offset));
            (there > 0).then_some(Held { address: segment.address, size: there, offset: segment.offset })
        };
        segments.iter().filter_map(held).collect()
    }

    pub(super) fn range(&self) -> Range<u64> {
        self.address..self.address.saturating_add(self.size)
    }
}

/// Finds the range that an address is in.
pub(super) fn held_at(held: &[Held], address: u64) -> Option<&Held> {
    let index = held.partition_point(|held| held.address <= address).checked_sub(1)?;
    held.get(index).filter(|held| held.range().contains(&address))
}

impl<'a> Kept<'a> {
    pub(super) fn new(held: &'a [Held]) -> Kept<'a> {
        Kept { held, ranges: BTreeMap::new(), ceiling: 0, bytes: KeptBytes::default() }
    }

    /// Allows as many bytes in all.
    pub(super) fn allow(&mut self, ceiling: u64) {
        self.ceiling = ceiling;
    }

    /// Returns how many bytes are kept.
    pub(super) fn total(&self) -> u64 {
        self.bytes.total()
    }

    /// Returns how many bytes may still be added.
    pub(super) fn room(&self) -> u64 {
        self.ceiling.saturating_sub(self.total())
    }

    /// Returns what the core holds.
    pub(super) fn held(&self) -> &'a [Held] {
        self.held
    }

    /// Adds the pages of a range, as far as the core holds them; `false` where there is no room for all of them.
    pub(super) fn add(&mut self, range: Range<u64>, why: Reason) -> bool {
        let pages = range.start & !(PAGE - 1)..range.end.checked_next_multiple_of(PAGE).unwrap_or(u64::MAX);
        let first = self.held.partition_point(|held| held.range().end <= pages.start);
        let held = self.held.get(first..).unwrap_or_default();
        for held in held.iter().take_while(|held| held.address < pages.end) {
            let own = held.range();
            if !self.add_held(own.start.max(pages.start)..own.end.min(pages.end), why) {
                return false;
            }
        }
        true
    }

    /// Adds a range that the core holds wholly.
    fn add_held(&mut self, range: Range<u64>, why: Reason) -> bool {
        let overlapping: Vec<(u64, u64)> = self
            .ranges
            .range(..=range.end)
            .rev()
            .map(|(start, end)| (*start, *end))
            .take_while(|(_, end)| *end >= range.start)
            .collect();
        let known: u64 =
            overlapping.iter().map(|(start, end)| range.end.min(*end) - range.start.max(*start)).sum();
        let new = (range.end - range.start).saturating_sub(known);
        if new > self.room() {
            return false;
        }
        let start = overlapping.iter().map(|(start, _)| *start).fold(range.start, u64::min);
        let end = overlapping.iter().map(|(_, end)| *end).fold(range.end, u64::max);
        for (start, _) in overlapping {
            self.ranges.remove(&start);
        }
        self.ranges.insert(start, end);
        self.bytes.add(why, new);
        true
    }

    /// Tells whether an address is kept.
    pub(super) fn contains(&self, address: u64) -> bool {
        self.ranges.range(..=address).next_back().is_some_and(|(_, end)| address < *end)
    }

    /// Returns what the core holds and is not kept, by address.
    pub(super) fn dropped(&self) -> Vec<Range<u64>> {
        let mut dropped = Vec::new();
        let mut kept = self.ranges.iter().peekable();
        for held in self.held {
            let mut at = held.range();
            while let Some((start, end)) = kept.peek().map(|(start, end)| (**start, **end))
                && start < at.end
            {
                if at.start < start {
                    dropped.push(at.start..start);
                }
                at.start = at.start.max(end);
                if end > at.end {
                    break; // It goes on in what is held next.
                }
                kept.next();
            }
            if at.start < at.end {
                dropped.push(at);
            }
        }
        dropped
    }

    /// Ends the adding: the ranges by address, and how many bytes they are.
    pub(super) fn finish(self) -> (Vec<Range<u64>>, KeptBytes) {
        (self.ranges.into_iter().map(|(start, end)| start..end).collect(), self.bytes)
    }
}
