//! A store in a folder: the embedded default.
//!
//! A push flows through `plan` (which files, which names, which order), `writer` (whole files at keys) and `push`
//! (blobs, what queries find besides, the manifest). A pull flows through `runs` (manifests to jobs) and `pull`.
//! `layout` has the keys, `names` the artifact paths, `manifest` the record of a push.

mod layout;
mod manifest;
mod names;
mod open;
mod plan;
mod pull;
mod push;
mod read;
mod runs;
mod writer;

use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::debuginfod::DebuginfodFile;
use crate::listing::{Artifact, Listing};
use crate::opened::Opened;
use crate::outcome::{Pulled, Pushed};
use crate::{Progress, Selection, StoreError};

pub use push::PushOptions;

/// A folder with the layout of a store, or one that will have it after the first push.
#[derive(Debug)]
pub(crate) struct FolderStore {
    root: PathBuf,
}

impl FolderStore {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn push(
        &self,
        sources: &[PathBuf],
        options: &PushOptions,
        progress: &dyn Progress,
    ) -> Result<Pushed, StoreError> {
        push::push(&self.root, sources, options, progress)
    }

    pub(crate) fn ls(&self, selection: &Selection, most: usize) -> Result<Listing, StoreError> {
        let mut listing = Listing::default();
        for pushes in runs::Pushes::find(&self.root, selection)? {
            if listing.runs.len() == most {
                break;
            }
            let mut run = pushes.read(&mut listing.warnings);
            run.artifacts.retain(|artifact| selection.takes_node(&artifact.node));
            if !run.artifacts.is_empty() {
                listing.runs.push(run);
            }
        }
        Ok(listing)
    }

    pub(crate) fn read(&self, artifact: &Artifact, limit: u64) -> Result<Vec<u8>, StoreError> {
        read::read(&self.root, artifact, limit)
    }

    pub(crate) fn open(&self, artifact: &Artifact, range: Option<Range<u64>>) -> Result<Opened, StoreError> {
        open::open(&self.root, artifact, range)
    }

    pub(crate) fn open_build_id(
        &self,
        build_id: &str,
        kind: DebuginfodFile,
        range: Option<Range<u64>>,
    ) -> Result<Option<Opened>, StoreError> {
        open::open_build_id(&self.root, build_id, kind, range)
    }

    pub(crate) fn pull(
        &self,
        dir: &Path,
        selection: &Selection,
        progress: &dyn Progress,
    ) -> Result<Pulled, StoreError> {
        let mut warnings = Vec::new();
        for pushes in runs::Pushes::find(&self.root, selection)? {
            let run = pushes.read(&mut warnings);
            if run.artifacts.iter().any(|artifact| selection.takes_node(&artifact.node)) {
                return pull::pull(&self.root, run, warnings, dir, selection, progress);
            }
        }
        Err(StoreError::NothingFound {
            store: self.root.display().to_string(),
            selection: selection.to_string(),
        })
    }
}
