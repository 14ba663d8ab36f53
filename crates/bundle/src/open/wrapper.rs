//! What a core may be wrapped in, and the way in.

use std::io::{self, BufRead, BufReader, Read};

use epitaph_elf::ReadAt;

use super::codec::Codec;
use super::stores::apport;

/// Bytes of a wrapper that are read at a time.
const READ: usize = 64 << 10;

/// What a core is wrapped in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrapper {
    /// It is compressed.
    Codec(Codec),
    /// It is a field of a report that apport wrote.
    Apport,
}

impl Wrapper {
    /// Returns what such a file is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Wrapper::Codec(codec) => codec.name(),
            Wrapper::Apport => "apport",
        }
    }

    /// Returns what [`super::OpenedCore::format`] calls it.
    pub(crate) fn format(self) -> &'static str {
        match self {
            Wrapper::Codec(codec) => codec.format(),
            Wrapper::Apport => "apport",
        }
    }

    /// Returns a reader of what is inside `file`, from its start; `None` if it holds nothing that could be a core.
    pub(crate) fn reader(self, file: &dyn ReadAt) -> io::Result<Option<Box<dyn Read + '_>>> {
        self.unwrap(FromStart { file, at: 0 })
    }

    /// Returns a reader of what is inside `input`; `None` if it holds nothing that could be a core.
    pub(super) fn unwrap<'a>(self, input: impl Read + 'a) -> io::Result<Option<Box<dyn Read + 'a>>> {
        let input = BufReader::with_capacity(READ, input);
        match self {
            Wrapper::Codec(codec) => codec.decoder(input).map(Some),
            Wrapper::Apport => {
                let Some(inside) = apport::core_dump(input)? else { return Ok(None) };
                let mut inside = BufReader::with_capacity(READ, inside);
                Ok(Some(match Codec::of(inside.fill_buf()?) {
                    Some(codec) => codec.decoder(inside)?,
                    None => Box::new(inside),
                }))
            }
        }
    }
}

/// Reads a file from its start without moving the position that all its handles share.
pub(super) struct FromStart<'a> {
    pub(super) file: &'a dyn ReadAt,
    pub(super) at: u64,
}

impl Read for FromStart<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(self.at, buf)?;
        self.at += count as u64;
        Ok(count)
    }
}
