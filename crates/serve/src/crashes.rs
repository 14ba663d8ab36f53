//! What the crashes of a job were, as their summaries tell it.

use std::collections::HashMap;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

use epitaph_report::Brief;
use epitaph_store::Artifact;
use epitaph_summary::CrashSummary;
use futures_util::{StreamExt, stream};

use crate::ServeError;
use crate::blocking::blocking;
use crate::source::Files;

/// A summary of ten thousand threads is shorter.
const LONGEST_SUMMARY: u64 = 64 << 20;

/// Summaries that are read at once: their size times this is what a page may cost.
const AT_ONCE: usize = 4;

/// The most crashes that are remembered, in some hundred bytes each.
const REMEMBERED: usize = 4096;

/// A crash, or why its summary can't be read.
pub(crate) type Told = Result<Brief, String>;

/// Reads summaries, each content once.
#[derive(Default)]
pub(crate) struct Crashes {
    by_hash: Mutex<HashMap<String, Brief>>,
}

impl Crashes {
    /// Reads the summaries that these artifacts are, in their order.
    pub(crate) async fn read(&self, files: &Arc<dyn Files>, summaries: Vec<Artifact>) -> Vec<Told> {
        stream::iter(summaries)
            .map(|artifact| self.read_one(files, artifact))
            .buffered(AT_ONCE)
            .collect()
            .await
    }

    async fn read_one(&self, files: &Arc<dyn Files>, artifact: Artifact) -> Told {
        let hash = artifact.sha256.clone();
        if let Some(known) = hash.as_ref().and_then(|hash| self.known().get(hash).cloned()) {
            return Ok(known);
        }
        let files = Arc::clone(files);
        let brief = blocking(move || Ok(brief(files.as_ref(), &artifact)))
            .await
            .map_err(|error| error.to_string())??;
        if let Some(hash) = hash {
            let mut known = self.known();
            if known.len() >= REMEMBERED {
                known.clear();
            }
            known.insert(hash, brief.clone());
        }
        Ok(brief)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<String, Brief>> {
        self.by_hash.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn brief(files: &dyn Files, artifact: &Artifact) -> Told {
    let opened = files.open(artifact, None).map_err(|error: ServeError| error.to_string())?;
    if opened.size > LONGEST_SUMMARY {
        return Err(format!("it has more than {LONGEST_SUMMARY} bytes"));
    }
    let mut bytes = Vec::new();
    opened.content.take(LONGEST_SUMMARY).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    let summary: CrashSummary = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    Ok(Brief::of(&summary))
}
