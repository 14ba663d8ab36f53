//! The codecs that a whole core may be compressed with.

use std::io::{self, BufRead, Read};

use super::lz4::Lz4Reader;
use super::xz::XzReader;

/// How a core is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    /// zstd frames (RFC 8878).
    Zstd,
    /// gzip members (RFC 1952).
    Gzip,
    /// xz streams (The .xz File Format 1.2).
    Xz,
    /// lz4 frames, those of the legacy format too (LZ4 Frame Format 1.6).
    Lz4,
    /// bzip2 streams.
    Bzip2,
}

/// The first bytes of each codec's files.
const MAGIC: [(&[u8], Codec); 6] = [
    (b"\x28\xb5\x2f\xfd", Codec::Zstd),
    (b"\x1f\x8b", Codec::Gzip),
    (b"\xfd7zXZ\0", Codec::Xz),
    (b"\x04\x22\x4d\x18", Codec::Lz4),
    (b"\x02\x21\x4c\x18", Codec::Lz4),
    (b"BZh", Codec::Bzip2),
];

impl Codec {
    /// Recognises compressed bytes by the first of them.
    pub(crate) fn of(head: &[u8]) -> Option<Codec> {
        MAGIC.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, codec)| *codec)
    }

    /// Returns its name: that of its tool.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Codec::Zstd => "zstd",
            Codec::Gzip => "gzip",
            Codec::Xz => "xz",
            Codec::Lz4 => "lz4",
            Codec::Bzip2 => "bzip2",
        }
    }

    /// Returns what [`super::OpenedCore::format`] calls a core that is compressed with it.
    pub(crate) fn format(self) -> &'static str {
        match self {
            Codec::Zstd => "elf.zst",
            Codec::Gzip => "elf.gz",
            Codec::Xz => "elf.xz",
            Codec::Lz4 => "elf.lz4",
            Codec::Bzip2 => "elf.bz2",
        }
    }

    /// Returns a reader of what `input` decompresses to: all frames, members or streams of it, one after the other.
    ///
    /// Where `input` breaks off, the reader gives what comes before, and then fails.
    pub(crate) fn decoder<'a>(self, input: impl BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
        Ok(match self {
            Codec::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(input)?),
            Codec::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(input)),
            Codec::Xz => Box::new(XzReader::new(input)),
            Codec::Lz4 => Box::new(Lz4Reader::new(input)),
            Codec::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(input)),
        })
    }
}
