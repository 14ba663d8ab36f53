//! Slim cores: what they keep, what they say of the rest, and how they take damage.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use epitaph_elf::{
    CoreFile, Defect, Memory, MemoryError, ReadAt, Redact, SlimCore, SlimOptions, Slimmed, read_vec,
};
use epitaph_testkit::core::{CoreBuilder, FileMapping, Machine, Psinfo, Segment, Siginfo, Thread, machine};

use crate::support::{Counted, core, open};

/// Where a thread stands in [`process`].
const SP: u64 = 0x40_2108;
const STACK: Range<u64> = 0x40_0000..0x41_0000;
const SMALL: Range<u64> = 0x10_0000..0x10_2000;
/// A mapping that is too large to be kept whole.
const LARGE: Range<u64> = 0x1000_0000..0x1040_0000;
/// What the stack points to, in there.
const POINTED: u64 = 0x1020_3456;

/// Bytes of which each word of 8 tells two from each other.
fn pattern(seed: u64, len: u64) -> Vec<u8> {
    let word = |at: u64| (at | 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(seed as u32) | 1 << 63;
    (0..len / 8).flat_map(|at| word(at).to_le_bytes()).collect()
}

fn sp_name(machine: &Machine) -> &'static str {
    match machine.name {
        "x86_64" => "rsp",
        "i386" => "esp",
        "ppc64le" => "r1",
        "s390x" => "r15",
        _ => "sp",
    }
}

/// A process with a stack, a small mapping, a large one, one that was not dumped, and one dumped in part.
fn process(machine: Machine) -> CoreBuilder {
    let mut stack = pattern(1, STACK.end - STACK.start);
    let at = (SP - STACK.start) as usize + 0x200;
    match machine.name {
        "s390x" => stack[at..at + 8].copy_from_slice(&POINTED.to_be_bytes()),
        _ => stack[at..at + 8].copy_from_slice(&POINTED.to_le_bytes()),
    }
    let sp = sp_name(&machine);
    CoreBuilder::new()
        .machine(machine)
        .thread(Thread::new(11).signal(11).register("pc", 0x2000).register(sp, SP))
        .psinfo(Psinfo { pid: 11, ppid: 1, name: "fat".into(), ..Psinfo::default() })
        .siginfo(Siginfo::fault(11, 1, 0x18))
        .auxv(6, 4096)
        .file(FileMapping::new(0x2000, 0x4000, 0, "/bin/fat"))
        .segment(Segment::undumped(0x2000, 0x2000).flags(5))
        .segment(Segment::data(SMALL.start, pattern(2, 0x2000)))
        .segment(Segment::data(STACK.start, stack))
        .segment(Segment::data(0x80_0000, pattern(3, 0x1000)).memory_size(0x3000))
        .segment(Segment::data(LARGE.start, pattern(4, LARGE.end - LARGE.start)))
}

/// The process on x86-64, where the program counter has another name.
fn x86_64() -> CoreBuilder {
    let machine = Machine { registers: X86_64_NAMES, ..machine::X86_64 };
    process(machine)
}

/// The registers of x86-64 with the program counter's name that the other machines have.
const X86_64_NAMES: &[&str] = &[
    "r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi",
    "orig_rax", "pc", "cs", "eflags", "rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs", "gs",
];

fn bytes(slim: &SlimCore) -> Vec<u8> {
    let mut all = Vec::new();
    let mut part = [0; 5000];
    loop {
        match slim.read_at(all.len() as u64, &mut part).unwrap() {
            0 => return all,
            count => all.extend(&part[..count]),
        }
    }
}

fn slim(core: &CoreFile) -> CoreFile {
    open(bytes(&SlimCore::new(core, &SlimOptions::default()).unwrap())).unwrap()
}

