//! A small map of the memory around the address of a failed access.
//!
//! ```text
//!    0x7ffc1a2fe000-0x7ffc1a2ff000 ---  guard area
//! => 0x7ffc1a2feff8                     8 bytes before its end
//!    0x7ffc1a2ff000-0x7ffc1aaff000 rw-  stack, thread 4711
//! ```

use epitaph_summary::{Access, CrashSummary, Hex, Region, RegionKind};

use crate::escape::brief;
use crate::frames::basename;
use crate::line::{Line, Style, width};
use crate::quantity::{bytes, plural};

/// Addresses below are those of null pointers and their fields: nothing is mapped there, and no neighbour is at fault.
const NULL_END: u64 = 1 << 16;

/// Regions that are farther away have nothing to do with it.
const NEAR: u64 = 1 << 30;

/// Regions on each side, next to the one that holds the address.
const MOST_ON_A_SIDE: usize = 2;

/// The most characters of a region's name.
const NAME_LIMIT: usize = 80;

/// The memory around an address: never without a region.
pub(crate) struct Map {
    /// The address.
    pub(crate) address: u64,
    /// The regions around it, by address.
    pub(crate) regions: Vec<Known>,
    /// Where the address is among them.
    pub(crate) note: String,
}

impl Map {
    /// Returns the map of a failed access; `None` where there is none to draw.
    pub(crate) fn of(summary: &CrashSummary, access: &Access) -> Option<Map> {
        let address = access.address.filter(|address| address.0 >= NULL_END)?.0;
        let regions = near(&summary.regions, address);
        let note = note(&regions, address)?;
        Some(Map { address, regions, note })
    }
}

/// Returns the map as lines; nothing where there is none to draw.
pub(crate) fn lines(summary: &CrashSummary, access: &Access) -> Vec<Line> {
    let Some(Map { address, regions, note }) = Map::of(summary, access) else { return Vec::new() };
    let ranges: Vec<String> = regions.iter().map(|region| region.range()).collect();
    let column = ranges.iter().map(|range| width(range)).max().unwrap_or(0);
    let mut lines: Vec<Line> = regions
        .iter()
        .zip(ranges)
        .map(|(region, range)| {
            let range = format!("   {range:<column$} {:<5}", region.permissions);
            Line::default().with(Style::Faint, range).with(Style::Plain, region.what.as_str())
        })
        .collect();
    let fault = format!("{:<width$} ", Hex(address).to_string(), width = column + 5);
    let fault =
        Line::default().with(Style::Alarm, "=> ").with(Style::Strong, fault).with(Style::Strong, note);
    lines.insert(regions.iter().filter(|region| region.start <= address).count(), fault);
    lines
}

/// A region whose bounds are known.
pub(crate) struct Known {
    /// First address.
    pub(crate) start: u64,
    /// First address after it.
    pub(crate) end: u64,
    /// `rw-`, clean.
    pub(crate) permissions: String,
    /// What it holds, in words.
    pub(crate) what: String,
}

impl Known {
    fn of(region: &Region) -> Option<Known> {
        let (start, end) = (region.start?.0, region.end?.0);
        let permissions = region.permissions.as_deref().unwrap_or_default();
        let permissions = brief(permissions, 3);
        (start < end).then(|| Known { start, end, permissions, what: what(region) })
    }

    /// `0x1000-0x2000`
    pub(crate) fn range(&self) -> String {
        format!("{}-{}", Hex(self.start), Hex(self.end))
    }

    pub(crate) fn holds(&self, address: u64) -> bool {
        (self.start..self.end).contains(&address)
    }

    /// How far away an address is: 0 within it, and at its bounds.
    pub(crate) fn gap(&self, address: u64) -> u64 {
        self.start.saturating_sub(address).max(address.saturating_sub(self.end))
    }
}

/// Returns the nearest regions on both sides and around an address, by address.
fn near(regions: &[Region], address: u64) -> Vec<Known> {
    let known = regions.iter().filter_map(Known::of).filter(|region| region.gap(address) < NEAR);
    let mut near: Vec<Known> = known.collect();
    near.sort_by_key(|region| (region.start, region.end));
    let below = near.iter().filter(|region| region.end <= address).count();
    let above = near.iter().skip(below).filter(|region| region.start <= address).count() + below;
    near.truncate(above.saturating_add(MOST_ON_A_SIDE));
    near.drain(..below.saturating_sub(MOST_ON_A_SIDE).min(near.len()));
    near
}

