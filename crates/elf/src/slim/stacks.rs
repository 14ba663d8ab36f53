//! The threads' stacks: from the stack pointer to the end of its mapping, each as long as the budget allows.
//!
//! Where there is no room for all of them, the crashed thread's comes first, and no other thread gets more than a share
//! that they all can have. Of a stack that is cut the inner end is kept, and a part of the outer end: how the thread
//! began.

use std::ops::Range;

use super::PAGE;
use super::budget::Reason;
use super::kept::{Held, Kept, held_at};
use crate::core_file::CoreFile;
use crate::memory::{Memory, read_vec};
use crate::process::{Process, Thread};
use crate::share::{RED_ZONE, fair_limit};

/// A stack that has overflowed ends this far above its pointer at most: a guard's size, and large frames.
const FARTHEST_END: u64 = 1 << 20;
/// In a mapping of at least this size, a stack is one of many things (a Go program's memory).
const ARENA: u64 = 24 << 20;
/// Bytes of a stack that is one of many things: where it ends isn't known.
const IN_ARENA: u64 = 1 << 20;
/// Bytes of the inner end of a stack that are searched for pointers to another one.
const SEARCHED: usize = 64 << 10;
/// Least that a thread gets: what is less tells nothing.
const LEAST: u64 = 2 * PAGE;
/// Stacks shorter than this have no outer end of their own.
const SHORT: u64 = 8 * PAGE;

/// Keeps the stacks. Returns the inner end of each that was kept, by thread, and how many stacks were cut.
pub(super) fn keep(core: &CoreFile, kept: &mut Kept<'_>) -> (Vec<Vec<Range<u64>>>, u64) {
    let process = core.process();
    let finder = Finder { core, process, held: kept.held() };
    let wanted: Vec<Vec<Range<u64>>> = process.threads.iter().map(|thread| finder.stacks(thread)).collect();
    let size = |stacks: &[Range<u64>]| stacks.iter().map(|stack| stack.end - stack.start).sum::<u64>();
    let mut sizes = wanted.iter().map(|stacks| size(stacks));
    let first = sizes.next().unwrap_or(0).min(kept.room() / 2);
    let others: Vec<u64> = sizes.collect();
    let share = fair_share(&others, kept.room() - first);
    let for_others: u64 = others.iter().map(|size| share.min(*size)).sum();
    let first = kept.room().saturating_sub(for_others).max(first);
    let mut cut = 0;
    let keep = |(index, stacks): (usize, Vec<Range<u64>>)| {
        let mut left = if index == 0 { first } else { share };
        let inner = stacks.into_iter().filter_map(|stack| {
            let size = stack.end - stack.start;
            let (inner, outer) = cut_to(&stack, left);
            left = left.saturating_sub(size);
            let whole = inner.end == stack.end;
            let room = kept.add(inner.clone(), Reason::Stacks) && kept.add(outer, Reason::Stacks);
            cut += u64::from(!whole || !room);
            room.then_some(inner)
        });
        inner.collect()
    };
    (wanted.into_iter().enumerate().map(keep).collect(), cut)
}

/// Returns how much each may have at most, in whole pages, so that all together get no more than `room`; but each at least
/// what tells something.
fn fair_share(sizes: &[u64], room: u64) -> u64 {
    match fair_limit(sizes.to_vec(), room) {
        u64::MAX => u64::MAX,
        share => (share & !(PAGE - 1)).max(LEAST),
    }
}

/// Cuts a stack to as many bytes: its inner and its outer end.
fn cut_to(stack: &Range<u64>, most: u64) -> (Range<u64>, Range<u64>) {
    if stack.end - stack.start <= most {
        return (stack.clone(), stack.end..stack.end);
    }
    let outer = if most < SHORT { 0 } else { (most / 4) & !(PAGE - 1) };
    (stack.start..stack.start.saturating_add(most - outer).min(stack.end), stack.end - outer..stack.end)
}

struct Finder<'a> {
    core: &'a CoreFile,
    process: &'a Process,
    held: &'a [Held],
}

impl Finder<'_> {
    /// Returns the stack that a thread stands on, and the one that it came from, where a signal's handler has a stack of
    /// its own (sigaltstack(2)).
    fn stacks(&self, thread: &Thread) -> Vec<Range<u64>> {
        let Some(sp) = thread.registers.get(self.process.arch.sp) else { return Vec::new() };
        let Some(stack) = self.from(sp) else { return Vec::new() };
        let home = self.home(thread).filter(|home| !home.range().contains(&sp));
        let before = home.and_then(|home| self.from(self.lowest_pointer(&stack, &home.range())?));
        [Some(stack), before].into_iter().flatten().collect()
    }

    /// Returns a stack from its pointer on. That of one that has overflowed may be below it.
    fn from(&self, sp: u64) -> Option<Range<u64>> {
        let next = self.held.partition_point(|held| held.range().end <= sp);
        let held = self.held.get(next).filter(|held| held.address <= sp.saturating_add(FARTHEST_END))?;
        let start = sp.saturating_sub(RED_ZONE).max(held.address) & !(PAGE - 1);
        let end = held.range().end;
        let most = if held.size >= ARENA { IN_ARENA } else { u64::MAX };
        Some(start..end.min(start.saturating_add(most)))
    }

    /// Returns the mapping of the stack that a thread began on: the kernel put the main thread's program's name on it,
    /// the threads library its own record of any other thread.
    fn home(&self, thread: &Thread) -> Option<&Held> {
        let main = self.process.info.as_ref().is_some_and(|info| info.pid == thread.tid);
        let mark = if main { self.process.auxv.executable_name() } else { thread.tls };
        held_at(self.held, mark?)
    }

    /// Returns the lowest address in `home` that a stack's inner end has.
    fn lowest_pointer(&self, stack: &Range<u64>, home: &Range<u64>) -> Option<u64> {
        let arch = self.process.arch;
        let len = usize::try_from(stack.end - stack.start).unwrap_or(SEARCHED).min(SEARCHED);
        let bytes = read_vec(self.core as &dyn Memory, stack.start, len).ok()?;
        let word = usize::from(arch.bits() / 8);
        let words = (0..bytes.len()).step_by(word).filter_map(|offset| arch.word_in(&bytes, offset));
        words.filter(|word| home.contains(word)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_fair_and_fit() {
        assert_eq!(fair_share(&[0x1000, 0x8000, 0x2000], 1 << 20), u64::MAX);
        assert_eq!(fair_share(&[0x10_0000, 0x2000, 0x10_0000], 0x2_2000), 0x1_0000);
        assert_eq!(fair_share(&[0x4000; 1000], 0), LEAST);
        assert_eq!(fair_share(&[], 0), u64::MAX);
    }

    #[test]
    fn a_cut_stack_has_both_ends() {
        assert_eq!(cut_to(&(0x1000..0x9000), 0x8000), (0x1000..0x9000, 0x9000..0x9000));
        assert_eq!(cut_to(&(0x10_0000..0x20_0000), 0x1_0000), (0x10_0000..0x10_c000, 0x1f_c000..0x20_0000));
        assert_eq!(cut_to(&(0x10_0000..0x20_0000), LEAST), (0x10_0000..0x10_2000, 0x20_0000..0x20_0000));
    }
}
