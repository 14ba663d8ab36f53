//! What is kept of a core: every rule in its turn, within the budget.

use std::ops::Range;

use super::SlimOptions;
use super::budget::{KeptBytes, Reason};
use super::data::Regions;
use super::kept::{Held, Kept};
use super::pointed::Pointers;
use super::{goroutines, linked, stacks};
use crate::core_file::CoreFile;
use crate::process::Thread;

/// Bytes on each side of the thread pointer: the threads library's record of a thread (glibc's `struct pthread` has
/// about 2,300 and is on the one or the other side, by architecture), and its first thread-local variables.
const RECORD: u64 = 2560;
/// The part of the budget that each rule leaves to those after it.
const RESERVE: u64 = 16;
/// The part of the budget that goroutines may take, and small mappings, and what is pointed to.
const PART: u64 = 8;

/// What is kept.
pub(super) struct Plan {
    /// What the core's file holds, by address.
    pub(super) held: Vec<Held>,
    /// The addresses that are kept, all of them held.
    pub(super) ranges: Vec<Range<u64>>,
    pub(super) kept_bytes: KeptBytes,
    pub(super) cut_stacks: u64,
    pub(super) over_budget: bool,
}

/// Decides what is kept.
pub(super) fn plan(core: &CoreFile, options: &SlimOptions) -> Plan {
    let held = Held::of(core.parts(), core.size(), &**core.source());
    let mut kept = Kept::new(&held);
    let (budget, reserve) = (options.budget, options.budget / RESERVE);
    let threads = &core.process().threads;

    kept.allow(budget.saturating_sub(3 * reserve));
    let (modules, mut room) = linked::keep(core, &mut kept);
    let (stacks, cut_stacks) = stacks::keep(core, &mut kept);
    for record in threads.iter().filter_map(record) {
        room &= kept.add(record, Reason::Threads);
    }
    kept.allow(budget.saturating_sub(2 * reserve));
    for range in &options.also {
        room &= kept.add(range.clone(), Reason::Cause);
    }
    let regions = Regions::new(core.process(), &modules, core.segments());
    room &= regions.keep_data(&mut kept);
    kept.allow((kept.total() + budget / PART).min(budget.saturating_sub(2 * reserve)));
    goroutines::keep(core, &modules, &mut kept);

    kept.allow((kept.total() + budget / PART).min(budget.saturating_sub(reserve)));
    regions.keep_small(&stacks, &mut kept);
    keep_pointed(core, &stacks, (kept.total() + budget / PART).min(budget), &mut kept);

    let (ranges, kept_bytes) = kept.finish();
    Plan { ranges, kept_bytes, cut_stacks, over_budget: !room || cut_stacks > 0, held }
}

/// Keeps what the threads point to, up to so many bytes in all: half of them are for the crashed thread, and the others
/// get equal shares.
fn keep_pointed(core: &CoreFile, stacks: &[Vec<Range<u64>>], ceiling: u64, kept: &mut Kept<'_>) {
    let pointers = Pointers::new(core, kept);
    let mut left = core.process().threads.len() as u64;
    let mut share = ceiling.saturating_sub(kept.total()) / 2;
    for (thread, stacks) in core.process().threads.iter().zip(stacks) {
        kept.allow(kept.total() + share);
        pointers.keep(thread, stacks, record(thread), kept);
        left -= 1;
        share = ceiling.saturating_sub(kept.total()) / left.max(1);
    }
}

/// Returns where the threads library's record of a thread is.
fn record(thread: &Thread) -> Option<Range<u64>> {
    let tls = thread.tls.filter(|tls| *tls != 0)?;
    Some(tls.saturating_sub(RECORD)..tls.saturating_add(RECORD))
}
