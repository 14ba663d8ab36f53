//! Rules on frames: which are the user's own code, and which are machinery of dying or starting; and on crashes that are
//! meant to happen.

mod builtin;
mod ignore;
mod in_app;
mod pattern;
mod python;
mod settings;
mod table;

use crate::digest::digest;
use crate::model::CrashSummary;
use crate::names::normalize;
use crate::thread::{FrameRule, Language};

pub use ignore::Ignore;
pub(crate) use in_app::is_go_source;
pub use pattern::Pattern;
pub use settings::{Functions, Places, Settings, SettingsError};

use builtin::BUILTIN;

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
    /// The source file: the one that declares the function, where that is known.
    pub file: Option<&'a str>,
    /// The language, where an interpreter runs it.
    pub language: Option<Language>,
}

/// What rules say of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it is the user's own code.
    pub in_app: bool,
    /// Whether it is machinery.
    pub rule: Option<FrameRule>,
}

/// The built-in rules and a user's own.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    user: Settings,
    /// Of the user's rules on frames.
    hash: Option<String>,
}

impl Rules {
    /// Adds a user's rules to the built-in ones.
    pub fn with(settings: Settings) -> Rules {
        let hash = settings.frame_rules().map(|text| digest([text.as_str()], 4));
        Rules { user: settings, hash }
    }

    /// Returns what signatures call these rules: `builtin-2`, and with rules on frames of the user's own
    /// `builtin-2+1f2e3d4c`.
    pub fn id(&self) -> String {
        match &self.hash {
            Some(hash) => format!("{}+{hash}", builtin::ID),
            None => builtin::ID.to_owned(),
        }
    }

    /// Returns the first rule by which a crash is meant to happen. The crash must have its signature already.
    pub fn ignores(&self, crash: &CrashSummary) -> Option<&Ignore> {
        self.user.ignore.iter().find(|ignore| ignore.matches(crash))
    }

    /// Judges a frame.
    pub fn judge(&self, place: &Place<'_>) -> Verdict {
        if place.language.is_some() {
            return self.judge_named(place, place.function);
        }
        self.judge_named(place, place.function.map(normalize).as_deref())
    }

    /// Judges a frame whose function's name was normalized.
    pub(crate) fn judge_named(&self, place: &Place<'_>, name: Option<&str>) -> Verdict {
        if place.language.is_some() {
            // The built-in rules on functions are of compiled ones: anybody's may be called `main` or `abort` here.
            let own = || place.file.is_some_and(python::in_app);
            return Verdict {
                in_app: self.user.in_app_interpreted(place, name).unwrap_or_else(own),
                rule: name.and_then(|name| self.user.frames.rule(name)),
            };
        }
        let in_app = !place.module.is_empty()
            && (self
                .user
                .in_app(place, name)
                .unwrap_or_else(|| in_app::in_app(&BUILTIN.foreign, place, name)));
        let builtin = |name: &str| {
            let rule = BUILTIN.anywhere.rule(name);
            rule.or_else(|| if in_app { None } else { BUILTIN.in_foreign.rule(name) })
        };
        Verdict { in_app, rule: name.and_then(|name| self.user.frames.rule(name).or_else(|| builtin(name))) }
    }

    /// Tells whether a function is one of the allocator.
    pub(crate) fn is_heap(name: &str) -> bool {
        BUILTIN.heap.matches(name)
    }
}

#[cfg(test)]
mod tests;
