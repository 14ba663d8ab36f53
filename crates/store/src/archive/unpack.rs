//! Takes one archive apart.
//!
//! Each file grows in the target's staging folder and gets its name when it is complete and its CRC-32 is right. One
//! file's fault doesn't stop the others; a full disk does.

use std::cell::Cell;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use zip::ZipArchive;
use zip::read::ZipFile;
use zip::result::ZipError;

use super::limits::{Bounded, check, list_budget, most_data};
use super::sparse::SparseWriter;
use crate::hash::sha256_of;
use crate::outcome::Failed;
use crate::paths::SafePath;
use crate::target::Target;
use crate::{StoreError, Warning};

/// A multiple of the blocks in which zeros are looked for.
const BUFFER: usize = 256 * 1024;

/// Where an archive's files go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unpacking<'a> {
    /// What the archive is called, for messages.
    pub(super) name: &'a str,
    /// The folder of the target that its files go to; the target itself if there is none.
    pub(super) folder: Option<&'a str>,
    /// What the target remembers it by.
    pub(super) source: &'a str,
    pub(super) target: &'a Target,
}

/// What came of an archive.
#[derive(Debug, Default)]
pub(super) struct Unpacked {
    pub(super) files: u64,
    pub(super) failed: Vec<Failed>,
    pub(super) warnings: Vec<Warning>,
}

impl Unpacking<'_> {
    /// Unpacks an archive that has arrived. An error means that it can't be used, or that there is no room for its files.
    pub(super) fn run(&self, archive: &File) -> Result<Unpacked, StoreError> {
        let size = archive.metadata().map_err(|error| self.unusable(error.to_string()))?.len();
        let budget = list_budget();
        let mut reader = BufReader::new(archive);
        reader.seek(SeekFrom::Start(0)).map_err(|error| self.unusable(error.to_string()))?;
        let zip = ZipArchive::new(Bounded::new(reader, &budget));
        let mut zip = zip.map_err(|error| self.unusable(why(&error)))?;
        budget.set(u64::MAX);
        check(&zip, size).map_err(|why| self.unusable(why))?;
        let mut unpacked = Unpacked::default();
        if zip.has_duplicate_names() {
            unpacked
                .warnings
                .push(self.warning("it has several files of the same name: the last one is taken"));
        }
        let room = Cell::new(most_data(size));
        let mut taken = HashSet::new();
        for index in 0..zip.len() {
            let name = zip.name_for_index(index).and_then(Result::ok).unwrap_or_default().into_owned();
            match self.unpack_one(&mut zip, index, &name, &room, &mut taken) {
                Ok(Outcome::File) => unpacked.files += 1,
                Ok(Outcome::Folder) => {}
                Ok(Outcome::Link) => unpacked
                    .warnings
                    .push(self.warning(&format!("`{name}` is a symbolic link, and is left out"))),
                Err(error) if is_of_disk(&error) => return Err(error),
                Err(error) => {
                    unpacked.failed.push(Failed { path: format!("{}/{name}", self.name), error });
                }
            }
        }
        if unpacked.failed.is_empty() {
            self.target.sync();
            self.target.add_unpacked(self.source, unpacked.files);
        }
        Ok(unpacked)
    }

    fn unpack_one<R: Read + Seek>(
        &self,
        zip: &mut ZipArchive<R>,
        index: usize,
        name: &str,
        room: &Cell<u64>,
        taken: &mut HashSet<SafePath>,
    ) -> Result<Outcome, StoreError> {
        let mut file = zip.by_index(index).map_err(|error| self.unusable(why(&error)))?;
        if file.is_dir() {
            return Ok(Outcome::Folder);
        }
        if file.is_symlink() {
            return Ok(Outcome::Link);
        }
        let path = SafePath::parse(self.folder, name)?;
        if !taken.insert(path.clone()) {
            return Err(StoreError::ListedTwice { path: name.to_owned() });
        }
        self.write(&mut file, &path, room)?;
        Ok(Outcome::File)
    }

    /// Writes a file, and gives it its name once it is complete.
    fn write<R: Read>(
        &self,
        file: &mut ZipFile<'_, R>,
        path: &SafePath,
        room: &Cell<u64>,
    ) -> Result<(), StoreError> {
        let part = format!("{}.unpacked", sha256_of(path.as_str()));
        let written = self.target.part(&part).and_then(|into| {
            into.set_len(0).map_err(StoreError::io("write", &self.target.describe(path)))?;
            self.copy(file, &into, path, room)
        });
        let published = written.and_then(|()| self.target.publish(&part, path, self.source));
        published.map(drop).inspect_err(|_| self.target.discard(&part))
    }

    fn copy<R: Read>(
        &self,
        file: &mut ZipFile<'_, R>,
        into: &File,
        path: &SafePath,
        room: &Cell<u64>,
    ) -> Result<(), StoreError> {
        let failed = || StoreError::io("write", &self.target.describe(path));
        let declared = file.size();
        let mut writer = SparseWriter::new(into);
        let mut buffer = vec![0; BUFFER];
        let mut length = 0;
        loop {
            let piece = fill(file, &mut buffer).map_err(|error| self.unusable(error.to_string()))?;
            if piece.is_empty() {
                break;
            }
            length += piece.len() as u64;
            if length > declared {
                return Err(self.unusable(format!("it is longer than the {declared} bytes it claims")));
            }
            let data = writer.append(piece).map_err(failed())?;
            let left = room.get().checked_sub(data);
            room.set(left.ok_or_else(|| self.unusable("it unpacks to too many times its size".to_owned()))?);
        }
        if length < declared {
            return Err(self.unusable(format!("it ends after {length} of {declared} bytes")));
        }
        writer.finish().map_err(failed())
    }

    fn unusable(&self, why: String) -> StoreError {
        StoreError::BadArchive { archive: self.name.to_owned(), why }
    }

    fn warning(&self, message: &str) -> Warning {
        Warning { path: self.name.to_owned(), message: message.to_owned() }
    }
}

/// What an entry of an archive is.
enum Outcome {
    File,
    Folder,
    Link,
}

/// Whether an error would befall every other file as well.
fn is_of_disk(error: &StoreError) -> bool {
    use io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    let kind = |source: &io::Error| matches!(source.kind(), QuotaExceeded | ReadOnlyFilesystem | StorageFull);
    matches!(error, StoreError::Io { source, .. } if kind(source))
}

/// Reads until the buffer is full or the file ends.
fn fill<'b>(from: &mut impl Read, buffer: &'b mut [u8]) -> io::Result<&'b [u8]> {
    let mut length = 0;
    while let Some(rest) = buffer.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match from.read(rest) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(buffer.get(..length).unwrap_or_default())
}

/// An error of the archive's own, in a few words.
fn why(error: &ZipError) -> String {
    match error {
        ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) => "it is encrypted".to_owned(),
        ZipError::CompressionMethodNotSupported(method) => {
            format!("it is compressed by method {method}, and only deflate (8) is known")
        }
        ZipError::Io(error) => error.to_string(),
        error => error.to_string(),
    }
}
