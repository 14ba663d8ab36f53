//! The rules that epitaph brings along: `builtin.toml`, as tables.

use super::table::Table;
use crate::thread::FrameRule;

/// What signatures call these rules. The number changes with them.
pub(super) const ID: &str = "builtin-2";

/// The rules.
pub(super) static BUILTIN: Builtin = include!(concat!(env!("OUT_DIR"), "/builtin.rs"));

/// The rules, ready to be used.
#[derive(Debug)]
pub(super) struct Builtin {
    pub(super) foreign: Foreign,
    /// Machinery, wherever it is.
    pub(super) anywhere: Machinery,
    /// Machinery in what isn't the user's own code.
    pub(super) in_foreign: Machinery,
    /// The allocator.
    pub(super) heap: Table,
}

/// Code that isn't the user's.
#[derive(Debug)]
pub(super) struct Foreign {
    /// Beginnings of modules' paths.
    pub(super) folders: &'static [&'static str],
    /// File names of modules.
    pub(super) modules: Table,
    /// Parts of source files' paths.
    pub(super) sources: &'static [&'static str],
    /// Functions that are linked into programs.
    pub(super) functions: Table,
    /// Functions that count where no source file tells otherwise.
    pub(super) c_library: Table,
    /// First parts of Go's packages.
    pub(super) go_packages: Table,
}

/// Functions that are machinery.
#[derive(Debug)]
pub(super) struct Machinery {
    cut: Table,
    skip: Table,
    end: Table,
}

impl Machinery {
    /// Returns what is said of a function. Where a thread starts stands out of what is machinery by its beginning.
    pub(super) fn rule(&self, name: &str) -> Option<FrameRule> {
        let rules = [(&self.end, FrameRule::End), (&self.cut, FrameRule::Cut), (&self.skip, FrameRule::Skip)];
        rules.into_iter().find_map(|(table, rule)| table.matches(name).then_some(rule))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_says_something_and_is_written_as_names_are() {
        let Builtin { anywhere, in_foreign, heap, .. } = &BUILTIN;
        let tables =
            [anywhere, in_foreign].into_iter().flat_map(|rules| [&rules.cut, &rules.skip, &rules.end]);
        for table in tables.chain([heap]) {
            assert!(table.names.is_sorted());
            let beginnings = table.beginnings.iter().map(|beginning| format!("{beginning}Any"));
            let others = table.others.iter().map(|parts| parts.join("Any"));
            for name in table.names.iter().map(ToString::to_string).chain(beginnings).chain(others) {
                assert!(name.replace("Any", "").len() > 2, "{name}");
                assert_eq!(crate::normalize(&name), name, "it would never match");
                assert!(table.matches(&name), "{name}");
            }
        }
    }
}
