//! One file that holds one core.

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use epitaph_elf::ReadAt;
use nix::fcntl::{FcntlArg, fcntl};

use super::OpenError;
use super::codec::Codec;
use super::kind::{Content, content};
use super::limits::OpenLimits;
use super::refusal::refuse;
use super::seekable::{FramesRead, SeekableCore};
use super::stores::{StoreFacts, apport, facts_beside};
use super::streamed::StreamedCore;
use super::wrapper::Wrapper;
use crate::cipher::{Decrypted, Identities};
use crate::regular::{Links, open_regular};

/// Tells a file, as it was, from any other and from itself after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStamp {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) size: u64,
    pub(crate) modified: (i64, i64),
}

impl FileStamp {
    pub(crate) fn of(metadata: &Metadata) -> FileStamp {
        FileStamp {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

/// Bytes that a pipe should hold: as many as any user may ask for (pipe(7), `pipe-max-size`).
const PIPE_SIZE: i32 = 1 << 20;
/// What a core is called that nothing wraps.
const PLAIN: &str = "elf";

/// A core that can be read at random.
#[derive(Clone)]
pub struct OpenedCore {
    /// The core's bytes.
    pub source: Arc<dyn ReadAt>,
    /// How many they are, holes included.
    pub size: u64,
    /// Bytes that the file at `path` occupies on its disk; unknown of a pipe.
    pub size_on_disk: Option<u64>,
    /// When the file at `path` was last written: when the process died, unless the file was copied. What epitaph
    /// seals keeps the time of its original.
    pub modified: Option<SystemTime>,
    /// What wraps the core: `elf` (nothing), `elf.zst`, `elf.gz`, `elf.xz`, `elf.lz4`, `elf.bz2`, or `apport`; of an
    /// encrypted file, what wraps it inside of that.
    pub format: &'static str,
    /// The file that was opened, as it was named.
    pub path: PathBuf,
    /// Why bytes at the core's end are missing, if a broken wrapper is to blame.
    pub damage: Option<String>,
    /// What the store that kept it says of it.
    pub store: Option<StoreFacts>,
    /// The same as `source`, if that decompresses what is read of it.
    frames: Option<Arc<SeekableCore>>,
    /// The same as `source`, if that is not read at random but kept.
    streamed: Option<Arc<StreamedCore>>,
    /// The file at `path`, as it was when it was opened; a pipe is no file.
    pub(crate) stamp: Option<FileStamp>,
}

impl std::fmt::Debug for OpenedCore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenedCore")
            .field("path", &self.path)
            .field("format", &self.format)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

impl OpenedCore {
    /// A plain core, as far as its file's metadata tell.
    fn of_file(path: &Path, metadata: &Metadata, source: Arc<dyn ReadAt>) -> OpenedCore {
        OpenedCore {
            source,
            size: metadata.len(),
            size_on_disk: Some(metadata.blocks() * 512),
            modified: metadata.modified().ok(),
            format: PLAIN,
            path: path.to_owned(),
            damage: None,
            store: None,
            frames: None,
            streamed: None,
            stamp: Some(FileStamp::of(metadata)),
        }
    }

    /// Says when the process died: by what the store says that kept the core, or else by the file's time.
    pub fn died(&self) -> Option<SystemTime> {
        self.store.as_ref().and_then(|store| store.time).or(self.modified)
    }

    /// Returns how many reads so far could not be answered, because a pass over the core had not kept the bytes.
    pub fn refused_reads(&self) -> u64 {
        self.streamed.as_ref().map_or(0, |streamed| streamed.refused())
    }

    /// Gives up the memory that holds what was kept of a wrapped core: if it is read again, it is unwrapped again.
    pub fn release(&self) {
        if let Some(streamed) = &self.streamed {
            streamed.release();
        }
    }

    /// Tells whether the file that was opened is the one that `path` leads to.
    pub fn is_at(&self, path: &Path) -> bool {
        let Some(stamp) = self.stamp else { return false };
        let same = |metadata: Metadata| (metadata.dev(), metadata.ino()) == (stamp.device, stamp.inode);
        std::fs::metadata(path).is_ok_and(same)
    }

    /// Says why bytes are missing: [`OpenedCore::damage`], or what reading met so far in a core that is decompressed
    /// only where it is read.
    pub fn damage_so_far(&self) -> Option<String> {
        self.damage.clone().or_else(|| self.frames.as_ref()?.damage())
    }

    /// Says how much was decompressed so far, of a core that is decompressed only where it is read: one that epitaph
    /// sealed, or any other in zstd frames with a seek table.
    pub fn frames_read(&self) -> Option<FramesRead> {
        self.frames.as_ref().map(|frames| frames.frames_read())
    }
}

/// Opens the file of a core: plain, compressed (zstd, gzip, xz, lz4, bzip2), or an apport report with a core in it.
/// Which of them is told by content, not by name.
///
/// A symbolic link is followed, but what it leads to must be a regular file. A wrapped core is not unpacked anywhere: one
/// in zstd frames with a seek table, as epitaph seals them, is decompressed where it is read; of any other, one pass
/// keeps in memory what explains the crash, and what else is asked for is fetched by further passes.
pub fn open_core(path: &Path) -> Result<OpenedCore, OpenError> {
    open_core_within(path, &OpenLimits::default())
}

/// Does what [`open_core`] does, within other limits.
pub fn open_core_within(path: &Path, limits: &OpenLimits) -> Result<OpenedCore, OpenError> {
    open_core_as(path, limits, &Identities::default())
}

/// Does what [`open_core_within`] does, and opens a file that age encrypted as well, if that was for one of `identities`.
pub fn open_core_as(
    path: &Path,
    limits: &OpenLimits,
    identities: &Identities,
) -> Result<OpenedCore, OpenError> {
    let (file, metadata) =
        open_regular(path, Links::Follow).map_err(|error| OpenError::of_file(path, error))?;
    open_file(path, file, &metadata, limits, identities)
}

/// Does what [`open_core`] does with a file that is open already: `path`, where it was found, may have come to mean
/// another one.
pub fn open_core_file(path: &Path, file: File) -> Result<OpenedCore, OpenError> {
    open_core_file_as(path, file, &OpenLimits::default(), &Identities::default())
}

/// Does what [`open_core_as`] does with a file that is open already.
pub fn open_core_file_as(
    path: &Path,
    file: File,
    limits: &OpenLimits,
    identities: &Identities,
) -> Result<OpenedCore, OpenError> {
    let metadata = file.metadata().map_err(|source| OpenError::Read { path: path.to_owned(), source })?;
    open_file(path, file, &metadata, limits, identities)
}

/// Opens the core that comes through `pipe`, plain or wrapped; `name` is what the pipe is called.
///
/// It is read to its end, once: what that pass did not keep is gone, and reading it fails ([`epitaph_elf::NotKept`]).
pub fn open_core_pipe(name: &Path, pipe: File, limits: &OpenLimits) -> Result<OpenedCore, OpenError> {
    // The writer then waits less often for the reader. What is no pipe, or may not grow, is read as it is.
    let _ = fcntl(&pipe, FcntlArg::F_SETPIPE_SZ(PIPE_SIZE));
    let (core, wrapper, damage) = StreamedCore::of_pipe(name, pipe, limits)?;
    let core = Arc::new(core);
    Ok(OpenedCore {
        source: core.clone(),
        size: core.len(),
        size_on_disk: None,
        modified: None,
        format: wrapper.map_or(PLAIN, Wrapper::format),
        path: name.to_owned(),
        damage,
        store: None,
        frames: None,
        streamed: Some(core),
        stamp: None,
    })
}

fn open_file(
    path: &Path,
    file: File,
    metadata: &Metadata,
    limits: &OpenLimits,
    identities: &Identities,
) -> Result<OpenedCore, OpenError> {
    let unreadable = |source| OpenError::Read { path: path.to_owned(), source };
    if content(&file).map_err(unreadable)? == Content::Encrypted && !identities.is_empty() {
        let inside: Arc<dyn ReadAt> = Arc::new(Decrypted::open(path, file, identities)?);
        return open_content(path, &inside, metadata, limits);
    }
    let store = facts_beside(path, &file);
    let opened = open_content(path, &(Arc::new(file) as Arc<dyn ReadAt>), metadata, limits)?;
    Ok(OpenedCore { store: opened.store.clone().or(store), ..opened })
}

/// Opens what a file holds, once nothing keeps anybody from reading it.
fn open_content(
    path: &Path,
    file: &Arc<dyn ReadAt>,
    metadata: &Metadata,
    limits: &OpenLimits,
) -> Result<OpenedCore, OpenError> {
    let unreadable = |source| OpenError::Read { path: path.to_owned(), source };
    match content(&**file).map_err(unreadable)? {
        Content::Core => {
            let size = file.size().map_err(unreadable)?;
            Ok(OpenedCore { size, ..OpenedCore::of_file(path, metadata, Arc::clone(file)) })
        }
        Content::Wrapped(wrapper) => {
            let store = (wrapper == Wrapper::Apport).then(|| apport::facts(&**file));
            let opened = unwrap(path, file, metadata, wrapper, limits)?;
            Ok(OpenedCore { format: wrapper.format(), store, ..opened })
        }
        other => Err(refuse(path, other, None)),
    }
}

/// Gets at the core in a wrapper: where it lies, if that can be, or else in one pass.
fn unwrap(
    path: &Path,
    file: &Arc<dyn ReadAt>,
    metadata: &Metadata,
    wrapper: Wrapper,
    limits: &OpenLimits,
) -> Result<OpenedCore, OpenError> {
    if wrapper == Wrapper::Codec(Codec::Zstd)
        && let Some(core) = SeekableCore::open(path, file, limits)?
    {
        let core = Arc::new(core);
        let opened = OpenedCore::of_file(path, metadata, core.clone());
        return Ok(OpenedCore { size: core.len(), frames: Some(core), ..opened });
    }
    let (core, damage) = StreamedCore::of_file(path, Arc::clone(file), wrapper, limits)?;
    let core = Arc::new(core);
    let opened = OpenedCore::of_file(path, metadata, core.clone());
    Ok(OpenedCore { size: core.len(), damage, streamed: Some(core), ..opened })
}
