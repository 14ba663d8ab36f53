//! Arguments that choose one test: IDEs, ctest and nextest start a process for each.

use std::os::unix::ffi::OsStrExt;

use epitaph_summary::TestCase;

use super::{Scene, Source, test_case};

/// Options of one framework that take the name of a test, with what their value must not contain: a pattern, or several
/// names, is no name.
struct Choice {
    framework: &'static str,
    /// The option up to its value; a value may also be the next argument where the `=` is left out.
    options: &'static [&'static str],
    /// What makes a pattern.
    wild: &'static str,
    /// What a name must contain, so that it isn't a suite's.
    separator: &'static str,
}

const CHOICES: [Choice; 3] = [
    Choice { framework: "gtest", options: &["--gtest_filter="], wild: "*?:-", separator: "." },
    Choice {
        framework: "doctest",
        options: &["--test-case=", "-tc=", "--dt-test-case=", "--dt-tc="],
        wild: "*,",
        separator: "",
    },
    Choice { framework: "boost-test", options: &["--run_test="], wild: "*,:!@{}+", separator: "" },
];

/// Finds the test that the arguments choose.
pub(super) fn find(scene: &Scene<'_>) -> Option<TestCase> {
    let arguments = arguments(scene);
    let (framework, name) = chosen(&arguments.iter().map(String::as_str).collect::<Vec<_>>())?;
    test_case(framework, Source::Arguments, &name)
}

/// Returns the arguments that the process was started with: those on its stack, or else what the notes have of them,
/// without a last one that may be cut.
fn arguments(scene: &Scene<'_>) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let on_stack: Vec<String> = scene.start.arguments().map(text).collect();
    if !on_stack.is_empty() {
        return on_stack;
    }
    let Some(info) = &scene.process.info else { return Vec::new() };
    let mut words: Vec<String> = info.args.as_bytes().split(|byte| *byte == b' ').map(text).collect();
    if info.args_cut {
        words.pop();
    }
    words
}

fn chosen(arguments: &[&str]) -> Option<(&'static str, String)> {
    let (program, arguments) = arguments.split_first()?;
    CHOICES
        .iter()
        .find_map(|choice| Some((choice.framework, option(arguments, choice)?)))
        .or_else(|| Some(("cargo-test", libtest(program, arguments)?)))
        .or_else(|| Some(("go-test", go(arguments)?)))
        .or_else(|| Some(("pytest", pytest(program, arguments)?)))
}

/// Returns the value that an option has last: the last one counts.
fn option(arguments: &[&str], choice: &Choice) -> Option<String> {
    let value = arguments
        .iter()
        .rev()
        .find_map(|argument| choice.options.iter().find_map(|option| argument.strip_prefix(option)))?;
    let is_name = !value.is_empty() && !value.contains(|char| choice.wild.contains(char));
    (is_name && value.contains(choice.separator)).then(|| value.to_owned())
}

/// Rust: `--exact NAME`, which other programs may take as well: this one must be named as cargo names tests.
fn libtest(program: &str, arguments: &[&str]) -> Option<String> {
    let hash = program.rsplit('/').next()?.rsplit_once('-')?.1;
    let is_of_cargo = hash.len() == 16 && hash.chars().all(|char| char.is_ascii_hexdigit());
    if !is_of_cargo || !arguments.contains(&"--exact") {
        return None;
    }
    // Those of libtest's options that take a value in the next argument (library/test/src/cli.rs).
    const WITH_VALUE: [&str; 6] =
        ["--format", "--color", "--skip", "--test-threads", "--logfile", "--shuffle-seed"];
    let previous = [""].iter().chain(arguments);
    let mut names = arguments
        .iter()
        .zip(previous)
        .filter(|(argument, previous)| !argument.starts_with('-') && !WITH_VALUE.contains(previous));
    let (name, _) = names.next()?;
    names.next().is_none().then(|| (*name).to_owned())
}

