//! Which compilation units hold the wanted addresses? One pass over the index, then the units that it left out.

use std::collections::{BTreeMap, HashSet};

use gimli::{DebugInfoOffset, Dwarf};

use crate::dwarf::Slice;
use crate::root::{Root, offset};

/// Addresses by the unit that may hold them; a unit is its offset in `.debug_info`.
pub(crate) type ByUnit = BTreeMap<usize, Vec<u64>>;

/// Places `addresses` (sorted, distinct, before the load bias): by `.debug_aranges` first, and those that it doesn't
/// know by asking the units that have no entry there (clang writes none) for their ranges.
pub(crate) fn locate(dwarf: &Dwarf<Slice<'_>>, addresses: &[u64]) -> ByUnit {
    let mut by_unit = ByUnit::new();
    let mut indexed = HashSet::new();
    by_index(dwarf, addresses, &mut by_unit, &mut indexed);
    let placed: HashSet<u64> = by_unit.values().flatten().copied().collect();
    let rest: Vec<u64> = addresses.iter().copied().filter(|address| !placed.contains(address)).collect();
    if !rest.is_empty() {
        by_root(dwarf, &rest, &indexed, &mut by_unit);
    }
    by_unit
}

/// Places addresses by all units' own ranges, without the index: for those that the index placed in a unit that
/// knows nothing of them.
pub(crate) fn locate_without_index(dwarf: &Dwarf<Slice<'_>>, addresses: &[u64]) -> ByUnit {
    let mut by_unit = ByUnit::new();
    by_root(dwarf, addresses, &HashSet::new(), &mut by_unit);
    by_unit
}

fn add(by_unit: &mut ByUnit, unit: usize, address: u64) {
    let addresses = by_unit.entry(unit).or_default();
    if addresses.last() != Some(&address) && !addresses.contains(&address) {
        addresses.push(address);
    }
}

fn within(addresses: &[u64], start: u64, end: u64) -> impl Iterator<Item = u64> {
    let first = addresses.partition_point(|address| *address < start);
    addresses.iter().skip(first).take_while(move |address| **address < end).copied()
}

fn by_index(dwarf: &Dwarf<Slice<'_>>, addresses: &[u64], by_unit: &mut ByUnit, indexed: &mut HashSet<usize>) {
    let mut headers = dwarf.debug_aranges.headers();
    while let Ok(Some(header)) = headers.next() {
        let DebugInfoOffset(unit) = header.debug_info_offset();
        let mut entries = header.entries();
        let mut any = false;
        while let Ok(Some(entry)) = entries.next() {
            let range = entry.range();
            any = true;
            for address in within(addresses, range.begin, range.end) {
                add(by_unit, unit, address);
            }
        }
        if any {
            indexed.insert(unit);
        }
    }
}

fn by_root(dwarf: &Dwarf<Slice<'_>>, addresses: &[u64], skip: &HashSet<usize>, by_unit: &mut ByUnit) {
    let mut units = dwarf.units();
    while let Ok(Some(header)) = units.next() {
        let Some(unit) = offset(&header).filter(|unit| !skip.contains(unit)) else { continue };
        let Some(root) = Root::read(dwarf, &header) else { continue };
        let claims = root.ranges(dwarf, &header, |start, end| {
            for address in within(addresses, start, end) {
                add(by_unit, unit, address);
            }
        });
        if !claims && root.has_lines {
            // Its line program alone knows (old assemblers): whoever asks it will find out.
            for address in addresses {
                add(by_unit, unit, *address);
            }
        }
    }
}
