//! Storing a core: compressed, hashed and counted in one pass.

use std::cell::Cell;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use age::stream::StreamWriter;
use epitaph_elf::ReadAt;
use epitaph_summary::Slim;
use sha2::{Digest, Sha256};

use super::disk::{Disk, Existing, NewFile, is_full};
use super::space::Space;
use crate::cipher::{Recipients, encrypt};
use crate::digest::hex;
use crate::extents::{ExtentHash, Identified};
use crate::frames::FrameWriter;
use crate::open::{FileStamp, OpenedCore, Wrapper};
use crate::runs::{Interrupted, Run, runs, runs_of_stream};

/// How many stored bytes lie between two looks at the free space.
const LOOK_EVERY: u64 = 4 << 20;

/// A core to be stored.
#[derive(Clone, Copy)]
pub struct CoreInput<'a> {
    source: &'a dyn ReadAt,
    size: u64,
    original: &'a Path,
    modified: Option<SystemTime>,
    stamp: Option<FileStamp>,
    whole: bool,
    reduction: Option<&'a Reduction>,
}

/// What was made of a core before it was stored: less than all of it, or its secrets overwritten.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reduction {
    /// What was left out, where something was.
    pub slim: Option<Slim>,
    /// Whether secrets were overwritten.
    pub scrubbed: bool,
}

impl std::fmt::Debug for CoreInput<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CoreInput")
            .field("original", &self.original)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

impl<'a> From<&'a OpenedCore> for CoreInput<'a> {
    fn from(core: &'a OpenedCore) -> CoreInput<'a> {
        CoreInput {
            source: &*core.source,
            size: core.size,
            original: &core.path,
            modified: core.modified,
            // A report of another collector tells more than its core does: it is not ours to remove.
            stamp: core.stamp.filter(|_| core.format != Wrapper::Apport.format()),
            whole: core.damage.is_none(),
            reduction: None,
        }
    }
}

impl<'a> CoreInput<'a> {
    /// A core of `size` bytes that is read from anywhere; `original` is where people find it.
    pub fn new(source: &'a dyn ReadAt, size: u64, original: &'a Path) -> CoreInput<'a> {
        CoreInput { source, size, original, modified: None, stamp: None, whole: true, reduction: None }
    }

    /// Stores the `size` bytes of `source` in the core's place, which were made of it.
    #[must_use]
    pub fn reduced(mut self, source: &'a dyn ReadAt, size: u64, reduction: &'a Reduction) -> CoreInput<'a> {
        (self.source, self.size) = (source, size);
        self.reduction = Some(reduction);
        self
    }

    pub(super) fn reduction(&self) -> Option<&'a Reduction> {
        self.reduction
    }

    pub(super) fn original(&self) -> &'a Path {
        self.original
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Says what a copy of the first `stored` bytes lacks.
    fn lacks(&self, stored: u64) -> Option<String> {
        let size = self.size;
        if stored < size {
            return Some(format!("it shrank while it was read: {stored} of its {size} bytes were left"));
        }
        match self.source.size() {
            Ok(now) if now > size => {
                Some(format!("it grew while it was read: these are the first {size} of {now} bytes"))
            }
            _ if !self.whole => Some("its end was missing already".to_owned()),
            _ => None,
        }
    }
}

/// The stored copy of a core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCore {
    /// Its path.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// Its sha256, as lower-case hex.
    pub sha256: String,
    /// Why it doesn't hold all of the original, if it doesn't: that shrank or grew meanwhile, or was broken.
    pub incomplete: Option<String>,
    /// What identifies the bytes that were stored, before they were compressed.
    pub(super) identified: Identified,
    /// Whether it is less than the original, on purpose.
    pub(super) reduced: bool,
    /// The original, as it was read; unknown for one that is no file, or that is more than the core.
    pub(super) original: Option<FileStamp>,
}

/// Why a core was not stored. The original is where it was.
#[derive(Debug)]
pub(super) enum CoreTrouble {
    /// The disk is full.
    Full { done: u64, stored: u64, space: Option<Space>, keep_free: u64 },
    /// The stored copy would be larger than was asked for.
    TooLarge { limit: u64 },
    /// The original can't be read.
    Read(u64, io::Error),
    /// The copy can't be written.
    Write(io::Error),
}

impl CoreTrouble {
    /// Tells whether a smaller core might not have had it.
    pub(super) fn is_want_of_room(&self) -> bool {
        matches!(self, CoreTrouble::Full { .. } | CoreTrouble::TooLarge { .. })
    }

    /// Says why `core` is not in `folder`.
    pub(super) fn why(&self, core: &CoreInput<'_>, folder: &Path) -> String {
        let (folder, size) = (folder.display(), core.size);
        match self {
            CoreTrouble::Full { done, stored, space, keep_free } => {
                let space = space.map_or(String::new(), |space| format!(", {space}"));
                format!(
                    "no space left in {folder}: {stored} bytes held the first {done} of its {size}{space}, and \
                     {keep_free} are kept for the summaries"
                )
            }
            CoreTrouble::TooLarge { limit } => {
                format!("compressed it is larger than the limit of {limit} bytes")
            }
            CoreTrouble::Read(at, error) => format!("it cannot be read from byte {at} on: {error}"),
            CoreTrouble::Write(error) => format!("{folder} cannot be written: {error}"),
        }
    }
}

