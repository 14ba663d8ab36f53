//! A compilation unit's root entry, read without its abbreviation table.
//!
//! gimli parses a unit's whole abbreviation table before its first entry, and that is most of the cost of asking a
//! thousand units for their addresses. The root entry needs one declaration, which is nearly always the first.
//! Layout: DWARF 5, 7.5.3 (abbreviations), 7.5.5 (attribute encodings), 3.1.1 (unit attributes).

use gimli::{
    Abbreviations, AttributeSpecification, AttributeValue, DebugAddrBase, DebugAddrIndex, DebugInfoOffset,
    DebugRngListsBase, DwAt, DwForm, Dwarf, DwoId, RangeListsOffset, Reader, Section, UnitHeader, UnitOffset,
};

use crate::dwarf::Slice;

/// Most declarations that are read on the way to the root's, and most attributes of one.
const MOST: usize = 1 << 16;

/// What a unit's root entry says of its addresses.
#[derive(Debug, Default)]
pub(crate) struct Root {
    low: Option<u64>,
    low_index: Option<usize>,
    high: Option<u64>,
    size: Option<u64>,
    ranges: Option<usize>,
    ranges_index: Option<usize>,
    address_base: usize,
    ranges_base: usize,
    /// Offset of its line program in `.debug_line`, if it has one.
    pub(crate) lines: Option<usize>,
    /// `DW_AT_GNU_dwo_id`, as units before DWARF 5 have it.
    pub(crate) split_id: Option<u64>,
}

impl Root {
    /// Reads the root entry of a unit.
    pub(crate) fn read<'a>(dwarf: &Dwarf<Slice<'a>>, header: &UnitHeader<Slice<'a>>) -> Option<Root> {
        let mut input = header.range_from(header.root_offset()..).ok()?;
        let before = input.len();
        let code = input.read_uleb128().ok()?;
        let attributes = UnitOffset(header.root_offset().0 + (before - input.len()));
        let specifications = declaration(dwarf, header, code)?;
        let nothing = Abbreviations::default();
        let mut entry = header.entries_raw(&nothing, Some(attributes)).ok()?;
        let mut root = Root::default();
        for specification in specifications {
            let value = entry.read_attribute(specification).ok()?.value();
            root.take(specification.name(), value);
        }
        Some(root)
    }

    fn take(&mut self, name: DwAt, value: AttributeValue<Slice<'_>>) {
        match (name, value) {
            (gimli::DW_AT_low_pc, AttributeValue::Addr(address)) => self.low = Some(address),
            (gimli::DW_AT_low_pc, AttributeValue::DebugAddrIndex(index)) => self.low_index = Some(index.0),
            (gimli::DW_AT_high_pc, AttributeValue::Addr(address)) => self.high = Some(address),
            (gimli::DW_AT_high_pc, value) => self.size = value.udata_value(),
            (gimli::DW_AT_ranges, AttributeValue::RangeListsRef(offset)) => self.ranges = Some(offset.0),
            (gimli::DW_AT_ranges, AttributeValue::DebugRngListsIndex(index)) => {
                self.ranges_index = Some(index.0);
            }
            (gimli::DW_AT_addr_base | gimli::DW_AT_GNU_addr_base, AttributeValue::DebugAddrBase(base)) => {
                self.address_base = base.0;
            }
            (gimli::DW_AT_rnglists_base, AttributeValue::DebugRngListsBase(base)) => {
                self.ranges_base = base.0;
            }
            (gimli::DW_AT_stmt_list, AttributeValue::DebugLineRef(offset)) => self.lines = Some(offset.0),
            (gimli::DW_AT_GNU_dwo_id, AttributeValue::DwoId(DwoId(id))) => self.split_id = Some(id),
            _ => {}
        }
    }

    /// Calls `found` for each range of addresses that the unit claims; tells whether it claims any. At most `left`
    /// ranges of lists are read, and are taken off it.
    pub(crate) fn ranges<'a>(
        &self,
        dwarf: &Dwarf<Slice<'a>>,
        header: &UnitHeader<Slice<'a>>,
        left: &mut usize,
        mut found: impl FnMut(u64, u64),
    ) -> bool {
        let mut any = false;
        let mut add = |start: u64, end: u64| {
            if start < end {
                any = true;
                found(start, end);
            }
        };
        let encoding = header.encoding();
        let base = DebugAddrBase(self.address_base);
        let low = self.low.or_else(|| {
            dwarf.debug_addr.get_address(encoding.address_size, base, DebugAddrIndex(self.low_index?)).ok()
        });
        let list = self.ranges.map(RangeListsOffset).or_else(|| {
            let index = gimli::DebugRngListsIndex(self.ranges_index?);
            dwarf.ranges.get_offset(encoding, DebugRngListsBase(self.ranges_base), index).ok()
        });
        if let Some(list) = list {
            if let Ok(mut ranges) =
                dwarf.ranges.ranges(list, encoding, low.unwrap_or(0), &dwarf.debug_addr, base)
            {
                while let Ok(Some(range)) = ranges.next() {
                    if *left == 0 {
                        break;
                    }
                    *left -= 1;
                    add(range.begin, range.end);
                }
            }
        } else if let Some(low) = low
            && let Some(high) = self.high.or_else(|| low.checked_add(self.size?))
        {
            add(low, high);
        }
        any
    }
}

