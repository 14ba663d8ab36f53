//! A store's folder: every file appears whole, under its name, or not at all.
//!
//! Its operations block the thread that waits for them, since nothing else runs there.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, Metadata};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use tempfile::NamedTempFile;
use walkdir::WalkDir;

use super::{At, Backend, Content, Object, Stored, UNKNOWN};
use crate::StoreError;
use crate::files::{length_now, open_regular};
use crate::hash::{CopyError, copy_hashed};
use crate::layout::blob_key;

/// Where content grows until its hash, and so its name, is known; the same file system as all blobs.
const INCOMING: &str = "blobs/sha256";

/// How files are called that are still being written. No key has a component with a dot first.
const UNFINISHED: &str = ".incoming-";

/// How often a folder is made anew that a gc found empty and removed.
const PARENTS: usize = 8;

/// How much is read at a time.
const PIECE: usize = 256 * 1024;

/// A folder with the layout of a store, or one that will have it after the first push.
#[derive(Debug)]
pub(crate) struct Folder {
    root: PathBuf,
    /// Folders that got a new name in them, which is safe only when they are synced.
    touched: Mutex<BTreeSet<PathBuf>>,
}

#[async_trait]
impl Backend for Folder {
    fn url(&self) -> String {
        self.root.display().to_string()
    }

    fn locate(&self, key: &str) -> String {
        self.root.join(key).display().to_string()
    }

    fn local(&self) -> Option<&Path> {
        Some(&self.root)
    }

    async fn prepare(&self) -> Result<(), StoreError> {
        self.make_folder(&self.root.join(INCOMING))
    }

