//! Cores that are cut, bent or made up: never a panic, never much memory, and what is left is still read.

use std::time::{Duration, Instant};

use epitaph_elf::{CoreError, CoreFile, Memory, MemoryError, Module};
use epitaph_testkit::core::{CoreBuilder, Damage, FileMapping, Segment, Thread, note_kind};

use crate::allocation::peak;
use crate::support::{open, readable, small_core};

/// The most that reading a core of a few pages may take: a lie about a size stands out in megabytes.
const MOST_BYTES: usize = 1 << 20;

/// Does with a core all that this crate can.
fn use_up(opened: Result<CoreFile, CoreError>) {
    let core = match opened {
        Ok(core) => core,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    for defect in &core.process().defects {
        assert!(!defect.to_string().is_empty() && !defect.code().is_empty());
    }
    for module in Module::all(core.process(), &core) {
        assert!(module.start < module.end, "{module:?}");
    }
    let starts = core.segments().iter().flat_map(|segment| [segment.address, segment.end()]);
    for address in starts.chain([0, 0x1000, 0x8_0000, u64::MAX - 4]) {
        match core.read(address, &mut [0; 16]) {
            Ok(()) => {}
            Err(
                MemoryError::Unmapped { address: at }
                | MemoryError::NotDumped { address: at }
                | MemoryError::Truncated { address: at },
            ) => assert!(at.wrapping_sub(address) < 16 || at == u64::MAX, "{address:#x}: {at:#x}"),
        }
    }
}

fn grade(opened: &Result<CoreFile, CoreError>) -> usize {
    match opened {
        Err(CoreError::Empty) => 0,
        Err(CoreError::NotACore { .. }) => 1,
        Err(CoreError::BrokenHeader) => 2,
        Err(CoreError::NoProgramHeaders) => 3,
        Err(other) => panic!("{other}"),
        Ok(_) => 4,
    }
}

/// A longer piece of a core never tells less than a shorter one.
#[test]
fn every_prefix_tells_as_much_as_it_holds() {
    let image = small_core().build();
    let whole = image.to_vec();
    let headers = 64 + 3 * 56;
    let mut best = (0, 0, 0, 0, 0);
    for len in (0..image.headers_size()).chain((image.headers_size()..=whole.len()).step_by(97)) {
        let (opened, bytes) = peak(|| open(&whole[..len]));
        assert!(bytes < MOST_BYTES, "{len}: {bytes} bytes");
        if let Ok(core) = &opened {
            assert_eq!(core.missing() > 0, len < whole.len(), "{len}");
        }
        let told = match &opened {
            Err(_) => (grade(&opened), 0, 0, 0, 0),
            Ok(core) => {
                if len >= headers {
                    assert_eq!(core.missing(), (whole.len() - len) as u64);
                }
                let process = core.process();
                let memory = readable(core, 0x1000, 4096) + readable(core, 0x8_0000, 4096);
                (4, core.segments().len(), process.threads.len(), process.mappings.len(), memory)
            }
        };
        assert!(
            told.0 >= best.0 && told.1 >= best.1 && told.2 >= best.2 && told.3 >= best.3 && told.4 >= best.4,
            "{len} bytes tell {told:?}, fewer told {best:?}"
        );
        best = told;
        use_up(opened);
    }
    let last = open(whole).unwrap();
    assert_eq!((last.segments().len(), last.process().threads.len()), (2, 2));
    assert_eq!((last.process().mappings.len(), readable(&last, 0x8_0000, 4096)), (2, 4096));
}

/// A cut within the notes is always told, also where it falls between two notes.
#[test]
fn a_core_that_is_cut_within_its_notes_says_so() {
    let image = CoreBuilder::new()
        .thread(Thread::new(1))
        .thread(Thread::new(2))
        .segment(Segment::undumped(0x1000, 0x1000))
        .build();
    let whole = image.to_vec();
    let notes = 64 + 2 * 56;
    for len in notes..image.headers_size() {
        let core = open(&whole[..len]).unwrap();
        assert_eq!(core.missing(), (image.headers_size() - len) as u64, "{len}");
    }
    assert_eq!(open(&whole[..image.headers_size()]).unwrap().missing(), 0);
}

#[test]
fn every_flipped_bit_of_headers_and_notes_is_survived() {
    let image = small_core().build();
    let mut bytes = image.to_vec();
    let start = Instant::now();
    for at in 0..image.headers_size() {
        for bit in 0..8 {
            bytes[at] ^= 1 << bit;
            let ((), allocated) = peak(|| use_up(open(bytes.clone())));
            assert!(allocated < MOST_BYTES, "byte {at}, bit {bit}: {allocated} bytes");
            bytes[at] ^= 1 << bit;
        }
    }
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[test]
fn lies_about_sizes_cost_nothing() {
    let image = small_core().build();
    for damage in Damage::EVERY {
        let ((), allocated) = peak(|| use_up(open(image.damaged(damage))));
        assert!(allocated < MOST_BYTES, "{damage:?}: {allocated} bytes");
    }
}

#[test]
fn what_is_damaged_leaves_the_rest_readable() {
    let image = small_core().build();
    let damaged = |damage| open(image.damaged(damage)).unwrap();
    let core = damaged(Damage::FileCount(1 << 60));
    assert_eq!((core.process().threads.len(), readable(&core, 0x8_0000, 4096)), (2, 4096));
    assert!(core.process().defects.iter().any(|defect| defect.code() == "core_no_file_list"));
    let core = damaged(Damage::NoteNameSize(u32::MAX));
    assert_eq!((core.process().threads.len(), readable(&core, 0x8_0000, 4096)), (0, 4096));
    assert!(core.process().defects.iter().any(|defect| defect.code() == "core_broken_note"));
    let core = damaged(Damage::SegmentOffset(u64::MAX));
    assert_eq!((core.process().threads.len(), readable(&core, 0x8_0000, 4096)), (2, 4096));
    assert_eq!(readable(&core, 0x1000, 1), 0);
    // The size of a header that the file gives is not the one that its class has: only the latter is believed.
    for size in [0, 1, 55, 57, 0xffff] {
        assert_eq!(damaged(Damage::ProgramHeaderSize(size)).segments().len(), 2, "{size}");
    }
    for damage in [Damage::ProgramHeaderCount(0), Damage::ProgramHeadersBeyondEnd, Damage::ProgramHeadersWrap]
    {
        let error = open(image.damaged(damage)).unwrap_err();
        assert!(matches!(error, CoreError::NoProgramHeaders), "{damage:?}: {error}");
    }
    // 65,535 promises a section header 0 that isn't there; the notes tell the count.
    assert_eq!(damaged(Damage::ProgramHeaderCount(0xffff)).segments().len(), 2);
    assert_eq!(damaged(Damage::ProgramHeaderCount(0xfffe)).process().threads.len(), 2);
}

/// Each of a million note segments may point at the same notes: work and memory stay bounded.
#[test]
fn defects_do_not_pile_up() {
    let tiny = |count: usize| {
        let mut builder = CoreBuilder::new();
        for size in 0..count {
            builder = builder.note("CORE", note_kind::PRSTATUS, vec![0; size % 9]);
        }
        builder.file(FileMapping::new(0, 4096, 0, "/x")).build().to_vec()
    };
    let (core, bytes) = peak(|| open(tiny(20_000)).unwrap());
    assert!(core.process().defects.len() < 8);
    assert!(bytes < 8 << 20, "{bytes}");
}
