//! A wrapped core: unpacked into a temporary file that has no name and keeps the holes.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::OpenError;
use super::kind::{Content, HEAD, content, content_of};
use super::limits::OpenLimits;
use super::refusal::refuse;
use super::wrapper::Wrapper;
use crate::sparse::SparseWriter;

/// Bytes that are unpacked at a time.
const CHUNK: usize = 256 * 1024;

/// An unpacked core.
pub(super) struct Unpacked {
    pub(super) file: File,
    /// Why the core ends before its end, if it does.
    pub(super) damage: Option<String>,
}

/// Says what is inside a wrapper, by the first bytes of it.
pub(crate) fn content_inside(wrapper: Wrapper, file: &File) -> io::Result<Content> {
    let Some(reader) = wrapper.reader(file)? else { return Ok(Content::Empty) };
    let mut head = Vec::with_capacity(HEAD);
    match reader.take(HEAD as u64).read_to_end(&mut head) {
        // A wrapper that breaks off right behind the header says what it would have been.
        Err(error) if head.is_empty() => Err(error),
        _ => content_of(&head),
    }
}

/// Tells whether `file` holds a core: it is one, or something that [`super::open_core`] finds one in.
pub fn holds_core(file: &File) -> io::Result<bool> {
    Ok(match content(file)? {
        Content::Wrapped(wrapper) => content_inside(wrapper, file)? == Content::Core,
        content => content == Content::Core,
    })
}

/// Unpacks the core in `file`, read from its start. A file that breaks off gives what comes before.
pub(super) fn unpack(
    path: &Path,
    file: &File,
    wrapper: Wrapper,
    limits: &OpenLimits,
) -> Result<Unpacked, OpenError> {
    let broken = |source| OpenError::Broken { path: path.to_owned(), wrapper: wrapper.name(), source };
    match content_inside(wrapper, file).map_err(broken)? {
        Content::Core => {}
        other => return Err(refuse(path, other, Some(wrapper))),
    }
    let Some(mut reader) = wrapper.reader(file).map_err(broken)? else {
        return Err(refuse(path, Content::Empty, Some(wrapper)));
    };
    let folder = limits.temp_dir.clone().unwrap_or_else(std::env::temp_dir);
    let space = Space { path, available: available(&folder, limits), folder };
    let unpacked = tempfile::tempfile_in(&space.folder).map_err(|error| space.error(error))?;
    let mut writer = SparseWriter::new(unpacked);
    let mut buf = vec![0; CHUNK];
    let damage = loop {
        match reader.read(&mut buf) {
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
                let (wrapper, len) = (wrapper.name(), writer.len());
                break Some(format!("the {wrapper} file breaks off after {len} bytes of the core: {error}"));
            }
        }
    };
    let file = writer.finish().map_err(|error| space.error(error))?;
    Ok(Unpacked { file, damage })
}

/// Where the core is unpacked, and how much may be written there.
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
