//! A store.

use std::ops::Range;

use epitaph_store::{Artifact, DebuginfodFile, Listing, Opened, Selection, Store, StoreError};

use super::{Facts, Files};
use crate::ServeError;

/// A store of any kind.
#[derive(Debug)]
pub(super) struct Stored(pub(super) Store);

impl Files for Stored {
    fn newest(&self, selection: &Selection, most: usize) -> Result<Listing, ServeError> {
        match self.0.newest(selection, most) {
            // A store that is one job says so of any other.
            Err(StoreError::NothingFound { .. }) => Ok(Listing::default()),
            listing => Ok(listing?),
        }
    }

    fn facts(&self, artifact: &Artifact) -> Result<Facts, ServeError> {
        let size = match artifact.size {
            Some(size) => size,
            None => self.0.open_artifact(artifact, None)?.size,
        };
        Ok(Facts { size, version: artifact.sha256.clone() })
    }

    fn open(&self, artifact: &Artifact, range: Option<Range<u64>>) -> Result<Opened, ServeError> {
        Ok(self.0.open_artifact(artifact, range)?)
    }

    fn open_build_id(
        &self,
        build_id: &str,
        kind: DebuginfodFile,
        range: Option<Range<u64>>,
    ) -> Result<Option<Opened>, ServeError> {
        Ok(self.0.open_build_id(build_id, kind, range)?)
    }

    fn is_one_job(&self) -> bool {
        self.0.url().starts_with("circleci://")
    }
}