    async fn folders(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let folder = self.root.join(prefix);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(StoreError::io("read", &folder)(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(StoreError::io("read", &folder))?;
            if entry.file_type().is_ok_and(|kind| kind.is_dir())
                && let Ok(name) = entry.file_name().into_string()
            {
                names.push(name);
            }
        }
        Ok(names)
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Object>, StoreError> {
        // A folder that isn't there is a mistake; one that holds no pushes yet is an empty store.
        fs::read_dir(&self.root).map_err(StoreError::io("read", &self.root))?;
        let mut objects = Vec::new();
        for (path, metadata) in self.walk(prefix)? {
            let key = path.strip_prefix(&self.root).ok().and_then(Path::to_str);
            if let Some(key) = key
                && !is_unfinished(&path)
            {
                objects.push(object(key, &metadata));
            }
        }
        Ok(objects)
    }

    async fn head(&self, key: &str) -> Result<Option<Object>, StoreError> {
        let path = self.root.join(key);
        match fs::symlink_metadata(&path) {
            Ok(metadata) => Ok(Some(object(key, &metadata))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("read", &path)(error)),
        }
    }

    async fn get(&self, key: &str, range: Range<u64>) -> Result<Content, StoreError> {
        let path = self.root.join(key);
        let mut file = open_regular(&path)?;
        let failed = StoreError::io("read", &path);
        let size = file.metadata().and_then(|metadata| {
            file.seek(SeekFrom::Start(range.start))?;
            Ok(metadata.len())
        });
        let size = size.map_err(failed)?;
        let rest = file.take(range.end.saturating_sub(range.start));
        let pieces = stream::unfold(Some(rest), move |file| {
            let path = path.clone();
            async move {
                let mut file = file?;
                match read_piece(&mut file) {
                    Ok(piece) if piece.is_empty() => None,
                    Ok(piece) => Some((Ok(piece), Some(file))),
                    Err(error) => Some((Err(StoreError::io("read", &path)(error)), None)),
                }
            }
        });
        Ok(Content { size, chunks: pieces.boxed() })
    }

    async fn put_file(&self, source: &Path, at: At<'_>) -> Result<Stored, StoreError> {
        let file = open_regular(source)?;
        let length = length_now(&file).map_err(StoreError::io("read", source))?;
        let incoming = self.root.join(INCOMING);
        let mut temporary = temporary_in(&incoming)?;
        let content =
            copy_hashed(&mut file.take(length), temporary.as_file_mut(), at).map_err(
                |error| match error {
                    CopyError::Read(error) => StoreError::io("read", source)(error),
                    CopyError::Write(error) => StoreError::io("write into", &incoming)(error),
                },
            )?;
        let path = self.root.join(blob_key(&content.sha256).unwrap_or_default());
        if let Ok(there) = fs::symlink_metadata(&path)
            && there.is_file()
            && there.len() == content.size
        {
            // Whoever gave it its name may not have made that durable yet.
            path.parent().map_or(Ok(()), |folder| self.make_folder(folder))?;
            return Ok(Stored { there_since: Some(modified(&there)), ..Stored::new(content) });
        }
        self.publish(temporary, &path)?;
        Ok(Stored::new(content))
    }

    async fn put(&self, key: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        let path = self.root.join(key);
        let temporary = self.small(&path, &bytes)?;
        self.publish(temporary, &path)
    }

    async fn alias(&self, sha256: &str, key: &str) -> Result<Option<Timestamp>, StoreError> {
        let (blob, path) = (self.root.join(blob_key(sha256).unwrap_or_default()), self.root.join(key));
        if let Ok(there) = fs::symlink_metadata(&path) {
            return Ok(Some(modified(&there)));
        }
        self.in_parent(&path, |folder| match fs::hard_link(&blob, &path) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            // A file system without hard links, or a blob that has too many.
            Err(_) => {
                let mut temporary = temporary_in(folder)?;
                let copied = open_regular(&blob).and_then(|mut blob| {
                    io::copy(&mut blob, &mut temporary).map_err(StoreError::io("write", &path))
                });
                copied?;
                create(temporary, &path).map(drop)
            }
        })?;
        Ok(None)
    }

    async fn create(&self, key: &str, bytes: Vec<u8>) -> Result<bool, StoreError> {
        let path = self.root.join(key);
        let temporary = self.small(&path, &bytes)?;
        self.sync()?;
        let created = create(temporary, &path)?;
        path.parent().map_or(Ok(()), sync_folder)?;
        Ok(created)
    }

    async fn delete(&self, keys: &[String]) -> Result<(), StoreError> {
        for key in keys {
            let path = self.root.join(key);
            remove(&path)?;
            // One that isn't empty refuses to go.
            let _ = path
                .ancestors()
                .skip(1)
                .take_while(|folder| self.may_go(folder))
                .try_for_each(fs::remove_dir);
        }
        Ok(())
    }

    async fn sweep(&self, before: Timestamp) -> Result<u64, StoreError> {
        let mut removed = 0;
        for (path, metadata) in self.walk("")? {
            if is_unfinished(&path) && modified(&metadata) < before && remove(&path)? {
                removed += 1;
            }
        }
        Ok(removed)
    }
}

impl Folder {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root, touched: Mutex::default() }
    }

    /// Everything below a prefix that is no folder. What vanishes meanwhile is left out.
    fn walk(&self, prefix: &str) -> Result<Vec<(PathBuf, Metadata)>, StoreError> {
        let mut found = Vec::new();
        for entry in WalkDir::new(self.root.join(prefix)) {
            let (path, metadata) = match entry.and_then(|entry| Ok((entry.metadata()?, entry.into_path()))) {
                Ok((metadata, path)) => (path, metadata),
                Err(error) => {
                    let path = error.path().unwrap_or(&self.root).to_owned();
                    let error = error.into_io_error().unwrap_or_else(|| io::ErrorKind::Other.into());
                    if error.kind() == io::ErrorKind::NotFound {
                        continue;
                    }
                    return Err(StoreError::io("read", &path)(error));
                }
            };
            if !metadata.is_dir() {
                found.push((path, metadata));
            }
        }
        Ok(found)
    }

    fn small(&self, path: &Path, bytes: &[u8]) -> Result<NamedTempFile, StoreError> {
        let mut temporary = self.in_parent(path, temporary_in)?;
        temporary.write_all(bytes).map_err(StoreError::io("write", path))?;
        Ok(temporary)
    }

    fn publish(&self, temporary: NamedTempFile, path: &Path) -> Result<(), StoreError> {
        temporary.as_file().sync_all().map_err(StoreError::io("write", path))?;
        let mut growing = Some(temporary);
        self.in_parent(path, |_| match growing.take().map(|temporary| temporary.persist(path)) {
            Some(Err(error)) => {
                growing = Some(error.file);
                Err(StoreError::io("write", path)(error.error))
            }
            _ => Ok(()),
        })
    }

    /// Does something in the folder of a path, which is made as often as a gc removes it.
    fn in_parent<T>(
        &self,
        path: &Path,
        mut work: impl FnMut(&Path) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let folder = path.parent().unwrap_or(&self.root);
        for _ in 1..PARENTS {
            match self.make_folder(folder).and_then(|()| work(folder)) {
                Err(error) if error.is_absent() => {}
                done => return done,
            }
        }
        self.make_folder(folder).and_then(|()| work(folder))
    }

    /// Whether a folder is none of those that make this a store, or that pushes count on.
    fn may_go(&self, folder: &Path) -> bool {
        folder.parent().is_some_and(|above| above != self.root && above.starts_with(&self.root))
            && folder != self.root.join(INCOMING)
    }

    fn make_folder(&self, folder: &Path) -> Result<(), StoreError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(StoreError::io("create", folder))?;
        let inside = folder.ancestors().take_while(|folder| folder.starts_with(&self.root));
        self.touched().extend(inside.map(Path::to_owned));
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        // Held until all is safe: another push that finds its folders gone from the list may count on that.
        let mut touched = self.touched();
        touched.iter().try_for_each(|folder| sync_folder(folder))?;
        touched.clear();
        Ok(())
    }

    fn touched(&self) -> MutexGuard<'_, BTreeSet<PathBuf>> {
        self.touched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn object(key: &str, metadata: &Metadata) -> Object {
    Object { key: key.to_owned(), size: metadata.len(), modified: modified(metadata) }
}