/// Checks that what a slim core has is what the original has, and that it says of the rest what the original says, or
/// that it was not dumped; returns how many bytes it has.
#[track_caller]
fn check(full: &CoreFile, slim: &CoreFile) -> u64 {
    let ranges = |core: &CoreFile| -> Vec<(u64, u64, bool, bool)> {
        core.segments().iter().map(|s| (s.address, s.memory_size, s.write, s.execute)).collect()
    };
    assert_eq!(ranges(full), ranges(slim));
    let mut kept = 0;
    for segment in full.segments() {
        for address in (segment.address..segment.end()).step_by(512) {
            let len = (segment.end() - address).min(512) as usize;
            let (original, own) = (read_vec(full, address, len), read_vec(slim, address, len));
            match own {
                Ok(own) => {
                    assert_eq!(Ok(own), original, "{address:#x}");
                    kept += len as u64;
                }
                Err(error) => assert!(
                    Err(error) == original || error == MemoryError::NotDumped { address },
                    "{address:#x}: {error} {original:?}"
                ),
            }
        }
    }
    kept
}

#[test]
fn every_architecture_keeps_the_stack_and_what_it_points_to() {
    for machine in machine::ALL {
        let machine = if machine.name == "x86_64" {
            Machine { registers: X86_64_NAMES, ..machine }
        } else if machine.name == "i386" {
            // Its program counter's name is the only one that differs.
            Machine { registers: I386_NAMES, ..machine }
        } else {
            machine
        };
        let name = machine.name;
        let full = core(&process(machine));
        let slim = slim(&full);
        let kept = check(&full, &slim);
        assert!((0x1_0000..0x2_0000).contains(&kept), "{name}: {kept:#x} bytes are kept");
        assert!(read_vec(&slim, SP - 0x100, (STACK.end - SP) as usize).is_ok(), "{name}");
        assert!(read_vec(&slim, SMALL.start, 0x2000).is_ok(), "{name}");
        assert!(read_vec(&slim, POINTED, 64).is_ok(), "{name}: what the stack points to");
        let dropped = LARGE.start + 0x1_0000;
        assert_eq!(slim.read(dropped, &mut [0]), Err(MemoryError::NotDumped { address: dropped }));
        assert_eq!(slim.read(0x2000, &mut [0]), Err(MemoryError::NotDumped { address: 0x2000 }));
        assert_eq!(slim.read(0x9000, &mut [0]), Err(MemoryError::Unmapped { address: 0x9000 }));

        let (before, after) = (full.process(), slim.process());
        assert_eq!(format!("{:?}", before.threads), format!("{:?}", after.threads), "{name}");
        assert_eq!((&before.info, &before.auxv), (&after.info, &after.auxv));
        assert_eq!((&before.signal, &before.mappings), (&after.signal, &after.mappings));
        assert_eq!((&before.producer, &before.defects), (&after.producer, &after.defects));
        let made_of = Slimmed {
            original_size: full.size(),
            dropped_bytes: 0x1000 + 0x2000 + 0x1_0000 + 0x40_0000 - kept,
            ..Slimmed::default()
        };
        assert_eq!((&before.slim, &after.slim), (&None, &Some(made_of)), "{name}");
    }
}

/// As [`X86_64_NAMES`].
const I386_NAMES: &[&str] = &[
    "ebx", "ecx", "edx", "esi", "edi", "ebp", "eax", "ds", "es", "fs", "gs", "orig_eax", "pc", "cs",
    "eflags", "esp", "ss",
];

#[test]
fn what_is_asked_for_is_kept_besides() {
    let full = core(&x86_64());
    let asked = LARGE.start + 0x12_3456;
    assert!(slim(&full).read(asked, &mut [0]).is_err());
    // The second is not there at all.
    let options =
        SlimOptions { also: vec![asked..asked + 8, 0xdead_0000..0xdeae_0000], ..SlimOptions::default() };
    let made = SlimCore::new(&full, &options).unwrap();
    assert_eq!(made.report().kept.cause, 0x1000);
    assert!(!made.report().over_budget);
    let slim = open(bytes(&made)).unwrap();
    assert_eq!(read_vec(&slim, asked, 8), read_vec(&full, asked, 8));
    check(&full, &slim);
}

