//! Frameworks whose tests are functions of their own, told by the framework's function that calls them.

use epitaph_summary::{Frame, TestCase};

use super::{Source, function, test_case};

/// How one framework calls its tests.
struct Runner {
    framework: &'static str,
    /// Tells whether a function of this name is what calls a test.
    calls: fn(&str) -> bool,
    /// What the names of functions between it and the test begin with.
    between: &'static [&'static str],
    /// Returns the name that the framework prints for the test of a function.
    name: fn(&str) -> Option<&str>,
}

const RUNNERS: [Runner; 6] = [
    // library/test/src/lib.rs: kept out of line, so that backtraces can be cut at it.
    Runner {
        framework: "cargo-test",
        calls: |name| name.starts_with("test::__rust_begin_short_backtrace"),
        between: &["core::ops::function::", "<", "test::"],
        name: rust,
    },
    Runner {
        framework: "cppunit",
        calls: |name| name.starts_with("CppUnit::TestCaller<") && name.ends_with("::runTest"),
        between: &[],
        name: |name| Some(name),
    },
    // moc writes this function for every class; qtestcase.cpp calls it by QMetaMethod::invoke.
    Runner {
        framework: "qttest",
        calls: |name| name.ends_with("::qt_static_metacall") && !name.starts_with('Q'),
        between: &[],
        name: |name| Some(name),
    },
    Runner {
        framework: "cmocka",
        calls: |name| name == "cmocka_run_one_test_or_fixture",
        between: &[],
        name: |name| Some(name),
    },
    // START_TEST(name) makes a function `name_fn` since version 0.13, and `name` before.
    Runner {
        framework: "check",
        calls: |name| name == "tcase_run_tfun_fork" || name == "tcase_run_tfun_nofork",
        between: &[],
        name: |name| Some(name.strip_suffix("_fn").unwrap_or(name)),
    },
    Runner {
        framework: "unity",
        calls: |name| name == "UnityDefaultTestRun",
        between: &[],
        name: |name| Some(name),
    },
];

/// Finds the test that the outermost of a stack's runners calls.
pub(super) fn find(frames: &[Frame]) -> Option<TestCase> {
    RUNNERS.iter().find_map(|runner| {
        let caller = frames.iter().rposition(|frame| (runner.calls)(function(frame)))?;
        let is_qt = |frame: &Frame| function(frame).starts_with("QTest::");
        if runner.framework == "qttest" && !frames.iter().skip(caller).any(is_qt) {
            return None;
        }
        let mut inwards = frames.iter().take(caller).rev().map(function);
        let test = inwards.find(|name| !runner.between.iter().any(|start| name.starts_with(start)))?;
        test_case(runner.framework, Source::Frames, (runner.name)(test)?)
    })
}

/// Names a Rust test as libtest does: its path without the crate. What is called is a closure around the test.
fn rust(name: &str) -> Option<&str> {
    let mut path = name.split_once("::")?.1;
    while let Some((function, _)) = path.rsplit_once("::").filter(|(_, last)| last.starts_with('{')) {
        path = function;
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(functions: &[&str]) -> Option<(String, String)> {
        let frame = |name: &&str| Frame { function: Some((*name).to_owned()), ..Frame::default() };
        let frames: Vec<Frame> = functions.iter().map(frame).collect();
        find(&frames).map(|test| (test.framework.unwrap(), test.name))
    }

    #[test]
    fn a_test_is_what_its_runner_calls() {
        for (functions, framework, name) in [
            (
                &[
                    "shop::cart::pay",
                    "shop::cart::tests::pays",
                    "shop::cart::tests::pays::{closure#0}",
                    "core::ops::function::FnOnce::call_once<shop::cart::tests::pays::{closure_env#0}, ()>",
                    "<shop::cart::tests::pays::{closure#0} as core::ops::function::FnOnce<()>>::call_once",
                    "test::__rust_begin_short_backtrace<(), fn()>",
                    "test::run_test::{closure#0}",
                ][..],
                "cargo-test",
                "cart::tests::pays",
            ),
            (
                &[
                    "abort",
                    "shop::pays::{{closure}}",
                    "test::__rust_begin_short_backtrace::h0123456789abcdef",
                ],
                "cargo-test",
                "pays",
            ),
            (
                &["CartTest::pays", "CppUnit::TestCaller<CartTest>::runTest", "CppUnit::TestCase::run"],
                "cppunit",
                "CartTest::pays",
            ),
            (
                &[
                    "Cart::qt_static_metacall",
                    "QMetaObject::activate",
                    "CartTest::pays",
                    "CartTest::qt_static_metacall",
                    "QMetaMethod::invoke",
                    "QTest::TestMethods::invokeTest",
                ],
                "qttest",
                "CartTest::pays",
            ),
            (&["pays", "cmocka_run_one_test_or_fixture", "main"], "cmocka", "pays"),
            (&["pay", "pays_fn", "tcase_run_tfun_fork", "main"], "check", "pays"),
            (&["test_pays", "UnityDefaultTestRun", "main"], "unity", "test_pays"),
        ] {
            assert_eq!(named(functions), Some((framework.to_owned(), name.to_owned())), "{functions:?}");
        }
    }

    #[test]
    fn a_program_without_a_runner_runs_no_test() {
        assert_eq!(named(&["abort", "pays", "main"]), None);
        assert_eq!(named(&["Cart::pay", "Cart::qt_static_metacall", "QMetaMethod::invoke", "main"]), None);
        assert_eq!(named(&["test::__rust_begin_short_backtrace<(), fn()>", "main"]), None);
    }
}
