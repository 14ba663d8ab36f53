//! One file that holds one core.

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use epitaph_elf::ReadAt;

use super::OpenError;
use super::kind::{Content, content};
use super::limits::OpenLimits;
use super::refusal::refuse;
use super::stores::{StoreFacts, apport, facts_beside};
use super::unpack::unpack;
use super::wrapper::Wrapper;
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

/// A core that can be read at random.
#[derive(Clone)]
pub struct OpenedCore {
    /// The core's bytes.
    pub source: Arc<dyn ReadAt>,
    /// How many they are, holes included.
    pub size: u64,
    /// Bytes that the file at `path` occupies on its disk.
    pub size_on_disk: u64,
    /// When the file at `path` was last written: when the process died, unless the file was copied. What epitaph
    /// seals keeps the time of its original.
    pub modified: Option<SystemTime>,
    /// What wraps the core: `elf` (nothing), `elf.zst`, `elf.gz`, `elf.xz`, `elf.lz4`, `elf.bz2`, or `apport`.
    pub format: &'static str,
    /// The file that was opened, as it was named.
    pub path: PathBuf,
    /// Why bytes at the core's end are missing, if a broken wrapper is to blame.
    pub damage: Option<String>,
    /// What the store that kept it says of it.
    pub store: Option<StoreFacts>,
    /// The same bytes as `source`, to be asked for holes.
    pub(crate) file: Arc<File>,
    /// The file at `path`, as it was when it was opened.
    pub(crate) stamp: FileStamp,
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
    /// Says when the process died: by what the store says that kept the core, or else by the file's time.
    pub fn died(&self) -> Option<SystemTime> {
        self.store.as_ref().and_then(|store| store.time).or(self.modified)
    }

    /// Tells whether the file that was opened is the one that `path` leads to.
    pub fn is_at(&self, path: &Path) -> bool {
        let same =
            |metadata: Metadata| (metadata.dev(), metadata.ino()) == (self.stamp.device, self.stamp.inode);
        std::fs::metadata(path).is_ok_and(same)
    }
}

/// Opens the file of a core: plain, compressed (zstd, gzip, xz, lz4, bzip2), or an apport report with a core in it.
/// Which of them is told by content, not by name.
///
/// A symbolic link is followed, but what it leads to must be a regular file. A wrapped core is unpacked into a nameless
/// temporary file that is gone when the core is dropped.
pub fn open_core(path: &Path) -> Result<OpenedCore, OpenError> {
    open_core_within(path, &OpenLimits::default())
}

/// Does what [`open_core`] does, within other limits.
pub fn open_core_within(path: &Path, limits: &OpenLimits) -> Result<OpenedCore, OpenError> {
    let (file, metadata) =
        open_regular(path, Links::Follow).map_err(|error| OpenError::of_file(path, error))?;
    open_file(path, file, &metadata, limits)
}

/// Does what [`open_core`] does with a file that is open already: `path`, where it was found, may have come to mean
/// another one.
pub fn open_core_file(path: &Path, file: File) -> Result<OpenedCore, OpenError> {
    let metadata = file.metadata().map_err(|source| OpenError::Read { path: path.to_owned(), source })?;
    open_file(path, file, &metadata, &OpenLimits::default())
}

fn open_file(
    path: &Path,
    file: File,
    metadata: &Metadata,
    limits: &OpenLimits,
) -> Result<OpenedCore, OpenError> {
    let unreadable = |source| OpenError::Read { path: path.to_owned(), source };
    let (inside, format, damage, store) = match content(&file).map_err(unreadable)? {
        Content::Core => {
            let store = facts_beside(path, &file);
            (file, "elf", None, store)
        }
        Content::Wrapped(wrapper) => {
            let inside = unpack(path, &file, wrapper, limits)?;
            let store = match wrapper {
                Wrapper::Apport => Some(apport::facts(&file)),
                Wrapper::Codec(_) => facts_beside(path, &file),
            };
            (inside.file, wrapper.format(), inside.damage, store)
        }
        other => return Err(refuse(path, other, None)),
    };
    let size = inside.metadata().map_err(unreadable)?.len();
    let file = Arc::new(inside);
    Ok(OpenedCore {
        source: Arc::<File>::clone(&file),
        size,
        size_on_disk: metadata.blocks() * 512,
        modified: metadata.modified().ok(),
        format,
        path: path.to_owned(),
        damage,
        store,
        file,
        stamp: FileStamp::of(metadata),
    })
}
