//! What remains where nothing is known but the signal.

use epitaph_summary::{Cause, Confidence};

use crate::scene::Scene;

const SIGABRT: i32 = 6;

/// Says what is known by the signal alone.
pub(super) fn find(scene: &Scene<'_>, found: &[Cause]) -> Option<Cause> {
    if !found.is_empty() {
        return None;
    }
    let fault = scene.fault.as_ref()?;
    let own = scene.process.info.as_ref().map(|info| info.pid);
    let sender = fault.signal.sender.map(|(pid, _)| pid);
    if fault.signal.number == SIGABRT && own.is_some() && sender == own {
        return Some(Cause::new("abort_call", Confidence::High, "the program called abort()"));
    }
    Some(Cause::new("unknown_signal", Confidence::Low, "nothing is known of it but the signal"))
}
