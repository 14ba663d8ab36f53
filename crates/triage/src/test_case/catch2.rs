//! Catch2: a test is a function with a number for a name; what it is called is in the framework's record of it.
//!
//! The record (catch.hpp and catch_test_case_info.hpp, `TestCaseInfo`) begins with a `std::string`, the name, and has the
//! place of the test, path and line, further on; in version 3 what is pointed to may first be a `TestCaseHandle`, whose
//! first word leads to it. The place says which record is that of the function whose frame is on the stack.

use epitaph_summary::{TestCase, Thread};

use super::stack::pointers;
use super::strings::{c_string, cxx_string};
use super::{Scene, Source, function, test_case};

const NAME: &str = "catch2";
/// Parts of the names of tests' functions: of version 3, of version 2 from 2.12 on, and of those before.
const FUNCTIONS: [&str; 5] = [
    "CATCH2_INTERNAL_TEST",
    "CATCH2_INTERNAL_TEMPLATE_TEST",
    "C_A_T_C_H_T_E_S_T_",
    "C_A_T_C_H_T_E_M_P_L_A_T_E_T_E_S_T_",
    "C_A_T_C_H____T_E_S_T____",
];
/// Most lines of a source file.
const MOST_LINES: u64 = 1 << 24;
/// Most pointers that are followed.
const MOST_POINTERS: usize = 2048;

/// What a record says of its test.
#[derive(Debug)]
struct Record {
    name: String,
    file: String,
    line: u64,
}

/// Finds the test whose code a thread runs.
pub(super) fn find(scene: &Scene<'_>, thread: &Thread) -> Option<TestCase> {
    let frames = &thread.frames;
    let last = frames.iter().rposition(|frame| function(frame).starts_with("Catch::"))?;
    let test = frames.iter().take(last).rposition(|frame| is_test(function(frame)))?;
    let mut records: Vec<Record> = pointers(scene.process, scene.memory, thread, &(test..last + 1))
        .into_iter()
        .take(MOST_POINTERS)
        .filter_map(|pointer| {
            record(scene, pointer).or_else(|| {
                let handle =
                    scene.process.arch.read_number(scene.memory, pointer, scene.process.arch.bits() / 8);
                record(scene, handle.ok()?)
            })
        })
        .collect();
    let frame = frames.get(test)?;
    if let (Some(file), Some(line)) = (&frame.file, frame.line) {
        records.retain(|record| is_same_file(&record.file, file) && record.line <= u64::from(line));
        // Between a test's first line and the line that it is at, no other test begins.
        let line = records.iter().map(|record| record.line).max()?;
        records.retain(|record| record.line == line);
    }
    if let Some(parameters) = parameters(function(frame))
        && records.iter().any(|record| record.name.ends_with(&parameters))
    {
        records.retain(|record| record.name.ends_with(&parameters));
    }
    let name = &records.first()?.name;
    records.iter().all(|record| record.name == *name).then(|| test_case(NAME, Source::Memory, name))?
}

/// Tells whether a function holds the body of a test, be it its own or a method of the test's class.
fn is_test(function: &str) -> bool {
    FUNCTIONS.iter().any(|part| function.contains(part)) && !function.starts_with("Catch::")
}

/// Returns the end of the name of a test that is instantiated for a type, ` - int`.
fn parameters(function: &str) -> Option<String> {
    let (_, parameters) = function.split_once('<')?;
    Some(format!(" - {}", parameters.rsplit_once('>')?.0))
}

/// Tells whether two paths, of which one may be relative, are of one file.
fn is_same_file(path: &str, other: &str) -> bool {
    let (short, long) = if path.len() <= other.len() { (path, other) } else { (other, path) };
    let short = short.trim_start_matches("../").trim_start_matches("./");
    long.strip_suffix(short).is_some_and(|before| before.is_empty() || before.ends_with('/'))
}

/// Reads the record at an address, if there is one.
fn record(scene: &Scene<'_>, address: u64) -> Option<Record> {
    let (process, memory) = (scene.process, scene.memory);
    let (name, string) = cxx_string(process, memory, address)?;
    let word = u64::from(process.arch.bits() / 8);
    let number = |at: u64| process.arch.read_number(memory, at, word as u8).ok();
    // Between name and place: in version 2 two strings and two vectors; in version 3 a view of a string, a string and a
    // vector. Anything else is a string that has another one's place behind it.
    let offsets = [3 * string + 6 * word, 2 * string + 5 * word];
    offsets.into_iter().find_map(|offset| {
        let place = address.checked_add(offset)?;
        let line = number(place.checked_add(word)?).filter(|line| (1..MOST_LINES).contains(line))?;
        let file = c_string(memory, number(place)?).filter(|file| file.contains('.'))?;
        Some(Record { name: name.clone(), file, line })
    })
}

#[cfg(test)]
mod tests {
    use epitaph_testkit::core::machine::{I386, X86_64};

    use super::super::testing::{BASE, Layout};
    use super::*;

    #[test]
    fn records_of_both_versions_are_read() {
        for machine in [X86_64, I386] {
            let read = |layout: &mut Layout| {
                let file = layout.text("src/cart.cpp");
                layout
                    .words(&[file, 17])
                    .see(|scene| record(scene, BASE))
                    .map(|record| (record.name, record.line))
            };
            let expected = Some(("a cart, as such, costs nothing".to_owned(), 17));
            let mut version_2 = Layout::new(machine);
            version_2
                .libstdcxx("a cart, as such, costs nothing")
                .libstdcxx("Cart")
                .libstdcxx("")
                .words(&[0; 6]);
            assert_eq!(read(&mut version_2), expected, "{}", machine.name);
            let mut version_3 = Layout::new(machine);
            version_3.libcxx("a cart, as such, costs nothing").words(&[0; 2]).libcxx("[cart]").words(&[0; 3]);
            assert_eq!(read(&mut version_3), expected, "{}", machine.name);
            // The class's name is a string as well, and has the same place behind it.
            let mut within = Layout::new(machine);
            within.libstdcxx("Cart").libstdcxx("").words(&[0; 6]);
            assert_eq!(read(&mut within), None, "{}", machine.name);
        }
    }

    #[test]
    fn functions_of_tests_are_told_from_the_frameworks() {
        for test in [
            "CATCH2_INTERNAL_TEST_0",
            "(anonymous namespace)::C_A_T_C_H_T_E_S_T_5::test",
            "____C_A_T_C_H____T_E_S_T____0",
            "C_A_T_C_H_T_E_M_P_L_A_T_E_T_E_S_T_F_U_N_C_7<int>",
        ] {
            assert!(is_test(test), "{test}");
        }
        assert!(!is_test("Catch::TestInvokerAsMethod<(anonymous namespace)::C_A_T_C_H_T_E_S_T_5>::invoke"));
        assert!(!is_test("main"));
    }

    #[test]
    fn paths_are_compared_as_far_as_both_go() {
        assert!(is_same_file("../src/cart.cpp", "/jobs/src/cart.cpp"));
        assert!(is_same_file("/jobs/src/cart.cpp", "cart.cpp"));
        assert!(!is_same_file("/jobs/src/shopping_cart.cpp", "cart.cpp"));
        assert!(!is_same_file("/jobs/a/cart.cpp", "/jobs/b/cart.cpp"));
    }

    #[test]
    fn types_are_parts_of_names() {
        assert_eq!(parameters("TEST_7<std::vector<int>>").as_deref(), Some(" - std::vector<int>"));
        assert_eq!(parameters("TEST_7"), None);
    }
}
