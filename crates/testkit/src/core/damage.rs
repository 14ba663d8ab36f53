//! Cores that lie: one wrong field each, which no kernel writes.

use super::encode::{Class, Endian};
use super::image::CoreImage;
use super::note::note_kind;

/// Offsets of 64-bit ELF headers (elf(5)).
mod offset {
    pub(super) const E_PHOFF: usize = 32;
    pub(super) const E_PHENTSIZE: usize = 54;
    pub(super) const E_PHNUM: usize = 56;
    pub(super) const FIRST_LOAD: usize = 64 + 56;
    pub(super) const P_OFFSET: usize = 8;
    pub(super) const P_VADDR: usize = 16;
    pub(super) const P_FILESZ: usize = 32;
    pub(super) const P_MEMSZ: usize = 40;
}

/// One way to damage a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// `e_phoff` one byte before the file's end.
    ProgramHeadersBeyondEnd,
    /// `e_phoff` so large that adding the table's size wraps.
    ProgramHeadersWrap,
    /// `e_phentsize` of this size.
    ProgramHeaderSize(u16),
    /// `e_phnum` of this value. 0xffff promises a section header 0 that isn't there.
    ProgramHeaderCount(u16),
    /// The note segment's `p_offset`.
    NotesOffset(u64),
    /// The note segment's `p_filesz`.
    NotesSize(u64),
    /// `namesz` of the first note.
    NoteNameSize(u32),
    /// `descsz` of the first note.
    NoteDescriptionSize(u32),
    /// The count in `NT_FILE`.
    FileCount(u64),
    /// The page size in `NT_FILE`.
    FilePageSize(u64),
    /// `p_offset` of the first `PT_LOAD`.
    SegmentOffset(u64),
    /// `p_vaddr` of the first `PT_LOAD`.
    SegmentAddress(u64),
    /// `p_filesz` of the first `PT_LOAD`.
    SegmentFileSize(u64),
    /// `p_memsz` of the first `PT_LOAD`.
    SegmentMemorySize(u64),
    /// The second `PT_LOAD` starts 16 bytes into the first.
    SegmentsOverlap,
}

impl Damage {
    /// One or more of each kind, with the values that break careless arithmetic.
    pub const EVERY: [Damage; 27] = [
        Damage::ProgramHeadersBeyondEnd,
        Damage::ProgramHeadersWrap,
        Damage::ProgramHeaderSize(0),
        Damage::ProgramHeaderSize(1),
        Damage::ProgramHeaderSize(0xffff),
        Damage::ProgramHeaderCount(0),
        Damage::ProgramHeaderCount(0xfffe),
        Damage::ProgramHeaderCount(0xffff),
        Damage::NotesOffset(u64::MAX),
        Damage::NotesSize(u64::MAX),
        Damage::NoteNameSize(u32::MAX),
        Damage::NoteNameSize(0),
        Damage::NoteDescriptionSize(u32::MAX),
        Damage::NoteDescriptionSize(1),
        Damage::FileCount(1 << 60),
        Damage::FileCount(u64::MAX),
        Damage::FileCount(0),
        Damage::FilePageSize(0),
        Damage::FilePageSize(u64::MAX),
        Damage::SegmentOffset(u64::MAX),
        Damage::SegmentOffset(1 << 63),
        Damage::SegmentAddress(u64::MAX - 1),
        Damage::SegmentFileSize(u64::MAX),
        Damage::SegmentFileSize(1 << 40),
        Damage::SegmentMemorySize(u64::MAX),
        Damage::SegmentMemorySize(0),
        Damage::SegmentsOverlap,
    ];
}

impl CoreImage {
    /// Returns the file with this damage.
    ///
    /// # Panics
    /// When the core isn't 64-bit little-endian, or lacks what is to be damaged.
    pub fn damaged(&self, damage: Damage) -> Vec<u8> {
        assert!(self.class == Class::Elf64 && self.endian == Endian::Little, "damage knows one layout only");
        let mut file = self.to_vec();
        let end = file.len() as u64;
        let load = offset::FIRST_LOAD;
        let files = || self.note(note_kind::FILE).expect("the core has an NT_FILE note").description;
        let note = || self.first_note().expect("the core has a note").header;
        match damage {
            Damage::ProgramHeadersBeyondEnd => put(&mut file, offset::E_PHOFF, &(end - 1).to_le_bytes()),
            Damage::ProgramHeadersWrap => put(&mut file, offset::E_PHOFF, &(u64::MAX - 8).to_le_bytes()),
            Damage::ProgramHeaderSize(size) => put(&mut file, offset::E_PHENTSIZE, &size.to_le_bytes()),
            Damage::ProgramHeaderCount(count) => put(&mut file, offset::E_PHNUM, &count.to_le_bytes()),
            Damage::NotesOffset(at) => put(&mut file, 64 + offset::P_OFFSET, &at.to_le_bytes()),
            Damage::NotesSize(size) => put(&mut file, 64 + offset::P_FILESZ, &size.to_le_bytes()),
            Damage::NoteNameSize(size) => put(&mut file, note(), &size.to_le_bytes()),
            Damage::NoteDescriptionSize(size) => put(&mut file, note() + 4, &size.to_le_bytes()),
            Damage::FileCount(count) => put(&mut file, files(), &count.to_le_bytes()),
            Damage::FilePageSize(size) => put(&mut file, files() + 8, &size.to_le_bytes()),
            Damage::SegmentOffset(at) => put(&mut file, load + offset::P_OFFSET, &at.to_le_bytes()),
            Damage::SegmentAddress(at) => put(&mut file, load + offset::P_VADDR, &at.to_le_bytes()),
            Damage::SegmentFileSize(size) => put(&mut file, load + offset::P_FILESZ, &size.to_le_bytes()),
            Damage::SegmentMemorySize(size) => put(&mut file, load + offset::P_MEMSZ, &size.to_le_bytes()),
            Damage::SegmentsOverlap => {
                let first = &file[load + offset::P_VADDR..][..8];
                let inside = u64::from_le_bytes(first.try_into().expect("eight bytes")) + 16;
                put(&mut file, load + 56 + offset::P_VADDR, &inside.to_le_bytes());
            }
        }
        file
    }
}

fn put(file: &mut [u8], at: usize, bytes: &[u8]) {
    file[at..at + bytes.len()].copy_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{CoreBuilder, FileMapping, Segment, Thread};

    #[test]
    fn every_damage_changes_the_file_and_only_that() {
        let core = CoreBuilder::new()
            .thread(Thread::new(1))
            .file(FileMapping::new(0x1000, 0x2000, 0, "/bin/x"))
            .segment(Segment::data(0x1000, [1; 64]))
            .segment(Segment::data(0x2000, [2; 64]))
            .build();
        let whole = core.to_vec();
        for damage in Damage::EVERY {
            let damaged = core.damaged(damage);
            let changed = whole.iter().zip(&damaged).filter(|(before, after)| before != after).count();
            assert_eq!(damaged.len(), whole.len(), "{damage:?}");
            assert!((1..=8).contains(&changed), "{damage:?} changed {changed} bytes");
        }
    }
}
