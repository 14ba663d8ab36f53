//! Processes that no fault of their own ended: somebody sent the signal, or nothing ended them at all.

use epitaph_elf::Process;
use epitaph_elf::signals::{
    SI_KERNEL, SI_TIMER, SIGABRT, SIGALRM, SIGPROF, SIGQUIT, SIGSTOP, SIGTTOU, SIGVTALRM,
};
use epitaph_summary::{Cause, Confidence};

use super::hang;
use crate::fault::Fault;
use crate::scene::Scene;

/// How a process came to its end without a fault of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It lived on.
    Alive,
    /// Another process sent the signal that says: die, and tell what you were doing.
    Watchdog(Sender),
    /// Another process sent another signal.
    Killed(Sender),
    /// A key of its terminal.
    Terminal,
    /// A timer of its own.
    Timer,
}

/// Who sent a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    /// The process's parent.
    Parent(u32),
    /// Another process.
    Process(u32),
    /// Somebody whom the process has no number for: in another PID namespace, or the kernel.
    Outside,
}

impl End {
    /// Tells how the process ended; `None` where a fault or the process itself ended it, or where that isn't known.
    pub(super) fn of(scene: &Scene<'_>) -> Option<End> {
        let Some(fault) = &scene.fault else {
            // A core that has lost its threads has lost its signal as well, unless somebody else told it.
            let told = scene.summary.signal.as_ref().and_then(|signal| signal.number).unwrap_or(0);
            return (told == 0 && !scene.process.threads.is_empty()).then_some(End::Alive);
        };
        let number = fault.signal.number;
        // What stops a process doesn't end it: a debugger or the kernel's cgroup freezer wrote down where it was.
        if (SIGSTOP..=SIGTTOU).contains(&number) {
            return Some(End::Alive);
        }
        if let Some(sender) = sender(scene.process, fault) {
            let is_watchdog = [SIGABRT, SIGQUIT].contains(&number);
            return Some(if is_watchdog { End::Watchdog(sender) } else { End::Killed(sender) });
        }
        match fault.signal.code? {
            SI_TIMER => Some(End::Timer),
            SI_KERNEL if [SIGALRM, SIGVTALRM, SIGPROF].contains(&number) => Some(End::Timer),
            SI_KERNEL if number == SIGQUIT => Some(End::Terminal),
            _ => None,
        }
    }

    fn class(self) -> &'static str {
        match self {
            End::Alive => "not_a_crash",
            End::Watchdog(_) => "watchdog",
            End::Killed(_) | End::Terminal => "killed_by_other",
            End::Timer => "timeout",
        }
    }

    /// Says it in few words, as the beginning of a sentence.
    pub(super) fn text(self, signal: &str) -> String {
        match self {
            End::Alive => "no crash".to_owned(),
            End::Watchdog(_) => "killed by the watchdog".to_owned(),
            End::Killed(sender) => format!("killed by {} ({signal})", sender.text()),
            End::Terminal => format!("killed from its terminal ({signal})"),
            End::Timer => format!("killed by a timer of its own ({signal})"),
        }
    }

    /// Says where that is known from.
    pub(super) fn evidence(self, signal: &str) -> String {
        match self {
            End::Alive => "no signal ended the process".to_owned(),
            End::Watchdog(sender) | End::Killed(sender) => format!("{signal} was sent by {}", sender.text()),
            End::Terminal => format!("{signal} came from the kernel, as Ctrl-\\ makes it"),
            End::Timer => format!("{signal} came from a timer"),
        }
    }
}

impl Sender {
    fn text(self) -> String {
        match self {
            Sender::Parent(pid) => format!("its parent, process {pid}"),
            Sender::Process(pid) => format!("process {pid}"),
            Sender::Outside => "somebody outside of its PID namespace".to_owned(),
        }
    }
}

/// Returns who else than the process itself sent a signal.
fn sender(process: &Process, fault: &Fault) -> Option<Sender> {
    let (pid, _) = fault.signal.sender?;
    let info = process.info.as_ref();
    let own =
        info.map_or_else(|| process.threads.iter().any(|thread| thread.tid == pid), |info| info.pid == pid);
    match pid {
        _ if own => None,
        0 => Some(Sender::Outside),
        _ if info.is_some_and(|info| info.ppid == pid) => Some(Sender::Parent(pid)),
        _ => Some(Sender::Process(pid)),
    }
}

/// Returns the signal's name, or its number.
pub(super) fn signal_name(scene: &Scene<'_>) -> String {
    let known = scene.summary.signal.as_ref().and_then(|signal| signal.name.clone());
    known.unwrap_or_else(|| format!("signal {}", scene.fault.as_ref().map_or(0, |fault| fault.signal.number)))
}

/// Recognizes processes that somebody else ended, and those that live on.
pub(super) fn find(scene: &Scene<'_>, found: &[Cause]) -> Option<Cause> {
    let end = End::of(scene)?;
    let signal = signal_name(scene);
    // A core without a signal may have lost it, unless a debugger wrote it.
    let confidence = match end {
        End::Alive if scene.process.producer != Some("gcore") => Confidence::Medium,
        _ => Confidence::High,
    };
    let text = end.text(&signal);
    let told = found.iter().any(|cause| cause.class == hang::DEADLOCK);
    let summary = match (end, hang::doing(scene).filter(|_| !told)) {
        (_, None) => text,
        (End::Alive, Some(doing)) if scene.waits.rings.is_empty() => format!("{text}: {doing}"),
        (End::Alive, Some(doing)) => format!("{text}, but a deadlock: {doing}"),
        (_, Some(doing)) => format!("{text} while {doing}"),
    };
    let mut cause = Cause::new(end.class(), confidence, summary);
    cause.evidence.push(end.evidence(&signal));
    cause.evidence.extend(hang::evidence(scene));
    Some(cause)
}
