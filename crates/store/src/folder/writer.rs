//! Writing into a store's folder: every file appears whole, under its name, or not at all.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::layout::blob_key;
use crate::StoreError;
use crate::files::open_regular;
use crate::hash::{Copied, CopyError, copy_hashed};

/// Where content grows until its hash, and so its name, is known; the same file system as all blobs.
const INCOMING: &str = "blobs/sha256";

/// Puts files at keys below one folder, for one push.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    root: &'a Path,
    /// Folders that got a new name in them, which is safe only when they are synced.
    touched: BTreeSet<PathBuf>,
}

impl<'a> Writer<'a> {
    /// Makes the folder, where there is none.
    pub(super) fn open(root: &'a Path) -> Result<Self, StoreError> {
        let mut writer = Self { root, touched: BTreeSet::new() };
        writer.make_folder(&root.join(INCOMING))?;
        Ok(writer)
    }

    /// Copies a file to the key of its content. Content that is there already is only read.
    pub(super) fn blob(&mut self, source: &Path, at: impl FnMut(u64)) -> Result<Copied, StoreError> {
        let mut file = open_regular(source)?;
        let incoming = self.root.join(INCOMING);
        let mut temporary = temporary_in(&incoming)?;
        let copied = copy_hashed(&mut file, temporary.as_file_mut(), at).map_err(|error| match error {
            CopyError::Read(error) => StoreError::io("read", source)(error),
            CopyError::Write(error) => StoreError::io("write into", &incoming)(error),
        })?;
        let path = self.root.join(blob_key(&copied.sha256).unwrap_or_default());
        if fs::symlink_metadata(&path).is_ok_and(|there| there.is_file() && there.len() == copied.size) {
            return Ok(copied);
        }
        self.publish(temporary, &path)?;
        Ok(copied)
    }

    /// Writes a small file, and replaces what was there.
    pub(super) fn put(&mut self, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.root.join(key);
        let temporary = self.small(&path, bytes)?;
        self.publish(temporary, &path)
    }

    /// Gives a blob a second key, unless that key is taken: two files of one build ID are the same to a debugger.
    pub(super) fn link(&mut self, sha256: &str, key: &str) -> Result<(), StoreError> {
        let (blob, path) = (self.root.join(blob_key(sha256).unwrap_or_default()), self.root.join(key));
        let folder = self.make_parent(&path)?;
        match fs::hard_link(&blob, &path) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            // A file system without hard links, or a blob that has too many.
            Err(_) => {
                let mut temporary = temporary_in(&folder)?;
                let copied = open_regular(&blob).and_then(|mut blob| {
                    io::copy(&mut blob, &mut temporary).map_err(StoreError::io("write", &path))
                });
                copied?;
                create(temporary, &path).map(|_| ())
            }
        }
    }

    /// Makes everything before it durable, then writes a file that must not be there yet; `false` if it is.
    pub(super) fn commit(&mut self, key: &str, bytes: &[u8]) -> Result<bool, StoreError> {
        let path = self.root.join(key);
        let temporary = self.small(&path, bytes)?;
        self.sync()?;
        let created = create(temporary, &path)?;
        path.parent().map_or(Ok(()), sync_folder)?;
        Ok(created)
    }

    fn small(&mut self, path: &Path, bytes: &[u8]) -> Result<NamedTempFile, StoreError> {
        let folder = self.make_parent(path)?;
        let mut temporary = temporary_in(&folder)?;
        temporary.write_all(bytes).map_err(StoreError::io("write", path))?;
        Ok(temporary)
    }

    fn publish(&mut self, temporary: NamedTempFile, path: &Path) -> Result<(), StoreError> {
        self.make_parent(path)?;
        temporary.as_file().sync_all().map_err(StoreError::io("write", path))?;
        temporary.persist(path).map_err(|error| StoreError::io("write", path)(error.error))?;
        Ok(())
    }

    fn make_parent(&mut self, path: &Path) -> Result<PathBuf, StoreError> {
        let folder = path.parent().unwrap_or(self.root).to_owned();
        self.make_folder(&folder)?;
        Ok(folder)
    }

    fn make_folder(&mut self, folder: &Path) -> Result<(), StoreError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(StoreError::io("create", folder))?;
        let inside = folder.ancestors().take_while(|folder| folder.starts_with(self.root));
        self.touched.extend(inside.map(Path::to_owned));
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        self.touched.iter().try_for_each(|folder| sync_folder(folder))?;
        self.touched.clear();
        Ok(())
    }
}

fn temporary_in(folder: &Path) -> Result<NamedTempFile, StoreError> {
    tempfile::Builder::new()
        .prefix(".incoming-")
        .tempfile_in(folder)
        .map_err(StoreError::io("write into", folder))
}

/// Gives a file its name, unless that is taken: then the answer is `false`.
fn create(temporary: NamedTempFile, path: &Path) -> Result<bool, StoreError> {
    temporary.as_file().sync_all().map_err(StoreError::io("write", path))?;
    match temporary.persist_noclobber(path) {
        Ok(_) => Ok(true),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(StoreError::io("write", path)(error.error)),
    }
}

fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        // Some network file systems can't sync a folder; there is nothing better to do.
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {
            Ok(())
        }
        result => result.map_err(StoreError::io("sync", folder)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_never_replaces() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::open(dir.path()).unwrap();
        assert!(writer.commit("runs/a/m.json", b"one").unwrap());
        assert!(!writer.commit("runs/a/m.json", b"two").unwrap());
        assert_eq!(fs::read(dir.path().join("runs/a/m.json")).unwrap(), b"one");
        assert_eq!(fs::read_dir(dir.path().join("runs/a")).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn a_blob_is_written_once_and_a_short_one_again() {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("source");
        fs::write(&source, "content").unwrap();
        let root = dir.path().join("store");
        let mut writer = Writer::open(&root).unwrap();
        let sum = writer.blob(&source, |_| ()).unwrap().sha256;
        let blob = root.join(blob_key(&sum).unwrap());
        // Same length, other bytes: only a second write would change them back.
        fs::write(&blob, "CONTENT").unwrap();
        writer.blob(&source, |_| ()).unwrap();
        assert_eq!(fs::read(&blob).unwrap(), b"CONTENT");
        fs::write(&blob, "cont").unwrap();
        writer.blob(&source, |_| ()).unwrap();
        assert_eq!(fs::read(&blob).unwrap(), b"content");
        assert_eq!(fs::read_dir(root.join(INCOMING)).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn the_first_file_of_a_build_id_stays() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("store");
        let mut writer = Writer::open(&root).unwrap();
        for content in ["first", "second"] {
            let source = dir.path().join(content);
            fs::write(&source, content).unwrap();
            let sum = writer.blob(&source, |_| ()).unwrap().sha256;
            writer.link(&sum, "buildid/abcd/executable").unwrap();
        }
        assert_eq!(fs::read(root.join("buildid/abcd/executable")).unwrap(), b"first");
    }
}
