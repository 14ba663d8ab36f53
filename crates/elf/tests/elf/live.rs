//! Cores of living processes: what is put in is read again.

use std::ffi::OsString;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use epitaph_elf::{
    CoreFile, FileMapping, LiveCore, LiveError, LiveInfo, LiveProcess, LiveThread, Memory as _, MemoryError,
    ReadAt, RegisterSet, Segment, X86_64,
};

/// Bytes of the general registers of x86-64.
const REGISTERS: usize = 27 * 8;
const PAGE: u64 = 4096;

/// Memory in which each page holds its own number, but for one range that nobody touched.
struct Pages {
    untouched: Range<u64>,
    /// From where on the process is gone.
    gone: u64,
}

impl ReadAt for Pages {
    fn size(&self) -> io::Result<u64> {
        Ok(u64::MAX)
    }

    fn read_at(&self, address: u64, buf: &mut [u8]) -> io::Result<usize> {
        if address >= self.gone {
            return Ok(0);
        }
        for (index, byte) in buf.iter_mut().enumerate() {
            let address = address + index as u64;
            *byte = if self.untouched.contains(&address) { 0 } else { (address / PAGE) as u8 };
        }
        Ok(buf.len())
    }

    fn next_data(&self, from: u64) -> Option<Range<u64>> {
        if from < self.untouched.start {
            return Some(from..self.untouched.start);
        }
        Some(from.max(self.untouched.end)..u64::MAX)
    }
}

fn thread(tid: u32, name: &str) -> LiveThread {
    let mut registers = vec![0; REGISTERS];
    registers[16 * 8..17 * 8].copy_from_slice(&u64::from(tid).to_le_bytes()); // rip
    LiveThread {
        tid,
        name: name.into(),
        signal: 11,
        pending: 0,
        blocked: 0,
        registers,
        sets: vec![
            RegisterSet { kind: 2, bytes: vec![0; 512] },
            RegisterSet { kind: 0x202, bytes: vec![0; 7] },
        ],
    }
}

fn segment(address: u64, pages: u64, dumped: u64) -> Segment {
    let (memory_size, file_size) = (pages * PAGE, dumped * PAGE);
    Segment { address, memory_size, offset: 0, file_size, read: true, write: true, execute: false }
}

fn process(segments: Vec<Segment>) -> LiveProcess {
    let mut signal = vec![0; 128];
    signal[0] = 11;
    signal[8] = 1;
    LiveProcess {
        arch: &X86_64,
        info: LiveInfo {
            pid: 7,
            ppid: 3,
            session: 2,
            uid: 1000,
            name: "made-up".into(),
            args: b"made-up\0-x\0".to_vec(),
            state: b'R',
            ..LiveInfo::default()
        },
        threads: vec![thread(9, "worker"), thread(7, "made-up")],
        signal: Some(signal),
        auxv: [6_u64, 4096, 0, 0].iter().flat_map(|word| word.to_le_bytes()).collect(),
        mappings: vec![FileMapping {
            start: PAGE,
            end: 2 * PAGE,
            offset: 3 * PAGE,
            path: OsString::from("/a b"),
        }],
        segments,
    }
}

fn core(process: &LiveProcess, gone: u64) -> LiveCore {
    LiveCore::new(process, Arc::new(Pages { untouched: 20 * PAGE..30 * PAGE, gone })).unwrap()
}

#[test]
fn what_is_told_of_a_process_is_read_again() {
    let made = process(vec![segment(PAGE, 1, 0), segment(16 * PAGE, 20, 20), segment(40 * PAGE, 3, 1)]);
    let read = CoreFile::open(Arc::new(core(&made, u64::MAX))).unwrap();
    let process = read.process();
    assert!(process.defects.is_empty(), "{:?}", process.defects);
    let threads: Vec<_> = process
        .threads
        .iter()
        .map(|thread| (thread.tid, thread.name.clone(), thread.registers.get(16)))
        .collect();
    assert_eq!(threads, [(9, Some("worker".into()), Some(9)), (7, Some("made-up".into()), Some(7))]);
    assert_eq!(process.mappings, made.mappings);
    assert_eq!(process.auxv.page_size(), Some(PAGE));
    assert_eq!(
        process.signal.as_ref().map(|signal| (signal.number, signal.fault_address)),
        Some((11, Some(0)))
    );
    let info = process.info.as_ref().unwrap();
    assert_eq!((info.pid, info.ppid, info.session, info.uid), (7, 3, 2, 1000));
    assert_eq!((&info.name, &info.args), (&"made-up".into(), &"made-up -x".into()));

    let mut bytes = [0; 2];
    read.read(18 * PAGE - 1, &mut bytes).unwrap();
    assert_eq!(bytes, [17, 18]);
    assert!(matches!(read.read(PAGE, &mut bytes), Err(MemoryError::NotDumped { .. })));
    assert!(matches!(read.read(41 * PAGE, &mut bytes), Err(MemoryError::NotDumped { .. })));
}

#[test]
fn memory_that_nobody_touched_is_a_hole() {
    let core = core(&process(vec![segment(16 * PAGE, 20, 20)]), u64::MAX);
    let head = core.size() - 20 * PAGE;
    assert_eq!(core.next_data(0), Some(0..head));
    assert_eq!(core.next_data(head), Some(head..head + 4 * PAGE));
    assert_eq!(core.next_data(head + 4 * PAGE), Some(head + 14 * PAGE..head + 20 * PAGE));
    assert_eq!(core.next_data(core.size()), None);
}

#[test]
fn more_segments_than_a_header_can_count_are_all_there() {
    const COUNT: u64 = 70_000;
    let segments = (0..COUNT).map(|index| segment((index + 1) * 2 * PAGE, 1, 0)).collect();
    let read = CoreFile::open(Arc::new(core(&process(segments), u64::MAX))).unwrap();
    assert_eq!(read.segments().len() as u64, COUNT);
    assert!(read.process().defects.is_empty(), "{:?}", read.process().defects);
}

#[test]
fn a_process_that_ends_meanwhile_gives_no_zeros() {
    let core = core(&process(vec![segment(16 * PAGE, 2, 2)]), 17 * PAGE);
    let mut page = vec![0; PAGE as usize];
    assert_eq!(core.read_at(core.size() - 2 * PAGE, &mut page).unwrap(), page.len());
    let error = core.read_at(core.size() - PAGE, &mut page).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn what_cannot_be_a_core_says_why() {
    let refused = |process: &LiveProcess| {
        LiveCore::new(process, Arc::new(Pages { untouched: 0..0, gone: 0 })).unwrap_err()
    };
    let mut other = process(Vec::new());
    // A 32-bit program on a 64-bit machine.
    other.threads[1].registers.truncate(17 * 4);
    assert!(matches!(refused(&other), LiveError::Registers { size: 68, .. }));
    other.threads.clear();
    assert!(matches!(refused(&other), LiveError::NoThreads));
    other.arch = &epitaph_elf::I386;
    assert!(matches!(refused(&other), LiveError::Architecture { arch: "i386" }));
}
