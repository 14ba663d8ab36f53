//! Rules on frames: which are the user's own code, and which are machinery of dying or starting.

mod ignore;
mod in_app;
mod pattern;
mod settings;

use crate::model::CrashSummary;
use crate::thread::FrameRule;

pub use ignore::Ignore;
pub use pattern::Pattern;
pub use settings::{Functions, Places, Settings, SettingsError};

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

/// The rules on frames, and on crashes that are meant to happen.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    ignore: Vec<Ignore>,
}

impl Rules {
    /// Adds a user's rules to the built-in ones.
    pub fn with(settings: &Settings) -> Rules {
        Rules { ignore: settings.ignore.clone() }
    }

    /// Returns the first rule by which a crash is meant to happen. The crash must have its signature already.
    pub fn ignores(&self, crash: &CrashSummary) -> Option<&Ignore> {
        self.ignore.iter().find(|ignore| ignore.matches(crash))
    }

    /// Judges a frame.
    pub fn judge(&self, place: &Place<'_>) -> Verdict {
        let in_app =
            !place.module.is_empty() && in_app::in_app(place.module, place.main, place.function, place.file);
        Verdict { in_app, rule: None }
    }
}
