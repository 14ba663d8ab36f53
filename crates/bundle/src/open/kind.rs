//! What a file holds, by its first bytes: names mean nothing.

use std::io;

use epitaph_elf::{FileKind, ReadAt, identify};

/// First bytes of a zstd frame (RFC 8878, 3.1.1).
pub(crate) const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Bytes that are looked at.
pub(crate) const HEAD: usize = 256;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// Nothing.
    Empty,
    /// A core.
    Core,
    /// Another ELF file: what kind.
    OtherElf(&'static str),
    /// Something compressed with zstd.
    Zstd,
    /// Something compressed with another codec.
    Compressed { codec: &'static str, command: &'static str },
    /// A crash summary of ours (of any version).
    Summary,
    /// Anything else: what it is, and what to do with it.
    Other { kind: &'static str, advice: Option<&'static str> },
}

/// Codecs whose files are recognised: first bytes, name, command.
const CODECS: [(&[u8], &str, &str); 4] = [
    (b"\x1f\x8b", "gzip", "gzip -d FILE"),
    (b"\xfd7zXZ\0", "xz", "xz -d FILE"),
    (b"\x04\x22\x4d\x18", "lz4", "lz4 -d FILE"),
    (b"BZh", "bzip2", "bzip2 -d FILE"),
];

/// Other files that are mistaken for cores: first bytes, what they are, advice.
const OTHERS: [(&[u8], &str, Option<&str>); 4] = [
    (b"MDMP", "a minidump", Some("minidumps are read by minidump-stackwalk")),
    (b"ProblemType: Crash", "an apport report", Some("unpack it with apport-unpack and give its CoreDump")),
    (b"PK\x03\x04", "a zip archive", Some("unpack it and give the folder")),
    (b"#!", "a script", None),
];

/// Says what the file behind `source` holds.
pub(crate) fn content(source: &dyn ReadAt) -> io::Result<Content> {
    let mut head = [0; HEAD];
    let count = source.read_at(0, &mut head)?;
    content_of(head.get(..count).unwrap_or_default())
}

/// Says what a file holds that begins with `head` (of at least 64 bytes, unless the file is shorter).
pub(crate) fn content_of(head: &[u8]) -> io::Result<Content> {
    Ok(match identify(&head)? {
        FileKind::Empty => Content::Empty,
        FileKind::Core => Content::Core,
        FileKind::Executable => Content::OtherElf("a program"),
        FileKind::SharedObject => Content::OtherElf("a program or shared library"),
        FileKind::Relocatable => Content::OtherElf("an object file"),
        FileKind::BrokenElf => Content::OtherElf("an ELF file with a broken header"),
        FileKind::NotElf => not_elf(head),
    })
}

fn not_elf(head: &[u8]) -> Content {
    if head.starts_with(&ZSTD_MAGIC) {
        return Content::Zstd;
    }
    if let Some((_, codec, command)) = CODECS.iter().find(|(magic, ..)| head.starts_with(magic)) {
        return Content::Compressed { codec, command };
    }
    let dense: Vec<u8> = head.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    if dense.starts_with(br#"{"schema":"epitaph-crash/"#) {
        return Content::Summary;
    }
    match OTHERS.iter().find(|(magic, ..)| head.starts_with(magic)) {
        Some((_, kind, advice)) => Content::Other { kind, advice: *advice },
        None if head.iter().all(|byte| *byte == 0) => Content::Other {
            kind: "a file that begins with zeros",
            advice: Some("the dump was lost before it reached the disk: its first block was never written"),
        },
        None => Content::Other { kind: "a file of another kind", advice: None },
    }
}
