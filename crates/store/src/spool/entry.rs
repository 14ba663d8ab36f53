//! One push that waits, and the lock that says who sends it.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::unistd::geteuid;

use super::keep::keep;
use super::record::{Kept, RECORD, Record};
use crate::StoreError;
use crate::keyed::{Planned, PushOptions};
use crate::layout::Role;
use crate::outcome::{Failed, Pushed, Skipped};
use crate::warning::Warning;

/// The file that says that every file was kept.
const COMPLETE: &str = "complete";

/// A file on its way into the folder.
const UNFINISHED: &str = "file.part";

/// What the disk counts in.
const BLOCK: u64 = 512;

/// A push that is kept on this host until it is done. Nobody else can send it as long as this lives.
#[derive(Debug)]
pub struct Spooled {
    folder: PathBuf,
    _lock: Flock<File>,
    record: Record,
    /// What finding the files has told, for the outcome of the first attempt.
    told: Told,
    left: usize,
}

/// What finding the files of a push has told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) skipped: Vec<Skipped>,
    pub(crate) failed: Vec<Failed>,
    pub(crate) warnings: Vec<Warning>,
}

/// What is at the place of a push.
pub(super) enum Found {
    Waits(Box<Spooled>),
    /// Someone else sends it, or it is gone by now.
    Busy,
    /// The rest of one that is done, or that was never made.
    Remains(Remains),
}

/// A folder without a push, locked.
pub(super) struct Remains {
    folder: PathBuf,
    _lock: Flock<File>,
}

/// A file that is to be kept.
#[derive(Debug)]
pub(super) struct Source {
    path: PathBuf,
    /// The bytes of the disk that it takes.
    pub(super) room: u64,
}

impl Source {
    pub(super) fn of(path: &Path) -> Self {
        Self { path: path.to_owned(), room: fs::metadata(path).map_or(0, |metadata| room_of(&metadata)) }
    }
}

/// What a file takes of the disk: holes take nothing, and a file system that packs small files tells less than they have.
fn room_of(metadata: &fs::Metadata) -> u64 {
    metadata.blocks().saturating_mul(BLOCK)
}

/// Makes the folder of a push, and the record in it.
pub(super) fn create(folder: &Path, record: Record) -> Result<Spooled, StoreError> {
    DirBuilder::new().mode(0o700).create(folder).map_err(StoreError::io("create", folder))?;
    let lock = lock(folder)?.ok_or_else(|| StoreError::io("lock", folder)(Errno::EWOULDBLOCK.into()))?;
    let written = record.write(folder);
    let spooled = Spooled { folder: folder.to_owned(), _lock: lock, record, told: Told::default(), left: 0 };
    match written {
        Ok(()) => Ok(spooled),
        Err(error) => {
            // A full disk has room for the message at least.
            let _ = spooled.remove();
            Err(error)
        }
    }
}

/// Opens what is at the place of a push, unless it is in use.
pub(super) fn open(folder: &Path) -> Result<Found, StoreError> {
    let lock = match lock(folder) {
        Ok(Some(lock)) => lock,
        Ok(None) => return Ok(Found::Busy),
        Err(error) if error.is_absent() => return Ok(Found::Busy),
        Err(error) => return Err(error),
    };
    let owner = lock.metadata().map_err(StoreError::io("read", folder))?.uid();
    if owner != geteuid().as_raw() {
        return Err(StoreError::UnsafeSpool { path: folder.to_owned(), why: "it belongs to another user" });
    }
    let folder = folder.to_owned();
    let Some(record) = Record::read(&folder)? else {
        return Ok(Found::Remains(Remains { folder, _lock: lock }));
    };
    let mut spooled = Spooled { folder, _lock: lock, record, told: Told::default(), left: 0 };
    spooled.left = spooled.files().len();
    Ok(Found::Waits(Box::new(spooled)))
}

/// The bytes of the disk that a push takes, or that it will take when all its files are kept.
pub(super) fn room(folder: &Path) -> u64 {
    let promised = || Record::read(folder).ok().flatten().map_or(0, |record| record.room);
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let taken = entries.filter_map(|entry| entry.metadata().ok()).map(|metadata| room_of(&metadata));
    let taken = taken.fold(0, u64::saturating_add);
    if folder.join(COMPLETE).exists() { taken } else { taken.max(promised()) }
}

/// Locks a folder, which must not be a link; none if someone else has it.
fn lock(folder: &Path) -> Result<Option<Flock<File>>, StoreError> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
    let mut options = fs::OpenOptions::new();
    let opened = options.read(true).custom_flags(flags.bits()).open(folder);
    let opened = opened.map_err(StoreError::io("open", folder))?;
    match Flock::lock(opened, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Some(lock)),
        Err((_, Errno::EWOULDBLOCK)) => Ok(None),
        Err((_, error)) => Err(StoreError::io("lock", folder)(io::Error::from(error))),
    }
}

