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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::sha256_of;

    #[test]
    fn only_what_the_manifest_names_is_read() {
        let root = tempfile::tempdir().unwrap();
        let put = |sum: &str, content: &str| {
            let path = root.path().join(blob_key(sum).unwrap());
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        };
        let artifact = |sum: &str| Artifact {
            path: "crashes/x/summary.json".into(),
            node: "0".into(),
            size: Some(3),
            sha256: Some(sum.into()),
            url: None,
        };
        let (good, damaged) = (sha256_of("abc"), sha256_of("abd"));
        put(&good, "abc");
        put(&damaged, "abX");
        assert_eq!(read(root.path(), &artifact(&good), 3).unwrap(), b"abc");
        assert!(matches!(read(root.path(), &artifact(&good), 2), Err(StoreError::Io { .. })));
        assert!(matches!(read(root.path(), &artifact(&damaged), 3), Err(StoreError::Damaged { .. })));
        assert!(matches!(read(root.path(), &artifact("../x"), 3), Err(StoreError::BadManifest { .. })));
    }
}
