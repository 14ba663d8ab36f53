//! The manifest of one push: written last, it is what makes the push visible.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::StoreError;
use crate::backend::Backend;

/// The schema that this version writes, and the only one that it reads.
pub(super) const SCHEMA: &str = "epitaph-push/1";

/// A manifest of a million artifacts with paths of usual length is half as long.
const LONGEST: u64 = 256 << 20;

/// Many manifests of that length may be in memory at once, in bytes; longer ones are read one at a time.
const SHORT: u64 = 4 << 20;

static LONG_ONES: Semaphore = Semaphore::const_new(1);

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
    /// Lower-case hex; the content is at [`blob_key`](crate::layout::blob_key).
    pub(super) sha256: String,
    /// In bytes.
    pub(super) size: u64,
    /// The second key that the push gave it: that of a summary, or of a file by its build ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) also: Option<String>,
}

impl Manifest {
    /// Reads the manifest at a key.
    pub(super) async fn read(backend: &dyn Backend, key: &str) -> Result<Self, StoreError> {
        let bad = |why| StoreError::BadManifest { path: PathBuf::from(backend.locate(key)), why };
        let content = backend.get(key, 0..u64::MAX).await?;
        let limit = if content.size <= SHORT { SHORT } else { LONGEST };
        // It is never closed.
        let _alone = if limit > SHORT { LONG_ONES.acquire().await.ok() } else { None };
        let bytes = content.bytes(limit).await?.ok_or_else(|| bad(format!("it has over {limit} bytes")))?;
        Self::parse(&bytes).map_err(bad)
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let manifest: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if manifest.schema != SCHEMA {
            return Err(format!("its schema is `{}`, not `{SCHEMA}`", manifest.schema.escape_default()));
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
            artifacts: vec![Entry {
                path: "a/ä\n".into(),
                sha256: "0".repeat(64),
                size: u64::MAX,
                also: Some("buildid/ab/executable".into()),
            }],
        };
        let line = manifest.to_line().unwrap();
        assert_eq!(line.iter().position(|byte| *byte == b'\n'), Some(line.len() - 1));
        assert_eq!(Manifest::parse(&line).unwrap(), manifest);
        assert!(Manifest::parse(br#"{"schema":"epitaph-push/1"}"#).is_err());
        assert!(Manifest::parse(b"garbage").is_err());
        let other = Manifest { schema: "epitaph-push/2".into(), ..manifest };
        assert!(Manifest::parse(&other.to_line().unwrap()).unwrap_err().contains("epitaph-push/2"));
    }

    #[test]
    fn second_keys_are_optional() {
        let text = r#"{"path":"a","sha256":"b","size":1}"#;
        let entry: Entry = serde_json::from_str(text).unwrap();
        assert_eq!(entry.also, None);
        assert_eq!(serde_json::to_string(&entry).unwrap(), text);
    }
}
