//! The steps of an explanation, in the order of their precedence. Each recognizes one family of causes.

mod abort;
mod cxx;
mod fatal_log;
mod glib;
mod glibc;
mod go;
mod hang;
mod musl;
mod plain;
mod rust;
mod rust_kind;
mod sanitizer;
mod sent;
mod stl_assert;

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
