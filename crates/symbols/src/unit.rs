//! One unit, opened.

use gimli::{
    AttributeValue, DebugAddrBase, DebugLocListsBase, DebugRngListsBase, DebugStrOffsetsBase, DwLang, Dwarf,
    DwoId, Unit, UnitHeader, UnitType,
};

use crate::dwarf::Slice;

/// A unit, and what its root entry says of it (DWARF 5, 3.1.1 to 3.1.3).
pub(crate) struct OpenUnit<'a> {
    pub(crate) unit: Unit<Slice<'a>>,
    pub(crate) language: Option<DwLang>,
    /// The path of its split debug information, where this is a skeleton.
    pub(crate) split_name: Option<Slice<'a>>,
    /// Why its line program can't be read. gimli's own way of opening a unit would give up the unit with it.
    pub(crate) lines_error: Option<gimli::Error>,
}

impl<'a> OpenUnit<'a> {
    /// Reads a unit's abbreviations, its root entry and the header of its line program.
    pub(crate) fn read(
        dwarf: &Dwarf<Slice<'a>>,
        header: UnitHeader<Slice<'a>>,
    ) -> gimli::Result<OpenUnit<'a>> {
        let (encoding, file) = (header.encoding(), dwarf.file_type);
        let mut unit = Unit {
            abbreviations: dwarf.abbreviations(&header)?,
            name: None,
            comp_dir: None,
            low_pc: 0,
            str_offsets_base: DebugStrOffsetsBase::default_for_encoding_and_file(encoding, file),
            addr_base: DebugAddrBase(0),
            loclists_base: DebugLocListsBase::default_for_encoding_and_file(encoding, file),
            rnglists_base: DebugRngListsBase::default_for_encoding_and_file(encoding, file),
            line_program: None,
            dwo_id: match header.type_() {
                UnitType::Skeleton(id) | UnitType::SplitCompilation(id) => Some(id),
                _ => None,
            },
            header,
        };
        let root = unit.entry(unit.header.root_offset())?;
        let (mut language, mut split_name, mut low, mut lines) = (None, None, None, None);
        let (mut name, mut folder) = (None, None);
        for attribute in root.attrs() {
            match (attribute.name(), attribute.value()) {
                (gimli::DW_AT_name, value) => name = Some(value),
                (gimli::DW_AT_comp_dir, value) => folder = Some(value),
                (gimli::DW_AT_dwo_name | gimli::DW_AT_GNU_dwo_name, value) => split_name = Some(value),
                (gimli::DW_AT_low_pc, value) => low = Some(value),
                (gimli::DW_AT_stmt_list, AttributeValue::DebugLineRef(offset)) => lines = Some(offset),
                (gimli::DW_AT_language, AttributeValue::Language(is)) => language = Some(is),
                (gimli::DW_AT_str_offsets_base, AttributeValue::DebugStrOffsetsBase(base)) => {
                    unit.str_offsets_base = base;
                }
                (
                    gimli::DW_AT_addr_base | gimli::DW_AT_GNU_addr_base,
                    AttributeValue::DebugAddrBase(base),
                ) => {
                    unit.addr_base = base;
                }
                (
                    gimli::DW_AT_rnglists_base | gimli::DW_AT_GNU_ranges_base,
                    AttributeValue::DebugRngListsBase(base),
                ) => unit.rnglists_base = base,
                (gimli::DW_AT_loclists_base, AttributeValue::DebugLocListsBase(base)) => {
                    unit.loclists_base = base;
                }
                (gimli::DW_AT_GNU_dwo_id, AttributeValue::DwoId(id)) => {
                    unit.dwo_id = unit.dwo_id.or(Some(id));
                }
                _ => {}
            }
        }
        // The bases are known now.
        unit.name = name.and_then(|value| dwarf.attr_string(&unit, value).ok());
        unit.comp_dir = folder.and_then(|value| dwarf.attr_string(&unit, value).ok());
        if let Some(address) = low.and_then(|value| dwarf.attr_address(&unit, value).ok().flatten()) {
            unit.low_pc = address;
        }
        let split_name = split_name.and_then(|value| dwarf.attr_string(&unit, value).ok());
        let mut lines_error = None;
        if let Some(offset) = lines {
            let size = unit.header.address_size();
            match dwarf.debug_line.program(offset, size, unit.comp_dir, unit.name) {
                Ok(program) => unit.line_program = Some(program),
                Err(error) => lines_error = Some(error),
            }
        }
        Ok(OpenUnit { unit, language, split_name, lines_error })
    }

    /// Returns the bytes of its entries.
    pub(crate) fn entries(&self) -> &'a [u8] {
        let entries = self.unit.header.range_from(self.unit.header.root_offset()..);
        entries.map(|entries| entries.slice()).unwrap_or_default()
    }

    /// Returns the bytes of its line program, without the header.
    pub(crate) fn line_program(&self) -> &'a [u8] {
        self.unit.line_program.as_ref().map_or(&[], |program| program.header().raw_program_buf().slice())
    }

    /// Returns the ID that it shares with its split debug information.
    pub(crate) fn split_id(&self) -> Option<DwoId> {
        self.unit.dwo_id
    }
}
