//! One artifact into memory.

use std::io::{self, Read};
use std::path::Path;

use super::layout::blob_key;
use crate::StoreError;
use crate::files::open_regular;
use crate::hash::{CopyError, copy_hashed};
use crate::listing::Artifact;

/// Reads an artifact of at most `limit` bytes, and checks its sum.
pub(super) fn read(root: &Path, artifact: &Artifact, limit: u64) -> Result<Vec<u8>, StoreError> {
    let expected = artifact.sha256.as_deref().unwrap_or_default();
    let blob = blob_key(expected).map(|key| root.join(key)).ok_or_else(|| StoreError::BadManifest {
        path: root.to_owned(),
        why: format!("the sha256 of `{}` is no sum", artifact.path),
    })?;
    let mut file = open_regular(&blob)?.take(limit.saturating_add(1));
    let mut content = Vec::new();
    let copied = copy_hashed(&mut file, &mut content, |_| ()).map_err(|error| match error {
        CopyError::Read(error) | CopyError::Write(error) => StoreError::io("read", &blob)(error),
    })?;
    if copied.size > limit {
        return Err(StoreError::io("read", &blob)(io::ErrorKind::FileTooLarge.into()));
    }
    if copied.sha256 != expected {
        return Err(StoreError::Damaged {
            path: artifact.path.clone(),
            expected: expected.to_owned(),
            found: copied.sha256,
        });
    }
    Ok(content)
}
