//! Cores that are read once, in order: what is kept, what is given up, and that the two are told apart.

use std::io::{self, Read};
use std::sync::Arc;

use epitaph_elf::{
    CoreFile, Defect, KeptCore, Memory, MemoryError, NotKept, ReadAt, StreamEnd, StreamLimits, keep, read_vec,
};
use epitaph_testkit::core::{CoreBuilder, FileMapping, Segment, Siginfo, Thread};

use crate::support::small_core;

const PAGE: usize = 4096;
/// Room for 64 pages.
const TIGHT: StreamLimits = StreamLimits { memory: 64 * PAGE, largest: 1 << 40 };

fn kept(bytes: &[u8], limits: &StreamLimits) -> KeptCore {
    let mut rest = bytes;
    keep(&mut rest, limits)
}

/// Pages of which none is zero, and no two are equal.
fn pages(count: usize, seed: usize) -> Vec<u8> {
    (0..count * PAGE).map(|at| ((at / PAGE) * 31 + at * 7 + seed) as u8 | 1).collect()
}

/// A core with a large heap before and behind what matters, and with `threads` threads.
fn large_core(threads: u32) -> CoreBuilder {
    let stack = |index: u32| 0x7f00_0000_0000 + u64::from(index) * 0x10_0000;
    let mut builder = CoreBuilder::new().siginfo(Siginfo::fault(11, 1, 0));
    for index in 0..threads {
        builder = builder
            .thread(Thread::new(100 + index).register("rip", 0x1000).register("rsp", stack(index) + 0x3010));
    }
    builder = builder
        .file(FileMapping::new(0x1000, 0x2000, 0, "/bin/large"))
        .segment(Segment::data(0x1000, pages(1, 1)).flags(5))
        .segment(Segment::data(0x10_0000, pages(600, 2)))
        .segment(Segment::hole(0x100_0000, 3 << 20));
    for index in 0..threads {
        builder = builder.segment(Segment::data(stack(index), pages(4, index as usize)));
    }
    builder.segment(Segment::data(0x7fff_0000_0000, pages(600, 3)))
}

/// Checks that all that can be read is what the core holds, and that what can't be read says so; returns how much of
/// it was kept.
fn true_bytes(kept: &KeptCore, core: &[u8]) -> usize {
    let mut count = 0;
    for at in (0..core.len()).step_by(1000) {
        let mut buf = [0xaa; 1000];
        let expected = &core[at..core.len().min(at + 1000)];
        match kept.read_at(at as u64, &mut buf) {
            Ok(read) => {
                assert!(read > 0 && buf[..read] == expected[..read], "{at}");
                count += read;
            }
            Err(error) => assert_eq!(NotKept::of(&error), Some(NotKept { offset: at as u64 })),
        }
    }
    count
}

#[test]
fn with_room_enough_nothing_is_lost() {
    for core in [small_core().build().to_vec(), large_core(3).build().to_vec()] {
        let kept = kept(&core, &StreamLimits::default());
        assert_eq!((kept.len(), kept.end()), (core.len() as u64, &StreamEnd::Whole));
        assert_eq!(true_bytes(&kept, &core), core.len());
        assert_eq!(kept.read_at(core.len() as u64, &mut [0]).unwrap(), 0);
        assert_eq!(kept.readable(0..u64::MAX), Some(0..core.len() as u64));
    }
}

#[test]
fn without_room_the_stacks_are_kept_and_the_rest_is_said_to_be_gone() {
    let core = large_core(8).build().to_vec();
    let kept = kept(&core, &TIGHT);
    let count = true_bytes(&kept, &core);
    assert!(count < core.len() / 2, "{count}");
    let open = CoreFile::open(Arc::new(kept)).unwrap();
    let whole = CoreFile::open(Arc::new(core)).unwrap();
    assert_eq!(open.process().defects, []);
    for thread in &open.process().threads {
        let sp = thread.registers.get(open.process().arch.sp).unwrap();
        let len = (4 * PAGE - 0x3010) + 128;
        assert_eq!(read_vec(&open, sp - 128, len), read_vec(&whole, sp - 128, len));
    }
    // The hole is known to be zeros, though nothing is kept of it.
    assert_eq!(read_vec(&open, 0x100_0000, 1 << 20), Ok(vec![0; 1 << 20]));
    // What was dropped begins at a page; a read that runs into it names that page.
    let heap = 0x7fff_0000_0000;
    let dropped =
        (0..600).map(|page| heap + page * PAGE as u64).find(|page| open.read(*page, &mut [0]).is_err());
    let address = dropped.unwrap();
    assert_eq!(open.read(address, &mut [0]), Err(MemoryError::NotDumped { address }));
    assert_eq!(open.read(address + 9, &mut [0; 8]), Err(MemoryError::NotDumped { address: address + 9 }));
    if address > heap {
        assert_eq!(open.read(address - 5, &mut [0; 8]), Err(MemoryError::NotDumped { address }));
    }
}

#[test]
fn what_is_readable_is_named() {
    let core = large_core(2).build().to_vec();
    let kept = kept(&core, &TIGHT);
    let (mut at, mut total) = (0, 0);
    while let Some(part) = kept.readable(at..core.len() as u64) {
        assert!(part.start >= at && part.end > part.start);
        if part.start > at {
            assert!(kept.read_at(part.start - 1, &mut [0]).is_err());
        }
        let mut buf = vec![0; (part.end - part.start) as usize];
        assert_eq!(kept.read_at(part.start, &mut buf).unwrap(), buf.len());
        total += buf.len();
        at = part.end;
    }
    assert!(total > 40 * PAGE && total < core.len());
    assert_eq!(kept.readable(5..5), None);
}

