//! The folder that a pull writes into.
//!
//! The store chooses the names, and something hostile may stand in the folder already. So every path is walked down
//! component by component on open folders (`openat` with `O_NOFOLLOW`): no link, whoever put it there and whenever,
//! leads outside. Files grow in a folder of their own, `.epitaph-pull`, and are renamed when they are complete.
//! That keeps them apart from artifacts that are *called* `x.part`, and leaves room for names of 255 bytes.
//!
//! `record` remembers what pulls have written, and `place` gives a file its name, unless that is taken.

mod place;
mod record;
#[cfg(test)]
mod tests;

use std::fs::{DirBuilder, File, Metadata};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag, open, openat};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use crate::StoreError;
use crate::files::read_capped;
use crate::paths::{STAGING, SafePath};

use record::Record;

const FOLDER: OFlag = OFlag::O_DIRECTORY.union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);
const FILE: OFlag = OFlag::O_NOFOLLOW.union(OFlag::O_NONBLOCK).union(OFlag::O_CLOEXEC);
const PRIVATE_FOLDER: Mode = Mode::S_IRWXU;
const PRIVATE_FILE: Mode = Mode::S_IRUSR.union(Mode::S_IWUSR);

/// A pull's target, locked against other pulls.
#[derive(Debug)]
pub(crate) struct Target {
    path: PathBuf,
    root: OwnedFd,
    staging: Flock<OwnedFd>,
    record: Record,
}

impl Target {
    /// Opens a folder, which is created if it is not there.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(StoreError::io("create", path))?;
        // The folder itself may be a link: it is the user who named it.
        let root = open(path, OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
            .map_err(|error| StoreError::io("open", path)(error.into()))?;
        let staging = make_and_open(&root, STAGING)
            .map_err(|error| StoreError::io("create", &path.join(STAGING))(error.into()))?;
        let staging = match Flock::lock(staging, FlockArg::LockExclusiveNonblock) {
            Ok(staging) => staging,
            Err((_, Errno::EWOULDBLOCK)) => return Err(StoreError::Busy { path: path.to_owned() }),
            Err((_, error)) => return Err(StoreError::io("lock", &path.join(STAGING))(error.into())),
        };
        let text = read_note(&staging, record::NAME, record::LONGEST).unwrap_or_default();
        let flags = FILE | OFlag::O_WRONLY | OFlag::O_APPEND | OFlag::O_CREAT;
        let journal = openat(&*staging, record::NAME, flags, PRIVATE_FILE).map(File::from);
        let journal = journal
            .map_err(|error| StoreError::io("open", &path.join(STAGING).join(record::NAME))(error.into()))?;
        let target = Self { path: path.to_owned(), root, staging, record: Record::new(&text, journal) };
        if !target.is_ours("", &target.root) && target.is_empty() {
            target.take_over("", &target.root);
        }
        Ok(target)
    }

    /// Whether nothing is there but what pulls keep for themselves.
    fn is_empty(&self) -> bool {
        let entries = self.path.read_dir().into_iter().flatten();
        entries.filter_map(Result::ok).all(|entry| entry.file_name() == STAGING)
    }

    /// Whether the file of that path is as a pull from that source left it.
    pub(crate) fn holds(&self, path: &SafePath, source: &str) -> bool {
        self.look(path).is_some_and(|file| self.record.holds(path, source, &file))
    }

    /// How many files are there of an archive, if all of them are as they were unpacked.
    pub(crate) fn holds_unpacked(&self, source: &str) -> Option<u64> {
        let (files, held) = self.record.of_archive(source, |path| self.look(path))?;
        (held == files).then_some(files)
    }

    /// Remembers that an archive was unpacked as a whole, after its files were published.
    pub(crate) fn add_unpacked(&self, source: &str, files: u64) {
        self.record.add_unpacked(source, files);
    }

    /// The files that pulls wrote and that are still there, in the order of their names.
    fn files(&self) -> Vec<PathBuf> {
        let is_ours = |path: &SafePath| self.look(path).is_some_and(|file| self.record.wrote(path, &file));
        self.record.paths().iter().filter(|path| is_ours(path)).map(|path| self.describe(path)).collect()
    }

