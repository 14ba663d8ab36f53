//! Which test died, of real frameworks.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use epitaph_elf::{CoreFile, SlimCore, SlimOptions};
use epitaph_summary::{CrashSummary, Masks, TestCase};
use epitaph_symbols::{FileSearch, SearchOptions};
use epitaph_testkit::crash::{Built, CoresHere, Crash, Program, or_skip, program, without_core_limit};
use epitaph_testkit::skip::skipped;
use epitaph_triage::{Observer, Options, Scrubber, Silent, triage};

use crate::support::{open, summary};

/// Keeps the test that the partial summary names.
#[derive(Default)]
struct Early(Option<TestCase>);

impl Observer for Early {
    fn crashing_thread_done(&mut self, partial: &CrashSummary) {
        self.0.clone_from(&partial.test);
    }
}

/// The one test that is named, or none.
fn test(framework: &str, name: &str, source: &str) -> Vec<TestCase> {
    vec![TestCase {
        name: name.to_owned(),
        framework: Some(framework.to_owned()),
        source: Some(source.to_owned()),
    }]
}

/// Tells whether a file of a framework is there; when not, says that the running test is skipped.
fn have_or_skip(file: &str) -> bool {
    let there = Path::new(file).exists();
    if !there {
        skipped(&format!("not installed: {file} (make setup installs it)"));
    }
    there
}

/// Lets a program die, and says which test its core names; a slim and scrubbed core of it names the same.
fn named(name: &str, arguments: &'static [&'static str]) -> Option<Vec<TestCase>> {
    let program = program(name);
    let arguments = if arguments.is_empty() { program.arguments } else { arguments };
    let crash = Crash::of_or_skip(&Program { arguments, ..*program })?;
    let core = Arc::new(open(&crash.core));
    let files = FileSearch::new(SearchOptions::default());
    let mut early = Early::default();
    let whole = triage(core.process(), &*core, &files, &Options::default(), &mut early).summary;
    let slim = SlimCore::new(&core, &SlimOptions::default()).unwrap();
    let scrubber = Scrubber::new(Arc::clone(&core), slim.kept(), &Masks::default());
    let options = SlimOptions { redact: Some(Arc::new(scrubber)), ..SlimOptions::default() };
    let slim = CoreFile::open(Arc::new(SlimCore::new(&core, &options).unwrap())).unwrap();
    assert_eq!(summary(&slim, &files).test, whole.test, "of the slim core");
    if name != "gtest_thread" {
        assert_eq!(early.0, whole.test, "told early");
    }
    Some(whole.test.into_iter().collect())
}

#[test]
fn googletests_names_are_told_whole() {
    if !have_or_skip("/usr/include/gtest/gtest.h") {
        return;
    }
    for program in ["gtest_cart", "gtest_cart_optimized"] {
        for (arguments, name) in [
            (&["--gtest_filter=CartTest*"][..], "CartTest.An_empty_cart_costs_nothing"),
            (&["--gtest_filter=*PriceTest*"], "Big/PriceTest.Rounds/1"),
            (&["--gtest_filter=BoxTest*"], "BoxTest/1.Holds"),
            (&["--gtest_filter=OpenedTest*"], "OpenedTest.IsNeverReached"),
        ] {
            let Some(named) = named(program, arguments) else { return };
            assert_eq!(named, test("gtest", name, "memory"), "{program} {arguments:?}");
        }
    }
}

#[test]
fn a_thread_that_a_test_has_started_belongs_to_it() {
    if !have_or_skip("/usr/include/gtest/gtest.h") {
        return;
    }
    let Some(named) = named("gtest_thread", &[]) else { return };
    assert_eq!(named, test("gtest", "WorkerTest.Works", "memory"));
}

