//! Stores that keep what is pushed at the keys of [`layout`](crate::layout), over any [`Backend`].
//!
//! A push flows through `plan` (which files, which names, which order), `push` (blobs, what queries find besides, the
//! manifest) and `guard` (nothing of it was lost to a gc meanwhile); `spooled` pushes what a [`Spool`](crate::Spool) keeps. A pull flows through `runs` (manifests to jobs)
//! and `pull`; `read` opens single artifacts. `gc` removes what is
//! old. `names` has the artifact paths, `manifest` the record of a push.

mod gc;
mod guard;
mod manifest;
mod names;
mod plan;
mod pull;
mod push;
mod read;
mod runs;
mod spooled;

use std::path::Path;
use std::sync::Arc;

use futures_util::{StreamExt, stream};

use crate::backend::Backend;
use crate::listing::Listing;
use crate::options::Network;
use crate::outcome::{Failed, Pulled};
use crate::runtime::Blocking;
use crate::{Encrypt, Progress, Selection, StoreError, StoreOptions, Warning};

use runs::Pushes;

pub(crate) use names::Destination;
pub(crate) use plan::{Plan, Planned};
pub use push::PushOptions;

/// How many jobs' manifests are read at once.
const READS: usize = 4;

/// A store with our layout.
#[derive(Debug)]
pub(crate) struct Keyed {
    backend: Box<dyn Backend>,
    runtime: Blocking,
    network: Network,
    encrypt: Option<Arc<dyn Encrypt>>,
}

impl Keyed {
    pub(crate) fn new(backend: Box<dyn Backend>, runtime: Blocking, options: &StoreOptions) -> Self {
        let (network, encrypt) = (options.network.clone(), options.encrypt.clone());
        Self { backend, runtime, network, encrypt }
    }

    pub(crate) fn url(&self) -> String {
        self.backend.url()
    }

    /// Lists at most so many of the selected jobs, the newest ones.
    pub(crate) fn ls(&self, selection: &Selection, most: usize) -> Result<Listing, StoreError> {
        self.runtime.wait(async {
            let pushes = Pushes::find(self.backend.as_ref(), selection).await?;
            let mut runs =
                stream::iter(pushes).map(|pushes| pushes.read(self.backend.as_ref())).buffered(READS);
            let mut listing = Listing::default();
            while listing.runs.len() < most
                && let Some((mut run, failed)) = runs.next().await
            {
                let unread = |Failed { path, error }| Warning { path, message: error.to_string() };
                listing.warnings.extend(failed.into_iter().map(unread));
                run.artifacts.retain(|artifact| selection.takes_node(&artifact.node));
                if !run.artifacts.is_empty() {
                    listing.runs.push(run);
                }
            }
            Ok(listing)
        })
    }

    pub(crate) fn pull(
        &self,
        dir: &Path,
        selection: &Selection,
        progress: &dyn Progress,
    ) -> Result<Pulled, StoreError> {
        self.runtime.wait(async {
            for pushes in Pushes::find(self.backend.as_ref(), selection).await? {
                let (run, unread) = pushes.read(self.backend.as_ref()).await;
                // An older job is not what was asked for, even where nothing of this one can be read.
                if !unread.is_empty()
                    || run.artifacts.iter().any(|artifact| selection.takes_node(&artifact.node))
                {
                    return self.pull_run(run, unread, dir, selection, progress).await;
                }
            }
            Err(StoreError::NothingFound { store: self.url(), selection: selection.to_string() })
        })
    }
}
