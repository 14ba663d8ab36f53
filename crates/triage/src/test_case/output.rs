//! The test that a job's output says has begun and not ended.

use epitaph_summary::TestCase;

use super::{Source, test_case};

/// How a framework says that a test begins, and how that it has ended; a name follows.
struct Announcements {
    framework: &'static str,
    begins: &'static str,
    ends: &'static [&'static str],
}

const FRAMEWORKS: [Announcements; 2] = [
    // gtest.cc, `PrettyUnitTestResultPrinter`.
    Announcements {
        framework: "gtest",
        begins: "[ RUN      ] ",
        ends: &["[       OK ] ", "[  FAILED  ] ", "[  SKIPPED ] "],
    },
    // testing.go, `tRunner` and `report` of `go test -v`. What a parallel test waits for is not its own.
    Announcements {
        framework: "go-test",
        begins: "=== RUN   ",
        ends: &["--- PASS: ", "--- FAIL: ", "--- SKIP: ", "=== PAUSE "],
    },
];

/// Finds the one test that the last lines of a job's output say has begun and not ended; none where several have, or where
/// no framework is recognized. With subtests, it is the innermost.
pub fn test_in_output(lines: &[String]) -> Option<TestCase> {
    let mut found = FRAMEWORKS.iter().filter_map(|framework| {
        let name = framework.unended(lines)?;
        test_case(framework.framework, Source::Output, name)
    });
    let test = found.next()?;
    found.next().is_none().then_some(test)
}

impl Announcements {
    fn unended<'a>(&self, lines: &'a [String]) -> Option<&'a str> {
        let mut running: Vec<&str> = Vec::new();
        for line in lines.iter().map(|line| line.trim()) {
            if let Some(name) = line.strip_prefix(self.begins) {
                running.push(name.trim());
            } else if let Some(rest) = self.ends.iter().find_map(|end| line.strip_prefix(end)) {
                // `Suite.Name (3 ms)`, `Suite.Name, where GetParam() = 1`
                let name = rest.split([' ', ',']).next().unwrap_or(rest);
                running.retain(|running| *running != name);
            }
        }
        let (last, others) = running.split_last()?;
        let is_around = |other: &&str| last.strip_prefix(*other).is_some_and(|rest| rest.starts_with('/'));
        others.iter().all(is_around).then_some(*last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(text: &str) -> Option<(String, String)> {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let test = test_in_output(&lines)?;
        assert_eq!(test.source.as_deref(), Some("output"));
        Some((test.framework?, test.name))
    }

    fn test(framework: &str, name: &str) -> (String, String) {
        (framework.to_owned(), name.to_owned())
    }

    #[test]
    fn the_test_that_has_begun_and_not_ended_is_found() {
        let done = "[ RUN      ] Cart.Pays\n[       OK ] Cart.Pays (0 ms)\n";
        assert_eq!(
            find(&format!("{done}[ RUN      ] Cart.Breaks\nnoise\n")),
            Some(test("gtest", "Cart.Breaks"))
        );
        assert_eq!(find(done), None);
        let failed = "[ RUN      ] A.B/1\n[  FAILED  ] A.B/1, where GetParam() = 7 (1 ms)\n";
        assert_eq!(find(failed), None);
        assert_eq!(
            find("=== RUN   TestA\n--- PASS: TestA (0.00s)\n=== RUN   TestB\n"),
            Some(test("go-test", "TestB"))
        );
    }

    #[test]
    fn of_subtests_the_innermost_and_of_several_none() {
        assert_eq!(find("=== RUN   TestA\n=== RUN   TestA/deep\n"), Some(test("go-test", "TestA/deep")));
        assert_eq!(find("=== RUN   TestA\n    --- PASS: TestA/x (0.00s)\n"), Some(test("go-test", "TestA")));
        assert_eq!(find("=== RUN   TestA\n=== RUN   TestB\n"), None);
        assert_eq!(find("[ RUN      ] A.B\n=== RUN   TestB\n"), None);
        assert_eq!(find("nothing of it\n"), None);
    }
}
