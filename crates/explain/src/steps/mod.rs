//! The steps of an explanation, in the order of their precedence. Each recognizes one family of causes.

mod abort;
mod access;
mod allocator;
mod arithmetic;
mod bus;
mod cxx;
mod execute;
mod fatal_log;
mod freed;
mod glib;
mod glibc;
mod go;
mod hang;
mod musl;
mod overflow;
mod plain;
mod protection;
mod refused;
mod rust;
mod rust_kind;
mod sanitizer;
mod sent;
mod stl_assert;
mod trap;

use epitaph_summary::Cause;

use crate::scene::Scene;

/// One step: recognizes its causes, given those that the steps before it found.
type Step = fn(&Scene<'_>, &[Cause]) -> Option<Cause>;

/// All steps.
const ALL: &[Step] = &[
    hang::deadlock,
    sent::find,
    sanitizer::find,
    rust::find,
    cxx::find,
    stl_assert::find,
    glib::find,
    musl::find,
    glibc::find,
    go::find,
    overflow::find,
    execute::find,
    bus::find,
    freed::find_small,
    access::find,
    freed::find,
    protection::find,
    arithmetic::find,
    trap::find,
    refused::find,
    allocator::find,
    fatal_log::find,
    abort::find,
    abort::find_remnant,
    plain::find,
    hang::beside,
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
