//! Programs of each of which it is known why it dies: those of `testdata/causes`, which were written for that, and as
//! many more as one likes, made up from a seed.
//!
//! Each source says in its head how it can die and what is then to be said of it ([`Truth`]); its argument chooses. Each
//! way is one bug, whatever it is built by, and any two ways are two bugs.
//!
//! ```no_run
//! use epitaph_testkit::causes::{self, Case};
//!
//! for group in causes::groups() {
//!     for case in group {
//!         let crash = case.crash().unwrap();
//!         println!("{} by {}: {:?}, {}", case.bug, case.build, case.truth.classes, crash.core.display());
//!     }
//! }
//! ```

mod builds;
mod generated;
mod head;
mod truth;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

pub use truth::{Message, Truth};

use crate::crash::{Built, CoresHere, Crash, CrashError, build_step};
use crate::tools;
use builds::Build;
use head::Head;

/// One program that dies in one way, in one build.
#[derive(Clone, Debug)]
pub struct Case {
    /// What is wrong with it: the same for all its builds.
    pub bug: String,
    /// How it is built.
    pub build: String,
    /// What is known of its death.
    pub truth: Truth,
    signal: i32,
    made: Made,
}

/// What a program is made from.
#[derive(Clone, Debug)]
enum Made {
    /// A source of `testdata/causes`.
    Source { path: PathBuf, build: Build, flags: Vec<String> },
    /// Files that are written for it, and the command that builds it.
    Up { files: Vec<(String, String)>, step: Vec<String> },
}

/// Returns all programs of `testdata/causes` in all their builds. Those of one group are one executable.
///
/// # Panics
/// When a source's head isn't as it should be.
pub fn groups() -> Vec<Vec<Case>> {
    sources().iter().flat_map(|path| groups_of(path)).collect()
}

/// Returns `testdata/causes`.
fn folder() -> PathBuf {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/causes"));
    folder.canonicalize().unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
}

fn sources() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder()).expect("testdata/causes can be read");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension != "h"));
    paths.sort();
    paths
}

fn groups_of(path: &Path) -> Vec<Vec<Case>> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut groups: Vec<Vec<Case>> = Vec::new();
    for head in Head::all(&text) {
        for build in Build::of(head.builds.as_deref(), &path.to_string_lossy()) {
            let case = Case::of(&head, path, build);
            match groups.iter_mut().find(|group| group.first().is_some_and(|first| first.build == case.build))
            {
                Some(group) => group.push(case),
                None => groups.push(vec![case]),
            }
        }
    }
    groups
}

impl Case {
    fn of(head: &Head, path: &Path, build: Build) -> Case {
        let mut name = build.name();
        head.flags.iter().for_each(|flag| name = format!("{name} {flag}"));
        let mut truth = head.truth.clone();
        if !truth.places.is_empty() && build.is_optimized() {
            truth.places.push(head.name.clone()); // what was inlined into it may have been merged with its own code
        }
        Case {
            bug: head.name.clone(),
            build: name,
            truth,
            signal: head.signal,
            made: Made::Source { path: path.to_owned(), build, flags: head.flags.clone() },
        }
    }

    /// Builds it, or takes the build of an earlier call, and lets it crash.
    ///
    /// # Errors
    /// [`CrashError::Unavailable`] where this machine lacks what it takes; everything else is a mistake in its source.
    pub fn crash(&self) -> Result<Crash, CrashError> {
        self.built()?.crash(&CoresHere::acquire()?)
    }

    /// Returns the program that a seed makes up.
    pub fn of_seed(seed: u64) -> Case {
        generated::of_seed(seed)
    }

    /// Names and texts of the source files that were made up for it.
    pub fn files(&self) -> &[(String, String)] {
        match &self.made {
            Made::Source { .. } => &[],
            Made::Up { files, .. } => files,
        }
    }

    fn built(&self) -> Result<Built, CrashError> {
        match &self.made {
            Made::Source { path, build, flags } => self.built_from(path, build, flags),
            Made::Up { files, step } => self.built_anew(files, step),
        }
    }

    fn built_anew(&self, files: &[(String, String)], step: &[String]) -> Result<Built, CrashError> {
        let tool = step.first().map(String::as_str).unwrap_or_default();
        if !tools::have(tool) {
            return Err(CrashError::Unavailable(format!("not installed: {tool} (make setup installs it)")));
        }
        Built::by(&self.bug, self.signal, |folder| {
            for (name, text) in files {
                let path = folder.join(name);
                std::fs::write(&path, text).map_err(CrashError::io(format!("writing {}", path.display())))?;
            }
            build_step(&self.bug, step.iter().map(OsString::from), folder)
        })
    }

    fn built_from(&self, path: &Path, build: &Build, flags: &[String]) -> Result<Built, CrashError> {
        let mut sources = vec![path.to_owned()];
        let mut step: Vec<OsString> = Vec::new();
        let [before, after] = build.words()?;
        for word in before.into_iter().chain(flags.iter().cloned()) {
            step.push(match word.strip_prefix('@') {
                Some(name) => {
                    sources.push(folder().join(name));
                    folder().join(name).into_os_string()
                }
                None => word.into(),
            });
        }
        step.extend(["-o".into(), "exe".into(), path.as_os_str().to_owned()]);
        step.extend(after.into_iter().map(OsString::from));
        if path.extension().is_some_and(|extension| extension == "c" || extension == "cpp") {
            sources.push(folder().join("ways.h"));
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let built = Built::kept(&name, self.signal, &[step], &sources)?;
        Ok(built.with_arguments(vec![self.bug.clone()]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn every_bug_has_one_name_and_its_truth() {
        let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for case in groups().into_iter().flatten() {
            assert!(!case.truth.classes.is_empty() && case.signal != 0, "{}", case.bug);
            assert_eq!(case.truth.classes.len() > 1, case.truth.why.is_some(), "{}", case.bug);
            let builds = seen.entry(case.bug.clone()).or_default();
            assert!(!builds.contains(&case.build), "{} by {} twice", case.bug, case.build);
            builds.push(case.build);
        }
        assert!(seen.len() >= 64, "{}", seen.len());
    }
}
