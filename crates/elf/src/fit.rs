//! Does a file fit where a process had one mapped?
//!
//! Where a core holds nothing of a mapped file, its list of mappings still says which part of the file lay where. The
//! kernel and the dynamic loader map each segment whole, in pages (linux/fs/binfmt_elf.c, `elf_map`; glibc,
//! `_dl_map_segments`), so another build rarely fits.

use std::ops::Range;

use crate::module::Mapped;
use crate::segment::Segment;

/// The sizes of pages in use: which one it was, a core may not say. A larger one is no weaker test, because all
/// mappings begin and end at pages.
const PAGES: [u64; 3] = [1 << 12, 1 << 14, 1 << 16];
/// Most mappings and segments that are compared: a real file has a handful of each.
const MOST: usize = 256;

/// A part of a file, in whole pages, in memory.
#[derive(Clone, Copy)]
struct Part {
    start: u64,
    end: u64,
    /// What is to be added to offsets in the file.
    shift: u64,
    execute: bool,
}

/// Tells whether a file with these segments, loaded at `bias`, is mapped as `mappings` are.
pub(crate) fn fits(mappings: &[Mapped], segments: &[Segment], bias: u64) -> bool {
    let mapped: Vec<Part> = mappings
        .iter()
        .take(MOST)
        .map(|mapped| Part {
            start: mapped.start,
            end: mapped.end,
            shift: mapped.start.wrapping_sub(mapped.offset),
            execute: mapped.execute,
        })
        .collect();
    let segments: Vec<&Segment> = segments.iter().filter(|segment| segment.file_size > 0).collect();
    !segments.is_empty()
        && segments.len().max(mappings.len()) <= MOST
        && PAGES.into_iter().any(|page| fits_in_pages(&mapped, &segments, bias, page))
}

/// Finds the segment of code that takes exactly these pages of memory and of the file, where the offset is known, and the
/// size of the pages.
pub(crate) fn code_at(
    segments: &[Segment],
    pages: Range<u64>,
    offset: Option<u64>,
) -> Option<(&Segment, u64)> {
    let size = pages.end.checked_sub(pages.start)?;
    let code = || segments.iter().filter(|segment| segment.execute && segment.file_size > 0).take(MOST);
    PAGES.into_iter().find_map(|page| {
        let floor = |value: u64| value & !(page - 1);
        let takes_them = |segment: &&Segment| {
            let end = segment.address.checked_add(segment.file_size)?.checked_next_multiple_of(page)?;
            let is_there = offset.is_none_or(|offset| floor(segment.offset) == offset);
            (is_there && end - floor(segment.address) == size && floor(pages.start) == pages.start)
                .then_some(())
        };
        code().find(|segment| takes_them(segment).is_some()).map(|segment| (segment, page))
    })
}

fn fits_in_pages(mapped: &[Part], segments: &[&Segment], bias: u64, page: u64) -> bool {
    let floor = |value: u64| value & !(page - 1);
    let part = |segment: &&Segment| {
        let start = floor(segment.address).checked_add(bias)?;
        let size = segment.address.checked_add(segment.file_size)?.checked_next_multiple_of(page)?;
        Some(Part {
            start,
            end: size.checked_add(bias)?,
            shift: start.wrapping_sub(floor(segment.offset)),
            execute: segment.execute,
        })
    };
    let Some(parts) = segments.iter().map(part).collect::<Option<Vec<Part>>>() else { return false };
    let end = parts.iter().map(|part| part.end).max().unwrap_or(0);
    let in_its_place = |mapped: &Part| {
        let overlaps = |part: &Part| part.start < mapped.end && mapped.start < part.end;
        // Between segments, a library keeps what is left of its first mapping.
        is_covered(mapped, &parts) || (!mapped.execute && mapped.end <= end && !parts.iter().any(overlaps))
    };
    parts.iter().all(|part| is_covered(part, mapped)) && mapped.iter().all(in_its_place)
}

