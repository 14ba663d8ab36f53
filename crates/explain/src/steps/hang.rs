//! Hangs: what threads waited for when the process was ended or looked at, and deadlocks.

use epitaph_summary::{Cause, Confidence};

use super::sent::{self, End};
use crate::scene::Scene;
use crate::waits::{Holder, Ring, ThreadState, Wait, WaitKind};

/// The class of deadlocks.
pub(super) const DEADLOCK: &str = "deadlock";
/// Most threads of a deadlock that are listed one by one.
const MOST_LISTED: usize = 8;

/// Recognizes a deadlock in a process that somebody ended.
pub(super) fn deadlock(scene: &Scene<'_>, _: &[Cause]) -> Option<Cause> {
    let end = End::of(scene).filter(|end| *end != End::Alive)?;
    let ring = scene.waits.rings.first()?;
    let signal = sent::signal_name(scene);
    let summary = format!("{} while {}", end.text(&signal), describe(scene, ring));
    let mut cause = Cause::new(DEADLOCK, confidence(scene, ring), summary);
    cause.evidence = ring_evidence(scene, ring);
    cause.evidence.push(end.evidence(&signal));
    Some(cause)
}

/// Recognizes a deadlock beside another cause: the process lives on, or ended itself, perhaps because of it.
pub(super) fn beside(scene: &Scene<'_>, found: &[Cause]) -> Option<Cause> {
    let ring = scene.waits.rings.first()?;
    if found.iter().any(|cause| cause.class == DEADLOCK) {
        return None;
    }
    let confidence = match End::of(scene) {
        Some(End::Alive) => confidence(scene, ring),
        _ => Confidence::Medium,
    };
    let mut cause = Cause::new(DEADLOCK, confidence, format!("deadlock: {}", describe(scene, ring)));
    cause.evidence = ring_evidence(scene, ring);
    Some(cause)
}

/// A wait that ends by itself makes no deadlock for ever.
fn confidence(scene: &Scene<'_>, ring: &Ring) -> Confidence {
    if waits_of(scene, ring).any(|wait| wait.timed) { Confidence::Medium } else { Confidence::High }
}

fn waits_of<'a>(scene: &Scene<'a>, ring: &'a Ring) -> impl Iterator<Item = Wait> {
    let threads = &scene.waits.threads;
    ring.threads.iter().filter_map(|index| threads.get(*index)?.wait)
}

/// Says who waits for whom, in few words.
fn describe(scene: &Scene<'_>, ring: &Ring) -> String {
    let locks = waits_of(scene, ring).all(|wait| wait.kind != WaitKind::Thread);
    match (ring.threads.len(), locks) {
        (1, _) => "a thread waits for a lock that it holds itself".to_owned(),
        (2, true) => "two threads hold each other's locks".to_owned(),
        (2, false) => "two threads wait for each other".to_owned(),
        (count, true) => format!("{count} threads in a ring hold each other's locks"),
        (count, false) => format!("{count} threads in a ring wait for each other"),
    }
}

fn ring_evidence(scene: &Scene<'_>, ring: &Ring) -> Vec<String> {
    let line = |index: &usize| {
        let (tid, wait) = (tid(scene, *index)?, scene.waits.threads.get(*index)?.wait?);
        Some(format!("thread {tid} waits for {}", wait_text(&wait, Some(tid))))
    };
    let mut lines: Vec<String> = ring.threads.iter().take(MOST_LISTED).filter_map(line).collect();
    if let Some(more) = ring.threads.len().checked_sub(MOST_LISTED).filter(|more| *more > 0) {
        lines.push(format!("and so do {more} more, in a ring"));
    }
    if let Some(others) = scene.waits.rings.len().checked_sub(1).filter(|others| *others > 0) {
        lines.push(format!("there are {others} more such rings"));
    }
    lines
}

fn tid(scene: &Scene<'_>, index: usize) -> Option<u32> {
    scene.process.threads.get(index).map(|thread| thread.tid)
}

/// Says what is waited for, and who has it; `own` is the id of the thread that waits.
fn wait_text(wait: &Wait, own: Option<u32>) -> String {
    let (what, holds) = match wait.kind {
        WaitKind::Mutex => ("the mutex", true),
        WaitKind::ReadWriteLock => ("the read-write lock", true),
        WaitKind::Condition => ("the condition variable", false),
        WaitKind::Semaphore => ("the semaphore", false),
        WaitKind::Barrier => ("the barrier", false),
        WaitKind::Once => ("the end of an initialization", false),
        WaitKind::Futex => ("the futex", false),
        WaitKind::Thread => {
            return match wait.holder {
                Some(Holder::Living { tid, .. } | Holder::Gone { tid }) => format!("the end of thread {tid}"),
                None => "the end of a thread".to_owned(),
            };
        }
    };
    let at = format!("{what} at {:#x}", wait.address);
    match wait.holder.filter(|_| holds) {
        Some(Holder::Living { tid, .. }) if Some(tid) == own => format!("{at} that it holds itself"),
        Some(Holder::Living { tid, .. }) => format!("{at} that thread {tid} holds"),
        Some(Holder::Gone { tid }) => format!("{at} of thread {tid}, which is none of the process's threads"),
        None => at,
    }
}