    fn look(&self, path: &SafePath) -> Option<Metadata> {
        self.existing(path).and_then(|file| file.metadata().ok())
    }

    /// The regular file of that path, if there is one.
    pub(crate) fn existing(&self, path: &SafePath) -> Option<File> {
        let (folders, name) = path.split();
        let mut folder = self.root.try_clone().ok()?;
        for name in folders {
            folder = openat(&folder, name, FOLDER, Mode::empty()).ok()?;
        }
        let file = File::from(openat(&folder, name, FILE, Mode::empty()).ok()?);
        file.metadata().is_ok_and(|metadata| metadata.is_file()).then_some(file)
    }

    /// Opens an unfinished file for reading and writing, as an earlier pull left it, or empty.
    pub(crate) fn part(&self, name: &str) -> Result<File, StoreError> {
        let create = FILE | OFlag::O_RDWR | OFlag::O_CREAT;
        let error = |error| self.error("create", &Path::new(STAGING).join(name), error);
        if let Ok(file) = openat(&*self.staging, name, create, PRIVATE_FILE).map(File::from) {
            // A file with a second name is someone else's as well, and must not be written into.
            if file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.nlink() == 1) {
                return Ok(file);
            }
        }
        self.discard(name);
        openat(&*self.staging, name, create | OFlag::O_EXCL, PRIVATE_FILE).map(File::from).map_err(error)
    }

    /// Deletes an unfinished file, if there is one.
    pub(crate) fn discard(&self, name: &str) {
        let _ = unlinkat(&*self.staging, name, UnlinkatFlags::NoRemoveDir);
    }

    /// Reads a small file beside the unfinished ones; none if it is absent, or longer than `limit` bytes.
    pub(crate) fn read_note(&self, name: &str, limit: u64) -> Option<Vec<u8>> {
        read_note(&self.staging, name, limit)
    }

    /// Writes a small file beside the unfinished ones.
    pub(crate) fn write_note(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let mut file = self.part(name)?;
        file.set_len(0)
            .and_then(|()| file.write_all(bytes))
            .map_err(StoreError::io("write", &self.path.join(STAGING).join(name)))
    }

    /// Makes durable what was written so far. Where that fails, only the safety of a pull that ends in a power cut is lost.
    pub(crate) fn sync(&self) {
        let _ = nix::unistd::syncfs(&self.root);
    }

    /// Where a path is on this host, for messages.
    pub(crate) fn describe(&self, path: &SafePath) -> PathBuf {
        self.path.join(path.as_str())
    }

    fn error(&self, action: &'static str, path: &Path, error: Errno) -> StoreError {
        StoreError::Io { action, path: self.path.join(path), source: io::Error::from(error) }
    }
}

/// Returns the files in a folder that pulls wrote, whichever they were, in the order of their names: what else is there is
/// someone else's.
pub fn pulled_files(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    Ok(Target::open(folder)?.files())
}

impl Drop for Target {
    fn drop(&mut self) {
        if self.record.is_empty() {
            self.discard(record::NAME);
        }
        // It stays where it still holds something to resume from.
        let _ = unlinkat(&self.root, STAGING, UnlinkatFlags::RemoveDir);
    }
}

fn read_note(staging: &OwnedFd, name: &str, limit: u64) -> Option<Vec<u8>> {
    let mut file = File::from(openat(staging, name, FILE, Mode::empty()).ok()?);
    file.metadata().ok().filter(|metadata| metadata.is_file())?;
    read_capped(&mut file, limit).ok()
}

fn make_and_open(parent: &OwnedFd, name: &str) -> nix::Result<OwnedFd> {
    match mkdirat(parent, name, PRIVATE_FOLDER) {
        Ok(()) | Err(Errno::EEXIST) => openat(parent, name, FOLDER, Mode::empty()),
        Err(error) => Err(error),
    }
}
