//! Which test a process was running: the name that its framework prints.
//!
//! What tells it, the surest first:
//!
//! 1. the crashing thread's frames, and the framework's own record of the test that they lead to in memory;
//! 2. what pytest tells its own process of the test that it runs;
//! 3. arguments that choose one test, such as `--gtest_filter=Cart.Pays`;
//! 4. the frames of other threads, where all of them that run tests run the same one;
//! 5. variables that a runner sets for the processes of each test;
//! 6. where nothing in the core does: the end of the job's output, if that is known ([`test_in_output`]).
//!
//! It is *not* a search: a process that has no frame of a framework costs a look at its frames, arguments and
//! variables; records are looked for only where a framework's own frames point. A name that can't be told apart from
//! another test's is not told.

mod arguments;
mod boost;
mod callers;
mod catch2;
mod doctest;
mod environment;
mod go;
mod gtest;
mod objects;
mod output;
mod stack;
mod strings;
#[cfg(test)]
mod testing;

pub use output::test_in_output;

use epitaph_elf::{LoadedModules, Memory, Process};
use epitaph_summary::{Frame, TestCase, Thread};

use crate::scrub::Start;

/// Longest name that is told, in characters.
const LONGEST: usize = 512;

/// What a search for the test may look at.
pub(crate) struct Scene<'a> {
    pub(crate) process: &'a Process,
    pub(crate) memory: &'a dyn Memory,
    pub(crate) loaded: &'a LoadedModules<'a>,
    pub(crate) start: &'a Start,
}

/// What told a name; its text is what the summary says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Frames,
    Memory,
    Arguments,
    Environment,
    Output,
}

impl Source {
    fn text(self) -> &'static str {
        match self {
            Source::Frames => "frames",
            Source::Memory => "memory",
            Source::Arguments => "arguments",
            Source::Environment => "environment",
            Source::Output => "output",
        }
    }
}

/// Recognizes tests of one framework on a thread.
type Recognizer = fn(&Scene<'_>, &Thread) -> Option<TestCase>;

/// The frameworks. Each looks for frames of its own, so that their order doesn't count.
const FRAMEWORKS: [Recognizer; 6] =
    [gtest::find, catch2::find, doctest::find, boost::find, go::find, |_, thread| {
        callers::find(&thread.frames)
    }];

/// Finds the test of a process by its first thread, which took the signal, and by what it was started with.
pub(crate) fn find(scene: &Scene<'_>, first: Option<&Thread>) -> Option<TestCase> {
    first
        .and_then(|thread| by_frames(scene, thread))
        .or_else(|| environment::own(scene))
        .or_else(|| arguments::find(scene))
        .or_else(|| environment::inherited(scene))
}

/// Finds the test by the other threads, where nothing surer than a variable was `found`: one that a test has started
/// may be the one that crashed.
pub(crate) fn find_elsewhere(
    scene: &Scene<'_>,
    found: Option<&TestCase>,
    others: &[Thread],
) -> Option<TestCase> {
    let is_sure = |test: &TestCase| test.source.as_deref() != Some(Source::Environment.text());
    if found.is_some_and(is_sure) {
        return None;
    }
    let mut tests = others.iter().filter_map(|thread| by_frames(scene, thread));
    let test = tests.next()?;
    tests.all(|other| other == test).then_some(test)
}

fn by_frames(scene: &Scene<'_>, thread: &Thread) -> Option<TestCase> {
    FRAMEWORKS.iter().find_map(|find| find(scene, thread))
}

/// Makes the record of a test; `None` where the name is no text that a person could have given it.
fn test_case(framework: &str, source: Source, name: &str) -> Option<TestCase> {
    if name.is_empty() || name.contains(char::is_control) {
        return None;
    }
    let name = match name.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", name.get(..end).unwrap_or_default()),
        None => name.to_owned(),
    };
    Some(TestCase { name, framework: Some(framework.to_owned()), source: Some(source.text().to_owned()) })
}

/// A frame's function, or nothing.
fn function(frame: &Frame) -> &str {
    frame.function.as_deref().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_text() {
        let name = |name: &str| test_case("gtest", Source::Frames, name).map(|test| test.name);
        assert_eq!(name("a cart"), Some("a cart".to_owned()));
        assert_eq!(name(&"ü".repeat(600)), Some(format!("{}…", "ü".repeat(512))));
        assert_eq!(name("a\x1b[2J"), None);
        assert_eq!(name(""), None);
    }
}
