//! One artifact, as its content is read from the store.

use std::io::Read;
use std::ops::Range;
use std::path::PathBuf;

use super::Keyed;
use crate::StoreError;
use crate::debuginfod::DebuginfodFile;
use crate::hash::sha256_of;
use crate::layout::{blob_key, build_id_key};
use crate::listing::Artifact;
use crate::opened::{Opened, Verified};

impl Keyed {
    /// Reads an artifact of at most `limit` bytes, and checks its sum.
    pub(crate) fn read(&self, artifact: &Artifact, limit: u64) -> Result<Vec<u8>, StoreError> {
        let (key, expected) = self.blob(artifact)?;
        let content =
            self.runtime.wait(async { self.backend.get(&key, 0..u64::MAX).await?.bytes(limit).await })?;
        let content =
            content.ok_or_else(|| StoreError::TooLarge { url: self.backend.locate(&key), limit })?;
        let found = sha256_of(&content);
        if found == expected {
            return Ok(content);
        }
        Err(StoreError::Damaged { path: artifact.path.clone(), expected: expected.to_owned(), found })
    }

    /// Opens an artifact. Its sum is checked where all of it is read; of a part, only the whole's length is.
    pub(crate) fn open(&self, artifact: &Artifact, range: Option<Range<u64>>) -> Result<Opened, StoreError> {
        let (key, expected) = self.blob(artifact)?;
        let whole = range.is_none();
        let (size, content) = self.content(&key, range)?;
        if let Some(expected) = artifact.size.filter(|expected| *expected != size) {
            return Err(StoreError::WrongSize { path: artifact.path.clone(), expected, found: size });
        }
        let content: Box<dyn Read + Send> = if whole {
            Box::new(Verified::new(content, size, expected.to_owned()))
        } else {
            Box::new(content)
        };
        Ok(Opened { size, content })
    }

    /// Opens a file by its build ID; none if there is no such file, or that is no build ID.
    pub(crate) fn open_build_id(
        &self,
        build_id: &str,
        kind: DebuginfodFile,
        range: Option<Range<u64>>,
    ) -> Result<Option<Opened>, StoreError> {
        let Some(key) = build_id_key(build_id, kind.name()) else { return Ok(None) };
        match self.content(&key, range) {
            Ok((size, content)) => Ok(Some(Opened { size, content: Box::new(content) })),
            Err(error) if error.is_absent() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn content(
        &self,
        key: &str,
        range: Option<Range<u64>>,
    ) -> Result<(u64, impl Read + Send + use<>), StoreError> {
        let range = range.unwrap_or(0..u64::MAX);
        let content = self.runtime.wait(self.backend.get(key, range))?;
        Ok((content.size, content.into_reader(self.runtime.clone())))
    }

    /// The key of an artifact's content, and its sum.
    pub(super) fn blob<'a>(&self, artifact: &'a Artifact) -> Result<(String, &'a str), StoreError> {
        let sha256 = artifact.sha256.as_deref().unwrap_or_default();
        let key = blob_key(sha256);
        let key = key.ok_or_else(|| StoreError::BadManifest {
            path: PathBuf::from(self.backend.url()),
            why: format!("the sha256 of `{}` is no sum", artifact.path),
        })?;
        Ok((key, sha256))
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;

    use super::*;
    use crate::StoreOptions;
    use crate::backend::Folder;
    use crate::runtime::Blocking;

    fn store(root: &Path) -> Keyed {
        let backend = Folder::new(root.to_owned());
        Keyed::new(Box::new(backend), Blocking::local().unwrap(), &StoreOptions::default())
    }

    fn put(root: &Path, key: &str, content: &str) {
        let path = root.join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    fn artifact(sum: &str, size: u64) -> Artifact {
        let path = "core".to_owned();
        Artifact { path, node: "0".into(), size: Some(size), sha256: Some(sum.into()), url: None }
    }

    fn text(opened: Opened) -> io::Result<String> {
        io::read_to_string(opened.content)
    }

    #[test]
    fn only_what_the_manifest_names_is_read() {
        let root = tempfile::tempdir().unwrap();
        let (good, damaged) = (sha256_of("abc"), sha256_of("abd"));
        put(root.path(), &blob_key(&good).unwrap(), "abc");
        put(root.path(), &blob_key(&damaged).unwrap(), "abX");
        let read = |sum: &str, limit| store(root.path()).read(&artifact(sum, 3), limit);
        assert_eq!(read(&good, 3).unwrap(), b"abc");
        assert!(matches!(read(&good, 2), Err(StoreError::TooLarge { .. })));
        assert!(matches!(read(&damaged, 3), Err(StoreError::Damaged { .. })));
        assert!(matches!(read("../x", 3), Err(StoreError::BadManifest { .. })));
        assert!(read(&sha256_of("absent"), 3).unwrap_err().is_absent());
    }

    #[test]
    fn whole_or_in_part() {
        let root = tempfile::tempdir().unwrap();
        let sum = sha256_of("content");
        put(root.path(), &blob_key(&sum).unwrap(), "content");
        let open = |range| store(root.path()).open(&artifact(&sum, 7), range).unwrap();
        assert_eq!((open(None).size, text(open(None)).unwrap()), (7, "content".into()));
        assert_eq!((open(Some(2..4)).size, text(open(Some(2..4))).unwrap()), (7, "nt".into()));
        assert_eq!(text(open(Some(7..7))).unwrap(), "");
    }

    #[test]
    fn damage_is_told_and_never_read_to_the_end() {
        let root = tempfile::tempdir().unwrap();
        let sum = sha256_of("content");
        put(root.path(), &blob_key(&sum).unwrap(), "CONTENT");
        assert!(text(store(root.path()).open(&artifact(&sum, 7), None).unwrap()).is_err());
        let wrong = store(root.path()).open(&artifact(&sum, 8), Some(0..1)).unwrap_err();
        assert!(matches!(wrong, StoreError::WrongSize { expected: 8, found: 7, .. }));
        let bad = store(root.path()).open(&artifact("../../etc/passwd", 7), None).unwrap_err();
        assert!(matches!(bad, StoreError::BadManifest { .. }));
    }

    #[test]
    fn by_build_id() {
        let root = tempfile::tempdir().unwrap();
        put(root.path(), "buildid/0aff/executable", "ELF");
        put(root.path(), "secret", "x");
        let store = store(root.path());
        let open = |id: &str, kind| store.open_build_id(id, kind, None).unwrap();
        for id in ["0aff", "0AFF"] {
            assert_eq!(text(open(id, DebuginfodFile::Executable).unwrap()).unwrap(), "ELF");
        }
        assert!(open("0aff", DebuginfodFile::Debuginfo).is_none());
        for id in ["", "0af", "..", "../buildid/0aff", "0aff/../0aff", "0aff00"] {
            assert!(open(id, DebuginfodFile::Executable).is_none(), "{id}");
        }
    }
}
