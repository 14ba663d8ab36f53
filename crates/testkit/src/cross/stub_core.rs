//! A core of a riscv64 program, from what qemu's gdb stub says of it: qemu itself writes none there.

use std::collections::BTreeMap;
use std::path::Path;

use super::stub::{Stopped, Stub};
use crate::core::{CoreBuilder, Segment, note_kind};

const PAGE: u64 = 4096;
const EM_RISCV: u16 = 243;
const PT_LOAD: u32 = 1;
const PF_X: u32 = 1;
const PF_W: u32 = 2;
/// DWARF's and the `g` packet's number of the stack pointer.
const SP: usize = 2;
/// `AT_EXECFN`: the address of the program's name, the last thing on the stack.
const AT_EXECFN: u64 = 31;
/// The kernel's number of a signal is gdb's for all below 10, and for SIGSEGV.
const SIGSEGV: i32 = 11;

/// Lets the guest run until `signal` is about to kill it, and writes its core: `NT_PRSTATUS`, `NT_AUXV`, and the pages
/// of memory that a backtrace needs. It is no core of a kernel's, nor of qemu's.
pub(super) fn write(stub: &mut Stub, exe: &Path, signal: i32, core: &Path) {
    assert_eq!(signal, SIGSEGV, "other signals aren't told apart here");
    let mut stopped = stub.run();
    while let Stopped::Signal(other) = stopped
        && i32::from(other) != signal
    {
        stopped = stub.deliver(other);
    }
    assert_eq!(stopped, Stopped::Signal(signal as u8), "how the guest ends");

    let registers = words(&stub.registers());
    let mut builder =
        CoreBuilder::new().machine(EM_RISCV).note("CORE", note_kind::PRSTATUS, prstatus(&registers, signal));
    let auxv = words(&stub.auxv());
    for pair in auxv.chunks_exact(2).filter(|pair| pair[0] != 0) {
        builder = builder.auxv(pair[0], pair[1]);
    }
    let name = auxv.chunks_exact(2).find(|pair| pair[0] == AT_EXECFN).expect("the program's name");
    let exe = std::fs::read(exe).expect("the executable");
    for (address, segment) in memory(stub, &exe, &registers, name[1]) {
        let segment = match segment {
            Content::Unchanged { size, flags } => Segment::undumped(address, size).flags(flags),
            Content::Dumped { bytes, flags } => Segment::data(address, bytes).flags(flags),
        };
        builder = builder.segment(segment);
    }
    builder.build().write_to(core).expect("writing the core");
}

/// What a segment of the core holds.
enum Content {
    /// Nothing: it is the file's own.
    Unchanged {
        size: u64,
        flags: u32,
    },
    Dumped {
        bytes: Vec<u8>,
        flags: u32,
    },
}

/// The memory that a backtrace needs, by address; the stack reaches up to the page of `top`.
fn memory(stub: &mut Stub, exe: &[u8], registers: &[u64], top: u64) -> BTreeMap<u64, Content> {
    let mut segments = BTreeMap::new();
    for (address, size, flags) in load_segments(exe) {
        let content = match stub.read(address, size as usize).filter(|_| flags & PF_W != 0) {
            Some(bytes) => Content::Dumped { bytes, flags },
            None => Content::Unchanged { size, flags },
        };
        segments.insert(address, content);
    }
    let bottom = registers[SP] & !(PAGE - 1);
    let size = (top + 1).next_multiple_of(PAGE) - bottom;
    let stack = stub.read(bottom, size as usize).expect("the stack");
    // Signal handlers return to a page that belongs to no file; it is found by the address on the stack, and in ra.
    for pointer in registers.iter().copied().chain(words(&stack)) {
        let page = pointer & !(PAGE - 1);
        let known = |(start, content): (&u64, &Content)| page < start + content.size();
        let covered = segments.range(..=page).next_back().is_some_and(known);
        if covered || (bottom..bottom + stack.len() as u64).contains(&page) {
            continue;
        }
        if let Some(bytes) = stub.read(page, PAGE as usize) {
            segments.insert(page, Content::Dumped { bytes, flags: 4 | PF_X });
        }
    }
    segments.insert(bottom, Content::Dumped { bytes: stack, flags: 4 | PF_W });
    segments
}

impl Content {
    fn size(&self) -> u64 {
        match self {
            Content::Unchanged { size, .. } => *size,
            Content::Dumped { bytes, .. } => bytes.len() as u64,
        }
    }
}

/// `struct elf_prstatus` of a 64-bit architecture, its registers as `struct user_regs_struct` of riscv has them
/// (arch/riscv/include/uapi/asm/ptrace.h): pc, then x1 to x31. The `g` packet has x0 to x31, then pc.
fn prstatus(registers: &[u64], signal: i32) -> Vec<u8> {
    let mut note = vec![0; 376];
    note[0..4].copy_from_slice(&signal.to_le_bytes());
    note[12..14].copy_from_slice(&(signal as u16).to_le_bytes());
    note[32..36].copy_from_slice(&1_u32.to_le_bytes()); // pr_pid: the stub doesn't say
    let order = std::iter::once(registers[32]).chain(registers[1..32].iter().copied());
    for (index, value) in order.enumerate() {
        note[112 + 8 * index..][..8].copy_from_slice(&value.to_le_bytes());
    }
    note
}

/// The loadable segments of a 64-bit little-endian executable, by whole pages: address, size, flags.
fn load_segments(exe: &[u8]) -> Vec<(u64, u64, u32)> {
    let u64_at = |at: usize| u64::from_le_bytes(exe[at..at + 8].try_into().expect("8 bytes"));
    let u32_at = |at: usize| u32::from_le_bytes(exe[at..at + 4].try_into().expect("4 bytes"));
    let (table, count) = (u64_at(32) as usize, u16::from_le_bytes([exe[56], exe[57]]));
    let headers = (0..usize::from(count)).map(|index| table + 56 * index);
    let segment = |at: usize| {
        let (address, size) = (u64_at(at + 16), u64_at(at + 40));
        let start = address & !(PAGE - 1);
        (start, (address + size).next_multiple_of(PAGE) - start, u32_at(at + 4))
    };
    headers.filter(|at| u32_at(*at) == PT_LOAD).map(segment).collect()
}

fn words(bytes: &[u8]) -> Vec<u64> {
    bytes.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect()
}