/// How a core is stored.
pub(super) struct Terms<'a> {
    /// The most bytes that the stored copy may have.
    pub(super) limit: Option<u64>,
    /// Bytes of the disk that are left free.
    pub(super) keep_free: u64,
    /// Who can read the stored copy, if not everybody.
    pub(super) recipients: Option<&'a Recipients>,
}

/// Stores `core` as `target`; `progress` is told how many of how many bytes are done.
pub(super) fn store_core(
    disk: &dyn Disk,
    target: &Path,
    core: &CoreInput<'_>,
    terms: &Terms<'_>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<StoredCore, CoreTrouble> {
    let &Terms { limit, keep_free, recipients } = terms;
    let folder = target.parent().unwrap_or(target);
    let space = || disk.space(folder).ok();
    let file = NewFile::create(disk, folder, target).map_err(|error| {
        let full = CoreTrouble::Full { done: 0, stored: 0, space: space(), keep_free };
        if is_full(&error) { full } else { CoreTrouble::Write(error) }
    })?;
    let tally = Tally::default();
    let unwritten = |error: io::Error| {
        let (stored, done) = (tally.stored.get(), tally.done.get());
        if tally.over_limit.get() {
            CoreTrouble::TooLarge { limit: limit.unwrap_or(stored) }
        } else if is_full(&error) {
            CoreTrouble::Full { done, stored, space: space(), keep_free }
        } else {
            CoreTrouble::Write(error)
        }
    };
    let meter = Meter { file, disk, folder, limit, keep_free, hash: Sha256::new(), tally: &tally };
    let envelope = Envelope::around(meter, recipients).map_err(unwritten)?;
    let mut frames = FrameWriter::new(envelope).map_err(CoreTrouble::Write)?;
    let mut extents = ExtentHash::new();
    let mut each = |run: Run<'_>| {
        extents.add(&run);
        let count = match run {
            Run::Zeros(count) => {
                frames.zeros(count);
                count
            }
            Run::Data(bytes) => {
                frames.data(bytes)?;
                bytes.len() as u64
            }
        };
        tally.done.set(tally.done.get() + count);
        progress(tally.done.get(), core.size);
        Ok(())
    };
    let read = match core.source.in_order().map_err(|error| CoreTrouble::Read(0, error))? {
        Some(mut stream) => runs_of_stream(&mut *stream, &mut each),
        None => runs(core.source, core.size, &mut each),
    };
    let bytes = read.map_err(|interrupted| match interrupted {
        Interrupted::Read(at, error) => CoreTrouble::Read(at, error),
        Interrupted::Receiver(error) => unwritten(error),
    })?;
    frames.finish().map_err(unwritten)?;
    let Meter { file, hash, .. } = frames.into_sink().close().map_err(unwritten)?;
    file.publish(Existing::Replace, core.modified).map_err(unwritten)?;
    Ok(StoredCore {
        path: target.to_owned(),
        size: tally.stored.get(),
        sha256: hex(&hash.finalize()),
        incomplete: core.lacks(bytes),
        identified: extents.finish(),
        reduced: core.reduction.is_some(),
        original: core.stamp,
    })
}

/// How far storing a core has come.
#[derive(Default)]
struct Tally {
    /// Bytes of the core that were read.
    done: Cell<u64>,
    /// Bytes that were written.
    stored: Cell<u64>,
    /// Whether the next would have been too many.
    over_limit: Cell<bool>,
}

/// What a core is written through: as it is, or so that only its recipients can read it.
enum Envelope<W: Write> {
    Open(W),
    Sealed(Box<StreamWriter<W>>),
}

impl<W: Write> Envelope<W> {
    fn around(sink: W, recipients: Option<&Recipients>) -> io::Result<Self> {
        match recipients {
            None => Ok(Self::Open(sink)),
            Some(recipients) => encrypt(recipients, sink).map(|sealed| Self::Sealed(Box::new(sealed))),
        }
    }

    /// Ends it; without this an encrypted core is cut short.
    fn close(self) -> io::Result<W> {
        match self {
            Self::Open(sink) => Ok(sink),
            Self::Sealed(sealed) => sealed.finish(),
        }
    }
}

impl<W: Write> Write for Envelope<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Open(sink) => sink.write(bytes),
            Self::Sealed(sealed) => sealed.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Open(sink) => sink.flush(),
            Self::Sealed(sealed) => sealed.flush(),
        }
    }
}

/// Hashes and counts what is stored, and stops before the disk is full.
struct Meter<'a> {
    file: NewFile<'a>,
    disk: &'a dyn Disk,
    folder: &'a Path,
    limit: Option<u64>,
    keep_free: u64,
    hash: Sha256,
    tally: &'a Tally,
}

impl Write for Meter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let stored = self.tally.stored.get();
        let after = stored + bytes.len() as u64;
        if self.limit.is_some_and(|limit| after > limit) {
            self.tally.over_limit.set(true);
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let look = stored == 0 || stored / LOOK_EVERY != after / LOOK_EVERY;
        // A file system that doesn't say how much is free says when it is full.
        if look && self.disk.space(self.folder).is_ok_and(|space| !space.has_room_for(0, self.keep_free)) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let count = self.file.write(bytes)?;
        self.hash.update(bytes.get(..count).unwrap_or_default());
        self.tally.stored.set(stored + count as u64);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
