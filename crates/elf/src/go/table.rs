//! The table itself: found in an object, and asked for the function at an address.

use std::cell::OnceCell;

use super::function::GoFunction;
use super::header::Header;
use super::module_data::ModuleData;
use crate::object::Object;

/// Names that linkers give the table's section.
const SECTIONS: [&str; 2] = [".gopclntab", ".data.rel.ro.gopclntab"];
/// Sections that only Go's linker makes.
const MARKS: [&str; 2] = [".go.buildinfo", ".note.go.buildid"];
/// Sections that the table gets into where another linker puts a Go program together.
const MERGED: [&str; 2] = [".data.rel.ro", ".rodata"];
/// Boundary that the table starts at.
const ALIGNMENT: usize = 8;

/// Go's table of functions (`pclntab`), which the runtime needs and which is therefore in every Go program, stripped
/// ones too. It tells each function's name, files, lines and inlined calls, and the size of its frame at each
/// instruction.
///
/// Nothing is copied. The layout is that of `runtime/symtab.go`, `runtime/runtime2.go` and `cmd/link/internal/ld/pcln.go`
/// of Go 1.2 to 1.27.
pub struct GoTable<'a> {
    pub(super) object: &'a Object,
    pub(super) bytes: &'a [u8],
    pub(super) header: Header,
    /// Its own address, before the load bias.
    address: u64,
    /// What functions' addresses are counted from.
    pub(super) text: u64,
    module_data: OnceCell<Option<ModuleData>>,
}

impl std::fmt::Debug for GoTable<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GoTable")
            .field("version", &self.header.version)
            .field("functions", &self.header.functions)
            .finish_non_exhaustive()
    }
}

impl<'a> GoTable<'a> {
    /// Finds the table of an object; `None` if it isn't a Go program, or one of a version that isn't known.
    pub fn find(object: &'a Object) -> Option<GoTable<'a>> {
        for name in SECTIONS {
            let Some(address) = object.section_address(name) else { continue };
            if let Ok(Some(bytes)) = object.section(name) {
                return GoTable::parse(object, address, bytes);
            }
        }
        if MARKS.into_iter().any(|name| object.has_section(name)) {
            return MERGED.into_iter().find_map(|name| {
                let bytes = object.section(name).ok()??;
                GoTable::search(object, object.section_address(name)?, bytes)
            });
        }
        if object.has_section_headers() {
            return None;
        }
        object
            .segments()
            .iter()
            .find_map(|segment| GoTable::search(object, segment.address, object.data_from(segment.address)?))
    }

    /// Finds the table in what is loaded at an address.
    fn search(object: &'a Object, address: u64, bytes: &'a [u8]) -> Option<GoTable<'a>> {
        (0..bytes.len()).step_by(ALIGNMENT).find_map(|offset| {
            let bytes = bytes.get(offset..)?;
            GoTable::parse(object, address.checked_add(offset as u64)?, bytes)
        })
    }

    fn parse(object: &'a Object, address: u64, bytes: &'a [u8]) -> Option<GoTable<'a>> {
        let mut table = GoTable::with_text(object, address, bytes, 0)?;
        if let Some(word) = table.header.text_word {
            let in_head = object.pointer_at(address.checked_add(word as u64)?);
            table.text = in_head.or_else(|| table.module_data()?.text())?;
        }
        Some(table)
    }

    /// Takes the bytes of a table at an address, whose newer forms count from `text`.
    pub(super) fn with_text(
        object: &'a Object,
        address: u64,
        bytes: &'a [u8],
        text: u64,
    ) -> Option<GoTable<'a>> {
        let header = Header::parse(bytes, object.endian(), object.class())?;
        // Older forms hold whole addresses.
        let text = if header.text_word.is_some() { text } else { 0 };
        let table = GoTable { object, bytes, header, address, text, module_data: OnceCell::new() };
        (table.header.functions > 0).then_some(table)
    }

    /// Returns the function that `address` (before the load bias) is in.
    pub fn function(&self, address: u64) -> Option<GoFunction<'_, 'a>> {
        let (mut low, mut high) = (0, self.header.functions);
        while low < high {
            let middle = low.midpoint(high);
            if self.start_of(middle)? <= address {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let index = low.checked_sub(1)?;
        let range = self.start_of(index)?..self.start_of(low)?;
        if !range.contains(&address) {
            return None;
        }
        let offset = self.field_at(self.entry(index)? + self.header.field())?;
        let record = self.header.records.checked_add(usize::try_from(offset).ok()?)?;
        GoFunction::new(self, range, record)
    }

    /// Returns the address of what is at an offset of the table.
    pub(super) fn address_of(&self, offset: usize) -> Option<u64> {
        self.address.checked_add(offset as u64)
    }

    pub(super) fn module_data(&self) -> Option<&ModuleData> {
        let find = || ModuleData::find(self.object, self.address, &self.header);
        self.module_data.get_or_init(find).as_ref()
    }

    /// Returns where an entry of the index is.
    fn entry(&self, index: usize) -> Option<usize> {
        let offset = self.header.index.start.checked_add(index.checked_mul(self.header.entry())?)?;
        (offset < self.header.index.end).then_some(offset)
    }

    /// Returns where a function starts, or the last one ends.
    fn start_of(&self, index: usize) -> Option<u64> {
        self.text.checked_add(self.field_at(self.entry(index)?)?)
    }

    fn field_at(&self, offset: usize) -> Option<u64> {
        let endian = self.header.endian;
        match self.header.field() {
            4 => endian.u32_at(self.bytes, offset).map(u64::from),
            _ => endian.u64_at(self.bytes, offset),
        }
    }
}