fn modified(metadata: &Metadata) -> Timestamp {
    let time = metadata.modified().ok().and_then(|time| Timestamp::try_from(time).ok());
    time.unwrap_or(UNKNOWN)
}

fn is_unfinished(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(UNFINISHED))
}

fn read_piece(file: &mut impl Read) -> io::Result<Bytes> {
    let mut piece = vec![0; PIECE];
    loop {
        match file.read(&mut piece) {
            Ok(length) => {
                piece.truncate(length);
                return Ok(piece.into());
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Removes a file; `false` if there is none.
fn remove(path: &Path) -> Result<bool, StoreError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(StoreError::io("remove", path)(error)),
    }
}

fn temporary_in(folder: &Path) -> Result<NamedTempFile, StoreError> {
    tempfile::Builder::new()
        .prefix(UNFINISHED)
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
        // Some network file systems can't sync a folder; there is nothing better to do. One that a gc removed was empty.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported | io::ErrorKind::NotFound
            ) =>
        {
            Ok(())
        }
        result => result.map_err(StoreError::io("sync", folder)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::runtime::Blocking;

    fn folder(root: &Path) -> (Folder, Blocking) {
        let (folder, runtime) = (Folder::new(root.to_owned()), Blocking::local().unwrap());
        runtime.wait(folder.prepare()).unwrap();
        (folder, runtime)
    }

    #[test]
    fn a_commit_never_replaces() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, runtime) = folder(dir.path());
        assert!(runtime.wait(folder.create("runs/a/m.json", b"one".to_vec())).unwrap());
        assert!(!runtime.wait(folder.create("runs/a/m.json", b"two".to_vec())).unwrap());
        assert_eq!(fs::read(dir.path().join("runs/a/m.json")).unwrap(), b"one");
        assert_eq!(fs::read_dir(dir.path().join("runs/a")).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn a_blob_is_written_once_and_a_short_one_again() {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("source");
        fs::write(&source, "content").unwrap();
        let root = dir.path().join("store");
        let (folder, runtime) = folder(&root);
        let put = || runtime.wait(folder.put_file(&source, &|_| ())).unwrap();
        let first = put();
        assert_eq!(first.there_since, None);
        let blob = root.join(blob_key(&first.content.sha256).unwrap());
        // Same length, other bytes: only a second write would change them back.
        fs::write(&blob, "CONTENT").unwrap();
        assert!(put().there_since.is_some());
        assert_eq!(fs::read(&blob).unwrap(), b"CONTENT");
        fs::write(&blob, "cont").unwrap();
        assert_eq!(put().there_since, None);
        assert_eq!(fs::read(&blob).unwrap(), b"content");
        assert_eq!(fs::read_dir(root.join(INCOMING)).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn the_first_file_of_a_build_id_stays() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("store");
        let (folder, runtime) = folder(&root);
        for content in ["first", "second"] {
            let source = dir.path().join(content);
            fs::write(&source, content).unwrap();
            let sum = runtime.wait(folder.put_file(&source, &|_| ())).unwrap().content.sha256;
            runtime.wait(folder.alias(&sum, "buildid/abcd/executable")).unwrap();
        }
        assert_eq!(fs::read(root.join("buildid/abcd/executable")).unwrap(), b"first");
    }

    #[test]
    fn unfinished_files_are_not_listed_and_swept_when_they_are_old() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, runtime) = folder(dir.path());
        runtime.wait(folder.put("a/b", b"x".to_vec())).unwrap();
        fs::write(dir.path().join("a/.incoming-1"), "half").unwrap();
        let listed = runtime.wait(folder.list("")).unwrap();
        assert_eq!(listed.iter().map(|object| object.key.as_str()).collect::<Vec<_>>(), ["a/b"]);
        let now = Timestamp::now();
        let hour = jiff::SignedDuration::from_hours(1);
        assert_eq!(runtime.wait(folder.sweep(now - hour)).unwrap(), 0);
        assert_eq!(runtime.wait(folder.sweep(now + hour)).unwrap(), 1);
        assert!(dir.path().join("a/b").exists());
    }
}
