//! Groups as JUnit XML: a test case for each signature. What is on purpose is skipped, and what only the baseline has passes:
//! a test tab then shows it as mended.

use std::io;

use epitaph_summary::group::{Bucket, GroupReport};
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

use super::facts;
use crate::escape::brief;
use crate::finding;
use crate::junit::{Taken, inert, unique, write};

/// The most characters of a reason.
const REASON: usize = 300;

/// Writes the report.
pub(super) fn render(report: &GroupReport, out: &mut dyn io::Write) -> io::Result<()> {
    let mut suite = TestSuite::new("epitaph");
    let mut taken = Taken::new();
    let buckets = report.groups.iter().flat_map(|group| &group.buckets).chain(&report.ignored);
    for (bucket, finding) in buckets.zip(finding::of_groups(report)) {
        let (class, name) = names(bucket);
        let kind = if finding.ignored.is_some() { None } else { Some(NonSuccessKind::Error) };
        let mut status = kind.map_or_else(TestCaseStatus::skipped, TestCaseStatus::non_success);
        let reason = finding.ignored.as_deref().map(|reason| brief(reason, REASON));
        status.set_message(inert(reason.as_deref().unwrap_or(&finding.message)));
        status.set_type(inert(&finding.class));
        status.set_description(inert(&format!("\n{}\n", lines(bucket).join("\n"))));
        let mut case = TestCase::new(unique(&class, &name, &mut taken), status);
        case.set_classname(class);
        suite.add_test_case(case);
    }
    for bucket in &report.gone {
        let (class, name) = names(bucket);
        let name = unique(&class, &name, &mut taken);
        suite.add_test_case(gone(&class, &name));
    }
    write(suite, out)
}

/// The class and the name of a case, which stay the same from run to run.
pub(crate) fn names(bucket: &Bucket) -> (String, String) {
    let subject = facts::subject(bucket).unwrap_or_else(|| "epitaph".to_owned());
    (inert(&subject), inert(&facts::title(bucket)))
}

/// The case of what only the baseline has.
pub(crate) fn gone(class: &str, name: &str) -> TestCase {
    let mut case = TestCase::new(name.to_owned(), TestCaseStatus::success());
    case.set_classname(class.to_owned());
    case.set_system_out("\ngone: only the baseline has this crash\n");
    case
}

fn lines(bucket: &Bucket) -> Vec<String> {
    let stack = bucket.lines.iter().skip(1).map(|name| format!("  in {}", brief(name, REASON)));
    let seen = facts::seen(bucket.first_seen.as_deref(), bucket.last_seen.as_deref());
    let facts = [seen, facts::tests(bucket), facts::jobs(bucket), facts::likeness(bucket)];
    let more = [facts::example(bucket), facts::signature(bucket)];
    facts.into_iter().flatten().chain(stack).chain(more.into_iter().flatten()).collect()
}
