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

/// The DWARF sections of one object, inflated.
pub(crate) struct Sections<'a> {
    bytes: [&'a [u8]; NEEDED.len()],
    endian: RunTimeEndian,
    /// What could not be read: the section is taken as empty.
    pub(crate) errors: Vec<ObjectError>,
}

impl<'a> Sections<'a> {
    /// Reads the sections; `None` if the object has no debug information.
    pub(crate) fn new(object: &'a Object) -> Option<Sections<'a>> {
        if !object.has_debug_info() {
            return None;
        }
        let mut errors = Vec::new();
        let bytes = NEEDED.map(|id| match object.section(id.name()) {
            Ok(bytes) => bytes.unwrap_or_default(),
            Err(error) => {
                errors.push(error);
                &[]
            }
        });
        let endian = match object.endian() {
            Endian::Little => RunTimeEndian::Little,
            Endian::Big => RunTimeEndian::Big,
        };
        Some(Sections { bytes, endian, errors })
    }

    /// Returns all of the debug information.
    pub(crate) fn whole(&self) -> Dwarf<Slice<'a>> {
        self.with(|_, bytes| bytes)
    }

    /// Returns the debug information as if it had one unit only. Offsets within `.debug_info` are from the unit's
    /// start then, so `.debug_aranges`, which has them from the section's, is left out. Nothing is copied.
    ///
    /// Right for every unit that doesn't refer to another (see [`crate::root::Root::refers_elsewhere`]).
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
