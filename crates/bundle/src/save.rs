//! Writing one core to a file of its own, whole or not at all.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use epitaph_elf::ReadAt;
use thiserror::Error;

use crate::folder::is_full;
use crate::frames::FrameWriter;
use crate::runs::{Interrupted, Run, runs, runs_of_stream};

/// Why a core can't be written to a file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SaveError {
    /// The core can't be read any more.
    #[error("the core cannot be read")]
    Read(#[source] io::Error),
    /// The disk is full.
    #[error("{}: no space left: {needed} bytes are needed", path.display())]
    Full {
        /// What was to be written.
        path: PathBuf,
        /// The core's size in bytes, before it is compressed.
        needed: u64,
        /// What the system said.
        source: io::Error,
    },
    /// The file can't be written.
    #[error("{}: cannot be written", path.display())]
    Write {
        /// What was to be written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl SaveError {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            SaveError::Read(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                "something changed the core meanwhile: is it still being written, or was it removed?"
            }
            SaveError::Read(_) => return None,
            SaveError::Full { .. } => "free some space, or write to another disk; nothing was left behind",
            SaveError::Write { .. } => "name a file in a folder that you may write to",
        };
        Some(hint.to_owned())
    }
}

/// Writes a core to a file that only its owner can read; as zstd frames where its name ends in `.zst`. The file appears
/// when it is complete, in the place of any other, and says that it was written at `modified`. Returns its size in
/// bytes.
pub fn save_core(core: &dyn ReadAt, target: &Path, modified: Option<SystemTime>) -> Result<u64, SaveError> {
    save(core, target, modified, Durability::Synced)
}

/// Writes a core as [`save_core`] does, without waiting for the disk: it is kept elsewhere soon, and need not outlive the
/// machine.
pub fn spool_core(core: &dyn ReadAt, target: &Path) -> Result<u64, SaveError> {
    save(core, target, None, Durability::Cached)
}

/// When a file is taken for written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Durability {
    /// When the disk has it.
    Synced,
    /// When the kernel has it.
    Cached,
}

fn save(
    core: &dyn ReadAt,
    target: &Path,
    modified: Option<SystemTime>,
    durability: Durability,
) -> Result<u64, SaveError> {
    let needed = core.size().map_err(SaveError::Read)?;
    let unwritten = |source| {
        let path = target.to_owned();
        if is_full(&source) {
            SaveError::Full { path, needed, source }
        } else {
            SaveError::Write { path, source }
        }
    };
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let temporary = tempfile::Builder::new().prefix(".tmp-").tempfile_in(folder).map_err(unwritten)?;
    let file = temporary.as_file().try_clone().map_err(unwritten)?;
    let written = if target.extension().is_some_and(|extension| extension == "zst") {
        compressed(core, file)
    } else {
        sparse(core, file)
    };
    let file = written.map_err(|failed| match failed {
        Interrupted::Read(_, error) => SaveError::Read(error),
        Interrupted::Receiver(error) => unwritten(error),
    })?;
    if let Some(modified) = modified {
        // A file system that keeps no times loses only a convenience.
        let _ = file.set_modified(modified);
    }
    let size = file.metadata().map_err(unwritten)?.len();
    if durability == Durability::Synced {
        file.sync_all().map_err(unwritten)?;
    }
    temporary.persist(target).map_err(|error| unwritten(error.error))?;
    Ok(size)
}

/// Writes a core, as it is, to something that isn't a file (a pipe), which errors call `name`.
pub fn write_core(core: &dyn ReadAt, out: &mut dyn Write, name: &Path) -> Result<(), SaveError> {
    let unwritten = |source| SaveError::Write { path: name.to_owned(), source };
    let written = copy(core, |run| match run {
        Run::Zeros(count) => io::copy(&mut io::repeat(0).take(count), out).map(drop),
        Run::Data(bytes) => out.write_all(bytes),
    });
    written.map_err(|interrupted| match interrupted {
        Interrupted::Read(_, error) => SaveError::Read(error),
        Interrupted::Receiver(error) => unwritten(error),
    })?;
    out.flush().map_err(unwritten)
}

/// Compresses a core that comes as a stream into `out`, as zstd frames, and returns how many bytes it had. A stream that
/// breaks off gives what came before.
///
/// Errors call what is written to `name`.
pub fn compress_stream(stream: &mut dyn Read, out: &mut dyn Write, name: &Path) -> Result<u64, SaveError> {
    let unwritten = |source| SaveError::Write { path: name.to_owned(), source };
    let mut writer = FrameWriter::new(out).map_err(unwritten)?;
    let count = runs_of_stream(stream, &mut |run| match run {
        Run::Zeros(count) => {
            writer.zeros(count);
            Ok(())
        }
        Run::Data(bytes) => writer.data(bytes),
    });
    let count = count.map_err(|interrupted| match interrupted {
        Interrupted::Read(_, error) => SaveError::Read(error),
        Interrupted::Receiver(error) => unwritten(error),
    })?;
    writer.finish().map_err(unwritten)?;
    writer.into_sink().flush().map_err(unwritten)?;
    Ok(count)
}

/// Writes a core with holes where its zeros would be.
fn sparse(core: &dyn ReadAt, file: File) -> Result<File, Interrupted> {
    let mut at = 0;
    copy(core, |run| {
        at += match run {
            Run::Zeros(count) => count,
            Run::Data(bytes) => {
                file.write_all_at(bytes, at)?;
                bytes.len() as u64
            }
        };
        Ok(())
    })?;
    file.set_len(at).map_err(Interrupted::Receiver)?;
    Ok(file)
}

fn compressed(core: &dyn ReadAt, file: File) -> Result<File, Interrupted> {
    let mut writer = FrameWriter::new(BufWriter::new(file)).map_err(Interrupted::Receiver)?;
    copy(core, |run| match run {
        Run::Zeros(count) => {
            writer.zeros(count);
            Ok(())
        }
        Run::Data(bytes) => writer.data(bytes),
    })?;
    writer.finish().map_err(Interrupted::Receiver)?;
    writer.into_sink().into_inner().map_err(|error| Interrupted::Receiver(error.into_error()))
}

/// Hands on a whole core.
fn copy(core: &dyn ReadAt, mut each: impl FnMut(Run<'_>) -> io::Result<()>) -> Result<(), Interrupted> {
    let size = core.size().map_err(|error| Interrupted::Read(0, error))?;
    let count = runs(core, size, &mut each)?;
    if count < size {
        return Err(Interrupted::Read(count, io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(())
}
