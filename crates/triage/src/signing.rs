//! Signs crashes.

use epitaph_elf::Process;
use epitaph_summary::{
    CrashSummary, SIGNED_INNER_FRAMES, SIGNED_OUTER_FRAMES, Signature, needs_all_threads, sign,
};
use epitaph_unwind::Keep;

use crate::Options;
use crate::stacks::Stacks;

/// Signs a crash. How much of it is to be shown doesn't change that: where less was kept than signatures look at, it is
/// walked once more, by the stacks that `walk_keeping` gives.
pub(crate) fn signed<'a>(
    summary: &CrashSummary,
    process: &Process,
    options: &Options,
    walk_keeping: impl FnOnce(Keep) -> Stacks<'a>,
) -> Option<Signature> {
    let all = needs_all_threads(summary);
    let narrow = options.inner_frames > 0
        && (options.inner_frames < SIGNED_INNER_FRAMES || options.outer_frames < SIGNED_OUTER_FRAMES);
    let mut looked_at = summary.threads.iter().take(if all { usize::MAX } else { 1 });
    let cut = narrow && looked_at.any(|thread| thread.omitted_after.is_some());
    let left_out = all && summary.threads.len() < process.threads.len();
    if !cut && !left_out {
        return sign(summary, &options.rules);
    }
    let mut stacks = walk_keeping(Keep { inner: SIGNED_INNER_FRAMES, outer: SIGNED_OUTER_FRAMES });
    let (first, others) = process.threads.split_at(process.threads.len().min(1));
    let crashed = summary.crashing_thread().is_some();
    let mut threads: Vec<_> = first.iter().map(|thread| stacks.first(process, thread, crashed)).collect();
    if all {
        threads.append(&mut stacks.others(process, others));
    }
    sign(&CrashSummary { threads, ..summary.clone() }, &options.rules)
}
