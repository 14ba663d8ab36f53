//! Making an encrypted file of another, and the other way round: whole or not at all.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use age::Encryptor;
use age::stream::StreamWriter;
use epitaph_elf::ReadAt as _;

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
    write_whole(source, &mut BufReader::with_capacity(STEP, file), target, |sink, bytes| {
        let mut sink = encrypt(recipients, sink).map_err(Failed::Write)?;
        move_all(bytes, &mut sink)?;
        sink.finish().map_err(Failed::Write)
    })
}

/// Writes what an encrypted file holds as `target`, in the place of any other, for its owner alone to read; `source` is
/// what errors call it.
pub(super) fn write_decrypted(source: &Path, inside: &Decrypted, target: &Path) -> Result<u64, CipherError> {
    let mut bytes = Positioned { inside, at: 0 };
    write_whole(source, &mut bytes, target, |mut sink, bytes| move_all(bytes, &mut sink).map(|()| sink))
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

/// Writes what `copy` makes of `bytes` to a file that appears when it is complete.
fn write_whole(
    source: &Path,
    bytes: &mut dyn Read,
    target: &Path,
    copy: impl FnOnce(Sink, &mut dyn Read) -> Result<Sink, Failed>,
) -> Result<u64, CipherError> {
    let unwritten = |error| CipherError::Write { path: target.to_owned(), source: error };
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let temporary = tempfile::Builder::new().prefix(".tmp-").tempfile_in(folder).map_err(unwritten)?;
    let file = temporary.as_file().try_clone().map_err(unwritten)?;
    let sink = copy(BufWriter::with_capacity(STEP, file), bytes).map_err(|failed| match failed {
        Failed::Read(error) if error.kind() == io::ErrorKind::InvalidData => {
            CipherError::Damaged { path: source.to_owned(), source: error }
        }
        Failed::Read(error) => CipherError::Read { path: source.to_owned(), source: error },
        Failed::Write(error) => unwritten(error),
    })?;
    let file = sink.into_inner().map_err(|error| unwritten(error.into_error()))?;
    file.sync_all().map_err(unwritten)?;
    let size = file.metadata().map_err(unwritten)?.len();
    temporary.persist(target).map_err(|error| unwritten(error.error))?;
    Ok(size)
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
