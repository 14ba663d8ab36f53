//! The folder of files that came, shared with elfutils' client.
//!
//! A file is `<build id>/executable` or `<build id>/debuginfo`, read-only; an empty one says that no server had it at
//! that time. `cache_miss_s` holds for how many seconds that counts; the other two control files are `clean`'s. The
//! layout is deliberately undocumented (debuginfod-client-config(7)): it is the one that elfutils 0.179 and later
//! write.

use std::fs::{self, DirBuilder, File, FileTimes, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::{Duration, SystemTime};

use tempfile::NamedTempFile;

use super::clean::{self, control};
use super::wanted::DebuginfodFile;
use crate::StoreError;

/// The control file with the number of seconds that a failure is remembered, and its default.
const MISS: (&str, i64) = ("cache_miss_s", 600);

/// The cache.
#[derive(Debug)]
pub(super) struct Cache {
    root: PathBuf,
    cleaned: Once,
}

/// What the cache knows of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cached {
    /// It is there.
    File(PathBuf),
    /// A while ago, no server had it.
    Absent,
    /// Nothing.
    Unknown,
}

impl Cache {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root, cleaned: Once::new() }
    }

    /// Looks for a file. Before the first time, what nobody has used for long is removed, if that is due.
    pub(super) fn look(&self, id: &str, file: DebuginfodFile) -> Cached {
        let now = SystemTime::now();
        self.cleaned.call_once(|| clean::if_due(&self.root, now));
        let path = self.path(id, file);
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() && metadata.len() > 0 => Cached::File(path),
            Ok(metadata) if metadata.is_file() => {
                let age = metadata.modified().ok().and_then(|modified| now.duration_since(modified).ok());
                let remembered = Duration::from_secs(control(&self.root, MISS.0, MISS.1));
                if age.unwrap_or_default() <= remembered { Cached::Absent } else { Cached::Unknown }
            }
            _ => Cached::Unknown,
        }
    }

    /// Starts a file, which is nobody's until [`Begun::keep`].
    pub(super) fn begin(&self, id: &str, file: DebuginfodFile) -> Result<Begun, StoreError> {
        let path = self.path(id, file);
        let folder = self.root.join(id);
        let create = || -> io::Result<NamedTempFile> {
            private_folder(&folder)?;
            tempfile::Builder::new().prefix(&format!("{}.", file.name())).tempfile_in(&folder)
        };
        // Whoever cleans the cache meanwhile may remove the folder while it is empty.
        let temporary = create().or_else(|_| create()).map_err(StoreError::io("create", &path))?;
        Ok(Begun { temporary: Some(temporary), folder, path })
    }

    /// Remembers that no server has a file. A cache that can't be written remembers nothing: the next look-up asks again.
    pub(super) fn note_absent(&self, id: &str, file: DebuginfodFile) {
        let path = self.path(id, file);
        // An older note's time would not be renewed, and nobody may write into a file that is there.
        if fs::metadata(&path).is_ok_and(|metadata| metadata.len() == 0) {
            let _ = fs::remove_file(&path);
        }
        let _ = private_folder(&self.root.join(id))
            .and_then(|()| OpenOptions::new().write(true).create_new(true).mode(0o666).open(&path));
    }

    fn path(&self, id: &str, file: DebuginfodFile) -> PathBuf {
        self.root.join(id).join(file.name())
    }
}

/// Makes a folder that nobody else can read, and those above it.
fn private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// A file on its way into the cache. Dropped, it is removed, and its folder with it if nothing else is there.
#[derive(Debug)]
pub(super) struct Begun {
    temporary: Option<NamedTempFile>,
    folder: PathBuf,
    path: PathBuf,
}