/// Reads the attribute specifications of one declaration.
fn declaration<'a>(
    dwarf: &Dwarf<Slice<'a>>,
    header: &UnitHeader<Slice<'a>>,
    wanted: u64,
) -> Option<Vec<AttributeSpecification>> {
    let mut input = *dwarf.debug_abbrev.reader();
    input.skip(header.debug_abbrev_offset().0).ok()?;
    for _ in 0..MOST {
        let code = input.read_uleb128().ok()?;
        if code == 0 {
            return None;
        }
        let specifications = specifications(&mut input)?;
        if code == wanted {
            return Some(specifications);
        }
    }
    None
}

/// Reads a declaration's tag, children flag and attribute specifications, up to the pair of zeros at their end.
fn specifications(input: &mut Slice<'_>) -> Option<Vec<AttributeSpecification>> {
    let _tag = input.read_uleb128().ok()?;
    let _children = input.read_u8().ok()?;
    let mut out = Vec::with_capacity(16);
    while out.len() < MOST {
        let name = DwAt(input.read_uleb128_u16().ok()?);
        let form = DwForm(input.read_uleb128_u16().ok()?);
        let constant =
            (form == gimli::DW_FORM_implicit_const).then(|| input.read_sleb128()).transpose().ok()?;
        if name.0 == 0 && form.0 == 0 {
            return Some(out);
        }
        out.push(AttributeSpecification::new(name, form, constant));
    }
    None
}

/// Where else a unit's entries may refer to: link-time optimization and dwz make such units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Elsewhere {
    /// To other units of the same file.
    pub(crate) unit: bool,
    /// To the supplementary file.
    pub(crate) file: bool,
}

/// Tells where else a unit's entries may refer to, by the forms in its abbreviations; and whether those could be read to
/// their end.
pub(crate) fn refers_elsewhere<'a>(
    dwarf: &Dwarf<Slice<'a>>,
    header: &UnitHeader<Slice<'a>>,
) -> (Elsewhere, bool) {
    let mut elsewhere = Elsewhere::default();
    let mut input = *dwarf.debug_abbrev.reader();
    if input.skip(header.debug_abbrev_offset().0).is_err() {
        return (elsewhere, false);
    }
    for _ in 0..MOST {
        match input.read_uleb128() {
            Ok(0) => return (elsewhere, true),
            Ok(_) => {}
            Err(_) => break,
        }
        let Some(specifications) = specifications(&mut input) else { break };
        for specification in specifications {
            match specification.form() {
                gimli::DW_FORM_ref_addr => elsewhere.unit = true,
                gimli::DW_FORM_GNU_ref_alt
                | gimli::DW_FORM_GNU_strp_alt
                | gimli::DW_FORM_ref_sup4
                | gimli::DW_FORM_ref_sup8
                | gimli::DW_FORM_strp_sup => elsewhere.file = true,
                _ => {}
            }
        }
    }
    (elsewhere, false)
}

/// Returns a unit's offset in `.debug_info`.
pub(crate) fn offset(header: &UnitHeader<Slice<'_>>) -> Option<usize> {
    header.debug_info_offset().map(|DebugInfoOffset(offset)| offset)
}
