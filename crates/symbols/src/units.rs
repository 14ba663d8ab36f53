//! Which compilation units hold the wanted addresses? One pass over an index tells, where there is one.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use gimli::{DebugInfoOffset, Dwarf};

use crate::dwarf::Slice;

/// Most units that are asked about one address. Real units hardly overlap; a crafted file may have all of them claim
/// everything.
const MOST_CLAIMS: u32 = 64;
/// Most units that claim no addresses and are asked all the same.
const MOST_WITHOUT: usize = 1024;

/// Addresses by the unit that may hold them; a unit is its offset in `.debug_info`.
#[derive(Debug, Default)]
pub(crate) struct ByUnit {
    units: BTreeMap<usize, Vec<u64>>,
    /// How many units an address is placed in.
    claims: HashMap<u64, u32>,
    /// How many units were added that claim nothing.
    without: usize,
}

impl ByUnit {
    /// Returns the units, in order, each with its addresses.
    pub(crate) fn units(&self) -> &BTreeMap<usize, Vec<u64>> {
        &self.units
    }

    /// Returns the addresses that are placed, in order.
    pub(crate) fn addresses(&self) -> BTreeSet<u64> {
        self.units.values().flatten().copied().collect()
    }

    pub(crate) fn add(&mut self, unit: usize, address: u64) {
        let claims = self.claims.entry(address).or_default();
        if *claims >= MOST_CLAIMS {
            return;
        }
        let addresses = self.units.entry(unit).or_default();
        if addresses.last() != Some(&address) && !addresses.contains(&address) {
            *claims += 1;
            addresses.push(address);
        }
    }

    /// Adds a unit whose line program alone knows its addresses (old assemblers): whoever asks it will find out.
    pub(crate) fn add_without_claim(&mut self, unit: usize, addresses: &[u64]) {
        if self.without < MOST_WITHOUT {
            self.without += 1;
            self.units.insert(unit, addresses.to_vec());
        }
    }
}

/// What an index knows.
#[derive(Debug, Default)]
pub(crate) struct Placed {
    /// The addresses that it places.
    pub(crate) by_unit: ByUnit,
    /// The units that it knows addresses of.
    pub(crate) indexed: HashSet<usize>,
    /// The unit that was taken up last: an index has a unit's ranges one after the other.
    last: Option<usize>,
}

impl Placed {
    /// Takes up that an index gives a range of addresses to a unit; `addresses` (sorted) are those that are looked for.
    fn take(&mut self, addresses: &[u64], unit: usize, start: u64, end: u64) {
        if self.last != Some(unit) {
            self.last = Some(unit);
            self.indexed.insert(unit);
        }
        for address in within(addresses, start, end) {
            self.by_unit.add(unit, address);
        }
    }

    /// Returns the addresses that are not placed.
    pub(crate) fn rest(&self, addresses: &[u64]) -> Vec<u64> {
        let placed = self.by_unit.addresses();
        addresses.iter().copied().filter(|address| !placed.contains(address)).collect()
    }
}

/// Places `addresses` (sorted, distinct, before the load bias) by `.debug_aranges`, which gcc and rustc write.
pub(crate) fn by_aranges(dwarf: &Dwarf<Slice<'_>>, addresses: &[u64], placed: &mut Placed) {
    let mut headers = dwarf.debug_aranges.headers();
    while let Ok(Some(header)) = headers.next() {
        let DebugInfoOffset(unit) = header.debug_info_offset();
        let mut entries = header.entries();
        while let Ok(Some(entry)) = entries.next() {
            let range = entry.range();
            placed.take(addresses, unit, range.begin, range.end);
        }
    }
}

/// Places addresses (sorted) by the address area of a `.gdb_index`, which linkers write on demand (GDB manual, "Index
/// Section Format"; all numbers are little-endian).
///
/// `.debug_names` would be no help: it has no addresses.
pub(crate) fn by_gdb_index(index: &[u8], addresses: &[u64], placed: &mut Placed) {
    /// Bytes of an entry of the list of units: offset and length.
    const UNIT: usize = 16;
    /// Bytes of an entry of the address area: two addresses, and the unit's number.
    const ENTRY: usize = 20;
    let word = |at: usize| Some(u32::from_le_bytes(*index.get(4 * at..)?.first_chunk()?));
    let offset = |at: usize| word(at).map(|offset| offset as usize);
    // Version 4 has the layout of all later ones, 9 being the last so far.
    let (Some(4..=9), Some(units), Some(types), Some(area), Some(symbols)) =
        (word(0), offset(1), offset(2), offset(3), offset(4))
    else {
        return;
    };
    let units = index.get(units..types).unwrap_or_default();
    for entry in index.get(area..symbols).unwrap_or_default().chunks_exact(ENTRY) {
        let long = |bytes: &[u8], at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let number =
            entry.get(16..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u32::from_le_bytes(*bytes));
        if let (Some(start), Some(end)) = (long(entry, 0), long(entry, 8))
            // What is beyond is a type unit's.
            && let Some(unit) = units.chunks_exact(UNIT).nth(number as usize).and_then(|unit| long(unit, 0))
            && let Ok(unit) = usize::try_from(unit)
        {
            placed.take(addresses, unit, start, end);
        }
    }
}

/// Returns those of the addresses (sorted) that are in a range.
pub(crate) fn within(addresses: &[u64], start: u64, end: u64) -> impl Iterator<Item = u64> {
    let first = addresses.partition_point(|address| *address < start);
    addresses.iter().skip(first).take_while(move |address| **address < end).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_area_of_a_gdb_index_places_addresses() {
        // Version, and where the parts are: units, type units, addresses, symbols, constants.
        let mut index: Vec<u8> =
            [8_u32, 24, 56, 56, 116, 116].into_iter().flat_map(u32::to_le_bytes).collect();
        for (offset, len) in [(0_u64, 0x100_u64), (0x100, 0x80)] {
            index.extend([offset, len].into_iter().flat_map(u64::to_le_bytes));
        }
        // The last one is of a type unit, of which there is none.
        for (start, end, unit) in [(0x1000_u64, 0x1100_u64, 1_u32), (0x1100, 0x1200, 0), (0x1200, 0x1300, 2)]
        {
            index.extend([start, end].into_iter().flat_map(u64::to_le_bytes));
            index.extend(unit.to_le_bytes());
        }
        let addresses = [0xfff, 0x1000, 0x10ff, 0x1100, 0x1200];
        let mut placed = Placed::default();
        by_gdb_index(&index, &addresses, &mut placed);
        let units: Vec<_> = placed.by_unit.units().clone().into_iter().collect();
        assert_eq!(units, [(0, vec![0x1100]), (0x100, vec![0x1000, 0x10ff])]);
        assert_eq!(placed.indexed, HashSet::from([0, 0x100]));
        assert_eq!(placed.rest(&addresses), [0xfff, 0x1200]);

        for len in 0..index.len() {
            by_gdb_index(&index[..len], &addresses, &mut Placed::default());
        }
        index[0] = 3;
        let mut placed = Placed::default();
        by_gdb_index(&index, &addresses, &mut placed);
        assert!(placed.indexed.is_empty(), "an old version has another layout");
    }
}