#[test]
fn a_slim_core_of_a_slim_core_is_the_same() {
    let full = core(&x86_64());
    let once = slim(&full);
    let twice = SlimCore::new(&once, &SlimOptions::default()).unwrap();
    let again = open(bytes(&twice)).unwrap();
    assert_eq!(again.process().slim, once.process().slim);
    assert_eq!(check(&full, &again), check(&full, &once));

    let small = SlimOptions { budget: 0x8000, ..SlimOptions::default() };
    let less = open(bytes(&SlimCore::new(&once, &small).unwrap())).unwrap();
    let kept = check(&full, &less);
    assert!((1..=0x8000).contains(&kept), "{kept:#x}");
    let made_of = less.process().slim.clone().unwrap();
    assert_eq!(made_of.original_size, full.size());
    assert_eq!(made_of.dropped_bytes, 0x41_3000 - kept, "of the original, not of the slim core");
}

#[test]
fn a_core_of_seventy_thousand_mappings_stays_one() {
    let mut builder = x86_64();
    for index in 0..70_000 {
        let address = 0x7f00_0000_0000 + (index << 13);
        builder = builder.segment(match index % 3 {
            0 => Segment::undumped(address, 0x1000),
            _ => Segment::hole(address, 0x1000),
        });
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    builder.build().write_to(file.path()).unwrap();
    let full = CoreFile::open(Arc::new(file.reopen().unwrap())).unwrap();
    let options = SlimOptions { budget: 1 << 30, ..SlimOptions::default() };
    let slim = open(bytes(&SlimCore::new(&full, &options).unwrap())).unwrap();
    assert_eq!(slim.segments().len(), 70_005);
    assert_eq!(slim.process().defects, []);
    check(&full, &slim);
    let dropped = 0x7f00_0000_0000 + (69_998 << 13);
    assert!(read_vec(&slim, SP, 64).is_ok());
    assert!(matches!(slim.read(dropped, &mut [0]), Ok(()) | Err(MemoryError::NotDumped { .. })));
}

#[test]
fn what_a_truncated_core_lacks_is_still_missing() {
    let image = x86_64().build();
    let whole = image.to_vec();
    for lost in [1, 0x777, 0x1000, 0x40_0000, 0x40_1000, 0x40_8000, 0x41_0800] {
        let full = open(&whole[..whole.len() - lost]).unwrap();
        let slim = slim(&full);
        assert_eq!((slim.missing(), full.missing()), (lost as u64, lost as u64));
        assert_eq!(slim.process().defects, full.process().defects, "{lost:#x}");
        check(&full, &slim);
        let last = LARGE.end - 1;
        assert_eq!(slim.read(last, &mut [0]), Err(MemoryError::Truncated { address: last }), "{lost:#x}");
    }
    for len in (image.headers_size() - 0x300..image.headers_size()).step_by(7) {
        let Ok(full) = open(&whole[..len]) else { continue };
        let slim = slim(&full);
        for defect in &full.process().defects {
            assert!(slim.process().defects.contains(defect), "{len}: {defect} is forgotten");
        }
    }
}

#[test]
fn a_slim_core_that_is_truncated_lacks_its_end() {
    let whole = bytes(&SlimCore::new(&core(&x86_64()), &SlimOptions::default()).unwrap());
    let cut = open(&whole[..whole.len() - 0x1800]).unwrap();
    assert_eq!(cut.process().defects, [Defect::Truncated { missing: 0x1800 }]);
    assert!(matches!(read_vec(&cut, POINTED, 8), Err(MemoryError::Truncated { .. })));
    let dropped = LARGE.start + 0x1_0000;
    assert_eq!(cut.read(dropped, &mut [0]), Err(MemoryError::NotDumped { address: dropped }));
}

#[test]
fn the_budget_holds_and_the_crashed_thread_comes_first() {
    let mut builder = CoreBuilder::new();
    for index in 0..200 {
        let stack = 0x1_0000_0000 + index * 0x10_0000;
        builder = builder
            .thread(Thread::new(index as u32 + 1).signal(11).register("rsp", stack + 0x1000))
            .segment(Segment::hole(stack, 0x4_0000));
    }
    let image = builder.build();
    let file = tempfile::NamedTempFile::new().unwrap();
    image.write_to(file.path()).unwrap();
    let full = CoreFile::open(Arc::new(file.reopen().unwrap())).unwrap();
    for budget in [0, 0x1000, 0x10_0000, 0x40_0000] {
        let options = SlimOptions { budget, ..SlimOptions::default() };
        let made = SlimCore::new(&full, &options).unwrap();
        assert!(made.report().kept.total() <= budget, "{:?}", made.report());
        assert!(made.report().over_budget);
        let slim = open(bytes(&made)).unwrap();
        let cut = slim.process().slim.clone().unwrap().cut_stacks;
        assert!((199..=200).contains(&cut), "{budget:#x}: {cut}");
        assert!(slim.process().defects.contains(&Defect::StacksCut { count: cut }));
        let whole = read_vec(&slim, 0x1_0000_1000, 0x3_f000).is_ok();
        assert_eq!(whole, budget >= 0x10_0000, "{budget:#x}");
        let last = 0x1_0000_0000 + 199 * 0x10_0000;
        if budget == 0x40_0000 {
            let ends = [last + 0x1000, last + 0x3_fff8].map(|at| slim.read(at, &mut [0; 8]).is_ok());
            assert_eq!(ends, [true, false], "a share of four pages has no outer end");
        }
    }
}

#[test]
fn an_overflowed_stack_is_found_above_its_pointer() {
    let builder = CoreBuilder::new()
        .thread(Thread::new(1).signal(11).register("rsp", 0x6f_f000))
        .segment(Segment::undumped(0x60_0000, 0x10_0000))
        .segment(Segment::hole(0x70_0000, 0x80_0000));
    let slim = slim(&core(&builder));
    assert!(read_vec(&slim, 0x70_0000, 0x80_0000).is_ok());
    assert_eq!(slim.process().slim.clone().unwrap().cut_stacks, 0);
}

#[test]
fn the_stack_that_a_signal_interrupted_is_kept_too() {
    const ALTERNATE: u64 = 0x20_0000;
    const HOME: u64 = 0x7000_0000;
    let interrupted = HOME + 0x40_0040;
    let mut alternate = vec![0; 0x4000];
    alternate[0x3010..0x3018].copy_from_slice(&interrupted.to_le_bytes());
    alternate[0x3018..0x3020].copy_from_slice(&(HOME + 0x7f_0000).to_le_bytes());
    let builder = |main: bool| {
        let thread = Thread::new(7).signal(11).register("rsp", ALTERNATE + 0x2000);
        // The main thread's stack has the program's name at its end, another's its own record.
        let thread = if main { thread } else { thread.register("fs_base", HOME + 0x7f_f000) };
        CoreBuilder::new()
            .thread(thread)
            .psinfo(Psinfo { pid: if main { 7 } else { 6 }, ..Psinfo::default() })
            .auxv(31, HOME + 0x7f_ffe0)
            .segment(Segment::data(ALTERNATE, alternate.clone()))
            .segment(Segment::hole(HOME, 0x80_0000))
    };
    for main in [true, false] {
        let slim = slim(&core(&builder(main)));
        assert!(read_vec(&slim, interrupted, 0x3f_ffc0).is_ok(), "main: {main}");
        let below = interrupted - 0x2000;
        assert_eq!(slim.read(below, &mut [0]), Err(MemoryError::NotDumped { address: below }));
    }
}

#[test]
fn only_what_is_kept_is_read() {
    let builder = x86_64().segment(Segment::hole(0x7000_0000_0000, 16 << 30));
    let file = tempfile::NamedTempFile::new().unwrap();
    builder.build().write_to(file.path()).unwrap();
    let source = Arc::new(Counted::new(file.reopen().unwrap()));
    let full = CoreFile::open(source.clone()).unwrap();
    let slim = bytes(&SlimCore::new(&full, &SlimOptions::default()).unwrap());
    assert!(slim.len() < 0x2_0000);
    assert!(source.asked() < 4 * slim.len() as u64, "{} bytes were read", source.asked());
}

/// A file that ends earlier from some time on.
struct Shrinking {
    inner: Vec<u8>,
    len: AtomicU64,
}

impl ReadAt for Shrinking {
    fn size(&self) -> std::io::Result<u64> {
        Ok(self.len.load(Ordering::Relaxed))
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<usize> {
        self.inner[..self.len.load(Ordering::Relaxed) as usize].read_at(offset, buf)
    }
}

#[test]
fn a_core_that_shrinks_meanwhile_is_an_error() {
    let inner = x86_64().build().to_vec();
    let source = Arc::new(Shrinking { len: AtomicU64::new(inner.len() as u64), inner });
    let full = CoreFile::open(source.clone()).unwrap();
    let slim = SlimCore::new(&full, &SlimOptions::default()).unwrap();
    source.len.store(0x6000, Ordering::Relaxed);
    let mut part = vec![0; slim.size() as usize];
    let mut offset = 0;
    let error = loop {
        match slim.read_at(offset, &mut part) {
            Ok(count) => offset += count as u64,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
    assert!(error.to_string().contains("shorter"), "{error}");
    source.len.store(100, Ordering::Relaxed);
    assert!(SlimCore::new(&full, &SlimOptions::default()).is_err(), "its notes are gone");
}

/// Overwrites every byte of a value in memory, and a word in notes.
struct Hide;

impl Redact for Hide {
    fn memory(&self, address: u64, bytes: &mut [u8]) {
        for (at, byte) in (address..).zip(bytes) {
            if (POINTED..POINTED + 8).contains(&at) {
                *byte = b'*';
            }
        }
    }

    fn notes(&self, bytes: &mut [u8]) {
        while let Some(at) = bytes.windows(3).position(|part| part == b"fat") {
            bytes[at..at + 3].fill(b'*');
        }
    }
}

#[test]
fn secrets_are_overwritten_on_the_way_out() {
    let full = core(&x86_64());
    let options = SlimOptions { redact: Some(Arc::new(Hide)), ..SlimOptions::default() };
    let slim = open(bytes(&SlimCore::new(&full, &options).unwrap())).unwrap();
    assert_eq!(read_vec(&slim, POINTED, 8).unwrap(), b"********");
    assert_eq!(read_vec(&slim, POINTED + 8, 8), read_vec(&full, POINTED + 8, 8));
    assert_eq!(slim.process().info.as_ref().unwrap().name, "***");
    assert_eq!(slim.process().mappings[0].path, "/bin/***");
    assert!(slim.process().slim.as_ref().unwrap().scrubbed);
    let again = open(bytes(&SlimCore::new(&slim, &SlimOptions::default()).unwrap())).unwrap();
    assert!(again.process().slim.as_ref().unwrap().scrubbed, "it stays so");
}

#[test]
fn a_note_that_makes_no_sense_is_said_and_not_believed() {
    let plain = x86_64();
    for note in [&b""[..], b"\x01", b"\x02\0\0\0\0\0\0\0", &[0xff; 64]] {
        let core = core(&plain.clone().note("EPITAPH", 0x534c_494d, note));
        assert_eq!(core.process().defects, [Defect::BrokenSlimNote]);
        assert_eq!(core.process().slim, None);
        assert!(read_vec(&core, SP, 64).is_ok());
    }
}

/// Any damaged byte of the headers and notes is survived, and whatever is read then is the same when it is made slim.
#[test]
fn damage_is_survived() {
    let whole = bytes(&SlimCore::new(&core(&x86_64()), &SlimOptions::default()).unwrap());
    let head = whole.windows(7).position(|part| part == b"EPITAPH").unwrap() + 100;
    for at in 0..head {
        let mut damaged = whole.clone();
        damaged[at] ^= 0xff;
        let Ok(full) = open(damaged) else { continue };
        let Ok(made) = SlimCore::new(&full, &SlimOptions::default()) else { continue };
        assert!(made.size() < 4 << 20, "{at}: {}", made.size());
        let slim = open(bytes(&made)).unwrap();
        for segment in full.segments().iter().take(20) {
            let (original, own) =
                (read_vec(&full, segment.address, 64), read_vec(&slim, segment.address, 64));
            assert!(own.is_err() || own == original, "{at} {:#x}", segment.address);
        }
    }
}
