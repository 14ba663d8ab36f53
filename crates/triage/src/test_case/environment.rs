//! Variables that runners set: for each test, in the process itself (pytest) or in the one that they start.
//!
//! Only the test's name is taken of them; a summary never carries the environment.

use epitaph_elf::read_string;
use epitaph_summary::TestCase;

use super::{Scene, Source, test_case};

/// Most variables of a process that are looked at.
const MOST_VARIABLES: u64 = 4096;
/// Longest variable, in bytes, that is looked at.
const LONGEST: usize = 4096;
/// The variable that holds the pointer to the list of variables, by its names in C libraries.
const LIST: [&[u8]; 2] = [b"environ", b"__environ"];

/// What sets a variable, which one, and what in its value is the name.
struct Variable {
    framework: &'static str,
    name: &'static [u8],
    test: fn(&str) -> Option<&str>,
}

/// Set and changed in pytest's own process (src/_pytest/runner.py); its children inherit it.
const PYTEST: Variable =
    Variable { framework: "pytest", name: b"PYTEST_CURRENT_TEST", test: |value| Some(without_phase(value)) };

/// What a process inherits, the nearest to a single test first.
const INHERITED: [Variable; 3] = [
    PYTEST,
    // nexte.st, "Environment variables nextest sets".
    Variable { framework: "nextest", name: b"NEXTEST_TEST_NAME", test: |value| Some(value) },
    // Bazel, test encyclopedia, "Initial conditions": a target, which may hold many tests.
    Variable {
        framework: "bazel",
        name: b"TEST_TARGET",
        test: |value| value.starts_with("//").then_some(value),
    },
];

impl Variable {
    fn test_case(&self, value: Vec<u8>) -> Option<TestCase> {
        let value = String::from_utf8(value).ok()?;
        test_case(self.framework, Source::Environment, (self.test)(&value)?)
    }
}

/// Finds the test that a Python interpreter runs by what pytest has told it last.
pub(super) fn own(scene: &Scene<'_>) -> Option<TestCase> {
    is_python(scene).then(|| PYTEST.test_case(current(scene, PYTEST.name)?))?
}

/// Finds the test that a runner's variable names, among those that the process was started with.
pub(super) fn inherited(scene: &Scene<'_>) -> Option<TestCase> {
    INHERITED.iter().find_map(|variable| variable.test_case(scene.start.variable(variable.name)?.to_vec()))
}

/// `file.py::test_name (call)`, where the brackets hold what of the test was being done.
fn without_phase(value: &str) -> &str {
    value.rsplit_once(" (").filter(|(_, phase)| phase.ends_with(')')).map_or(value, |(test, _)| test)
}

/// Tells whether the process is a Python interpreter, or a program that has one in it.
fn is_python(scene: &Scene<'_>) -> bool {
    scene.loaded.modules().iter().any(|loaded| {
        let name = loaded.module.name();
        name.starts_with("libpython")
            || loaded.module.main && (name.starts_with("python") || name.starts_with("pypy"))
    })
}

/// Returns a variable's value as it is now: a program that sets one has a list of its own in the heap, and the C library
/// points to it.
fn current(scene: &Scene<'_>, name: &[u8]) -> Option<Vec<u8>> {
    let arch = scene.process.arch;
    let word = arch.bits() / 8;
    let list = list_pointer(scene)?;
    let mut at = arch.read_number(scene.memory, list, word).ok()?;
    for _ in 0..MOST_VARIABLES {
        let variable = arch.read_number(scene.memory, at, word).ok().filter(|variable| *variable != 0)?;
        let mut start = vec![0; name.len() + 1];
        if scene.memory.read(variable, &mut start).is_ok() && start.strip_prefix(name) == Some(b"=") {
            return Some(read_string(scene.memory, variable.checked_add(start.len() as u64)?, LONGEST));
        }
        at = at.checked_add(u64::from(word))?;
    }
    None
}

/// Returns where the pointer to the list of variables is: in the program, where it has a copy of the library's variable
/// (the dynamic linker then lets all use that one), or else in the C library.
fn list_pointer(scene: &Scene<'_>) -> Option<u64> {
    let modules = || scene.loaded.modules().iter().enumerate();
    let main = modules().filter(|(_, loaded)| loaded.module.main);
    let libraries = modules().filter(|(_, loaded)| {
        let name = loaded.module.name();
        ["libc.so", "libc-", "ld-musl", "libc.musl"].iter().any(|start| name.starts_with(start))
    });
    main.chain(libraries).find_map(|(index, _)| {
        let object = scene.loaded.object(index)?;
        let address = LIST.iter().find_map(|name| object.variable(name))?;
        scene.loaded.bias(index).map(|bias| bias.wrapping_add(address))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_of_a_test_is_no_part_of_its_name() {
        assert_eq!(without_phase("t/test_a.py::test_b[x (y)] (call)"), "t/test_a.py::test_b[x (y)]");
        assert_eq!(without_phase("t/test_a.py::test_b"), "t/test_a.py::test_b");
    }
}
