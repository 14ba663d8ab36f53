//! Making an encrypted file of another, and the other way round: whole or not at all.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use age::Encryptor;
use age::stream::StreamWriter;
use epitaph_elf::ReadAt as _;
use tempfile::NamedTempFile;

use super::{CipherError, Decrypted, MAGIC, Recipients};
use crate::regular::{Links, open_regular};

/// Bytes that are moved at a time.
const STEP: usize = 256 << 10;

/// Starts an age file that `recipients` can decrypt. It is complete only after `finish`.
pub(crate) fn encrypt<W: Write>(recipients: &Recipients, sink: W) -> io::Result<StreamWriter<W>> {
    Encryptor::with_recipients(recipients.keys()).map_err(io::Error::other)?.wrap_output(sink)
}

/// Encrypts a file as `target`, in the place of any other, for its owner alone to read. Returns the size of that.
pub fn encrypt_file(source: &Path, target: &Path, recipients: &Recipients) -> Result<u64, CipherError> {
    let unreadable = |error| CipherError::Read { path: source.to_owned(), source: error };
    let (file, _) = open_regular(source, Links::Follow).map_err(|error| unreadable(error.into()))?;
    let bytes = &mut BufReader::with_capacity(STEP, file);
    let written = write_whole(source, bytes, target, |sink, bytes| {
        let mut sink = encrypt(recipients, sink).map_err(Failed::Write)?;
        move_all(bytes, &mut sink)?;
        sink.finish().map_err(Failed::Write)
    })?;
    let unwritten = |error| CipherError::Write { path: target.to_owned(), source: error };
    let size = written.as_file().metadata().map_err(unwritten)?.len();
    written.persist(target).map_err(|error| unwritten(error.error))?;
    Ok(size)
}

/// Writes what an encrypted file holds as `target`, for its owner alone to read; `source` is what errors call it. What is
/// there already stays: if it holds something else, that is an error.
pub(super) fn write_decrypted(source: &Path, inside: &Decrypted, target: &Path) -> Result<(), CipherError> {
    let taken = || CipherError::Taken { path: source.to_owned(), target: target.to_owned() };
    if target.symlink_metadata().is_ok() {
        let there = open_regular(target, Links::Refuse).ok().map(|(file, _)| file);
        let is_same = there.map_or(Ok(false), |there| holds(&there, inside));
        return if is_same.map_err(|error| unread(source, error))? { Ok(()) } else { Err(taken()) };
    }
    let mut bytes = Positioned { inside, at: 0 };
    let copy = |mut sink, bytes: &mut dyn Read| move_all(bytes, &mut sink).map(|()| sink);
    let written = write_whole(source, &mut bytes, target, copy)?;
    match written.persist_noclobber(target) {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Err(taken()),
        Err(error) => Err(CipherError::Write { path: target.to_owned(), source: error.error }),
    }
}

/// Tells whether a file holds the same bytes as an encrypted one.
fn holds(file: &File, inside: &Decrypted) -> io::Result<bool> {
    if file.metadata()?.len() != inside.size()? {
        return Ok(false);
    }
    let (mut here, mut there) = (vec![0; STEP], vec![0; STEP]);
    let mut at = 0;
    loop {
        let count = epitaph_elf::fill(inside, at, &mut here)?;
        if count == 0 {
            return Ok(true);
        }
        let same =
            epitaph_elf::fill(file, at, &mut there)? == count && here.get(..count) == there.get(..count);
        if !same {
            return Ok(false);
        }
        at += count as u64;
    }
}

/// Tells whether a file is an age file.
pub(super) fn is_encrypted(file: &File) -> io::Result<bool> {
    let mut head = [0; MAGIC.len()];
    let count = epitaph_elf::fill(file, 0, &mut head)?;
    Ok(head.get(..count) == Some(MAGIC))
}

type Sink = BufWriter<File>;

/// On which side copying failed.
enum Failed {
    Read(io::Error),
    Write(io::Error),
}

/// Says why an encrypted file can't be read to its end.
fn unread(path: &Path, source: io::Error) -> CipherError {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::InvalidData => CipherError::Damaged { path, source },
        _ => CipherError::Read { path, source },
    }
}

/// Writes what `copy` makes of `bytes` to a file beside `target`, complete and still without a name that lasts.
fn write_whole(
    source: &Path,
    bytes: &mut dyn Read,
    target: &Path,
    copy: impl FnOnce(Sink, &mut dyn Read) -> Result<Sink, Failed>,
) -> Result<NamedTempFile, CipherError> {
    let unwritten = |error| CipherError::Write { path: target.to_owned(), source: error };
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let temporary = tempfile::Builder::new().prefix(".tmp-").tempfile_in(folder).map_err(unwritten)?;
    let file = temporary.as_file().try_clone().map_err(unwritten)?;
    let sink = copy(BufWriter::with_capacity(STEP, file), bytes).map_err(|failed| match failed {
        Failed::Read(error) => unread(source, error),
        Failed::Write(error) => unwritten(error),
    })?;
    let file = sink.into_inner().map_err(|error| unwritten(error.into_error()))?;
    file.sync_all().map_err(unwritten)?;
    Ok(temporary)
}

fn move_all(bytes: &mut dyn Read, sink: &mut impl Write) -> Result<(), Failed> {
    let mut buffer = vec![0; STEP];
    loop {
        match bytes.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => sink.write_all(buffer.get(..count).unwrap_or_default()).map_err(Failed::Write)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Failed::Read(error)),
        }
    }
}

/// Reads what is inside from its start to its end.
struct Positioned<'a> {
    inside: &'a Decrypted,
    at: u64,
}

impl Read for Positioned<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.inside.read_at(self.at, buf)?;
        self.at += count as u64;
        Ok(count)
    }
}
