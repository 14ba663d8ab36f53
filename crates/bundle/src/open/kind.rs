//! What a file holds, by its first bytes: names mean nothing.

use std::io;

use epitaph_elf::{FileKind, ReadAt, identify};

use super::codec::Codec;
use super::wrapper::Wrapper;
use crate::cipher::{ARMORED, MAGIC};

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
    /// Something that may hold a core.
    Wrapped(Wrapper),
    /// Something that only some may read: encrypted with age.
    Encrypted,
    /// A crash summary of ours (of any version).
    Summary,
    /// Anything else: what it is, and what to do with it.
    Other { kind: &'static str, advice: Option<&'static str> },
}

/// First bytes of a report that apport wrote of a crash (apport, `problem_report.py`: `ProblemType` is written first).
const APPORT: &[u8] = b"ProblemType: Crash";

/// Other files that are mistaken for cores: first bytes, what they are, advice.
const OTHERS: [(&[u8], &str, Option<&str>); 4] = [
    (ARMORED, "a file that age encrypted as text", Some("decrypt it first: age -d -i KEYFILE -o CORE FILE")),
    (b"MDMP", "a minidump", Some("minidumps are read by minidump-stackwalk")),
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
    if let Some(codec) = Codec::of(head) {
        return Content::Wrapped(Wrapper::Codec(codec));
    }
    if head.starts_with(APPORT) {
        return Content::Wrapped(Wrapper::Apport);
    }
    if head.starts_with(MAGIC) {
        return Content::Encrypted;
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
