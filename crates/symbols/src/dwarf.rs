//! An object's DWARF sections, as gimli takes them.

use std::convert::Infallible;

use epitaph_elf::{Endian, Object, ObjectError};
use gimli::{Dwarf, EndianSlice, RunTimeEndian, SectionId};

pub(crate) type Slice<'a> = EndianSlice<'a, RunTimeEndian>;

/// Sections that naming addresses needs; the others are left alone, since they may have to be inflated.
const NEEDED: [SectionId; 10] = [
    SectionId::DebugAbbrev,
    SectionId::DebugAddr,
    SectionId::DebugAranges,
    SectionId::DebugInfo,
    SectionId::DebugLine,
    SectionId::DebugLineStr,
    SectionId::DebugRanges,
    SectionId::DebugRngLists,
    SectionId::DebugStr,
    SectionId::DebugStrOffsets,
];

/// The DWARF sections of one object, inflated as far as they are needed.
pub(crate) struct Sections<'a> {
    object: &'a Object,
    bytes: [&'a [u8]; NEEDED.len()],
    /// Whether all of `.debug_info` is there, or only its first bytes.
    has_all: bool,
    /// What could not be read: the section is taken as empty.
    pub(crate) errors: Vec<ObjectError>,
}

impl<'a> Sections<'a> {
    /// Reads all sections but `.debug_info`; `None` if the object has no debug information.
    pub(crate) fn new(object: &'a Object) -> Option<Sections<'a>> {
        if !object.has_debug_info() {
            return None;
        }
        let mut sections =
            Sections { object, bytes: [&[]; NEEDED.len()], has_all: false, errors: Vec::new() };
        for id in NEEDED.into_iter().filter(|id| *id != SectionId::DebugInfo) {
            sections.load(id, usize::MAX);
        }
        Some(sections)
    }

    /// Sees to it that the first `len` bytes of `.debug_info` are there: it is the largest section by far, and a
    /// compressed one is inflated from its start.
    pub(crate) fn need_info(&mut self, len: usize) {
        let there = self.bytes.iter().zip(NEEDED).find(|(_, id)| *id == SectionId::DebugInfo);
        if !self.has_all && there.is_none_or(|(bytes, _)| bytes.len() < len) {
            self.load(SectionId::DebugInfo, len);
            self.has_all = len == usize::MAX;
        }
    }

    fn load(&mut self, id: SectionId, len: usize) {
        let bytes = match self.object.section_start(id.name(), len) {
            Ok(bytes) => bytes.unwrap_or_default(),
            Err(error) => {
                self.errors.push(error);
                &[]
            }
        };
        if let Some((slot, _)) = self.bytes.iter_mut().zip(NEEDED).find(|(_, needed)| *needed == id) {
            *slot = bytes;
        }
    }

    /// Returns the debug information as far as it is there. Nothing is copied.
    pub(crate) fn dwarf(&self) -> Dwarf<Slice<'a>> {
        let endian = endian(self.object);
        let load = |id: SectionId| -> Result<Slice<'a>, Infallible> {
            let bytes = NEEDED.iter().zip(self.bytes).find(|(needed, _)| **needed == id);
            Ok(Slice::new(bytes.map(|(_, bytes)| bytes).unwrap_or_default(), endian))
        };
        match Dwarf::load(load) {
            Ok(dwarf) => dwarf,
        }
    }
}

/// Returns an object's byte order.
pub(crate) fn endian(object: &Object) -> RunTimeEndian {
    match object.endian() {
        Endian::Little => RunTimeEndian::Little,
        Endian::Big => RunTimeEndian::Big,
    }
}
