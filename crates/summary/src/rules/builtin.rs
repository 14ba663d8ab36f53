//! The rules that epitaph brings along.

use std::collections::{BTreeMap, HashSet};
use std::sync::LazyLock;

use serde::Deserialize;

use super::pattern::Patterns;
use crate::thread::FrameRule;

/// What signatures call these rules. The number changes with them.
pub(super) const ID: &str = "builtin-1";

const TEXT: &str = include_str!("builtin.toml");

/// The rules, read when they are first asked for.
pub(super) static BUILTIN: LazyLock<Builtin> = LazyLock::new(|| {
    // That the text can be read is tested; there is nobody to tell here, and without rules every frame is the user's own.
    toml::from_str(TEXT).map(Builtin::of).unwrap_or_default()
});

/// The form that they are written in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    foreign: Foreign,
    family: BTreeMap<String, Family>,
}

/// Code that isn't the user's.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Foreign {
    /// Beginnings of modules' paths.
    pub(super) folders: Vec<String>,
    /// File names of modules.
    pub(super) modules: Patterns,
    /// Parts of source files' paths.
    pub(super) sources: Vec<String>,
    /// Functions that are linked into programs.
    pub(super) functions: Patterns,
    /// Functions that count where no source file tells otherwise.
    pub(super) c_library: Patterns,
    /// First parts of Go's packages.
    pub(super) go_packages: HashSet<String>,
}

/// The machinery of one library.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct Family {
    foreign: bool,
    cut: Vec<String>,
    skip: Vec<String>,
    end: Vec<String>,
    heap: Vec<String>,
}

/// Functions that are machinery.
#[derive(Default)]
pub(super) struct Machinery {
    cut: Patterns,
    skip: Patterns,
    end: Patterns,
}

impl Machinery {
    /// Returns what is said of a function.
    pub(super) fn rule(&self, name: &str) -> Option<FrameRule> {
        let rules = [(&self.cut, FrameRule::Cut), (&self.skip, FrameRule::Skip), (&self.end, FrameRule::End)];
        rules.into_iter().find_map(|(patterns, rule)| patterns.matches(name).then_some(rule))
    }
}

/// The rules, ready to be used.
#[derive(Default)]
pub(super) struct Builtin {
    pub(super) foreign: Foreign,
    /// Machinery, wherever it is.
    pub(super) anywhere: Machinery,
    /// Machinery in what isn't the user's own code.
    pub(super) in_foreign: Machinery,
    /// The allocator.
    pub(super) heap: Patterns,
}

impl Builtin {
    fn of(source: Source) -> Builtin {
        let mut builtin = Builtin { foreign: source.foreign, ..Builtin::default() };
        for family in source.family.into_values() {
            let machinery = if family.foreign { &mut builtin.in_foreign } else { &mut builtin.anywhere };
            machinery.cut.extend(family.cut);
            machinery.skip.extend(family.skip);
            machinery.end.extend(family.end);
            builtin.heap.extend(family.heap);
        }
        builtin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_can_be_read_and_every_pattern_says_something() {
        let source: Source = toml::from_str(TEXT).unwrap();
        assert!(source.family.len() > 10);
        for (name, family) in &source.family {
            for pattern in [&family.cut, &family.skip, &family.end, &family.heap].into_iter().flatten() {
                let text = pattern.trim_matches('*');
                assert!(text.len() > 2, "{name}: {pattern:?}");
                // A pattern that isn't written as names are normalized would never match.
                let example = pattern.replace('*', "Any");
                assert_eq!(crate::normalize(&example), example, "{name}");
            }
        }
    }
}
