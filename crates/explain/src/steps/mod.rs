//! The steps of an explanation, in the order of their precedence. Each recognizes one family of causes.

mod access;
mod allocator;
mod arithmetic;
mod bus;
mod execute;
mod freed;
mod overflow;
mod plain;
mod protection;
mod refused;
mod trap;

use epitaph_summary::Cause;

use crate::scene::Scene;

/// One step: recognizes its causes, given those that the steps before it found.
type Step = fn(&Scene<'_>, &[Cause]) -> Option<Cause>;

/// All steps.
const ALL: &[Step] = &[
    overflow::find,
    execute::find,
    bus::find,
    access::find,
    freed::find,
    protection::find,
    arithmetic::find,
    trap::find,
    refused::find,
    allocator::find,
    plain::find,
];

/// Takes all steps.
pub(crate) fn all(scene: &Scene<'_>) -> Vec<Cause> {
    let mut found = Vec::new();
    for step in ALL {
        found.extend(step(scene, &found));
    }
    found
}

/// Tells whether a step before has told which access to memory failed.
fn told(found: &[Cause]) -> bool {
    found.iter().any(|cause| cause.access.is_some())
}
