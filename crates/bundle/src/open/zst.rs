//! A core compressed with zstd: decompressed into a temporary file that has no name and keeps the holes.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::OpenError;
use super::kind::{Content, HEAD, content_of};
use super::limits::OpenLimits;
use super::refusal::refuse;
use crate::sparse::SparseWriter;

/// Bytes that are decompressed at a time.
const CHUNK: usize = 256 * 1024;

/// A decompressed core.
pub(super) struct Decompressed {
    pub(super) file: File,
    /// Why the core ends before its end, if it does.
    pub(super) damage: Option<String>,
}

/// Says what the compressed file holds, by its first decompressed bytes.
pub(super) fn content_inside(compressed: &File) -> io::Result<Content> {
    let mut head = Vec::with_capacity(HEAD);
    decoder(compressed)?.take(HEAD as u64).read_to_end(&mut head)?;
    content_of(&head)
}

/// Decompresses the core in `compressed`, read from its start. A file that breaks off gives what comes before.
pub(super) fn decompress(
    path: &Path,
    compressed: &File,
    limits: &OpenLimits,
) -> Result<Decompressed, OpenError> {
    let broken = |source| OpenError::Broken { path: path.to_owned(), source };
    match content_inside(compressed).map_err(broken)? {
        Content::Core => {}
        other => return Err(refuse(path, other)),
    }
    let folder = limits.temp_dir.clone().unwrap_or_else(std::env::temp_dir);
    let space = Space { path, available: available(&folder, limits), folder };
    let file = tempfile::tempfile_in(&space.folder).map_err(|error| space.error(error))?;
    let mut writer = SparseWriter::new(file);
    let mut decoder = decoder(compressed).map_err(broken)?;
    let mut buf = vec![0; CHUNK];
    let damage = loop {
        match decoder.read(&mut buf) {
            Ok(0) => break None,
            Ok(count) => {
                writer.append(buf.get(..count).unwrap_or_default()).map_err(|error| space.error(error))?;
                if writer.len() > limits.largest {
                    return Err(OpenError::TooLarge { path: path.to_owned(), limit: limits.largest });
                }
                if writer.held() > space.available {
                    return Err(space.error(io::ErrorKind::StorageFull.into()));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                break Some(format!("the compressed file breaks off after {} bytes: {error}", writer.len()));
            }
        }
    };
    let file = writer.finish().map_err(|error| space.error(error))?;
    Ok(Decompressed { file, damage })
}

/// Returns a decoder that starts at the file's first byte, whatever was read of it before.
fn decoder(file: &File) -> io::Result<zstd::stream::read::Decoder<'static, io::BufReader<FromStart<'_>>>> {
    zstd::stream::read::Decoder::new(FromStart { file, at: 0 })
}

/// Reads a file from its start without moving the position that all its handles share.
struct FromStart<'a> {
    file: &'a File,
    at: u64,
}

impl Read for FromStart<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = std::os::unix::fs::FileExt::read_at(self.file, buf, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// Where the core is decompressed, and how much may be written there.
struct Space<'a> {
    path: &'a Path,
    folder: PathBuf,
    available: u64,
}

impl Space<'_> {
    fn error(&self, source: io::Error) -> OpenError {
        let (path, folder) = (self.path.to_owned(), self.folder.clone());
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                OpenError::NoSpace { path, folder, available: self.available }
            }
            _ => OpenError::Temporary { path, folder, source },
        }
    }
}

fn available(folder: &Path, limits: &OpenLimits) -> u64 {
    // A file system that doesn't tell has no limit but its own ENOSPC.
    crate::folder::space_available(folder).map_or(u64::MAX, |free| free.saturating_sub(limits.keep_free))
}