#[test]
fn catch2s_names_are_those_of_its_records() {
    if !have_or_skip("/usr/include/catch2/catch.hpp") {
        return;
    }
    for (arguments, name) in [
        (&["[cart]"][..], "an empty cart, as such, costs nothing"),
        (&["[fixture]"], "a cart holds items"),
        (&["[types]"], "boxes hold - long"),
    ] {
        let Some(named) = named("catch2_cart", arguments) else { return };
        assert_eq!(named, test("catch2", name, "memory"), "{arguments:?}");
    }
}

#[test]
fn doctests_names_are_those_of_its_records() {
    if !have_or_skip("/usr/include/doctest/doctest.h") {
        return;
    }
    let Some(named) = named("doctest_cart", &[]) else { return };
    assert_eq!(named, test("doctest", "an empty cart costs nothing", "memory"));
}

#[test]
fn boosts_names_are_paths() {
    if !have_or_skip("/usr/include/boost/test/included/unit_test.hpp") {
        return;
    }
    let Some(named) = named("boost_cart", &[]) else { return };
    assert_eq!(named, test("boost-test", "cart/an_empty_cart_costs_nothing", "frames"));
}

#[test]
fn rust_tests_are_named_as_cargo_prints_them() {
    let Some(named) = named("rust_tests", &[]) else { return };
    assert_eq!(named, test("cargo-test", "tests::cart::an_empty_cart_costs_nothing", "frames"));
}

#[test]
fn go_tests_are_named_with_their_subtests() {
    let Some(named) = named("go_tests", &[]) else { return };
    assert_eq!(named, test("go-test", "TestPays/by_card", "memory"));
}

/// The variable that names it is in the heap; it is not said that a slim core keeps that.
#[test]
fn pytest_says_in_its_environment_which_test_it_runs() {
    let has_pytest = Command::new("/usr/bin/python3").args(["-m", "pytest", "--version"]).output();
    if !has_pytest.is_ok_and(|output| output.status.success()) {
        skipped("not installed: pytest for /usr/bin/python3 (make setup installs it)");
        return;
    }
    let Some(crash) = Crash::of_or_skip(program("pytest_cart")) else { return };
    let core = open(&crash.core);
    let files = FileSearch::new(SearchOptions::default());
    let summary = triage(core.process(), &core, &files, &Options::default(), &mut Silent).summary;
    assert_eq!(
        Vec::from_iter(summary.test),
        test("pytest", "test_cart.py::TestCart::test_pays[by card]", "environment")
    );
}

#[test]
fn a_program_that_a_runner_starts_names_the_runners_test() {
    let Some(here) = or_skip(CoresHere::acquire()) else { return };
    let pytest = ("PYTEST_CURRENT_TEST", "t/test_cart.py::test_pays[x] (call)");
    for (variable, arguments, expected) in [
        (pytest, &[][..], test("pytest", "t/test_cart.py::test_pays[x]", "environment")),
        (("NEXTEST_TEST_NAME", "cart::pays"), &[], test("nextest", "cart::pays", "environment")),
        (("TEST_TARGET", "//shop:cart_test"), &[], test("bazel", "//shop:cart_test", "environment")),
        (("TEST_TARGET", "shop"), &[], Vec::new()),
        // The nearest to the process counts.
        (pytest, &["--gtest_filter=Cart.Pays"], test("gtest", "Cart.Pays", "arguments")),
    ] {
        let Some(built) = or_skip(Built::of(program("null_deref"))) else { return };
        let mut command = without_core_limit(&built.exe);
        command.env_clear().env("PATH", "/usr/bin:/bin").env(variable.0, variable.1);
        command.args(arguments).current_dir(&built.work).status().unwrap();
        let core = open(&CoresHere::core_in(&built.work).unwrap());
        let summary = summary(&core, &FileSearch::new(SearchOptions::default()));
        assert_eq!(Vec::from_iter(summary.test), expected, "{variable:?} {arguments:?}");
    }
    drop(here);
}

#[test]
fn a_program_that_runs_no_test_names_none() {
    let Some(named) = named("null_deref", &[]) else { return };
    assert_eq!(named, []);
}
