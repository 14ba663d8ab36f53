//! The manifest of one push: written last, it is what makes the push visible.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::StoreError;
use crate::files::{open_regular, read_capped};

/// The schema that this version writes, and the only one that it reads.
pub(super) const SCHEMA: &str = "epitaph-push/1";

/// A manifest of a million artifacts with paths of usual length is half as long.
const LONGEST: u64 = 256 << 20;

/// The list of what one push has put into the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) schema: String,
    /// RFC 3339, UTC.
    pub(super) created: String,
    pub(super) provider: String,
    pub(super) repo: String,
    pub(super) job: String,
    pub(super) node: String,
    #[serde(default)]
    pub(super) destination: Option<String>,
    pub(super) artifacts: Vec<Entry>,
}

/// One artifact of a push.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) path: String,
    /// Lower-case hex; the content is at [`super::layout::blob_key`].
    pub(super) sha256: String,
    /// In bytes.
    pub(super) size: u64,
}

impl Manifest {
    pub(super) fn read(path: &Path) -> Result<Self, StoreError> {
        let mut file = open_regular(path)?;
        let bytes = read_capped(&mut file, LONGEST).map_err(StoreError::io("read", path))?;
        let bad = |why| StoreError::BadManifest { path: path.to_owned(), why };
        let manifest: Self = serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?;
        if manifest.schema != SCHEMA {
            return Err(bad(format!("its schema is `{}`, not `{SCHEMA}`", manifest.schema.escape_default())));
        }
        Ok(manifest)
    }

    /// One line with its end.
    pub(super) fn to_line(&self) -> serde_json::Result<Vec<u8>> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        Ok(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_reads_back() {
        let manifest = Manifest {
            schema: SCHEMA.into(),
            created: "2026-11-22T10:00:00Z".into(),
            provider: "local".into(),
            repo: "local".into(),
            job: "1".into(),
            node: "0".into(),
            destination: None,
            artifacts: vec![Entry { path: "a/ä\n".into(), sha256: "0".repeat(64), size: u64::MAX }],
        };
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.json");
        let line = manifest.to_line().unwrap();
        assert_eq!(line.iter().position(|byte| *byte == b'\n'), Some(line.len() - 1));
        std::fs::write(&path, line).unwrap();
        assert_eq!(Manifest::read(&path).unwrap(), manifest);
        std::fs::write(&path, r#"{"schema":"epitaph-push/2"}"#).unwrap();
        assert!(matches!(Manifest::read(&path), Err(StoreError::BadManifest { .. })));
        let other = Manifest { schema: "epitaph-push/2".into(), ..manifest };
        std::fs::write(&path, other.to_line().unwrap()).unwrap();
        assert!(Manifest::read(&path).unwrap_err().to_string().contains("epitaph-push/2"));
        std::fs::write(&path, "garbage").unwrap();
        assert!(matches!(Manifest::read(&path), Err(StoreError::BadManifest { .. })));
    }
}
