//! The seek table behind the frames (`zstd_seekable_compression_format.md` 0.1.0, "Detailed Format").
//!
//! A skippable frame: magic, size, then for each frame its compressed and decompressed size (and perhaps a checksum,
//! which ours leaves to the frames themselves), and a footer: number of frames, descriptor, magic. All little-endian.

use std::io;

use epitaph_elf::{ReadAt, fill};

/// Magic of the skippable frame (RFC 8878, 3.1.2) that the format chooses.
const SKIPPABLE: u32 = 0x184D_2A5E;
/// Magic at the very end of the file.
const SEEKABLE: u32 = 0x8F92_EAB1;
/// Bytes of the skippable frame's header.
const HEADER: usize = 8;
/// Bytes of the footer.
const FOOTER: usize = 9;
/// The descriptor's bit that says that each entry has a checksum.
const CHECKSUMS: u8 = 1 << 7;
/// The bits of the descriptor that must be zero.
const RESERVED: u8 = 0b0111_1100;
/// The most frames that we read or write a table of: enough for the largest core that is opened. They bound the memory
/// that a crafted table takes.
const MOST_FRAMES: usize = 1 << 20;

/// The sizes of one frame, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// As it is stored.
    pub(super) stored: u32,
    /// Decompressed.
    pub(super) content: u32,
}

/// Returns the table of these frames; nothing if they are too many.
pub(super) fn table_of(entries: &[Entry]) -> Vec<u8> {
    if entries.len() > MOST_FRAMES {
        return Vec::new();
    }
    let size = entries.len() * 8 + FOOTER;
    let mut table = Vec::with_capacity(HEADER + size);
    table.extend(SKIPPABLE.to_le_bytes());
    table.extend((size as u32).to_le_bytes());
    for entry in entries {
        table.extend(entry.stored.to_le_bytes());
        table.extend(entry.content.to_le_bytes());
    }
    table.extend((entries.len() as u32).to_le_bytes());
    table.push(0);
    table.extend(SEEKABLE.to_le_bytes());
    table
}

/// Reads the table at the end of `file`, whose frames must fill all that comes before it; `None` if there is none.
pub(super) fn read_table(file: &dyn ReadAt) -> io::Result<Option<Vec<Entry>>> {
    let end = file.size()?;
    let Some(footer) = end.checked_sub(FOOTER as u64).map(|at| read(file, at, FOOTER)).transpose()? else {
        return Ok(None);
    };
    Ok(match sizes(&footer) {
        Some((count, width)) => {
            let size = HEADER + count * width + FOOTER;
            let table = end.checked_sub(size as u64).map(|at| read(file, at, size)).transpose()?;
            table.and_then(|table| entries(&table, end, width))
        }
        None => None,
    })
}

/// Returns the number of entries and the size of each.
fn sizes(footer: &[u8]) -> Option<(usize, usize)> {
    let (count, rest) = split_word(footer)?;
    let (descriptor, magic) = rest.split_first()?;
    let count = usize::try_from(count).ok().filter(|count| (1..=MOST_FRAMES).contains(count))?;
    let known = split_word(magic)?.0 == SEEKABLE && descriptor & RESERVED == 0;
    known.then_some((count, if descriptor & CHECKSUMS == 0 { 8 } else { 12 }))
}

/// Returns the entries of the table that ends at `end`.
fn entries(table: &[u8], end: u64, width: usize) -> Option<Vec<Entry>> {
    let (magic, rest) = split_word(table)?;
    let (size, rest) = split_word(rest)?;
    if magic != SKIPPABLE || size as usize != rest.len() {
        return None;
    }
    let entries = rest.get(..rest.len().checked_sub(FOOTER)?)?.chunks_exact(width).map(|entry| {
        let (stored, rest) = split_word(entry)?;
        Some(Entry { stored, content: split_word(rest)?.0 })
    });
    let entries: Vec<Entry> = entries.collect::<Option<_>>()?;
    let stored: u64 = entries.iter().map(|entry| u64::from(entry.stored)).sum();
    (stored + table.len() as u64 == end).then_some(entries)
}

fn split_word(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (word, rest) = bytes.split_first_chunk()?;
    Some((u32::from_le_bytes(*word), rest))
}

fn read(file: &dyn ReadAt, at: u64, size: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; size];
    let count = fill(file, at, &mut bytes)?;
    bytes.truncate(count);
    Ok(bytes)
}
