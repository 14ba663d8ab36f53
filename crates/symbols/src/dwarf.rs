//! An object's DWARF sections, as gimli takes them.

use std::convert::Infallible;

use epitaph_elf::{Endian, Object, ObjectError};
use gimli::{
    DebugAranges, DebugInfo, Dwarf, EndianSlice, Reader as _, RunTimeEndian, Section as _, SectionId,
    UnitHeader,
};

/// Bytes of a section, as gimli reads them.
pub type Slice<'a> = EndianSlice<'a, RunTimeEndian>;

/// Sections that are taken up; the others are left alone, since they may have to be inflated.
const KEPT: [SectionId; 12] = [
    SectionId::DebugAbbrev,
    SectionId::DebugAddr,
    SectionId::DebugAranges,
    SectionId::DebugInfo,
    SectionId::DebugLine,
    SectionId::DebugLineStr,
    SectionId::DebugLoc,
    SectionId::DebugLocLists,
    SectionId::DebugRanges,
    SectionId::DebugRngLists,
    SectionId::DebugStr,
    SectionId::DebugStrOffsets,
];

/// Those of them that say where variables are: names need none of them.
const LOCATIONS: [SectionId; 2] = [SectionId::DebugLoc, SectionId::DebugLocLists];

/// Those that naming addresses needs.
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

/// Bytes that most units don't exceed, of each of the sections that are needed only up to some unit's.
const USUAL_UNIT: usize = 64 << 10;

/// Those that all units' ranges of addresses need.
const ROOTS: [SectionId; 5] = [
    SectionId::DebugAbbrev,
    SectionId::DebugAddr,
    SectionId::DebugInfo,
    SectionId::DebugRanges,
    SectionId::DebugRngLists,
];

/// Those of them that are read from one end to the other.
const RANGES: [SectionId; 3] = [SectionId::DebugAddr, SectionId::DebugRanges, SectionId::DebugRngLists];

/// The DWARF sections of one object, inflated as far as they are needed.
pub(crate) struct Sections<'a> {
    object: &'a Object,
    starts: [Start<'a>; KEPT.len()],
    /// What could not be read: the section is taken to end there.
    pub(crate) errors: Vec<ObjectError>,
}

/// The start of a section, as far as it is there.
#[derive(Clone, Copy, Default)]
struct Start<'a> {
    bytes: &'a [u8],
    /// Whether that is all of it, as far as it can be read.
    is_whole: bool,
}

impl<'a> Sections<'a> {
    /// Takes up the sections, none of which is there yet; `None` if the object has no debug information.
    pub(crate) fn new(object: &'a Object) -> Option<Sections<'a>> {
        let starts = [Start::default(); KEPT.len()];
        object.has_debug_info().then(|| Sections { object, starts, errors: Vec::new() })
    }

    /// Sees to it that a table of abbreviations is there that begins at `offset`, if it isn't longer than most.
    pub(crate) fn need_abbreviations(&mut self, offset: usize) {
        self.need(SectionId::DebugAbbrev, offset.saturating_add(USUAL_UNIT));
    }

    /// Sees to it that the first `len` bytes of a section are there: a compressed one is inflated from its start, and
    /// the largest by far is needed up to some unit only.
    fn need(&mut self, id: SectionId, len: usize) {
        let slot = self.starts.iter_mut().zip(KEPT).find(|(_, needed)| *needed == id);
        let Some((start, _)) = slot.filter(|(start, _)| !start.is_whole && start.bytes.len() < len) else {
            return;
        };
        match self.object.section_start(id.name(), len) {
            Ok(bytes) => start.bytes = bytes.unwrap_or_default(),
            // What was there before is right all the same.
            Err(error) => self.errors.push(error),
        }
        start.is_whole = start.bytes.len() < len;
    }

    /// Sees to it that a section is there up to the end of the unit, or of the line program, that begins at `offset`:
    /// its length stands in front.
    pub(crate) fn need_unit(&mut self, id: SectionId, offset: usize) {
        self.need(id, offset.saturating_add(USUAL_UNIT));
        let mut bytes = Slice::new(self.start(id), endian(self.object));
        let before = bytes.len();
        if bytes.skip(offset).is_ok()
            && let Ok((len, _)) = bytes.read_initial_length()
        {
            self.need(id, (before - bytes.len()).saturating_add(len));
        }
    }

    /// Sees to it that whole sections are there.
    pub(crate) fn need_whole(&mut self, ids: &[SectionId]) {
        for id in ids {
            self.need(*id, usize::MAX);
        }
    }

    /// Sees to it that every unit's ranges of addresses are there.
    pub(crate) fn need_roots(&mut self) {
        self.need_whole(&ROOTS);
        for id in RANGES {
            self.object.bytes().will_need(self.start(id));
        }
    }

    /// Returns the index that linkers write for gdb, if there is one that can be read: it is a help, and no more.
    pub(crate) fn gdb_index(&self) -> Option<&'a [u8]> {
        self.object.section(".gdb_index").ok().flatten()
    }

    /// Sees to it that everything is there.
    pub(crate) fn need_all(&mut self) {
        self.need_whole(&NEEDED);
    }

    /// Sees to it that what says where variables are is there.
    pub(crate) fn need_locations(&mut self) {
        self.need_whole(&LOCATIONS);
    }

    /// Returns a section as far as it is there.
    fn start(&self, id: SectionId) -> &'a [u8] {
        let start = self.starts.iter().zip(KEPT).find(|(_, needed)| *needed == id);
        start.map(|(start, _)| start.bytes).unwrap_or_default()
    }

    /// Returns the debug information as far as it is there. Nothing is copied.
    pub(crate) fn dwarf(&self) -> Dwarf<Slice<'a>> {
        let endian = endian(self.object);
        let load =
            |id: SectionId| -> Result<Slice<'a>, Infallible> { Ok(Slice::new(self.start(id), endian)) };
        match Dwarf::load(load) {
            Ok(dwarf) => dwarf,
        }
    }

    /// Returns the debug information without all units but one.
    pub(crate) fn unit(&self, header: &UnitHeader<Slice<'a>>) -> Dwarf<Slice<'a>> {
        let mut dwarf = self.dwarf();
        let start = header.debug_info_offset().map_or(0, |offset| offset.0);
        let bytes = dwarf.debug_info.reader().slice();
        let unit = bytes.get(start..).map(|rest| rest.get(..header.length_including_self()).unwrap_or(rest));
        dwarf.debug_info = DebugInfo::new(unit.unwrap_or_default(), endian(self.object));
        // It tells the units apart by where they were.
        dwarf.debug_aranges = DebugAranges::new(&[], endian(self.object));
        dwarf
    }
}

/// Returns an object's byte order.
pub(crate) fn endian(object: &Object) -> RunTimeEndian {
    match object.endian() {
        Endian::Little => RunTimeEndian::Little,
        Endian::Big => RunTimeEndian::Big,
    }
}