/// Says what the process was doing, as the end of a sentence that goes on with "while": a deadlock, or what many threads
/// wait for, or else what the first one does.
pub(super) fn doing(scene: &Scene<'_>) -> Option<String> {
    if let Some(ring) = scene.waits.rings.first() {
        return Some(describe(scene, ring));
    }
    if let Some(crowd) = scene.waits.largest_crowd().filter(|crowd| crowd.count > 1) {
        let (count, holder) = (crowd.count, tid(scene, crowd.holder)?);
        let what = match crowd.wait.kind {
            WaitKind::Thread => format!("the end of thread {holder}"),
            _ => format!("a lock that thread {holder} holds"),
        };
        return Some(format!(
            "{count} threads wait for {what}, which {}",
            activity(scene, crowd.holder, false)
        ));
    }
    let first = scene.process.threads.first()?;
    let is_main = scene.process.info.as_ref().is_some_and(|info| info.pid == first.tid);
    let who = match (scene.process.threads.len(), is_main) {
        (1, _) => "it".to_owned(),
        (_, true) => "its main thread".to_owned(),
        _ => format!("thread {}", first.tid),
    };
    Some(format!("{who} {}", activity(scene, 0, true)))
}

/// Says what a thread does: it waits, or it runs; where it waits for another one, what that one does, if so much is to be
/// told.
fn activity(scene: &Scene<'_>, index: usize, further: bool) -> String {
    let Some(state) = scene.waits.threads.get(index) else { return "is not known".to_owned() };
    let Some(wait) = &state.wait else { return call_text(state) };
    let what = match (wait.kind, wait.holder) {
        (_, Some(Holder::Living { index: holder, .. })) if holder == index => {
            "a lock that it holds itself".to_owned()
        }
        (WaitKind::Mutex | WaitKind::ReadWriteLock, Some(Holder::Living { tid, .. })) => {
            format!("a lock that thread {tid} holds")
        }
        (WaitKind::Mutex | WaitKind::ReadWriteLock, Some(Holder::Gone { .. })) => {
            "a lock whose holder is none of its threads".to_owned()
        }
        (WaitKind::Mutex | WaitKind::ReadWriteLock, None) => "a lock".to_owned(),
        (WaitKind::Thread, Some(Holder::Living { tid, .. })) => format!("the end of thread {tid}"),
        (WaitKind::Thread, _) => "the end of another".to_owned(),
        (WaitKind::Condition, _) => "a condition".to_owned(),
        (WaitKind::Semaphore, _) => "a semaphore".to_owned(),
        (WaitKind::Barrier, _) => "others at a barrier".to_owned(),
        (WaitKind::Once, _) => "the end of an initialization".to_owned(),
        (WaitKind::Futex, _) => "a futex".to_owned(),
    };
    match wait.holder {
        Some(Holder::Living { index: holder, .. }) if further && wait.sure && holder != index => {
            format!("waits for {what}, which {}", activity(scene, holder, false))
        }
        _ => format!("waits for {what}"),
    }
}

/// Says what a thread does that waits for nothing that is known.
fn call_text(state: &ThreadState) -> String {
    let Some(call) = state.call else { return "runs".to_owned() };
    let name = call.name.map_or_else(|| format!("system call {}", call.number), str::to_owned);
    format!("{} {name}", if call.waited { "waits in" } else { "has just called" })
}

/// What speaks for a hang: what the first thread does, locks that nobody gives up any more, and how many wait.
pub(super) fn evidence(scene: &Scene<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    let says = |index: usize, state: &ThreadState| {
        let own = tid(scene, index)?;
        Some(match &state.wait {
            Some(wait) => format!("thread {own} waits for {}", wait_text(wait, Some(own))),
            None => format!("thread {own} {}", call_text(state)),
        })
    };
    let states = &scene.waits.threads;
    lines.extend(states.first().and_then(|state| says(0, state)));
    let is_orphan =
        |state: &ThreadState| state.wait.is_some_and(|wait| matches!(wait.holder, Some(Holder::Gone { .. })));
    let orphans = states.iter().enumerate().skip(1).filter(|(_, state)| is_orphan(state));
    lines.extend(orphans.take(MOST_LISTED).filter_map(|(index, state)| says(index, state)));
    if states.len() > 1 {
        lines.push(format!("{} of {} threads waited in system calls", scene.waits.waiting(), states.len()));
    }
    lines
}
