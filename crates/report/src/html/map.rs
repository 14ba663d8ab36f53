//! The memory around the address of a failed access, drawn to scale.

use maud::{Markup, html};

use epitaph_summary::{Access, CrashSummary, Hex};

use super::text::shown_to;
use crate::memory_map::{Known, Map};
use crate::quantity::bytes;

/// The fewest bytes on each side of the address: four pages, so that a guard page is seen as such.
const LEAST_SIDE: u64 = 4 * 4096;

/// How many times farther than the nearest bound is drawn.
const BEYOND: u64 = 4;

/// The narrowest region that a letter fits in, in percent of the drawing.
const ROOM_FOR_LETTER: f64 = 3.0;

/// The most characters of what a region holds.
const NAME: usize = 100;

/// Draws the memory around the address; nothing where there is none to draw.
pub(super) fn drawing(summary: &CrashSummary, access: &Access) -> Option<Markup> {
    let map = Map::of(summary, access)?;
    let scale = Scale::around(&map);
    let below = map.regions.iter().filter(|region| region.start <= map.address).count();
    let entry = |(letter, region): (char, &Known)| {
        html! {
            li { span.letter { (letter) } code { (region.range()) " " (region.permissions) } " " (shown_to(&region.what, NAME)) }
        }
    };
    let lettered = || ('A'..='Z').zip(&map.regions);
    Some(html! {
        figure.memory {
            svg role="img" aria-label=(format!("The address {}: {}", Hex(map.address), map.note)) width="100%" height="62" {
                rect.void x="0" y="18" width="100%" height="28" {}
                @for (letter, region) in lettered() {
                    @if let Some((x, width)) = scale.extent(region) {
                        rect class=(class(region)) x=(percent(x)) y="18" width=(percent(width)) height="28" {}
                        @if width >= ROOM_FOR_LETTER {
                            text.letter x=(percent(x + width / 2.0)) y="37" text-anchor="middle" { (letter) }
                        }
                    }
                }
                line.fault x1=(percent(scale.position(map.address))) x2=(percent(scale.position(map.address))) y1="8" y2="56" {}
                circle.fault cx=(percent(scale.position(map.address))) cy="7" r="5" {}
            }
            figcaption {
                ol.regions {
                    @for entry in lettered().take(below).map(entry) { (entry) }
                    li.fault { span.letter { "●" } code { (Hex(map.address)) } " " b { (map.note) } }
                    @for entry in lettered().skip(below).map(entry) { (entry) }
                }
                p.scale { "Drawn to scale: " (bytes(scale.end - scale.start)) " from end to end." }
            }
        }
    })
}

/// How a region may be used, as its colour tells.
fn class(region: &Known) -> &'static str {
    let may = |what: char| region.permissions.contains(what);
    match (may('x'), may('w'), may('r')) {
        (true, _, _) => "code",
        (_, true, _) => "data",
        (_, _, true) => "constant",
        _ => "guard",
    }
}

fn percent(value: f64) -> String {
    format!("{value:.3}%")
}

/// The addresses that are drawn.
struct Scale {
    start: u64,
    end: u64,
}

impl Scale {
    /// Chooses as much as it takes to see how far the address is from the nearest bound.
    fn around(map: &Map) -> Scale {
        let bounds = map.regions.iter().flat_map(|region| [region.start, region.end]);
        let nearest = bounds.map(|bound| bound.abs_diff(map.address)).min().unwrap_or(0);
        let side = nearest.saturating_mul(BEYOND).max(LEAST_SIDE);
        Scale { start: map.address.saturating_sub(side), end: map.address.saturating_add(side) }
    }

    /// Where an address is, in percent of the drawing.
    fn position(&self, address: u64) -> f64 {
        let (from_start, whole) = (address.saturating_sub(self.start), self.end.saturating_sub(self.start));
        100.0 * from_start as f64 / whole.max(1) as f64
    }

    /// Where a region begins and how wide it is; `None` if it lies outside.
    fn extent(&self, region: &Known) -> Option<(f64, f64)> {
        let (start, end) = (region.start.max(self.start), region.end.min(self.end));
        (start < end).then(|| (self.position(start), self.position(end) - self.position(start)))
    }
}

#[cfg(test)]
mod tests {
    use epitaph_summary::{Region, RegionKind};

    use super::*;

    fn map(address: u64, regions: &[(u64, u64)]) -> Map {
        let mut summary = CrashSummary::new("0");
        let region = |(start, end): &(u64, u64)| Region {
            start: Some(Hex(*start)),
            end: Some(Hex(*end)),
            kind: Some(RegionKind::Anonymous),
            ..Region::default()
        };
        summary.regions = regions.iter().map(region).collect();
        Map::of(&summary, &Access { address: Some(Hex(address)), ..Access::default() }).unwrap()
    }

    #[test]
    fn a_guard_page_is_an_eighth_of_what_is_drawn() {
        let map = map(0x10_2ff8, &[(0x10_2000, 0x10_3000), (0x10_3000, 0x90_0000)]);
        let scale = Scale::around(&map);
        let extents: Vec<_> = map.regions.iter().map(|region| scale.extent(region).unwrap()).collect();
        assert_eq!(scale.end - scale.start, 2 * LEAST_SIDE);
        assert!((extents[0].1 - 12.5).abs() < 0.01, "{extents:?}");
        assert!((extents[0].0 + extents[0].1 - extents[1].0).abs() < 0.01, "they touch: {extents:?}");
        assert!((extents[1].0 + extents[1].1 - 100.0).abs() < 0.01, "it ends beyond: {extents:?}");
    }

    #[test]
    fn a_far_region_is_in_sight() {
        let map = map(0x7000_0000, &[(0x6000_0000, 0x6100_0000)]);
        let (x, width) = Scale::around(&map).extent(&map.regions[0]).unwrap();
        assert!(x > 0.0 && width > 0.5 && x + width < 50.0, "{x} {width}");
    }

    #[test]
    fn the_ends_of_the_address_space_are_no_trouble() {
        for (address, regions) in [
            (u64::MAX, vec![(u64::MAX - 1, u64::MAX)]),
            (1 << 16, vec![(0, 4096)]),
            (1 << 63, vec![(0, u64::MAX)]),
        ] {
            let map = map(address, &regions);
            let scale = Scale::around(&map);
            assert!((0.0..=100.0).contains(&scale.position(address)));
        }
    }
}
