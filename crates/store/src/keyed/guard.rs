//! What a push owes to a gc that runs beside it: see [`gc`](super::gc) for why nothing is lost.

use std::time::Duration;

use jiff::SignedDuration;

use super::gc::{MARKER_LIFE, MARKERS};
use super::push::{Push, Sent};
use crate::StoreError;
use crate::backend::Object;
use crate::layout::blob_key;
use crate::outcome::Failed;

/// Content that was there before and is younger than this can't have been removed since: a gc takes nothing younger
/// than a day, and a push takes less than the rest of it.
const SURELY_KEPT: SignedDuration = SignedDuration::from_hours(12);

/// How often a gc that runs is looked at.
const PAUSE: Duration = Duration::from_millis(500);

impl Push<'_> {
    /// Called when the manifest is written: waits for a gc that may not have seen it, and puts back what that removed.
    pub(super) async fn outlive_gc(&self, manifest: &str, sent: Vec<Sent>, failed: &mut Vec<Failed>) {
        let raced = match self.wait_for_gc(manifest).await {
            Ok(raced) => raced,
            // No gc can run there.
            Err(StoreError::CannotList { .. }) => false,
            Err(error) => {
                self.warn(manifest.to_owned(), format!("can't tell whether a gc runs: {error}"));
                true
            }
        };
        for sent in sent {
            let shared_for_long =
                sent.stored.there_since.is_some_and(|since| since + SURELY_KEPT < self.time);
            if !raced && !shared_for_long {
                continue;
            }
            let restored = match self.is_there(&sent).await {
                Ok(true) => continue,
                Ok(false) => self.store(&sent.file).await.map(|_| ()),
                Err(error) => Err(error),
            };
            if let Err(error) = restored {
                failed.push(Failed { path: sent.file.source.display().to_string(), error });
            }
        }
    }

    /// Whether a gc ran beside this push; returns when it is over, or seems to be dead.
    async fn wait_for_gc(&self, manifest: &str) -> Result<bool, StoreError> {
        // The store's own clock, at the moment from which on every gc sees the manifest.
        let Some(Object { modified: committed, .. }) = self.backend.head(manifest).await? else {
            return Ok(true);
        };
        let is_live = |marker: &Object| marker.modified + MARKER_LIFE > committed;
        let mut raced = false;
        let mut waited = Duration::ZERO;
        while waited < MARKER_LIFE.unsigned_abs() && self.backend.list(MARKERS).await?.iter().any(is_live) {
            raced = true;
            tokio::time::sleep(PAUSE).await;
            waited += PAUSE;
        }
        Ok(raced)
    }

    async fn is_there(&self, sent: &Sent) -> Result<bool, StoreError> {
        let blob = blob_key(&sent.stored.content.sha256).unwrap_or_default();
        for key in [Some(&blob), sent.also.as_ref()].into_iter().flatten() {
            if self.backend.head(key).await?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