#[test]
fn a_stream_in_small_parts_gives_the_same() {
    /// Gives one to seven bytes at a time, and is interrupted now and then.
    struct Dribble<'a>(&'a [u8], usize);
    impl Read for Dribble<'_> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            self.1 += 1;
            if self.1.is_multiple_of(5) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let most = buf.len().min(1 + self.1 % 7);
            self.0.read(&mut buf[..most])
        }
    }
    let core = small_core().build().to_vec();
    let kept = keep(&mut Dribble(&core, 0), &StreamLimits::default());
    assert_eq!(true_bytes(&kept, &core), core.len());
}

#[test]
fn the_number_of_segments_is_found_at_the_streams_other_end() {
    let mut builder = large_core(1);
    for index in 0..70_000 {
        builder = builder.segment(Segment::undumped(0x10_0000_0000 + (index << 13), PAGE as u64));
    }
    let core = builder.build().to_vec();
    let open = CoreFile::open(Arc::new(kept(&core, &TIGHT))).unwrap();
    assert_eq!(open.segments().len(), 70_000 + 5);
    assert_eq!(open.process().defects, []);
}

#[test]
fn a_stream_that_breaks_off_is_a_file_that_was_cut() {
    let core = small_core().build();
    for cut in core.prefixes() {
        let open = |source: Arc<dyn ReadAt>| {
            let opened = CoreFile::open(source);
            opened.map(|core| (core.process().defects.clone(), core.segments().to_vec(), core.missing()))
        };
        let streamed = kept(&cut, &StreamLimits::default());
        assert_eq!((streamed.len(), streamed.end()), (cut.len() as u64, &StreamEnd::Whole));
        match (open(Arc::new(streamed)), open(Arc::new(cut.clone()))) {
            (Ok(streamed), Ok(plain)) => assert_eq!(streamed, plain, "{}", cut.len()),
            (Err(streamed), Err(plain)) => assert_eq!(streamed.to_string(), plain.to_string()),
            (streamed, plain) => panic!("{}: {streamed:?}, {plain:?}", cut.len()),
        }
    }
}

#[test]
fn an_error_ends_the_stream_and_is_told() {
    let core = large_core(2).build().to_vec();
    let half = &core[..core.len() / 2];
    let fails = io::Error::other("bad checksum");
    struct Fails(Option<io::Error>);
    impl Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            self.0.take().map_or(Ok(0), Err)
        }
    }
    let kept = keep(&mut half.chain(Fails(Some(fails))), &StreamLimits::default());
    assert_eq!((kept.len(), kept.end()), (half.len() as u64, &StreamEnd::Broken("bad checksum".to_owned())));
    assert_eq!(true_bytes(&kept, half), half.len());
    let open = CoreFile::open(Arc::new(kept)).unwrap();
    assert!(matches!(open.process().defects[..], [Defect::Truncated { .. }]));
}

#[test]
fn a_stream_without_end_is_cut_where_the_core_should_end() {
    let core = small_core().build().to_vec();
    for filler in [0, 7] {
        let kept = keep(&mut core.as_slice().chain(io::repeat(filler)), &TIGHT);
        assert_eq!(kept.end(), &StreamEnd::Cut);
        assert!(kept.len() < 32 << 20, "{}", kept.len());
        assert_eq!(CoreFile::open(Arc::new(kept)).unwrap().process().threads.len(), 2);
    }
    // One that promises to be longer than anything is read as far as may be.
    let endless = small_core().segment(Segment::hole(0x100_0000_0000, 1 << 40)).build();
    let head = endless.headers_size();
    let file = tempfile::NamedTempFile::new().unwrap();
    endless.write_to(file.path()).unwrap();
    let mut start = vec![0; head];
    std::fs::File::open(file.path()).unwrap().read_exact(&mut start).unwrap();
    let limits = StreamLimits { largest: 8 << 20, ..TIGHT };
    let kept = keep(&mut start.as_slice().chain(io::repeat(7)), &limits);
    assert_eq!((kept.end(), kept.len()), (&StreamEnd::Cut, 8 << 20));
}

#[test]
fn notes_behind_the_memory_are_kept_too() {
    let core = small_core().build();
    let mut moved = core.to_vec();
    let (notes_at, notes_end) = (64 + 3 * 56, core.headers_size());
    let notes = moved[notes_at..notes_end].to_vec();
    moved[notes_at..notes_end].fill(0xee);
    let new = moved.len() as u64;
    moved[64 + 8..64 + 16].copy_from_slice(&new.to_le_bytes()); // p_offset of the first header
    moved.extend(notes);
    let open = CoreFile::open(Arc::new(kept(&moved, &StreamLimits { memory: PAGE, ..TIGHT }))).unwrap();
    assert_eq!(open.process().threads.len(), 2);
    assert_eq!(open.process().mappings.len(), 2);
}

#[test]
fn any_damage_to_the_front_is_survived() {
    for flipped in small_core().build().flips() {
        let limits = StreamLimits { largest: 1 << 20, ..TIGHT };
        let streamed = kept(&flipped, &limits);
        let open = |source: Arc<dyn ReadAt>| CoreFile::open(source).map(|core| core.process().threads.len());
        assert_eq!(open(Arc::new(streamed)).ok(), open(Arc::new(flipped)).ok());
    }
}
