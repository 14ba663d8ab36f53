//! SARIF 2.1.0, the OASIS standard for findings: for GitHub's code scanning, Azure's and Visual Studio's viewers.
//!
//! One run, a rule for each class of causes, and a result for each kind of crash, however often it occurred. What GitHub
//! takes is a bound: 25,000 results, of which it shows 5,000, and 10 MB of packed JSON; here it is never more than so much
//! unpacked. Stacks and the ways to the crashes go first where there is no room; what was left out is said in the run.
//!
//! The run's invocations are those of the programs that died: command line, signal, status. SARIF means the analysing tool
//! by them, and `executionSuccessful` says that this one did its work, or else GitHub would call the whole file failed.

mod invocation;
mod location;
mod message;
mod result;
mod rule;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use epitaph_summary::CrashSummary;
use epitaph_summary::group::GroupReport;
use serde_json::{Map, Value, json};

use self::rule::Rule;
use crate::escape;
use crate::finding::{self, Finding};
use crate::quantity::plural;

/// Where the schema lies that a file says it follows.
const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// What names the output folder among the job's artifacts.
const OUTPUT: &str = "EPITAPH_OUT";

/// How much a file holds.
#[derive(Clone, Copy)]
struct Room {
    results: usize,
    /// Bytes of results, as they are written.
    bytes: usize,
}

/// What GitHub takes and shows, with some room for rules.
const OF_GITHUB: Room = Room { results: 5000, bytes: 9 << 20 };

/// Writes a result for each kind of crash, and for what only the baseline has.
pub(crate) fn render(
    summaries: &[CrashSummary],
    groups: &GroupReport,
    repository: Option<&Path>,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let findings = finding::of_summaries(summaries, groups);
    write(&log(&findings, &finding::gone(groups), repository, OF_GITHUB), out)
}

/// Writes a result for each signature, and for what only the baseline has.
pub(crate) fn render_groups(
    groups: &GroupReport,
    repository: Option<&Path>,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    write(&log(&finding::of_groups(groups), &finding::gone(groups), repository, OF_GITHUB), out)
}

fn write(log: &Value, out: &mut dyn io::Write) -> io::Result<()> {
    writeln!(out, "{}", escape::json(&serde_json::to_string(log)?))
}

fn log(findings: &[Finding<'_>], gone: &[Finding<'_>], repository: Option<&Path>, room: Room) -> Value {
    let all = || findings.iter().map(|it| (it, false)).chain(gone.iter().map(|it| (it, true)));
    let mut ids: BTreeMap<String, usize> = BTreeMap::new();
    for (finding, _) in all().take(room.results) {
        ids.entry(Rule::id_of(&finding.class)).or_default();
    }
    for (index, place) in ids.values_mut().enumerate() {
        *place = index;
    }
    let rules: Vec<Rule> = ids.keys().map(|id| Rule::of(id)).collect();
    let mut invocations = Vec::new();
    let mut results: Vec<Value> = Vec::new();
    let (mut taken, mut bare) = (0, 0u64);
    for (finding, is_gone) in all().take(room.results) {
        let id = Rule::id_of(&finding.class);
        let index = ids.get(&id).copied().unwrap_or_default();
        let Some(rule) = rules.get(index) else { continue };
        let made = result::make(finding, (&id, index, rule.level), repository, is_gone);
        let mut result = made.base;
        let basic = size(&result);
        if taken + basic > room.bytes {
            break;
        }
        taken += basic;
        let mut details = made.details;
        if let Some(invocation) = finding.crash.and_then(invocation::of_crash) {
            details.insert("invocation".into(), invocation);
        }
        let more = size(&details);
        if taken + more > room.bytes {
            bare += u64::from(more > 2);
        } else {
            taken += more;
            if let Some(invocation) = details.remove("invocation") {
                let provenance = result.entry("provenance").or_insert_with(|| Map::new().into());
                if let Value::Object(provenance) = provenance {
                    // The first invocation is epitaph's own.
                    provenance.insert("invocationIndex".into(), (invocations.len() + 1).into());
                }
                invocations.push(invocation);
            }
            result.extend(details);
        }
        results.push(result.into());
    }
    let left_out = (findings.len() + gone.len()).saturating_sub(results.len()) as u64;
    let own = invocation::own(&notices(left_out, bare));
    let invocations: Vec<Value> = std::iter::once(own).chain(invocations).collect();
    let rules: Vec<Value> = rules.iter().map(Rule::object).collect();
    let version = env!("CARGO_PKG_VERSION");
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "epitaph",
                "version": version,
                "semanticVersion": version,
                "shortDescription": { "text": "Tells what died, where and why, from core dumps." },
                "rules": rules,
            } },
            "automationDetails": { "id": "epitaph/" },
            "columnKind": "unicodeCodePoints",
            "originalUriBaseIds": result::bases(),
            "invocations": invocations,
            "results": results,
        }],
    })
}

fn size(object: &Map<String, Value>) -> usize {
    serde_json::to_string(object).map_or(usize::MAX / 2, |text| escape::json(&text).len() + 1)
}

/// What was left out, in sentences.
fn notices(left_out: u64, bare: u64) -> Vec<String> {
    let left_out =
        (left_out > 0).then(|| format!("There was no room for {}.", plural(left_out, "more result")));
    let bare = (bare > 0).then(|| format!("There was no room for the stacks of {}.", plural(bare, "result")));
    [left_out, bare].into_iter().flatten().collect()
}