impl Spooled {
    /// The store that it goes to, as a person may see it. It comes from a file: who names it to a server's login decides
    /// where that is sent.
    pub fn url(&self) -> &str {
        &self.record.url
    }

    /// The push's name in the spool.
    pub fn name(&self) -> String {
        self.folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// How it names what it stores.
    pub fn options(&self) -> PushOptions {
        self.record.options()
    }

    /// How many files are still to be sent.
    pub fn left(&self) -> usize {
        self.left
    }

    /// When it was made.
    pub(crate) fn created(&self) -> jiff::Timestamp {
        self.record.created()
    }

    /// Hands over what finding the files has told, to be told once.
    pub(crate) fn take_told(&mut self) -> Told {
        std::mem::take(&mut self.told)
    }

    /// Adds to what finding the files has told.
    pub(crate) fn tell(&mut self, skipped: Vec<Skipped>, failed: Vec<Failed>, warnings: Vec<Warning>) {
        self.told.skipped.extend(skipped);
        self.told.failed.extend(failed);
        self.told.warnings.extend(warnings);
    }

    /// The files that are still to be sent. One that isn't there was sent, or if `fill` didn't come to its end, never kept.
    pub(crate) fn files(&mut self) -> Vec<Planned> {
        let complete = self.folder.join(COMPLETE).exists();
        let mut files = Vec::new();
        for (index, kept) in self.record.files.iter().enumerate() {
            let path = self.folder.join(index.to_string());
            if fs::symlink_metadata(&path).is_ok() {
                let Kept { path: artifact, source, size } = kept.clone();
                let role = Role::of_artifact(&artifact, Path::new(&source));
                files.push(Planned { source: path, artifact, role, size, encrypted: false });
            } else if !complete && !self.told.failed.iter().any(|failed| failed.path == kept.source) {
                let error = StoreError::NotKept { path: PathBuf::from(&kept.source) };
                self.told.failed.push(Failed { path: kept.source.clone(), error });
            }
        }
        files
    }

    /// Keeps the files. One that can't be read is a failure of its own.
    pub(super) fn fill(&mut self, sources: &[Source]) -> Result<(), StoreError> {
        let unfinished = self.folder.join(UNFINISHED);
        for (index, source) in sources.iter().enumerate() {
            let kept = self.folder.join(index.to_string());
            match keep(&source.path, &kept, &unfinished) {
                Ok(()) => self.left += 1,
                Err(StoreError::Io { action: "write", path, source }) => {
                    return Err(StoreError::Io { action: "write", path, source });
                }
                Err(error) => {
                    self.told.failed.push(Failed { path: source.path.display().to_string(), error });
                }
            }
        }
        let complete = self.folder.join(COMPLETE);
        let marked = File::create(&complete).and_then(|_| File::open(&self.folder)?.sync_all());
        marked.map_err(StoreError::io("write", &complete))
    }

    /// Called after an attempt: removes what was sent, and all of it if nothing is left. Failures are told by the
    /// names that the files had.
    pub(crate) fn settle(&mut self, pushed: &mut Pushed) -> Result<(), StoreError> {
        let committed = pushed.manifest_key.is_some();
        let mut sent = Vec::new();
        self.left = 0;
        for (index, kept) in self.record.files.iter().enumerate() {
            let path = self.folder.join(index.to_string());
            let called = path.display().to_string();
            let failed = pushed.failed.iter_mut().find(|failed| failed.path == called);
            let is_left = failed.is_some() || !committed;
            if let Some(failed) = failed {
                failed.path.clone_from(&kept.source);
            }
            if !is_left {
                sent.push(path);
            } else if fs::symlink_metadata(&path).is_ok() {
                self.left += 1;
            }
        }
        // Not file by file where nothing is left: if that is interrupted, the rest would be another push.
        if self.left == 0 { self.remove() } else { sent.iter().try_for_each(|path| remove(path)) }
    }

    /// Removes the push: the record first, so that what remains of an interrupted removal is no push.
    pub(super) fn remove(&self) -> Result<(), StoreError> {
        remove(&self.folder.join(RECORD))?;
        remove_folder(&self.folder)
    }
}

impl Remains {
    pub(super) fn remove(self) -> Result<(), StoreError> {
        remove_folder(&self.folder)
    }
}

/// Removes a folder that holds files only.
fn remove_folder(folder: &Path) -> Result<(), StoreError> {
    for entry in fs::read_dir(folder).map_err(StoreError::io("read", folder))? {
        remove(&entry.map_err(StoreError::io("read", folder))?.path())?;
    }
    fs::remove_dir(folder).map_err(StoreError::io("remove", folder))
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError::io("remove", path)(error)),
        _ => Ok(()),
    }
}
