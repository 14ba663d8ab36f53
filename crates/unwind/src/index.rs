//! An index of a CFI section that has none of its own, made once.

use std::collections::HashMap;

use gimli::{BaseAddresses, CieOrFde, FrameDescriptionEntry, UnwindSection};

use crate::section::Slice;

/// Most entries that are indexed; the largest programs have about a million functions.
const MOST_ENTRIES: usize = 8 << 20;

/// Where the entry for a range of addresses is.
#[derive(Clone, Copy, Debug)]
struct Entry {
    start: u64,
    end: u64,
    offset: usize,
}

/// Entries of `.debug_frame`, or of an `.eh_frame` without a search table, by address.
#[derive(Debug, Default)]
pub(crate) struct FrameIndex {
    entries: Vec<Entry>,
}

impl FrameIndex {
    /// Reads the section once. An entry that can't be read is left out; a broken section is read up to the break.
    pub(crate) fn new<'a, S>(section: &S, bases: &BaseAddresses) -> FrameIndex
    where
        S: UnwindSection<Slice<'a>>,
        S::Offset: std::hash::Hash,
    {
        let mut entries = Vec::new();
        let mut cies = HashMap::new();
        let mut iter = section.entries(bases);
        while let Ok(Some(entry)) = iter.next() {
            let CieOrFde::Fde(partial) = entry else { continue };
            let fde = partial.parse(|section, bases, offset| {
                cies.entry(offset).or_insert_with(|| section.cie_from_offset(bases, offset)).clone()
            });
            if let Ok(fde) = fde
                && fde.len() > 0
            {
                entries.push(Entry {
                    start: fde.initial_address(),
                    end: fde.end_address(),
                    offset: fde.offset(),
                });
            }
            if entries.len() >= MOST_ENTRIES {
                break;
            }
        }
        entries.sort_by_key(|entry| entry.start);
        FrameIndex { entries }
    }

    /// Returns the entry for `address` (before the load bias).
    pub(crate) fn find<'a, S>(
        &self,
        section: &S,
        bases: &BaseAddresses,
        address: u64,
    ) -> Option<FrameDescriptionEntry<Slice<'a>>>
    where
        S: UnwindSection<Slice<'a>>,
    {
        let after = self.entries.partition_point(|entry| entry.start <= address);
        // Functions that the linker threw away stay behind as ranges that start at 0 and overlap real ones: the
        // nearest start wins, and an end before the address sends the search further back, within bounds.
        let candidates = self.entries.get(after.saturating_sub(8)..after)?;
        let entry = candidates.iter().rev().find(|entry| address < entry.end)?;
        section.fde_from_offset(bases, entry.offset.into(), S::cie_from_offset).ok()
    }
}
