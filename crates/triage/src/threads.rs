//! What a summary says of its threads besides their stacks.

use epitaph_elf::Process;
use epitaph_explain::{Call, ThreadState, Wait, Waits};
use epitaph_summary::Thread;

/// Most deadlocks that are listed.
const MOST_DEADLOCKS: usize = 64;

/// Adds what threads were doing, each to its own.
pub(crate) fn add_waits(threads: &mut [Thread], states: &[ThreadState]) {
    for (thread, state) in threads.iter_mut().zip(states) {
        thread.syscall = state.call.as_ref().map(Call::describe);
        thread.waits_on = state.wait.as_ref().map(Wait::describe);
    }
}

/// Lists the deadlocks by thread ids.
pub(crate) fn deadlocks(process: &Process, waits: &Waits) -> Vec<Vec<u32>> {
    let tid = |index: &usize| process.threads.get(*index).map(|thread| thread.tid);
    let rings = waits.rings.iter().take(MOST_DEADLOCKS);
    rings.map(|ring| ring.threads.iter().filter_map(tid).collect()).collect()
}
