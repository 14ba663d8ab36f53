//! Whose code is this: the user's own, or a system library's?

use super::Place;
use super::builtin::Foreign;

/// Tells whether a function is the user's own, by its module's path, its name as it is normalized, and its source file.
pub(super) fn in_app(foreign: &Foreign, place: &Place<'_>, name: Option<&str>) -> bool {
    if (!place.main || is_interpreter(place.module)) && is_foreign_module(foreign, place.module) {
        return false;
    }
    let source = place.file.map(|file| Source::of(foreign, file));
    let own_source = source == Some(Source::Own);
    let is_foreign =
        |name: &str| is_foreign_function(foreign, name) || (!own_source && foreign.c_library.matches(name));
    source != Some(Source::Foreign)
        && !name.is_some_and(is_foreign)
        && !is_go_library(foreign, name, place.file)
}

/// Where CPython keeps those of its own modules that are compiled, wherever it is installed.
const PYTHON_MODULES: &str = "/lib-dynload/";

fn is_foreign_module(foreign: &Foreign, path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    foreign.folders.iter().any(|folder| path.starts_with(folder))
        || foreign.modules.matches(name)
        || path.contains(PYTHON_MODULES)
}

/// Tells whether a program is one that runs the user's own instead of being it: `python3.11`.
fn is_interpreter(path: &str) -> bool {
    let rest = path.rsplit('/').next().and_then(|name| name.strip_prefix("python"));
    rest.is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'))
}

/// Whose a source file is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Own,
    Foreign,
    /// A relative path: the C library that distributions build has those.
    Unknown,
}

impl Source {
    fn of(foreign: &Foreign, file: &str) -> Source {
        if foreign.sources.iter().any(|part| file.contains(part)) {
            Source::Foreign
        } else if file.starts_with('/') {
            Source::Own
        } else {
            Source::Unknown
        }
    }
}

/// Tells whether a function is a runtime's. A Rust method belongs to the crate of its type or of its trait: where only
/// one of them is a standard library's, it is the other's.
fn is_foreign_function(foreign: &Foreign, name: &str) -> bool {
    if foreign.functions.matches(name) {
        return true;
    }
    let Some((implementer, implemented)) = implementation(name) else { return false };
    foreign.functions.matches(implemented)
        && (!implementer.contains("::") || foreign.functions.matches(implementer))
}

/// Takes `<A as B>::f` apart.
fn implementation(name: &str) -> Option<(&str, &str)> {
    let (implementer, rest) = name.strip_prefix('<')?.rsplit_once(" as ")?;
    Some((implementer.trim_start_matches('<'), rest.split('>').next()?))
}

/// Tells whether a function is of Go's standard library, or what Go's linker puts between Go and C. Its folder may
/// be anywhere, or be left out (`-trimpath`).
fn is_go_library(foreign: &Foreign, name: Option<&str>, file: Option<&str>) -> bool {
    let (Some(name), Some(file)) = (name, file) else { return false };
    let package = name.split(['.', '/']).next().unwrap_or_default();
    is_go_source(file) && (foreign.go_packages.matches(package) || name == "crosscall2")
}

/// Tells whether a source file is one that Go compiles.
pub(crate) fn is_go_source(file: &str) -> bool {
    matches!(file.rsplit('.').next(), Some("go" | "s"))
}
