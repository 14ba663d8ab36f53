//! GoogleTest: a test is a class, `Suite_Name_Test`, and its body a method, `TestBody`.
//!
//! Neither says where the suite's name ends, nor which of several parameters it was: that is in the framework's record
//! of the test (gtest.h, `class TestInfo`: two strings, the suite's name and the test's; two pointers to strings, type and
//! value of the parameter; a string, the source file, and an `int`, the line). `testing::TestInfo::Run` is called on it,
//! so that the stack points to it.

use std::collections::BTreeMap;

use epitaph_elf::read_vec;
use epitaph_summary::{TestCase, Thread};

use super::objects::running;
use super::stack::pointers;
use super::strings::cxx_string;
use super::{Scene, Source, function, test_case};

const NAME: &str = "gtest";
/// The method that a test's body is in.
const BODY: &str = "::TestBody";
/// Runs one test: its fixture's constructor and `SetUp`, its body, `TearDown`.
const RUN: &str = "testing::TestInfo::Run";
/// Most lines of a source file.
const MOST_LINES: u32 = 1 << 24;

/// Finds the test whose code a thread runs.
pub(super) fn find(scene: &Scene<'_>, thread: &Thread) -> Option<TestCase> {
    let frames = &thread.frames;
    let body = frames.iter().position(|frame| class_of(function(frame)).is_some());
    let run = frames.iter().position(|frame| function(frame) == RUN);
    let first = body.or(run?.checked_sub(1))?;
    let last = frames.iter().rposition(|frame| function(frame).starts_with("testing::"))?;
    let class = body.and_then(|body| class_of(function(frames.get(body)?)));
    let pointers = pointers(scene.process, scene.memory, thread, &(first..last + 1));
    let records: BTreeMap<u64, String> = pointers
        .iter()
        .filter_map(|pointer| {
            let (suite, name) = record(scene, *pointer)?;
            class
                .is_none_or(|class| is_class_of(class, &suite, &name))
                .then(|| (*pointer, format!("{suite}.{name}")))
        })
        .collect();
    match running(scene, &pointers, &records) {
        Some(name) => test_case(NAME, Source::Memory, &name),
        None => test_case(NAME, Source::Frames, &by_class(class?)?),
    }
}

/// Returns the class that a `TestBody` is a method of, without namespaces of the user's and template arguments.
fn class_of(function: &str) -> Option<&str> {
    let class = function.strip_suffix(BODY)?;
    let name = class.split('<').next()?;
    let start = name.rfind("::").map_or(0, |colons| colons + 2);
    // A test of a type-parameterized suite is in a namespace of that name (gtest-typed-test.h, TYPED_TEST_P).
    match name.get(..start)?.trim_end_matches("::").rsplit("::").next() {
        Some(space) if space.starts_with("gtest_suite_") => name.get(start - space.len() - 2..),
        _ => name.get(start..),
    }
}

/// Tells whether a test's class has this name. A suite's name may stand between an instantiation's and a number, and a
/// test's before its parameter's (`Instance/Suite/0`, `Name/3`).
fn is_class_of(class: &str, suite: &str, name: &str) -> bool {
    let name = name.split('/').next().unwrap_or_default();
    suite.split('/').any(|suite| {
        class == format!("{suite}_{name}_Test") || class == format!("gtest_suite_{suite}_::{name}")
    })
}

/// Tells the name by the class alone, as far as it can be told: where neither name has an underscore, as gtest's
/// documentation asks, and nothing else is a part of the name.
fn by_class(class: &str) -> Option<String> {
    let (suite, name) = class.strip_suffix("_Test")?.split_once('_')?;
    (!suite.is_empty() && !name.is_empty() && !name.contains('_')).then(|| format!("{suite}.{name}"))
}

/// Reads a record; `None` if there is none at this address.
fn record(scene: &Scene<'_>, address: u64) -> Option<(String, String)> {
    let (process, memory) = (scene.process, scene.memory);
    let word = u64::from(process.arch.bits() / 8);
    let (suite, size) = cxx_string(process, memory, address)?;
    let at = |offset: u64| address.checked_add(offset);
    let (name, _) = cxx_string(process, memory, at(size)?)?;
    let parameters = read_vec(memory, at(2 * size)?, 2 * word as usize).ok()?;
    for index in 0..2 {
        let parameter = process.arch.word_in(&parameters, (index * word) as usize)?;
        if parameter != 0 {
            read_vec(memory, parameter, size as usize).ok()?;
        }
    }
    let file = at(2 * size + 2 * word)?;
    let (path, _) = cxx_string(process, memory, file)?;
    let line = process.arch.read_number(memory, file.checked_add(size)?, 4).ok()?;
    let is_place = path.contains('.') && (1..u64::from(MOST_LINES)).contains(&line);
    let is_name = |name: &str| name.chars().all(|char| char.is_alphanumeric() || "_/.-".contains(char));
    (is_place && is_name(&suite) && is_name(&name)).then_some((suite, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_those_of_tests() {
        for (function, class) in [
            ("shop::(anonymous namespace)::Cart_Pays_Test::TestBody", Some("Cart_Pays_Test")),
            ("Box_Holds_Test<std::vector<int>>::TestBody", Some("Box_Holds_Test")),
            ("shop::gtest_suite_Box_::Holds<long int>::TestBody", Some("gtest_suite_Box_::Holds")),
            ("shop::Cart::pay", None),
        ] {
            assert_eq!(class_of(function), class);
        }
    }

    #[test]
    fn a_record_fits_its_class() {
        for (class, suite, name) in [
            ("Cart_Pays_Test", "Cart", "Pays"),
            ("Cart_Pays_by_card_Test", "Cart", "Pays_by_card"),
            ("Price_Rounds_Test", "Big/Price", "Rounds/1"),
            ("Box_Holds_Test", "Box/1", "Holds"),
            ("gtest_suite_Box_::Holds", "My/Box/0", "Holds"),
        ] {
            assert!(is_class_of(class, suite, name), "{class}");
        }
        assert!(!is_class_of("Cart_Pays_Test", "Cart", "Pay"));
        assert!(!is_class_of("Cart_Pays_Test", "Cart_Pays", "Test"));
    }

    #[test]
    fn a_class_alone_tells_only_plain_names() {
        assert_eq!(by_class("Cart_Pays_Test").as_deref(), Some("Cart.Pays"));
        for unclear in ["Cart_Pays_by_card_Test", "gtest_suite_Box_::Holds", "Cart_Test", "_Cart_Test"] {
            assert_eq!(by_class(unclear), None, "{unclear}");
        }
    }
}
