//! More segments than a 16-bit count holds (`PN_XNUM`), whole and cut short.

use epitaph_elf::{CoreError, CoreFile, Defect, read_vec};
use epitaph_testkit::core::{CoreBuilder, FileMapping, Segment, Thread};

use crate::support::open;

const SEGMENTS: u64 = 70_000;

/// A process that has mapped 70,000 pages one by one, of which the last one was dumped.
fn many() -> (Vec<u8>, usize) {
    let mut builder =
        CoreBuilder::new().thread(Thread::new(1)).file(FileMapping::new(0, 4096, 0, "/bin/many"));
    for index in 0..SEGMENTS - 1 {
        builder = builder.segment(Segment::undumped(index << 13, 1 << 12));
    }
    let core = builder.segment(Segment::data(SEGMENTS << 13, [7; 4096])).build();
    (core.to_vec(), core.headers_size())
}

fn last_page(core: &CoreFile) -> Option<Vec<u8>> {
    read_vec(core, SEGMENTS << 13, 4096).ok()
}

#[test]
fn the_count_stands_in_section_header_0() {
    let (whole, _) = many();
    let core = open(whole).unwrap();
    assert_eq!(core.segments().len() as u64, SEGMENTS);
    assert_eq!((core.process().threads.len(), core.process().mappings.len()), (1, 1));
    assert_eq!(core.process().defects, []);
    assert_eq!(last_page(&core), Some(vec![7; 4096]));
}

#[test]
fn where_the_section_header_is_cut_off_the_notes_tell_where_the_headers_end() {
    let (whole, _) = many();
    for lost in [1, 63, 64, 65, 4096] {
        let core = open(&whole[..whole.len() - lost]).unwrap();
        assert_eq!(core.segments().len() as u64, SEGMENTS, "{lost}");
        assert!(core.process().defects.contains(&Defect::SegmentCountLost), "{lost}");
        assert_eq!(core.process().threads.len(), 1, "{lost}");
        assert_eq!(last_page(&core).is_some(), lost <= 64, "{lost}");
    }
}

#[test]
fn headers_that_are_cut_short_are_read_as_far_as_they_go() {
    let (whole, headers) = many();
    // 64 bytes of ELF header, the note segment, and so many others.
    for segments in [0, 1, 65_534, 65_535, SEGMENTS - 1] {
        let len = 64 + 56 * (1 + segments as usize) + 55;
        assert!(len < headers);
        let core = open(&whole[..len]).unwrap();
        assert_eq!(core.segments().len() as u64, segments);
        let defects = &core.process().defects;
        assert!(defects.contains(&Defect::SegmentCountLost), "{defects:?}");
        let cut = defects.iter().filter(|defect| matches!(defect, Defect::Truncated { .. })).count();
        assert_eq!(cut, 1, "{defects:?}");
        assert!(core.process().threads.is_empty());
    }
    assert!(matches!(open(&whole[..64 + 55]), Err(CoreError::NoProgramHeaders)));
}

#[test]
fn the_extended_form_of_a_small_core_is_read_too() {
    // No kernel writes it below 65,535, and nothing forbids it.
    let builder = CoreBuilder::new().thread(Thread::new(1)).segment(Segment::data(0x1000, [1; 16]));
    let (plain, extended) = (builder.build().to_vec(), builder.clone().extended_numbering().build().to_vec());
    for bytes in [&plain, &extended, &extended[..extended.len() - 64].to_vec()] {
        let core = open(bytes.clone()).unwrap();
        assert_eq!((core.segments().len(), core.process().threads.len()), (1, 1));
        assert_eq!(read_vec(&core, 0x1000, 16).unwrap(), [1; 16]);
    }
}

#[test]
fn a_promise_of_four_thousand_million_segments_costs_nothing() {
    let (mut whole, _) = many();
    let count = whole.len() - 64 + 44; // sh_info of section header 0
    whole[count..count + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    let (core, bytes) = crate::allocation::peak(|| open(whole.clone()).unwrap());
    let defects = &core.process().defects;
    assert!(defects.contains(&Defect::TooManySegments { promised: u64::from(u32::MAX) }), "{defects:?}");
    assert_eq!(core.process().threads.len(), 1);
    assert!(bytes < 8 * whole.len() + (64 << 20), "{bytes} bytes were allocated");
}
