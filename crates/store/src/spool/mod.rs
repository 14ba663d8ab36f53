//! Pushes that are kept on this host until they are done.
//!
//! A job's workspace may vanish with the job, and its store may be out of reach just then. So what a push is about to
//! send is first kept in a folder that stays (a volume, a cache of the CI system): as a copy that shares its blocks, a
//! second name, or a copy, whichever the file systems allow. Each push has a folder of its own there:
//!
//! ```text
//! 20261123T210548.123456Z-0123abcd/   0700; named as the push's manifest will be, so that a push that is finished twice is one
//!     push.json                       where to, of which job, and what each file's artifact path is
//!     0 1 2 …                         the files that are still to be sent, 0600 where they are copies
//!     complete                        empty: every file was kept
//! uploads/                            what object stores have got of large files
//! ```
//!
//! `record` is `push.json`, `keep` puts a file there, `entry` is one push, locked by whoever sends it. What one finds in
//! the folder is not trusted further than that: it names no file outside of its own folder, and holds no secret.

mod entry;
mod keep;
mod record;

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::geteuid;

use crate::StoreError;
use crate::keyed::{Planned, PushOptions};
use crate::layout::{is_push_name, push_name};

pub use entry::Spooled;

use entry::{Found, Source};
use record::Record;

/// Bits of a mode that let others than the owner write.
const OTHERS_WRITE: u32 = 0o022;

/// A folder of pushes that are not done.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    quota: u64,
}

impl Spool {
    /// What a spool may hold if nothing else is said: 20 GiB.
    pub const QUOTA: u64 = 20 << 30;

    /// Opens a spool that may take so many bytes of its disk; the folder is created if it is not there. One that others
    /// than this user may write to is refused: they could put files there that are pushed in this user's name.
    pub fn open(folder: &Path, quota: u64) -> Result<Self, StoreError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(StoreError::io("create", folder))?;
        let metadata = fs::metadata(folder).map_err(StoreError::io("read", folder))?;
        let refuse = |why| Err(StoreError::UnsafeSpool { path: folder.to_owned(), why });
        if metadata.uid() != geteuid().as_raw() {
            return refuse("it belongs to another user");
        }
        if metadata.mode() & OTHERS_WRITE != 0 {
            return refuse("other users may write there");
        }
        let folder = folder.canonicalize().map_err(StoreError::io("read", folder))?;
        Ok(Self { folder, quota })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// The names of the pushes that wait or are being sent, the oldest first.
    pub fn waiting(&self) -> Result<Vec<String>, StoreError> {
        let failed = || StoreError::io("read", &self.folder);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed())? {
            let name = entry.map_err(failed())?.file_name();
            names.extend(name.into_string().ok().filter(|name| is_push_name(name)));
        }
        names.sort();
        Ok(names)
    }

    /// Takes a push that waits; none if it is done by now, or another process sends it.
    pub fn claim(&self, name: &str) -> Result<Option<Spooled>, StoreError> {
        let _lock = self.lock()?;
        match entry::open(&self.folder.join(name))? {
            Found::Waits(spooled) => Ok(Some(*spooled)),
            Found::Busy => Ok(None),
            Found::Remains(remains) => remains.remove().map(|()| None),
        }
    }

    /// Keeps the files of a push. Nothing is left of it if they don't fit.
    pub(crate) fn keep(
        &self,
        url: &str,
        options: &PushOptions,
        files: Vec<Planned>,
    ) -> Result<Spooled, StoreError> {
        let created = Timestamp::now();
        let sources: Vec<Source> = files.iter().map(|file| Source::of(&file.source)).collect();
        let room = sources.iter().fold(0, |sum: u64, source| sum.saturating_add(source.room));
        let record = Record::new(url, options, created, room, files);
        let mut spooled = {
            let _lock = self.lock()?;
            let used = self.used();
            if used.saturating_add(room) > self.quota {
                return Err(StoreError::SpoolFull {
                    path: self.folder.clone(),
                    used,
                    room,
                    quota: self.quota,
                });
            }
            entry::create(&self.folder.join(push_name(created)), record)?
        };
        match spooled.fill(&sources) {
            Ok(()) => Ok(spooled),
            Err(error) => {
                // What can't be removed is found and removed by the next one who looks.
                let _ = spooled.remove();
                Err(error)
            }
        }
    }

    /// The bytes of the disk that pushes take, or have said that they will.
    fn used(&self) -> u64 {
        let names = self.waiting().unwrap_or_default();
        names.iter().map(|name| entry::room(&self.folder.join(name))).fold(0, u64::saturating_add)
    }

    /// Keeps others from taking or making pushes meanwhile. Nobody has this lock for long.
    fn lock(&self) -> Result<Flock<File>, StoreError> {
        let folder = File::open(&self.folder).map_err(StoreError::io("open", &self.folder))?;
        Flock::lock(folder, FlockArg::LockExclusive)
            .map_err(|(_, error): (File, Errno)| StoreError::io("lock", &self.folder)(io::Error::from(error)))
    }
}
