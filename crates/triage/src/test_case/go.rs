//! Go: a test is a function, `package.TestName`, that `testing.tRunner` calls; a subtest is a closure that it calls, and
//! its name is in its record (testing.go, `type common`, a field `name`: pointer and length).

use std::collections::BTreeSet;

use epitaph_elf::read_vec;
use epitaph_summary::{TestCase, Thread};

use super::stack::pointers;
use super::strings::text;
use super::{Scene, Source, function, test_case};
use crate::scrub::read_from;

const NAME: &str = "go-test";
/// What runs a test or a subtest, and a benchmark, and the frames around it that belong to it.
const RUNNERS: [&str; 3] = ["testing.tRunner", "testing.(*B).runN", "testing.fRunner"];
/// What names of tests begin with (`go help testfunc`).
const KINDS: [&str; 4] = ["Test", "Benchmark", "Fuzz", "Example"];
/// Bytes of a record in which the name is looked for; it is at about 300.
const RECORD: usize = 768;
/// Longest name in bytes.
const LONGEST: u64 = 4096;

/// Finds the test whose code a thread runs.
pub(super) fn find(scene: &Scene<'_>, thread: &Thread) -> Option<TestCase> {
    let frames = &thread.frames;
    let runner = frames.iter().rposition(|frame| RUNNERS.contains(&function(frame)))?;
    let body = frames.get(runner.checked_sub(1)?)?;
    let test = top_level(function(body));
    if let Some(test) = test.filter(|test| function(body).ends_with(test)) {
        return test_case(NAME, Source::Frames, test);
    }
    // Arguments that came in registers are kept in the caller's frame (Go's ABI specification, "spill space").
    let names: BTreeSet<String> = pointers(scene.process, scene.memory, thread, &(runner..runner + 2))
        .into_iter()
        .filter_map(|record| name_in(scene, record))
        .filter(|name| name.contains('/') && test.is_none_or(|test| name.split('/').next() == Some(test)))
        .collect();
    match (innermost(&names), test) {
        (Some(name), _) => test_case(NAME, Source::Memory, name),
        (None, Some(test)) => test_case(NAME, Source::Frames, test),
        (None, None) => None,
    }
}

/// Returns the one of these subtests that all others are parents of.
fn innermost(names: &BTreeSet<String>) -> Option<&str> {
    let name = names.iter().max_by_key(|name| name.len())?;
    let is_parent =
        |parent: &String| name.strip_prefix(parent.as_str()).is_some_and(|rest| rest.starts_with('/'));
    names.iter().all(|other| other == name || is_parent(other)).then_some(name)
}

/// Returns the name of the test that a function is, or is a closure of: `example.com/shop/cart.TestPays.func1`.
fn top_level(function: &str) -> Option<&str> {
    let function = function.rsplit('/').next()?;
    let name = function.split('.').nth(1)?;
    KINDS.iter().any(|kind| name.starts_with(kind)).then_some(name)
}

/// Reads the name of a test in what may be its record.
fn name_in(scene: &Scene<'_>, record: u64) -> Option<String> {
    let arch = scene.process.arch;
    let word = usize::from(arch.bits() / 8);
    let bytes = read_from(scene.memory, record, RECORD);
    (0..bytes.len()).step_by(word).find_map(|offset| {
        let length = arch.word_in(&bytes, offset + word).filter(|length| (4..LONGEST).contains(length))?;
        let name = text(read_vec(scene.memory, arch.word_in(&bytes, offset)?, length as usize).ok()?)?;
        KINDS.iter().any(|kind| name.starts_with(kind)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_subtest_and_its_parents_it_is_the_subtest() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(innermost(&names(&["TestPays/by", "TestPays/by/card"])), Some("TestPays/by/card"));
        assert_eq!(innermost(&names(&["TestPays/by", "TestPays/by_card"])), None);
        assert_eq!(innermost(&names(&[])), None);
    }

    #[test]
    fn packages_are_no_part_of_names() {
        for (function, test) in [
            ("example.com/shop/cart.TestPays", Some("TestPays")),
            ("example.com/shop/cart.TestPays.func1.2", Some("TestPays")),
            ("main.BenchmarkPays", Some("BenchmarkPays")),
            ("example.com/shop/cart.helper.func1", None),
            ("example.com/shop/cart.(*Suite).TestPays", None),
        ] {
            assert_eq!(top_level(function), test);
        }
    }
}
