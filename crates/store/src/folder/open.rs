//! Files of the store, open for reading.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use super::layout::{blob_key, build_id_key};
use crate::StoreError;
use crate::debuginfod::DebuginfodFile;
use crate::files::open_regular;
use crate::listing::Artifact;
use crate::opened::{Opened, Verified};

/// Opens an artifact. Its sum is checked where all of it is read; of a part, only the whole's length is.
pub(super) fn open(
    root: &Path,
    artifact: &Artifact,
    range: Option<Range<u64>>,
) -> Result<Opened, StoreError> {
    let expected = artifact.sha256.as_deref().unwrap_or_default();
    let blob = blob_key(expected).map(|key| root.join(key)).ok_or_else(|| StoreError::BadManifest {
        path: root.to_owned(),
        why: format!("the sha256 of `{}` is no sum", artifact.path),
    })?;
    let file = open_regular(&blob)?;
    let size = file.metadata().map_err(StoreError::io("read", &blob))?.len();
    if let Some(expected) = artifact.size.filter(|expected| *expected != size) {
        return Err(StoreError::WrongSize { path: artifact.path.clone(), expected, found: size });
    }
    let content: Box<dyn Read + Send> = match range {
        None => Box::new(Verified::new(file, size, expected.to_owned())),
        Some(range) => part(file, range).map_err(StoreError::io("read", &blob))?,
    };
    Ok(Opened { size, content })
}

/// Opens a file by its build ID; none if there is no such file, or that is no build ID.
pub(super) fn open_build_id(
    root: &Path,
    build_id: &str,
    kind: DebuginfodFile,
    range: Option<Range<u64>>,
) -> Result<Option<Opened>, StoreError> {
    let Some(path) = build_id_key(build_id, kind.name()).map(|key| root.join(key)) else { return Ok(None) };
    let file = match open_regular(&path) {
        Ok(file) => file,
        Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let size = file.metadata().map_err(StoreError::io("read", &path))?.len();
    let content = part(file, range.unwrap_or(0..size)).map_err(StoreError::io("read", &path))?;
    Ok(Some(Opened { size, content }))
}

fn part(mut file: File, range: Range<u64>) -> io::Result<Box<dyn Read + Send>> {
    file.seek(SeekFrom::Start(range.start))?;
    Ok(Box::new(file.take(range.end.saturating_sub(range.start))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::sha256_of;

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
    fn whole_or_in_part() {
        let root = tempfile::tempdir().unwrap();
        let sum = sha256_of("content");
        put(root.path(), &blob_key(&sum).unwrap(), "content");
        let open = |range| open(root.path(), &artifact(&sum, 7), range).unwrap();
        assert_eq!((open(None).size, text(open(None)).unwrap()), (7, "content".into()));
        assert_eq!((open(Some(2..4)).size, text(open(Some(2..4))).unwrap()), (7, "nt".into()));
        assert_eq!(text(open(Some(7..7))).unwrap(), "");
    }

    #[test]
    fn damage_is_told_and_never_read_to_the_end() {
        let root = tempfile::tempdir().unwrap();
        let sum = sha256_of("content");
        put(root.path(), &blob_key(&sum).unwrap(), "CONTENT");
        assert!(text(open(root.path(), &artifact(&sum, 7), None).unwrap()).is_err());
        let wrong = open(root.path(), &artifact(&sum, 8), Some(0..1)).unwrap_err();
        assert!(matches!(wrong, StoreError::WrongSize { expected: 8, found: 7, .. }));
        let bad = open(root.path(), &artifact("../../etc/passwd", 7), None).unwrap_err();
        assert!(matches!(bad, StoreError::BadManifest { .. }));
    }

    #[test]
    fn by_build_id() {
        let root = tempfile::tempdir().unwrap();
        put(root.path(), "buildid/0aff/executable", "ELF");
        put(root.path(), "secret", "x");
        let open = |id: &str, kind| open_build_id(root.path(), id, kind, None).unwrap();
        for id in ["0aff", "0AFF"] {
            assert_eq!(text(open(id, DebuginfodFile::Executable).unwrap()).unwrap(), "ELF");
        }
        assert!(open("0aff", DebuginfodFile::Debuginfo).is_none());
        for id in ["", "0af", "..", "../buildid/0aff", "0aff/../0aff", "0aff00"] {
            assert!(open(id, DebuginfodFile::Executable).is_none(), "{id}");
        }
    }
}