impl Begun {
    /// Appends bytes.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let written = match &mut self.temporary {
            Some(temporary) => io::Write::write_all(temporary, bytes),
            None => Ok(()),
        };
        written.map_err(StoreError::io("write", &self.path))
    }

    /// Where it is while it is not yet kept.
    pub(super) fn temporary_path(&self) -> &Path {
        self.temporary.as_ref().map_or(&self.path, NamedTempFile::path)
    }

    /// Gives the file its name, the server's time of its last change, and elfutils' mode. It isn't synced to the disk:
    /// what a power cut leaves is checked before it is used, like everything from the cache.
    pub(super) fn keep(mut self, modified: Option<SystemTime>) -> Result<PathBuf, StoreError> {
        if let Some(temporary) = self.temporary.take() {
            settle(temporary.as_file(), modified)
                .and_then(|()| temporary.persist(&self.path).map(drop).map_err(|error| error.error))
                .map_err(StoreError::io("write", &self.path))?;
        }
        Ok(self.path.clone())
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        drop(self.temporary.take());
        // It goes only if it is empty.
        let _ = fs::remove_dir(&self.folder);
    }
}

fn settle(file: &File, modified: Option<SystemTime>) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(0o400))?;
    // The time of the last access is what the cache is cleaned by: it must not become the server's.
    let times = FileTimes::new().set_accessed(SystemTime::now());
    file.set_times(modified.map_or(times, |modified| times.set_modified(modified)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123abcd";
    const FILE: DebuginfodFile = DebuginfodFile::Debuginfo;

    fn cache() -> (tempfile::TempDir, Cache) {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path().join("home/cache"));
        (dir, cache)
    }

    #[test]
    fn a_file_is_there_when_it_is_kept_and_not_before() {
        let (dir, cache) = cache();
        let mut begun = cache.begin(ID, FILE).unwrap();
        begun.append(b"bytes").unwrap();
        assert_eq!(cache.look(ID, FILE), Cached::Unknown);
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let path = begun.keep(Some(modified)).unwrap();
        assert_eq!(path, dir.path().join("home/cache/0123abcd/debuginfo"));
        assert_eq!(cache.look(ID, FILE), Cached::File(path.clone()));
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!((metadata.modified().unwrap(), metadata.permissions().mode() & 0o777), (modified, 0o400));
        assert!(metadata.accessed().unwrap() > modified, "it would be cleaned away at once");
        let folder = fs::metadata(path.parent().unwrap()).unwrap();
        assert_eq!(folder.permissions().mode() & 0o777, 0o700);
        assert_eq!(cache.look(ID, DebuginfodFile::Executable), Cached::Unknown);
    }

    #[test]
    fn what_is_not_kept_leaves_nothing() {
        let (dir, cache) = cache();
        cache.begin(ID, FILE).unwrap().append(b"bytes").unwrap();
        assert_eq!(fs::read_dir(dir.path().join("home/cache")).unwrap().count(), 0);
    }

    #[test]
    fn that_nobody_has_it_is_remembered_for_a_while() {
        let (_dir, cache) = cache();
        cache.note_absent(ID, FILE);
        assert_eq!(cache.look(ID, FILE), Cached::Absent);
        let path = cache.path(ID, FILE);
        let set_age = |seconds| {
            let file = File::options().write(true).open(&path).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
        };
        set_age(590);
        assert_eq!(cache.look(ID, FILE), Cached::Absent);
        set_age(610);
        assert_eq!(cache.look(ID, FILE), Cached::Unknown);
        // A fresh failure counts anew.
        cache.note_absent(ID, FILE);
        assert_eq!(cache.look(ID, FILE), Cached::Absent);
        fs::write(cache.root.join("cache_miss_s"), "10").unwrap();
        set_age(11);
        assert_eq!(cache.look(ID, FILE), Cached::Unknown);
    }

    #[test]
    fn a_note_never_replaces_a_file() {
        let (_dir, cache) = cache();
        let mut begun = cache.begin(ID, FILE).unwrap();
        begun.append(b"bytes").unwrap();
        let path = begun.keep(None).unwrap();
        cache.note_absent(ID, FILE);
        assert_eq!(cache.look(ID, FILE), Cached::File(path.clone()));
        // But a file replaces a note.
        fs::remove_file(&path).unwrap();
        cache.note_absent(ID, FILE);
        let mut begun = cache.begin(ID, FILE).unwrap();
        begun.append(b"bytes").unwrap();
        assert_eq!(begun.keep(None).unwrap(), path);
        assert_eq!(cache.look(ID, FILE), Cached::File(path));
    }
}
