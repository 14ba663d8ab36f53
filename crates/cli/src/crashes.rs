//! Summaries of every crash at some paths, for what shows them all.

use std::path::{Path, PathBuf};

use epitaph_bundle::{CoreInTree, Identities, OpenLimits, read_summaries};
use epitaph_summary::CrashSummary;
use epitaph_triage::Silent;

use crate::error::Error;
use crate::examine::Examiner;
use crate::{input, terminal};

/// Returns the crashes at paths, and whether something there could not be read, which is told.
pub(crate) fn summaries_at(
    paths: &[PathBuf],
    examiner: &Examiner<'_>,
    identities: &Identities,
) -> (Vec<CrashSummary>, bool) {
    let mut summaries = Vec::new();
    let mut failed = false;
    for path in paths {
        let crashes = input::crashes_at(path).unwrap_or_else(|error| {
            error.print();
            failed = true;
            Vec::new()
        });
        for crash in crashes {
            match summaries_of(&crash, input::tree(path), examiner, identities) {
                Ok(found) => summaries.extend(found),
                Err(error) => {
                    error.print();
                    failed = true;
                }
            }
        }
    }
    (summaries, failed)
}

/// Returns a crash's summary as it was kept, or else the one that its core gives.
fn summaries_of(
    crash: &CoreInTree,
    tree: Option<&Path>,
    examiner: &Examiner<'_>,
    identities: &Identities,
) -> Result<Vec<CrashSummary>, Error> {
    if let Some(summary) = &crash.summary {
        let crashes = read_summaries(summary)?;
        terminal::warnings(&crashes.warnings);
        if !crashes.summaries.is_empty() {
            return Ok(crashes.summaries);
        }
    }
    match &crash.core {
        Some(core) => {
            let opened = input::open(core, tree, &OpenLimits::default(), identities)?;
            Ok(vec![examiner.examine(&opened, tree, &mut Silent)?.summary])
        }
        None => Ok(Vec::new()),
    }
}
