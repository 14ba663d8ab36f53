//! The states that the interpreter keeps of threads, and whose they are.

use std::cell::Cell;

use epitaph_elf::Thread;

use crate::code::Codes;
use crate::frames::{PythonStack, Walk};
use crate::objects::Objects;

/// Most states of threads that are read, of all interpreters of a process.
const MOST: usize = 1 << 14;
/// Most interpreters.
const MOST_INTERPRETERS: usize = 1 << 10;
/// How far below the thread pointer a thread's record may begin (on x86 it begins there).
const RECORD: u64 = 1 << 12;

/// The interpreter's state of one thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) address: u64,
    /// What `pthread_self` returned: in glibc and musl, the address of the thread's record.
    pthread: u64,
    /// What `gettid` returned.
    tid: Option<u64>,
}

/// Lists the states of all threads of all interpreters.
pub(crate) fn states(objects: &Objects<'_>, runtime: u64) -> Vec<State> {
    let layout = &objects.layout;
    let pointer = |base: u64, offset: u64| objects.word(base, offset).filter(|pointer| *pointer != 0);
    let first = pointer(runtime, layout.interpreters);
    let interpreters = std::iter::successors(first, |at| pointer(*at, layout.next_interpreter));
    let states = interpreters.take(MOST_INTERPRETERS).flat_map(|interpreter| {
        let first = pointer(interpreter, layout.threads);
        std::iter::successors(first, |at| pointer(*at, layout.thread.next)).take(MOST)
    });
    let described = |address: u64| {
        let tid = layout.thread.tid.and_then(|offset| objects.word(address, offset));
        Some(State { address, pthread: objects.word(address, layout.thread.pthread)?, tid })
    };
    let mut states: Vec<State> = states.take(MOST).filter_map(described).collect();
    // A list that leads into itself.
    states.sort_unstable_by_key(|state| state.address);
    states.dedup();
    states
}

/// Reads the frames of a thread, of all interpreters that it runs.
pub(crate) fn stack(
    objects: &Objects<'_>,
    codes: &Codes,
    left: &Cell<usize>,
    states: &[State],
    thread: &Thread,
) -> Option<PythonStack> {
    let near = |state: &&State| {
        thread
            .tls
            .and_then(|tls| tls.checked_sub(state.pthread))
            .is_some_and(|distance| state.pthread != 0 && distance < RECORD)
    };
    let mut of_thread: Vec<&State> = states.iter().filter(near).collect();
    // A process that was forked may have its parent's ids there, so that these count last.
    if of_thread.is_empty() {
        of_thread = states.iter().filter(|state| state.tid == Some(thread.tid.into())).collect();
    }
    let mut stacks = of_thread.into_iter().map(|state| Walk::of(objects, codes, left, state.address));
    let mut stack = stacks.next()?;
    for other in stacks {
        stack.evaluations.extend(other.evaluations);
        stack.broken = stack.broken.or(other.broken);
    }
    if stack.evaluations.iter().all(|evaluation| evaluation.stack.is_some()) {
        stack.evaluations.sort_by_key(|evaluation| evaluation.stack);
    }
    Some(stack)
}
