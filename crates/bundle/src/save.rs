//! Writing one core to a file of its own, whole or not at all.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use epitaph_elf::ReadAt;
use thiserror::Error;

use crate::folder::is_full;
use crate::frames::FrameWriter;
use crate::sparse::SparseWriter;

/// Bytes that are copied at a time.
const CHUNK: usize = 256 << 10;

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
        compressed(core, needed, file)
    } else {
        sparse(core, file)
    };
    let file = written.map_err(|failed| match failed {
        Failed::Read(error) => SaveError::Read(error),
        Failed::Write(error) => unwritten(error),
    })?;
    if let Some(modified) = modified {
        // A file system that keeps no times loses only a convenience.
        let _ = file.set_modified(modified);
    }
    let size = file.metadata().map_err(unwritten)?.len();
    file.sync_all().map_err(unwritten)?;
    temporary.persist(target).map_err(|error| unwritten(error.error))?;
    Ok(size)
}

/// Writes a core, as it is, to something that isn't a file (a pipe), which errors call `name`.
pub fn write_core(core: &dyn ReadAt, out: &mut dyn Write, name: &Path) -> Result<(), SaveError> {
    let failed = |failed| match failed {
        Failed::Read(error) => SaveError::Read(error),
        Failed::Write(source) => SaveError::Write { path: name.to_owned(), source },
    };
    copy(core, |bytes| out.write_all(bytes)).map_err(failed)?;
    out.flush().map_err(Failed::Write).map_err(failed)
}

/// Which side of a copy failed.
enum Failed {
    Read(io::Error),
    Write(io::Error),
}

fn sparse(core: &dyn ReadAt, file: File) -> Result<File, Failed> {
    let mut writer = SparseWriter::new(file);
    copy(core, |bytes| writer.append(bytes))?;
    writer.finish().map_err(Failed::Write)
}

fn compressed(core: &dyn ReadAt, size: u64, file: File) -> Result<File, Failed> {
    let mut writer = FrameWriter::new(BufWriter::new(file), size).map_err(Failed::Write)?;
    copy(core, |bytes| writer.data(bytes))?;
    writer.finish().map_err(Failed::Write)?;
    writer.into_sink().into_inner().map_err(|error| Failed::Write(error.into_error()))
}

fn copy(core: &dyn ReadAt, mut write: impl FnMut(&[u8]) -> io::Result<()>) -> Result<(), Failed> {
    let size = core.size().map_err(Failed::Read)?;
    let mut buffer = vec![0; CHUNK];
    let mut offset = 0;
    while offset < size {
        let count = match core.read_at(offset, &mut buffer) {
            Ok(0) => return Err(Failed::Read(io::ErrorKind::UnexpectedEof.into())),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Failed::Read(error)),
        };
        write(buffer.get(..count).unwrap_or_default()).map_err(Failed::Write)?;
        offset += count as u64;
    }
    Ok(())
}
