//! Crashes put into a job's own JUnit report: into the test cases that died, so that they stand where people look.
//!
//! The report is somebody else's. Every byte of it stays as it is, but for the elements and counts that change: a case that
//! had failed keeps its own words beneath the crash's; one that had not becomes an error; one that is missing, since its
//! process died before it was written, is added. Merging twice changes nothing.
//!
//! The file is hostile input. It is read in one pass without recursion; entities that it declares are never expanded, and
//! with them it is refused; so is what is no JUnit, not well-formed, cut, or larger than [`LARGEST`].

mod case_name;
mod edit;
mod insert;
mod scan;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use epitaph_summary::CrashSummary;

use crate::escape::clean;
use crate::junit::{self, Told};
use crate::options::Options;
use case_name::{Wanted, found};
use edit::Edits;
use scan::{Document, Suite};

/// The largest report that is read, in bytes.
pub const LARGEST: usize = 256 << 20;

/// A merged report, and what has become of each crash.
#[derive(Debug)]
pub struct Merged {
    /// The report.
    pub xml: Vec<u8>,
    /// One for each crash, in their order.
    pub placed: Vec<Placed>,
}

/// What has become of a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Placed {
    /// It is told in the test case that died.
    Matched,
    /// It has a test case of its own: the report had none of that name, or no test is known.
    Added,
    /// The report has it already.
    AlreadyThere,
}

/// Why a report was left alone.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// It is larger than what is read.
    #[error("it has more than {} MiB", LARGEST >> 20)]
    TooLarge,
    /// It isn't well-formed.
    #[error("it is not well-formed XML: {what} (byte {at})")]
    Malformed {
        /// What is wrong.
        what: String,
        /// Where, from 0.
        at: u64,
    },
    /// It ends within an element.
    #[error("it ends before <{element}> does: it was cut")]
    Cut {
        /// The element.
        element: String,
    },
    /// It declares entities.
    #[error("it has a document type: no JUnit report needs one, and it can make a small file huge")]
    DocumentType,
    /// Its elements are another format's.
    #[error("it is no JUnit report: its first element is <{root}>")]
    NotJunit {
        /// That element.
        root: String,
    },
    /// Its characters are not written as ASCII is.
    #[error("it is written in UTF-16 or UTF-32, which is not read")]
    Encoding,
    /// Elements stand within each other too deeply.
    #[error("its elements stand in each other more than {} deep", scan::DEEPEST)]
    TooDeep,
}

impl MergeError {
    /// Returns what to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        Some("`epitaph report --format junit` writes a report of the crashes alone")
    }
}

/// Puts crashes into a JUnit report.
///
/// The errors are those of the report, which then is to be left as it was.
pub fn merge(report: &[u8], summaries: &[CrashSummary], options: &Options) -> Result<Merged, MergeError> {
    let document = scan::scan(report)?;
    let mut edits = Edits::default();
    let mut placed = Vec::new();
    // Several crashes may have died in one case, and several be missing from one suite.
    let mut of_case: BTreeMap<usize, Vec<Told>> = BTreeMap::new();
    let mut of_suite: BTreeMap<Option<usize>, Vec<(Wanted, Told)>> = BTreeMap::new();
    for summary in summaries {
        if is_there(report, summary) {
            placed.push(Placed::AlreadyThere);
            continue;
        }
        let told = Told::of(summary, None, options);
        let wanted = Wanted::of(summary);
        match found(&wanted, &document) {
            Some(case) => {
                of_case.entry(case).or_default().push(told);
                placed.push(Placed::Matched);
            }
            None => {
                of_suite.entry(suite_for(&wanted, &document)).or_default().push((wanted, told));
                placed.push(Placed::Added);
            }
        }
    }
    let escape = insert::Escape { ascii: !document.is_utf8 };
    let mut counts = insert::Counts::default();
    for (index, crashes) in &of_case {
        if let Some(case) = document.cases.get(*index) {
            insert::into_case(case, crashes, escape, &mut counts, &mut edits);
        }
    }
    let mut taken = junit::Taken::new();
    for case in &document.cases {
        taken.entry((case.class.clone(), case.name.clone())).or_insert(1);
    }
    for (suite, crashes) in of_suite {
        let suite = suite.and_then(|index| Some((index, document.suites.get(index)?)));
        insert::into_suite(suite, &document, crashes, &mut taken, escape, &mut counts, &mut edits);
    }
    insert::correct_counts(&document, &counts, &mut edits);
    Ok(Merged { xml: edits.apply(report), placed })
}

/// Tells whether the report has a crash already: by its id, which stands in what was put there.
fn is_there(report: &[u8], summary: &CrashSummary) -> bool {
    let Some(id) = summary.id.as_deref().filter(|id| !id.is_empty()) else { return false };
    let line = format!("crash: {}", clean(id));
    memchr::memmem::find(report, line.as_bytes()).is_some()
}

/// The suite that a missing case belongs into: the one of its class; or the only one; none is a new one.
fn suite_for(wanted: &Wanted, document: &Document) -> Option<usize> {
    let named = |suite: &Suite| suite.name == wanted.class;
    let by_name = document.suites.iter().position(|suite| named(suite) && !suite.is_root);
    by_name.or_else(|| document.suites.iter().position(|suite| suite.is_root && !suite.is_collection))
}
