//! Which compilation units hold the wanted addresses? One pass over the index, then the units that it left out.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use gimli::{DebugInfoOffset, Dwarf};

use crate::dwarf::Slice;
use crate::root::{Root, offset};

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

    fn add(&mut self, unit: usize, address: u64) {
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
    fn add_without_claim(&mut self, unit: usize, addresses: &[u64]) {
        if self.without < MOST_WITHOUT {
            self.without += 1;
            self.units.insert(unit, addresses.to_vec());
        }
    }
}

/// Most ranges that are read of all units: a crafted file may have every unit claim the same long list.
const MOST_RANGES: usize = 1 << 24;

/// Places `addresses` (sorted, distinct, before the load bias) by `.debug_aranges`. Returns those that it doesn't
/// know too, and the units that it does know.
pub(crate) fn by_index(dwarf: &Dwarf<Slice<'_>>, addresses: &[u64]) -> (ByUnit, Vec<u64>, HashSet<usize>) {
    let mut by_unit = ByUnit::default();
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
                by_unit.add(unit, address);
            }
        }
        if any {
            indexed.insert(unit);
        }
    }
    let placed = by_unit.addresses();
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
                by_unit.add(unit, address);
            }
        });
        if !claims && root.lines.is_some() {
            by_unit.add_without_claim(unit, addresses);
        }
    }
}

fn within(addresses: &[u64], start: u64, end: u64) -> impl Iterator<Item = u64> {
    let first = addresses.partition_point(|address| *address < start);
    addresses.iter().skip(first).take_while(move |address| **address < end).copied()
}
