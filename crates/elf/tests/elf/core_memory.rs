//! Reads of a core's memory: what was dumped, and the three reasons for what was not.

use std::fs::File;
use std::sync::Arc;

use epitaph_elf::{CoreFile, Memory, MemoryError, PageCache, read_vec};
use epitaph_testkit::core::{CoreBuilder, Segment, Thread};

use crate::support::{Counted, core, open};

/// `len` bytes that differ from page to page.
fn pattern(seed: u8, len: usize) -> Vec<u8> {
    (0..len).map(|i| seed.wrapping_add((i % 251) as u8)).collect()
}

#[test]
fn what_was_dumped_is_read_back() {
    let bytes = pattern(1, 3 * 4096);
    let core = core(&CoreBuilder::new().segment(Segment::data(0x7000, bytes.clone())));
    assert_eq!(read_vec(&core, 0x7000, bytes.len()).unwrap(), bytes);
    assert_eq!(read_vec(&core, 0x7fff, 2).unwrap(), bytes[0xfff..0x1001]);
    assert_eq!(
        core.process().arch.read_word(&core, 0x7008).unwrap(),
        u64::from_le_bytes(bytes[8..16].try_into().unwrap())
    );
    assert_eq!(core.read(0x7000, &mut []), Ok(()));
    assert_eq!(core.missing(), 0);
}

#[test]
fn beyond_what_was_dumped_of_a_segment_is_not_dumped() {
    let core = core(
        &CoreBuilder::new()
            .segment(Segment::data(0x1000, pattern(1, 4096)).memory_size(0x3000))
            .segment(Segment::undumped(0x8000, 0x1000)),
    );
    assert_eq!(core.read(0x1fff, &mut [0]), Ok(()));
    for (address, first) in [(0x2000, 0x2000), (0x1fff, 0x2000), (0x3fff, 0x3fff), (0x8000, 0x8000)] {
        let error = core.read(address, &mut [0; 4]);
        assert_eq!(error, Err(MemoryError::NotDumped { address: first }), "{address:#x}");
    }
}

#[test]
fn what_no_segment_has_is_unmapped() {
    let core = core(&CoreBuilder::new().segment(Segment::data(0x1000, pattern(1, 4096))));
    for (address, first) in [(0, 0), (0xfff, 0xfff), (0x2000, 0x2000), (0x1ffe, 0x2000), (u64::MAX, u64::MAX)]
    {
        let error = core.read(address, &mut [0; 4]);
        assert_eq!(error, Err(MemoryError::Unmapped { address: first }), "{address:#x}");
    }
}

#[test]
fn a_read_goes_on_in_the_next_segment_and_stops_at_a_gap() {
    let core = core(
        &CoreBuilder::new()
            .segment(Segment::data(0x1000, [1; 0x1000]))
            .segment(Segment::data(0x2000, [2; 0x1000]))
            .segment(Segment::data(0x3000, [3; 0x800]))
            .segment(Segment::data(0x4000, [4; 0x1000])),
    );
    let read = read_vec(&core, 0x1ffc, 0x1008).unwrap();
    assert_eq!((&read[..4], &read[4..6], &read[0x1004..]), (&[1; 4][..], &[2; 2][..], &[3; 4][..]));
    assert_eq!(
        core.read(0x2ffc, &mut [0; 0x1008]),
        Err(MemoryError::Unmapped { address: 0x3800 }),
        "the gap, although there is memory after it"
    );
}

#[test]
fn a_truncated_core_says_how_much_is_missing_and_where() {
    let builder = CoreBuilder::new()
        .thread(Thread::new(1))
        .segment(Segment::data(0x1000, pattern(1, 0x1000)))
        .segment(Segment::data(0x8000, pattern(2, 0x2000)));
    let whole = builder.build().to_vec();
    for lost in [1, 0x800, 0x1000, 0x1fff, 0x2000, 0x2001, 0x3000] {
        let core = open(&whole[..whole.len() - lost]).unwrap();
        assert_eq!(core.missing(), lost as u64);
        let first_lost = if lost <= 0x2000 { 0xa000 - lost as u64 } else { 0x8000 };
        assert_eq!(core.read(first_lost, &mut [0]), Err(MemoryError::Truncated { address: first_lost }));
        if lost < 0x2000 {
            assert_eq!(core.read(first_lost - 1, &mut [0]), Ok(()), "{lost}");
        }
        assert_eq!(
            core.read(0x8000, &mut [0; 0x2000]),
            Err(MemoryError::Truncated { address: first_lost }),
            "the first address that isn't there, not the first one that was asked for"
        );
    }
}