/// Tells whether `parts` together hold all of `whole`, each byte in its place.
fn is_covered(whole: &Part, parts: &[Part]) -> bool {
    let mut at = whole.start;
    while at < whole.end {
        let next = parts.iter().find(|part| {
            (part.shift, part.execute) == (whole.shift, whole.execute) && part.start <= at && at < part.end
        });
        let Some(next) = next else { return false };
        at = next.end;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: u64 = 0x7f00_0000_0000;

    fn segment(address: u64, offset: u64, size: u64, execute: bool) -> Segment {
        Segment { address, memory_size: size, offset, file_size: size, read: true, write: false, execute }
    }

    fn mapped(start: u64, end: u64, offset: u64, execute: bool) -> Mapped {
        Mapped { start: BASE + start, end: BASE + end, offset, execute }
    }

    /// A library as GNU ld lays it out, with read-only data that relocation has split off its data.
    fn library() -> ([Segment; 4], [Mapped; 5]) {
        let segments = [
            segment(0, 0, 0x1234, false),
            segment(0x2000, 0x2000, 0x5678, true),
            segment(0x8000, 0x8000, 0x900, false),
            segment(0x9df0, 0x8df0, 0x2000, false),
        ];
        let mappings = [
            mapped(0, 0x2000, 0, false),
            mapped(0x2000, 0x8000, 0x2000, true),
            mapped(0x8000, 0x9000, 0x8000, false),
            mapped(0x9000, 0xa000, 0x8000, false),
            mapped(0xa000, 0xc000, 0x9000, false),
        ];
        (segments, mappings)
    }

    #[test]
    fn a_file_fits_where_it_was_mapped() {
        let (segments, mappings) = library();
        assert!(fits(&mappings, &segments, BASE));
        assert!(!fits(&mappings, &segments, BASE + 0x1000));
        assert!(!fits(&[], &segments, BASE));
        assert!(!fits(&mappings, &[], BASE));
    }

    #[test]
    fn a_page_more_or_less_of_anything_is_another_file() {
        for index in 0..5 {
            let (segments, mut mappings) = library();
            mappings[index].offset += 0x1000;
            assert!(!fits(&mappings, &segments, BASE), "offset of mapping {index}");
        }
        for index in 0..4 {
            for size in [0x1000u64.wrapping_neg(), 0x1000] {
                let (mut segments, mappings) = library();
                segments[index].file_size = segments[index].file_size.wrapping_add(size);
                assert!(!fits(&mappings, &segments, BASE), "size of segment {index}");
            }
        }
    }

    #[test]
    fn code_must_be_code() {
        let (segments, mut mappings) = library();
        mappings[1].execute = false;
        assert!(!fits(&mappings, &segments, BASE));
        mappings[1].execute = true;
        mappings[2].execute = true;
        assert!(!fits(&mappings, &segments, BASE));
    }

    #[test]
    fn the_gap_that_a_loader_leaves_is_no_misfit() {
        let segments = [segment(0, 0, 0x1800, true), segment(0x20_1000, 0x1000, 0x800, false)];
        let gap = mapped(0x2000, 0x20_1000, 0x2000, false);
        let data = mapped(0x20_1000, 0x20_2000, 0x1000, false);
        assert!(fits(&[mapped(0, 0x2000, 0, true), gap, data], &segments, BASE));
        // Behind the last segment there is none.
        let behind = mapped(0x20_2000, 0x20_3000, 0x2000, false);
        assert!(!fits(&[mapped(0, 0x2000, 0, true), gap, data, behind], &segments, BASE));
    }

    #[test]
    fn code_takes_its_pages_and_no_others() {
        let (segments, _) = library();
        let text = BASE + 0x2000..BASE + 0x8000;
        let found =
            |pages, offset| code_at(&segments, pages, offset).map(|(segment, page)| (segment.address, page));
        assert_eq!(found(text.clone(), None), Some((0x2000, 0x1000)));
        assert_eq!(found(text.clone(), Some(0x2000)), Some((0x2000, 0x1000)));
        assert_eq!(found(text.clone(), Some(0x3000)), None);
        assert_eq!(found(text.start..text.end + 0x1000, None), None);
        assert_eq!(found(text.end..text.start, None), None);
        assert_eq!(found(BASE..BASE + 0x2000, Some(0)), None, "that is no code");
    }

    #[test]
    fn larger_pages_are_tried() {
        let segments = [segment(0, 0, 0x800, true), segment(0x1_f000, 0xf000, 0x800, false)];
        let mappings = [mapped(0, 0x1_0000, 0, true), mapped(0x1_0000, 0x2_0000, 0, false)];
        assert!(fits(&mappings, &segments, BASE));
    }
}
