//! Rules on frames: which are the user's own code, and which are machinery of dying or starting.

mod in_app;

use crate::thread::FrameRule;

/// What rules look at: one logical frame.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place<'a> {
    /// The path of the module that it runs in; empty if none.
    pub module: &'a str,
    /// Whether that is the main executable.
    pub main: bool,
    /// The function's name, demangled.
    pub function: Option<&'a str>,
    /// The name as the linker knows it, where it differs.
    pub raw_name: Option<&'a str>,
    /// The source file.
    pub file: Option<&'a str>,
}

/// What rules say of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it is the user's own code.
    pub in_app: bool,
    /// Whether it is machinery.
    pub rule: Option<FrameRule>,
}

/// The rules on frames.
#[derive(Clone, Debug, Default)]
pub struct Rules {}

impl Rules {
    /// Judges a frame.
    pub fn judge(&self, place: &Place<'_>) -> Verdict {
        let in_app =
            !place.module.is_empty() && in_app::in_app(place.module, place.main, place.function, place.file);
        Verdict { in_app, rule: None }
    }
}