#[test]
fn segments_out_of_order_are_found_by_address() {
    let core = core(
        &CoreBuilder::new()
            .segment(Segment::data(0x9000, [9]))
            .segment(Segment::data(0x1000, [1]))
            .segment(Segment::data(0x5000, [5]).flags(5)),
    );
    for address in [0x1000_u64, 0x5000, 0x9000] {
        assert_eq!(read_vec(&core, address, 1).unwrap(), [(address >> 12) as u8]);
        assert_eq!(core.is_executable(address), address == 0x5000);
    }
}

#[test]
fn an_empty_segment_hides_nothing() {
    let core = core(
        &CoreBuilder::new().segment(Segment::data(0x1000, [1; 0x1000])).segment(Segment::undumped(0x1800, 0)),
    );
    assert_eq!(read_vec(&core, 0x1900, 0x700).unwrap(), [1; 0x700]);
    assert_eq!(core.segments().len(), 1);
}

#[test]
fn of_overlapping_segments_the_one_that_starts_last_is_read() {
    let core = core(
        &CoreBuilder::new()
            .segment(Segment::data(0x1000, [1; 0x1000]).flags(5))
            .segment(Segment::data(0x1800, [2; 0x1000]))
            .segment(Segment::data(0x5000, [3; 0x1000]))
            .segment(Segment::data(0x5000, [4; 0x1000])),
    );
    let read = read_vec(&core, 0x1000, 0x1800).unwrap();
    let (first, second) = read.split_at(0x800);
    assert!(first.iter().all(|byte| *byte == 1) && second.iter().all(|byte| *byte == 2));
    assert!(core.is_executable(0x17ff) && !core.is_executable(0x1800));
    assert_eq!(read_vec(&core, 0x5000, 0x1000).unwrap(), [4; 0x1000]);
    assert!(core.segments().iter().zip(&core.segments()[1..]).all(|(one, next)| one.end() <= next.address));
}

#[test]
fn a_sparse_core_of_many_gigabytes_costs_what_is_read_of_it() {
    let builder = CoreBuilder::new()
        .thread(Thread::new(1))
        .segment(Segment::hole(0x1000_0000, 20 << 30))
        .segment(Segment::data(0x7f00_0000_0000, pattern(3, 4096)));
    let file = tempfile::NamedTempFile::new().unwrap();
    builder.build().write_to(file.path()).unwrap();
    let source = Arc::new(Counted::new(File::open(file.path()).unwrap()));
    let core = CoreFile::open(source.clone()).unwrap();
    assert!(core.size() > 20 << 30);
    assert_eq!(core.missing(), 0);
    assert_eq!(read_vec(&core, 0x7f00_0000_0000, 4096).unwrap(), pattern(3, 4096));
    assert_eq!(core.process().arch.read_word(&core, 0x1000_0000 + (10 << 30)).unwrap(), 0);
    assert!(source.asked() < 64 << 10, "{} bytes were read", source.asked());
}

#[test]
fn a_cache_answers_as_the_core_does() {
    let builder = CoreBuilder::new()
        .segment(Segment::data(0x1000, pattern(1, 0x1800)).memory_size(0x3000))
        .segment(Segment::data(0x4000, pattern(2, 0x1000)).flags(5));
    let whole = builder.build().to_vec();
    let core = open(&whole[..whole.len() - 0x123]).unwrap();
    let cache = PageCache::new(&core);
    for address in (0xff0..0x5010).step_by(7) {
        for len in [1, 8, 0x1001] {
            let (mut direct, mut cached) = (vec![0; len], vec![0; len]);
            let answer = core.read(address, &mut direct);
            assert_eq!(cache.read(address, &mut cached), answer, "{address:#x}+{len}");
            if answer.is_ok() {
                assert_eq!(cached, direct);
            }
        }
        assert_eq!(cache.is_executable(address), core.is_executable(address));
    }
}