/// Says where an address is among regions; `None` where there are none.
fn note(near: &[Known], address: u64) -> Option<String> {
    if let Some(region) = near.iter().find(|region| region.holds(address)) {
        let (from_start, to_end) = (address - region.start, region.end - address);
        return Some(if from_start <= to_end {
            format!("{} into it", distance(from_start))
        } else {
            format!("{} before its end", distance(to_end))
        });
    }
    let nearest = near.iter().min_by_key(|region| region.gap(address))?;
    Some(if nearest.start > address {
        format!("not mapped, {} before what follows", distance(nearest.start - address))
    } else {
        format!("not mapped, {} after the end", distance(address - nearest.end))
    })
}

/// A distance: exact where it is small.
fn distance(count: u64) -> String {
    if count < 1 << 20 { plural(count, "byte") } else { bytes(count) }
}

/// Says what the region holds that an address lies in, if it is known.
pub(crate) fn holding(regions: &[Region], address: u64) -> Option<String> {
    regions.iter().filter_map(Known::of).find(|region| region.holds(address)).map(|region| region.what)
}

/// What a region holds: `heap`, `stack, thread 4711`, `libc.so.6`.
fn what(region: &Region) -> String {
    let name = region.name.as_deref().filter(|name| !name.is_empty());
    let name = name.map(|name| brief(basename(name), NAME_LIMIT));
    let kind = match region.kind {
        Some(RegionKind::Heap) => "heap",
        Some(RegionKind::Stack) => "stack",
        Some(RegionKind::Guard) => "guard area",
        Some(RegionKind::Vdso) => "vDSO",
        Some(RegionKind::Anonymous) => "anonymous memory",
        _ => "",
    };
    match (kind, name) {
        ("", Some(name)) => format!("file {name}"),
        ("", None) => "a file without a name".to_owned(),
        (kind, None) => kind.to_owned(),
        (kind, Some(name)) => format!("{kind}, {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(start: u64, end: u64, kind: RegionKind) -> Region {
        Region {
            start: Some(Hex(start)),
            end: Some(Hex(end)),
            permissions: Some("rw-".into()),
            kind: Some(kind),
            ..Region::default()
        }
    }

    fn map(regions: Vec<Region>, address: u64) -> Vec<String> {
        let mut summary = CrashSummary::new("0");
        summary.regions = regions;
        let access = Access { address: Some(Hex(address)), ..Access::default() };
        lines(&summary, &access).iter().map(Line::text).collect()
    }

    #[test]
    fn an_address_stands_in_its_region() {
        let mut stack = region(0x7000_0000, 0x7080_0000, RegionKind::Stack);
        stack.name = Some("thread 4711".into());
        let regions = vec![stack, region(0x6fff_f000, 0x7000_0000, RegionKind::Guard)];
        assert_eq!(
            map(regions, 0x6fff_fff8),
            [
                "   0x6ffff000-0x70000000 rw-  guard area",
                "=> 0x6ffffff8                 8 bytes before its end",
                "   0x70000000-0x70800000 rw-  stack, thread 4711",
            ]
        );
    }

    #[test]
    fn an_address_between_regions_says_how_far_it_is() {
        let mut file = region(0x50_0000, 0x51_0000, RegionKind::File);
        file.name = Some("/usr/lib/libcodec.so".into());
        let regions = vec![file, region(0x9000_0000, 0x9100_0000, RegionKind::Heap)];
        assert_eq!(
            map(regions.clone(), 0x51_0010),
            [
                "   0x500000-0x510000 rw-  file libcodec.so",
                "=> 0x510010               not mapped, 16 bytes after the end",
            ]
        );
        let above = map(regions, 0x8ff0_0000);
        assert_eq!(above[0], "=> 0x8ff00000                 not mapped, 1.0 MiB before what follows");
    }

    #[test]
    fn only_neighbours_are_shown_and_none_of_a_null_pointer() {
        let regions: Vec<Region> =
            (1..50).map(|n| region(n * 0x10_0000, n * 0x10_0000 + 0x1000, RegionKind::Anonymous)).collect();
        assert_eq!(map(regions.clone(), 0x94_0000).len(), 5);
        assert_eq!(map(regions.clone(), 0x90_0000).len(), 6);
        assert!(map(regions.clone(), 0x148).is_empty());
        assert!(map(regions, 0x7fff_0000_0000).is_empty());
        assert!(map(Vec::new(), 0x90_0000).is_empty());
        let backwards = region(0x20_0000, 0x10_0000, RegionKind::Heap);
        assert!(map(vec![backwards, Region::default()], 0x18_0000).is_empty());
    }
}
