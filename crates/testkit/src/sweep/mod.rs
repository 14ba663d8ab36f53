//! Programs made up from a seed: random call chains in C, C++ and Rust, built by random compilers with random flags,
//! which die in a random way. What a tool says about their cores is then compared with what gdb says.
//!
//! A [`Case`] is the same for a seed on every machine; where a compiler or a linker is missing, it can't be built, and
//! says so. The functions that its end goes through are known from the making, so that there is a truth besides gdb's.
//!
//! ```
//! use epitaph_testkit::sweep::Case;
//!
//! let case = Case::of_seed(17);
//! assert_eq!(case.to_string(), Case::of_seed(17).to_string());
//! assert!(case.sources().iter().any(|(name, _)| name.starts_with("main.")));
//! ```

mod c_family;
mod chain;
mod flags;
mod recipe;
mod rust;
mod snippet;

use std::ffi::OsString;
use std::fmt;
use std::path::Path;

use crate::chance::Chance;
use crate::crash::{Built, CoresHere, Crash, CrashError, build_step};
use crate::gdb::normalize;
use crate::tools;
use c_family::Sources;
use chain::Language;
use recipe::{Family, Recipe};

/// One program.
#[derive(Debug)]
pub struct Case {
    seed: u64,
    files: Vec<(String, String)>,
    recipe: Recipe,
    ways: Vec<&'static str>,
    signal: i32,
    told: Vec<String>,
}

impl Case {
    /// Makes a program up.
    pub fn of_seed(seed: u64) -> Case {
        let mut chance = Chance::of_seed(seed);
        let language =
            *chance.pick(&[&Language::C, &Language::C, &Language::Cxx, &Language::Cxx, &Language::Rust]);
        let (Sources { files, steps }, recipe) = if language == Language::Rust {
            let aborts = chance.one_in(2);
            (rust::sources(&mut chance, aborts), rust::recipe(&mut chance, aborts))
        } else {
            let family = Family::draw(&mut chance);
            let sources = c_family::sources(&mut chance, language, family == Family::Gcc);
            let protected = sources.steps.iter().any(|step| step.snippet.is("protected"));
            let compiled: Vec<&str> = sources
                .files
                .iter()
                .map(|(name, _)| &**name)
                .filter(|name| recipe::language_of(name).is_some())
                .collect();
            let recipe = recipe::draw(&mut chance, family, language, &compiled, protected);
            (sources, recipe)
        };
        Case {
            seed,
            recipe,
            ways: steps.iter().map(|step| step.snippet.name).collect(),
            signal: steps.last().map_or(0, |step| step.snippet.signal),
            told: chain::told(&steps),
            files,
        }
    }

    /// Names and texts of its source files.
    pub fn sources(&self) -> &[(String, String)] {
        &self.files
    }

    /// Writes its source files into a folder.
    ///
    /// # Errors
    /// Those of writing.
    pub fn write(&self, folder: &Path) -> std::io::Result<()> {
        self.files.iter().try_for_each(|(name, text)| std::fs::write(folder.join(name), text))
    }

    /// Returns the seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Functions that a backtrace of the crashed thread has to show, innermost first; there may be others between.
    pub fn told(&self) -> &[String] {
        &self.told
    }

    /// Tells whether functions of a backtrace, innermost first, can have called each other: those of the chain come in
    /// its order, though not all of them may be there, and one may be there more than once.
    pub fn in_order(&self, functions: &[&str]) -> bool {
        let numbers: Vec<usize> =
            functions.iter().filter_map(|name| chain::number_of(&normalize(name))).collect();
        numbers.is_sorted_by(|inner, outer| inner >= outer)
    }

    /// Returns the programs that building it takes and that aren't installed.
    pub fn missing_tools(&self) -> Vec<&str> {
        let compilers = self.recipe.steps.iter().filter_map(|step| step.first().map(String::as_str));
        let mut missing: Vec<&str> =
            compilers.chain([self.recipe.linker.program()]).filter(|tool| !tools::have(tool)).collect();
        missing.sort_unstable();
        missing.dedup();
        missing
    }

    /// Builds it and lets it crash.
    ///
    /// # Errors
    /// [`CrashError::Unavailable`] where this machine lacks what it takes; everything else is a mistake of the
    /// generator.
    pub fn crash(&self) -> Result<Crash, CrashError> {
        let missing = self.missing_tools();
        if !missing.is_empty() {
            return Err(CrashError::Unavailable(format!("not installed: {}", missing.join(", "))));
        }
        let name = format!("seed {}", self.seed);
        let built = Built::by(&name, self.signal, |folder| {
            self.write(folder).map_err(CrashError::io(format!("writing sources to {}", folder.display())))?;
            let mut steps = self.recipe.steps.iter();
            steps.try_for_each(|step| build_step(&name, step.iter().map(OsString::from), folder))
        })?;
        built.crash(&CoresHere::acquire()?)
    }
}

/// Its seed, its chain, and how it is built.
impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}: {}", self.seed, self.ways.join(" > "))?;
        self.recipe.steps.iter().try_for_each(|step| write!(f, "\n  {}", step.join(" ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// What differs between two seeds, or between two runs of one.
    fn whole(seed: u64) -> String {
        format!("{:?}", Case::of_seed(seed))
    }

    #[test]
    fn a_seed_makes_one_program() {
        assert_eq!(whole(4711), whole(4711));
        assert_ne!(whole(4711), whole(4712));
    }

    #[test]
    fn every_piece_comes_up_and_no_placeholder_is_left() {
        let mut ways = BTreeSet::new();
        for seed in 0..1500 {
            let case = Case::of_seed(seed);
            ways.extend(case.ways);
            let left = case.files.iter().find(|(_, text)| text.contains('@'));
            assert!(left.is_none(), "seed {seed}: {left:?}");
            assert_ne!(case.signal, 0, "seed {seed} doesn't crash");
        }
        let pieces = [c_family::c_pieces(), c_family::cxx_pieces(), rust::pieces()];
        let written = pieces.iter().flat_map(|of| of.calls.iter().chain(&of.crashes)).map(|piece| piece.name);
        assert_eq!(ways, written.collect());
    }

    #[test]
    fn functions_are_in_the_order_of_their_calls() {
        let case = Case::of_seed(1);
        assert!(case.in_order(&[
            "raise",
            "f3",
            "f2_order::{lambda}",
            "qsort",
            "app::f2",
            "f2",
            "f0",
            "main"
        ]));
        assert!(!case.in_order(&["f1", "f2"]));
        assert!(case.in_order(&["core::f32::f32", "f1", "fclose", "f0"]));
    }
}
