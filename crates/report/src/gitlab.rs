//! GitLab's Code Quality report: what a merge request shows of crashes, and beside which lines.
//!
//! The format is GitLab's documentation, "Code Quality", "Code Quality report format": a list of objects, each with a
//! fingerprint by which a report of the target branch is compared, and a path within the repository. GitLab leaves out
//! what has no path, so a crash outside of the repository's sources stands at its program's name.

use std::io;
use std::path::Path;

use epitaph_summary::CrashSummary;
use epitaph_summary::group::{GroupReport, Status};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::escape;
use crate::finding::{self, Finding};

/// The most findings: merge requests show a few hundred, and a report may have 10 MB.
const MOST: usize = 5000;

/// Writes a finding for each kind of crash.
pub(crate) fn render(
    summaries: &[CrashSummary],
    groups: &GroupReport,
    repository: Option<&Path>,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    write(&finding::of_summaries(summaries, groups), repository, out)
}

/// Writes a finding for each signature.
pub(crate) fn render_groups(
    groups: &GroupReport,
    repository: Option<&Path>,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    write(&finding::of_groups(groups), repository, out)
}

fn write(findings: &[Finding<'_>], repository: Option<&Path>, out: &mut dyn io::Write) -> io::Result<()> {
    let list: Vec<Value> = findings.iter().take(MOST).map(|finding| object(finding, repository)).collect();
    writeln!(out, "{}", escape::json(&serde_json::to_string_pretty(&list)?))
}

fn object(finding: &Finding<'_>, repository: Option<&Path>) -> Value {
    let file = finding.in_repository(repository);
    let line = finding.line.filter(|_| file.is_some()).unwrap_or(1);
    let program = || if finding.subject.is_empty() { "crash".to_owned() } else { finding.subject.clone() };
    let hash = Sha256::digest(&finding.fingerprint);
    let hex: Vec<String> = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    json!({
        "type": "issue",
        "description": finding.message,
        "check_name": finding.class,
        "categories": ["Bug Risk"],
        "fingerprint": hex.concat(),
        "severity": severity(finding),
        "location": { "path": file.unwrap_or_else(program), "lines": { "begin": line } },
    })
}

/// What is new blocks, what is known doesn't; without a baseline, a crash is critical.
fn severity(finding: &Finding<'_>) -> &'static str {
    match (&finding.ignored, finding.status) {
        (Some(_), _) => "info",
        (None, Some(Status::New)) => "blocker",
        (None, Some(Status::Similar | Status::Known)) => "major",
        _ => "critical",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;
    use crate::kinds::grouped;

    fn rendered(summaries: &[CrashSummary], repository: &str) -> Vec<Value> {
        let mut out = Vec::new();
        render(summaries, &grouped(summaries), Some(Path::new(repository)), &mut out).unwrap();
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn every_finding_has_what_gitlab_asks_for() {
        let all: Vec<CrashSummary> = fixtures::all().into_iter().map(|(_, summary)| summary).collect();
        let list = rendered(&all, "/ci/build");
        assert!(list.len() > 10);
        for finding in &list {
            for field in ["description", "check_name", "fingerprint"] {
                assert!(finding[field].as_str().is_some_and(|text| !text.is_empty()), "{finding:#}");
            }
            let location = &finding["location"];
            let path = location["path"].as_str().unwrap();
            assert!(!path.is_empty() && !path.starts_with("./") && !path.starts_with('/'), "{path}");
            assert!(location["lines"]["begin"].as_u64().unwrap() >= 1);
            assert_eq!(finding["severity"], "critical");
        }
        assert!(rendered(&[], "/").is_empty());
    }

    #[test]
    fn the_line_counts_only_within_the_repository() {
        let mut summary = fixtures::wild_write();
        let location = |summary: &CrashSummary, root| {
            rendered(std::slice::from_ref(summary), root)[0]["location"].clone()
        };
        assert_eq!(location(&summary, "/ci")["path"], "src/compute.c");
        for frame in &mut summary.threads[0].frames {
            frame.file = frame.file.take().map(|file| format!("/ci/{file}"));
        }
        assert_eq!(location(&summary, "/ci"), json!({ "path": "src/compute.c", "lines": { "begin": 310 } }));
        let outside = location(&summary, "/elsewhere");
        assert_eq!(outside["lines"]["begin"], 1, "{outside}");
        assert!(!outside["path"].as_str().unwrap().contains('/'), "{outside}");
    }
}
