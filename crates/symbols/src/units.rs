//! Which compilation units hold the wanted addresses? One pass over the index, then the units that it left out.

use std::collections::{BTreeMap, HashSet};

use gimli::{DebugInfoOffset, Dwarf};

use crate::dwarf::Slice;
use crate::root::{Root, offset};

/// Addresses by the unit that may hold them; a unit is its offset in `.debug_info`.
pub(crate) type ByUnit = BTreeMap<usize, Vec<u64>>;

/// Most ranges that are read of all units: a crafted file may have every unit claim the same long list.
const MOST_RANGES: usize = 1 << 24;

/// Places `addresses` (sorted, distinct, before the load bias) by `.debug_aranges`. Returns those that it doesn't
/// know too, and the units that it does know.
pub(crate) fn by_index(dwarf: &Dwarf<Slice<'_>>, addresses: &[u64]) -> (ByUnit, Vec<u64>, HashSet<usize>) {
    let mut by_unit = ByUnit::new();
    let mut indexed = HashSet::new();
    let mut headers = dwarf.debug_aranges.headers();
    while let Ok(Some(header)) = headers.next() {
        let DebugInfoOffset(unit) = header.debug_info_offset();
        let mut entries = header.entries();
        let mut any = false;
        while let Ok(Some(entry)) = entries.next() {
            let range = entry.range();
            any = true;
            for address in within(addresses, range.begin, range.end) {
                add(&mut by_unit, unit, address);
            }
        }
        if any {
            indexed.insert(unit);
        }
    }
    let placed: HashSet<u64> = by_unit.values().flatten().copied().collect();
    let rest = addresses.iter().copied().filter(|address| !placed.contains(address)).collect();
    (by_unit, rest, indexed)
}

/// Places addresses by the ranges that the units themselves claim, leaving out the units in `skip`: for those that
/// no index knows (clang writes none), or that an index placed in a unit that knows nothing of them.
pub(crate) fn by_root(
    dwarf: &Dwarf<Slice<'_>>,
    addresses: &[u64],
    skip: &HashSet<usize>,
    by_unit: &mut ByUnit,
) {
    let mut units = dwarf.units();
    let mut left = MOST_RANGES;
    while let Ok(Some(header)) = units.next() {
        let Some(unit) = offset(&header).filter(|unit| !skip.contains(unit)) else { continue };
        let Some(root) = Root::read(dwarf, &header) else { continue };
        let claims = root.ranges(dwarf, &header, &mut left, |start, end| {
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
