//! Stack overflows: the thread's stack pointer has left its stack, by a recursion that doesn't end or by a frame that is too
//! large.

use epitaph_elf::Segment;
use epitaph_elf::signals::{SIGBUS, SIGSEGV};
use epitaph_summary::{Cause, Confidence, Frame, Repeat, Thread};

use super::told;
use crate::failure::Basis;
use crate::scene::Scene;
use crate::words;

const PAGE: u64 = 4096;
/// Farthest below a stack that a frame may reach which doesn't fit on it: no stack is larger.
const LARGEST_FRAME: u64 = 1 << 32;
/// A frame of this size is worth a word.
const LARGE_FRAME: u64 = 64 << 10;
/// From so many machine frames on a recursion is why a stack is full.
const DEEP: u64 = 50;

/// Recognizes a stack overflow.
pub(super) fn find(scene: &Scene<'_>, found: &[Cause]) -> Option<Cause> {
    let failure = scene.failure.as_ref().filter(|_| !told(found))?;
    let (signal, _) = scene.signal()?;
    if ![SIGSEGV, SIGBUS].contains(&signal) || failure.is_execution() {
        return None;
    }
    let (address, sp) = (failure.start()?, failure.sp?);
    let (stack, guarded) = left_stack(scene, address, sp)?;
    let recursion = scene.thread().and_then(|thread| deepest(scene, thread));
    let frame = scene.frames().iter().find_map(|frame| frame.cfa).and_then(|cfa| cfa.0.checked_sub(sp));
    let summary = match (recursion, frame) {
        (Some(recursion), _) => format!("stack overflow: {}", recursion.words()),
        (None, Some(frame)) if frame >= LARGE_FRAME => {
            format!("stack overflow: one frame takes {}", words::bytes(frame))
        }
        _ => format!("stack overflow: all {} of the stack are used", words::bytes(stack.memory_size)),
    };
    let by_sp = failure.operand.as_ref().is_some_and(|operand| operand.on_stack);
    let confidence =
        if recursion.is_some() || by_sp || (guarded && frame.is_some_and(|frame| frame >= LARGE_FRAME)) {
            Confidence::High
        } else {
            Confidence::Medium
        };
    let mut cause = failure.cause("stack_overflow", confidence, summary);
    if recursion.is_some()
        && cause.confidence == Some(Confidence::Medium)
        && failure.basis == Basis::AddressAlone
    {
        // Where nobody could decode the instruction, the address, the stack pointer and the recursion still agree.
        cause.confidence = Some(Confidence::High);
    }
    let below = if guarded { "the guard below it" } else { "unmapped memory below it" };
    cause.evidence.push(format!(
        "the stack begins at {:#x} ({} long); {address:#x} is in {below}, and the stack pointer is {sp:#x}",
        stack.address,
        words::bytes(stack.memory_size)
    ));
    Some(cause)
}

/// Finds the stack that an access below it belongs to, and whether there is a guard between them: the access is just where
/// the stack pointer is, or in the frame that it has made.
fn left_stack<'a>(scene: &Scene<'a>, address: u64, sp: u64) -> Option<(&'a Segment, bool)> {
    let space = &scene.space;
    if sp.saturating_sub(PAGE) > address {
        return None;
    }
    let at = space.at(address);
    let guarded = match at {
        Some(guard) if !(guard.read || guard.write || guard.execute) => true,
        Some(_) => return None,
        None => false,
    };
    let stack = space.segment(space.after(address)?)?;
    // A thread's guard touches its stack; the main thread's may be a gap.
    let gap = stack.address - address;
    let touches = at.is_some_and(|guard| guard.end() == stack.address);
    let is_stack = stack.write && space.file(stack.address).is_none();
    let has_frames = scene.frames().iter().filter_map(|frame| frame.cfa).any(|cfa| stack.contains(cfa.0));
    let is_main = space.main_stack() == Some(stack);
    let near = touches || (!guarded && gap <= LARGEST_FRAME && (is_main || gap <= PAGE));
    let has_sp = stack.contains(sp) || at.is_some_and(|guard| guard.contains(sp));
    (is_stack && near && (has_frames || has_sp || is_main)).then_some((stack, guarded))
}

/// A recursion: functions that call each other.
#[derive(Clone, Copy)]
struct Recursion<'a> {
    cycle: &'a [Frame],
    count: u32,
}

/// Returns the recursion that takes most of the stack, if it is deep.
fn deepest<'a>(scene: &Scene<'_>, thread: &'a Thread) -> Option<Recursion<'a>> {
    let from = scene.fault.as_ref().map_or(0, |fault| fault.frame);
    let frames = |repeat: &Repeat| u64::from(repeat.count) * u64::from(repeat.period);
    let deepest = thread
        .repeats
        .iter()
        .filter(|repeat| repeat.first as usize >= from && frames(repeat) >= DEEP)
        .max_by_key(|repeat| frames(repeat))?;
    let first = deepest.first as usize;
    let cycle = thread.frames.get(first..first.checked_add(deepest.period as usize)?)?;
    Some(Recursion { cycle, count: deepest.count })
}

impl Recursion<'_> {
    /// Tells of it: `visit` recurses 87,000 times.
    fn words(self) -> String {
        /// Most functions that are named.
        const MOST: usize = 3;
        let mut names: Vec<&str> = Vec::new();
        for name in
            self.cycle.iter().filter(|frame| !frame.inlined).filter_map(|frame| frame.function.as_deref())
        {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let count = words::grouped(self.count.into());
        let named = |name: &&str| format!("`{}`", shortened(name));
        match &names[..] {
            [] => format!("a function without a name recurses {count} times"),
            [name] => format!("{} recurses {count} times", named(name)),
            [others @ .., last] if names.len() <= MOST => {
                let others: Vec<String> = others.iter().map(named).collect();
                format!("{} and {} call each other {count} times", others.join(", "), named(last))
            }
            [first, ..] => {
                format!(
                    "{} and {} other functions call each other {count} times",
                    named(first),
                    names.len() - 1
                )
            }
        }
    }
}

/// Cuts a name to what a sentence has room for.
fn shortened(name: &str) -> String {
    const LONGEST: usize = 40;
    match name.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", name.get(..end).unwrap_or_default()),
        None => name.to_owned(),
    }
}
