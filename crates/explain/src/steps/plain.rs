//! What remains where nothing is known but the signal.

use epitaph_summary::{Cause, Confidence};

use crate::scene::Scene;

/// Says that nothing is known.
pub(super) fn find(scene: &Scene<'_>, found: &[Cause]) -> Option<Cause> {
    (found.is_empty() && scene.fault.is_some())
        .then(|| Cause::new("unknown_signal", Confidence::Low, "nothing is known of it but the signal"))
}
