//! An object's DWARF sections, as gimli and addr2line take them.

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
    endian: RunTimeEndian,
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
        let endian = match object.endian() {
            Endian::Little => RunTimeEndian::Little,
            Endian::Big => RunTimeEndian::Big,
        };
        let mut sections =
            Sections { object, bytes: [&[]; NEEDED.len()], endian, has_all: false, errors: Vec::new() };
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

    /// Returns the debug information as far as it is there.
    pub(crate) fn whole(&self) -> Dwarf<Slice<'a>> {
        self.with(|_, bytes| bytes)
    }

    /// Returns the debug information as if it had one unit only. Offsets within `.debug_info` are from the unit's
    /// start then, so `.debug_aranges`, which has them from the section's, is left out. Nothing is copied.
    ///
    /// Right for every unit that doesn't refer to another (see [`crate::root::refers_elsewhere`]).
    pub(crate) fn unit(&self, range: std::ops::Range<usize>) -> Dwarf<Slice<'a>> {
        self.with(|id, bytes| match id {
            SectionId::DebugInfo => bytes.get(range.clone()).unwrap_or_default(),
            SectionId::DebugAranges => &[],
            _ => bytes,
        })
    }

    fn with(&self, part: impl Fn(SectionId, &'a [u8]) -> &'a [u8]) -> Dwarf<Slice<'a>> {
        let load = |id: SectionId| -> Result<Slice<'a>, std::convert::Infallible> {
            let bytes =
                NEEDED.iter().zip(self.bytes).find(|(needed, _)| **needed == id).map(|(_, bytes)| bytes);
            Ok(Slice::new(part(id, bytes.unwrap_or_default()), self.endian))
        };
        match Dwarf::load(load) {
            Ok(dwarf) => dwarf,
        }
    }
}
