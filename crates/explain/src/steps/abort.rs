//! A program that ended itself, and said nothing that was found elsewhere.

use epitaph_elf::SignalInfo;
use epitaph_summary::{Cause, Confidence};

use crate::scene::Scene;

const SIGABRT: i32 = 6;
/// `si_code` of a signal that a thread sent to one of its own process (`tgkill`).
const SI_TKILL: i32 = -6;

/// Tells whether the fault is that the program called `abort`.
pub(super) fn is_own(scene: &Scene<'_>) -> bool {
    scene.fault.as_ref().is_some_and(|fault| is_abort(scene, &fault.signal))
}

/// Tells whether the process ended itself by `abort`, whatever fault it had before.
pub(super) fn ended(scene: &Scene<'_>) -> bool {
    scene.process.signal.as_ref().is_some_and(|signal| is_abort(scene, signal))
}

fn is_abort(scene: &Scene<'_>, signal: &SignalInfo) -> bool {
    let own = scene.process.info.as_ref().map(|info| info.pid);
    signal.number == SIGABRT
        && match (signal.code, signal.sender) {
            (None | Some(SI_TKILL), _) => true,
            (_, Some((sender, _))) => Some(sender) == own,
            _ => false,
        }
}

/// Recognizes what no step before it did.
pub(super) fn find(scene: &Scene<'_>, found: &[Cause]) -> Option<Cause> {
    (found.is_empty() && is_own(scene))
        .then(|| Cause::new("abort_call", Confidence::High, "the program called abort()"))
}
