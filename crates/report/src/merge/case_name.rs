//! Which test case of a report a crash has died in.
//!
//! Frameworks and their JUnit reports write one test in several ways: gtest's `Cart.Empty` is class `Cart`, name `Empty`;
//! pytest's `tests/test_cart.py::TestCart::test_empty` is class `tests.test_cart.TestCart`; nextest's class is the binary
//! and its name the whole path. So names are compared by their parts, and the whole class with the name, then the name
//! alone, then the end of both. Where several cases fit equally, the program's name decides; and if that doesn't, none is
//! taken, since a crash in the wrong case is worse than one beside it.

use epitaph_summary::CrashSummary;

use super::scan::{Case, Document};
use crate::escape::clean;
use crate::headline::program;
use crate::junit;

/// What is known of the case that a crash has died in. All texts are clean.
#[derive(Debug)]
pub(super) struct Wanted {
    /// The test, as the crash's process was told; none if it isn't known.
    test: Option<String>,
    /// The class and the name that a case of its own gets.
    pub(super) class: String,
    pub(super) name: String,
    /// The program.
    program: String,
}

impl Wanted {
    pub(super) fn of(summary: &CrashSummary) -> Wanted {
        let test = summary.test.as_ref().filter(|test| !test.name.is_empty());
        let (subject, title) = junit::names(summary);
        let framework = test.and_then(|test| test.framework.as_deref()).unwrap_or_default();
        let name = test.map(|test| clean(&test.name).into_owned());
        let (class, own) = match name.as_deref() {
            Some(name) => split(framework, name).unwrap_or((subject, name.to_owned())),
            None => (subject, title),
        };
        let program = program(summary).unwrap_or_default();
        Wanted { test: name, class: junit::inert(&class), name: junit::inert(&own), program }
    }
}

/// How a framework's own JUnit report divides a test's name into class and name.
fn split(framework: &str, name: &str) -> Option<(String, String)> {
    match framework {
        // `Suite.Name`, `Prefix/Suite.Name/0`
        "gtest" => name.split_once('.').map(|(class, name)| (class.to_owned(), name.to_owned())),
        // `folder/file.py::Class::name`; brackets hold parameters.
        "pytest" => {
            let (path, parameters) = name.split_at(name.find('[').unwrap_or(name.len()));
            let (class, name) = path.rsplit_once("::")?;
            Some((parts(class).join("."), format!("{name}{parameters}")))
        }
        "ctest" => Some((name.to_owned(), name.to_owned())),
        _ => None,
    }
}

/// The parts of a name, without what frameworks write between them.
fn parts(name: &str) -> Vec<String> {
    let name = name.replace(".py::", "::");
    let name =
        name.strip_suffix(".py").unwrap_or(&name).replace("::", "\0").replace(['/', '.', '\\', '#'], "\0");
    name.split('\0').filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// How well a case fits, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// Class and name are the test's.
    Whole,
    /// The name is.
    Name,
    /// The test's name ends what the case is called, or the other way round.
    End,
}

fn fit(test: &[String], text: &str, case: &Case) -> Option<Fit> {
    let name = parts(&case.name);
    let whole = [parts(&case.class), name.clone()].concat();
    if name.is_empty() {
        None
    } else if whole == test {
        Some(Fit::Whole)
    } else if case.name == text || name == test {
        Some(Fit::Name)
    } else if whole.ends_with(test) || test.ends_with(&whole) {
        Some(Fit::End)
    } else {
        None
    }
}

/// Finds the case: its index.
pub(super) fn found(wanted: &Wanted, document: &Document) -> Option<usize> {
    let test = wanted.test.as_deref()?;
    let parts = parts(test);
    let fits: Vec<(Fit, usize)> = document
        .cases
        .iter()
        .enumerate()
        .filter_map(|(index, case)| Some((fit(&parts, test, case)?, index)))
        .collect();
    let best = fits.iter().map(|(fit, _)| *fit).min()?;
    let best: Vec<usize> = fits.into_iter().filter(|(fit, _)| *fit == best).map(|(_, index)| index).collect();
    only(&best, document).or_else(|| {
        let of_program: Vec<usize> =
            best.iter().copied().filter(|index| is_of(*index, wanted, document)).collect();
        only(&of_program, document)
    })
}

/// The only one; of runs of one and the same case, the last.
fn only(cases: &[usize], document: &Document) -> Option<usize> {
    let name = |index: &usize| document.cases.get(*index).map(|case| (&case.class, &case.name, &case.suites));
    let last = cases.last()?;
    cases.iter().all(|other| name(other) == name(last)).then_some(*last)
}

/// Whether the class or a suite of a case is called like the program.
fn is_of(index: usize, wanted: &Wanted, document: &Document) -> bool {
    let Some(case) = document.cases.get(index) else { return false };
    // A test binary of Rust has a hash at its end, and nextest calls it `package::binary`.
    let stem = wanted
        .program
        .rsplit_once('-')
        .filter(|(_, hash)| hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let stem = stem.map_or(wanted.program.as_str(), |(stem, _)| stem);
    let plain = |name: &str| name.replace('-', "_");
    let called = |name: &str| {
        let wanted = plain(stem);
        !wanted.is_empty() && (plain(name) == wanted || parts(name).iter().any(|part| plain(part) == wanted))
    };
    called(&case.class)
        || case.suites.iter().filter_map(|suite| document.suites.get(*suite)).any(|suite| called(&suite.name))
}
