//! Removing the original of a sealed core: the only thing here that deletes what was collected.

use std::path::Path;

use super::BundleError;
use super::is_sealed;
use super::seal::Sealed;
use crate::digest::sha256_of;
use crate::open::FileStamp;
use crate::regular::{Links, open_regular};

/// Removes the core at `path`, whose copy `sealed` says is stored.
///
/// Before that, it reads the stored copy back and compares its size and sha256, and checks that `path` still is the
/// very file that was stored and was not written to since. If anything is in doubt, the original stays: also if the
/// crash was [`Sealed::AlreadyThere`], because then somebody else's core was stored, however alike.
pub fn remove_sealed_original(path: &Path, sealed: &Sealed) -> Result<(), BundleError> {
    let kept = |why: String| BundleError::NotRemoved { path: path.to_owned(), why };
    let Sealed::Stored(stored) = sealed else {
        return Err(kept("the crash had been stored before".to_owned()));
    };
    let Some(core) = &stored.core else { return Err(kept("no core was stored".to_owned())) };
    if core.incomplete.is_some() {
        return Err(kept("the stored copy is not complete".to_owned()));
    }
    if core.reduced {
        return Err(BundleError::OnlyReduced { path: path.to_owned() });
    }
    let Some(original) = core.original else {
        return Err(kept("it holds more than the core".to_owned()));
    };
    if !core.path.parent().is_some_and(is_sealed) {
        return Err(kept("the crash is not sealed".to_owned()));
    }
    let copy = open_regular(&core.path, Links::Refuse).map_err(std::io::Error::from);
    let (hash, size) = copy
        .and_then(|(file, _)| sha256_of(&file))
        .map_err(|error| kept(format!("the stored copy cannot be read: {error}")))?;
    if (size, &hash) != (core.size, &core.sha256) {
        return Err(kept("the stored copy has changed".to_owned()));
    }
    let now =
        path.symlink_metadata().map_err(|source| BundleError::Read { path: path.to_owned(), source })?;
    if !now.is_file() || FileStamp::of(&now) != original {
        return Err(kept("it is not the file that was stored, or was written to since".to_owned()));
    }
    std::fs::remove_file(path).map_err(|source| BundleError::Write { path: path.to_owned(), source })
}
