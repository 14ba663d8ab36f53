//! Pages that registers and stacks point to: debuggers print what arguments point to, and stacks lead to other stacks.

use std::ops::Range;

use super::PAGE;
use super::budget::Reason;
use super::kept::{Kept, held_at};
use crate::core_file::CoreFile;
use crate::memory::{Memory, read_vec};
use crate::process::Thread;

/// Bytes from a pointer on that are wanted, though they may be in another page.
const WANTED: u64 = 256;
/// Bytes of a stack's inner end whose pointers are followed.
const FOLLOWED: u64 = 256 << 10;
/// Bytes of the crashed thread's stack whose pointers are followed to pointers.
const FOLLOWED_TWICE: u64 = 4 << 10;
/// Bytes of what is pointed to in which pointers are followed once more.
const OBJECT: usize = 128;

/// Follows the pointers of one core.
pub(super) struct Pointers<'a> {
    core: &'a CoreFile,
    /// What is held and was not kept when this began, by address.
    dropped: Vec<Range<u64>>,
}

impl<'a> Pointers<'a> {
    pub(super) fn new(core: &'a CoreFile, kept: &Kept<'_>) -> Pointers<'a> {
        Pointers { core, dropped: kept.dropped() }
    }

    /// Keeps what a thread's registers, the inner ends of its stacks and its threads library's record (`record`) point
    /// to, the innermost first, until there is no room.
    pub(super) fn keep(
        &self,
        thread: &Thread,
        stacks: &[Range<u64>],
        record: Option<Range<u64>>,
        kept: &mut Kept<'_>,
    ) {
        if self.dropped.is_empty() {
            return;
        }
        let arch = self.core.process().arch;
        let mut registers =
            arch.register_names.iter().filter_map(|(number, _)| thread.registers.get(*number));
        if !registers.all(|value| self.follow(value, true, kept))
            || !record.is_none_or(|record| self.follow_all(record, 0, kept))
        {
            return;
        }
        for stack in stacks {
            let end = stack.end.min(stack.start.saturating_add(FOLLOWED));
            if !self.follow_all(stack.start..end, stack.start.saturating_add(FOLLOWED_TWICE), kept) {
                return;
            }
        }
    }

    /// Follows every word of a range; those below `twice` to pointers where they lead.
    fn follow_all(&self, range: Range<u64>, twice: u64, kept: &mut Kept<'_>) -> bool {
        let mut page = range.start;
        while page < range.end {
            let next = (page & !(PAGE - 1)).saturating_add(PAGE).min(range.end);
            for word in self.words(page, (next - page) as usize) {
                if !self.follow(word, page < twice, kept) {
                    return false;
                }
            }
            page = next;
        }
        true
    }

    /// Keeps what is at an address, if it wasn't kept; `false` where there is no room.
    fn follow(&self, address: u64, further: bool, kept: &mut Kept<'_>) -> bool {
        if self.is_dropped(address) && !kept.contains(address) {
            let end = address.saturating_add(WANTED);
            if !kept.add(address..end, Reason::Pointed) {
                return false;
            }
        }
        if further && held_at(kept.held(), address).is_some() {
            return self.words(address, OBJECT).into_iter().all(|word| self.follow(word, false, kept));
        }
        true
    }

    fn is_dropped(&self, address: u64) -> bool {
        let after = self.dropped.partition_point(|dropped| dropped.start <= address);
        let range = after.checked_sub(1).and_then(|index| self.dropped.get(index));
        range.is_some_and(|range| range.contains(&address))
    }

    /// Reads the words of a range; none where it isn't there as a whole.
    fn words(&self, address: u64, len: usize) -> Vec<u64> {
        let arch = self.core.process().arch;
        let word = usize::from(arch.bits() / 8);
        let aligned = address & !(word as u64 - 1);
        let bytes = read_vec(self.core as &dyn Memory, aligned, len).unwrap_or_default();
        (0..bytes.len()).step_by(word).filter_map(|offset| arch.word_in(&bytes, offset)).collect()
    }
}