/// Go: `-test.run=^TestX$`, an expression for each level of subtests.
fn go(arguments: &[&str]) -> Option<String> {
    let next = arguments.iter().skip(1);
    let value = arguments.iter().zip(next.map(Some).chain([None])).find_map(|(argument, next)| {
        let option = argument.strip_prefix('-')?.trim_start_matches('-').strip_prefix("test.run")?;
        option.strip_prefix('=').or_else(|| next.copied().filter(|_| option.is_empty()))
    })?;
    let levels = value.split('/').map(|level| level.strip_prefix('^')?.strip_suffix('$'));
    let names: Option<Vec<&str>> = levels.collect();
    let is_name = |name: &&str| !name.is_empty() && !name.contains(|char| r".*+?()[]{}|\^$".contains(char));
    names.filter(|names| names.iter().all(is_name)).map(|names| names.join("/"))
}

/// pytest: one argument with the name of a test in a file.
fn pytest(program: &str, arguments: &[&str]) -> Option<String> {
    let is_pytest = |word: &str| matches!(word.rsplit('/').next(), Some("pytest" | "py.test"));
    // A script's interpreter has the script for its argument.
    if !is_pytest(program) && !arguments.iter().take(2).any(|word| is_pytest(word)) {
        return None;
    }
    let mut names =
        arguments.iter().filter(|argument| !argument.starts_with('-') && argument.contains(".py::"));
    let name = names.next()?;
    // `file.py::TestClass` is all of a class.
    let last = name.rsplit("::").next().unwrap_or_default();
    (names.next().is_none() && !last.starts_with("Test")).then(|| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Option<(&'static str, String)> {
        chosen(&line.split(' ').collect::<Vec<_>>())
    }

    #[test]
    fn one_chosen_test_is_named() {
        for (line, framework, name) in [
            ("./tests --gtest_filter=*.* --gtest_filter=Cart.Pays/0", "gtest", "Cart.Pays/0"),
            ("./tests -tc=pays", "doctest", "pays"),
            ("./tests --run_test=cart/pays", "boost-test", "cart/pays"),
            ("/t/deps/shop-0123456789abcdef --exact cart::pays --nocapture", "cargo-test", "cart::pays"),
            ("/t/deps/shop-0123456789abcdef --test-threads 1 cart::pays --exact", "cargo-test", "cart::pays"),
            ("./cart.test -test.v=true -test.run=^TestPays$", "go-test", "TestPays"),
            ("./cart.test -test.run ^TestPays$/^by_card$", "go-test", "TestPays/by_card"),
            ("/usr/bin/python3 -m pytest -x t/test_a.py::test_b[1-x]", "pytest", "t/test_a.py::test_b[1-x]"),
            (
                "/usr/bin/python3 /usr/bin/pytest t/test_a.py::TestC::test_b",
                "pytest",
                "t/test_a.py::TestC::test_b",
            ),
        ] {
            assert_eq!(of(line), Some((framework, name.to_owned())), "{line}");
        }
    }

    #[test]
    fn patterns_and_several_tests_and_other_programs_name_none() {
        for line in [
            "./tests",
            "./tests --gtest_filter=Cart.*",
            "./tests --gtest_filter=Cart",
            "./tests --gtest_filter=Cart.Pays:Cart.Empty",
            "./tests --gtest_filter=",
            "./tests -tc=*pays*",
            "./grep --exact cart",
            "/t/deps/shop-0123456789abcdef cart::pays",
            "/t/deps/shop-0123456789abcdef --exact a b",
            "./cart.test -test.run=TestPays",
            "./cart.test -test.run=^(TestPays|TestEmpty)$",
            "./cart.test -test.run",
            "./prog t/test_a.py::test_b",
            "pytest t/test_a.py::TestC",
            "pytest t/test_a.py::test_b t/test_a.py::test_c",
        ] {
            assert_eq!(of(line), None, "{line}");
        }
    }
}
