//! A program that ended itself, and said nothing that was found elsewhere.

use epitaph_summary::{Cause, Confidence};

use crate::scene::Scene;

const SIGABRT: i32 = 6;
/// `si_code` of a signal that a thread sent to one of its own process (`tgkill`).
const SI_TKILL: i32 = -6;

/// Tells whether the process ended itself by `abort`.
pub(super) fn is_own(scene: &Scene<'_>) -> bool {
    let Some(fault) = scene.fault.as_ref().filter(|fault| fault.signal.number == SIGABRT) else {
        return false;
    };
    let own = scene.process.info.as_ref().map(|info| info.pid);
    match (fault.signal.code, fault.signal.sender) {
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
