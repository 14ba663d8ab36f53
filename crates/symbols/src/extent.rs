//! The addresses of an entry: `DW_AT_low_pc`, `DW_AT_high_pc`, `DW_AT_ranges` (DWARF 5, 2.17).

use gimli::{Attribute, AttributeValue, RangeListsOffset, UnitRef};

use crate::dwarf::Slice;

/// An entry's addresses, as its attributes have them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Extent {
    low: Option<u64>,
    high: Option<u64>,
    size: Option<u64>,
    ranges: Option<RangeListsOffset>,
}

/// There are more ranges than a real unit has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TooMany;

impl Extent {
    /// Takes up an attribute of the entry, if it is one of these.
    pub(crate) fn take<'a>(
        &mut self,
        unit: UnitRef<'_, Slice<'a>>,
        attribute: &Attribute<Slice<'a>>,
    ) -> gimli::Result<()> {
        match (attribute.name(), attribute.value()) {
            (gimli::DW_AT_low_pc, value) => self.low = unit.attr_address(value)?,
            (gimli::DW_AT_high_pc, AttributeValue::Udata(size)) => self.size = Some(size),
            (gimli::DW_AT_high_pc, value) => self.high = unit.attr_address(value)?,
            (gimli::DW_AT_ranges, value) => self.ranges = unit.attr_ranges_offset(value)?,
            _ => {}
        }
        Ok(())
    }

    /// Calls `found` with start and end of each range that isn't empty. At most `left` ranges are read, and are
    /// taken off it. What can't be read of a list ends it.
    pub(crate) fn each(
        &self,
        unit: UnitRef<'_, Slice<'_>>,
        left: &mut usize,
        mut found: impl FnMut(u64, u64),
    ) -> Result<(), TooMany> {
        if let Some(list) = self.ranges {
            let Ok(mut ranges) = unit.ranges(list) else { return Ok(()) };
            while let Ok(Some(range)) = ranges.next() {
                *left = left.checked_sub(1).ok_or(TooMany)?;
                if range.begin < range.end {
                    found(range.begin, range.end);
                }
            }
        } else if let Some(low) = self.low
            && let Some(high) = self.high.or_else(|| low.checked_add(self.size?))
            && low < high
        {
            found(low, high);
        }
        Ok(())
    }
}
