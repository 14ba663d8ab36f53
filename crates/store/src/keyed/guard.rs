//! What a push owes to a gc that runs beside it: see [`gc`](super::gc) for why nothing is lost.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::gc::{MARKER_LIFE, MARKERS, is_older};
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

/// What is known of gcs beside a push.
enum Gc {
    /// One ran, or may have.
    Raced,
    /// None ran when the manifest was written, at that time.
    None { committed: Timestamp },
}

impl Push<'_> {
    /// Called when the manifest is written: waits for a gc that may not have seen it, and puts back what that removed.
    pub(super) async fn outlive_gc(&self, manifest: &str, sent: Vec<Sent>, failed: &mut Vec<Failed>) {
        // By the store's clock: this host's may be years behind.
        let surely_alone_since = match self.wait_for_gc(manifest).await {
            Ok(Gc::Raced) => None,
            Ok(Gc::None { committed }) => Some(committed),
            // No gc can run there.
            Err(StoreError::CannotList { .. }) => return,
            Err(error) => {
                self.warn(manifest.to_owned(), format!("can't tell whether a gc runs: {error}"));
                None
            }
        };
        for sent in sent {
            let may_be_gone = match (surely_alone_since, sent.stored.there_since) {
                (Some(committed), Some(since)) => is_older(since, SURELY_KEPT, committed),
                (Some(_), None) => false,
                (None, _) => true,
            };
            if !may_be_gone {
                continue;
            }
            let restored = match self.is_there(&sent).await {
                Ok(true) => continue,
                Ok(false) => self.restore(&sent).await,
                Err(error) => Err(error),
            };
            if let Err(error) = restored {
                failed.push(Failed { path: sent.file.source.display().to_string(), error });
            }
        }
    }

    /// Puts back what a gc has removed. What has changed since is other content than the manifest names.
    async fn restore(&self, sent: &Sent) -> Result<(), StoreError> {
        let (stored, _) = self.store(&sent.file).await?;
        if stored.content == sent.stored.content {
            return Ok(());
        }
        Err(StoreError::Changed { path: sent.file.source.clone() })
    }

    /// Whether a gc ran beside this push; returns when it is over, or seems to be dead.
    async fn wait_for_gc(&self, manifest: &str) -> Result<Gc, StoreError> {
        // The store's own clock, at the moment from which on every gc sees the manifest.
        let Some(Object { modified: committed, .. }) = self.backend.head(manifest).await? else {
            return Ok(Gc::Raced);
        };
        let is_live = |marker: &Object| !is_older(marker.modified, MARKER_LIFE, committed);
        let mut raced = false;
        let mut waited = Duration::ZERO;
        while waited < MARKER_LIFE.unsigned_abs() && self.backend.list(MARKERS).await?.iter().any(is_live) {
            raced = true;
            tokio::time::sleep(PAUSE).await;
            waited += PAUSE;
        }
        Ok(if raced { Gc::Raced } else { Gc::None { committed } })
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
