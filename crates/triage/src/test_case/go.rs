//! Go: a test is a function, `package.TestName`, that `testing.tRunner` calls; a subtest is a closure that it calls, and
//! its name is in its record (testing.go, `type common`, a field `name`: pointer and length).

use epitaph_elf::read_vec;
use epitaph_summary::{Frame, TestCase, Thread};

use super::strings::text;
use super::{Scene, Source, function, test_case};
use crate::scrub::read_from;

const NAME: &str = "go-test";
/// What runs a test or a subtest, a benchmark, and a fuzz test: its first argument is the record.
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
    let belongs =
        |name: &String| name.contains('/') && test.is_none_or(|test| name.split('/').next() == Some(test));
    match (argument(scene, frames.get(runner)?).filter(belongs), test) {
        (Some(name), _) => test_case(NAME, Source::Memory, &name),
        (None, Some(test)) => test_case(NAME, Source::Frames, test),
        (None, None) => None,
    }
}

/// Reads the name in the record that a runner got as its first argument. Where the caller's frame ends there is room for
/// arguments, also for those that come in registers, and the runner keeps its own there (Go's internal ABI, "spill
/// space"); some architectures have a word for the link register before it.
fn argument(scene: &Scene<'_>, runner: &Frame) -> Option<String> {
    let word = scene.process.arch.bits() / 8;
    let end = runner.cfa?.0;
    [end, end.checked_add(u64::from(word))?].into_iter().find_map(|slot| {
        let record = scene.process.arch.read_number(scene.memory, slot, word).ok()?;
        name_in(scene, record)
    })
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
