//! Cores of a guest that stands still, from what qemu's gdb stub says of it: qemu itself writes none of riscv64
//! programs, and none of a program that hasn't died.
//!
//! They are no kernel's and not qemu's: `NT_PRSTATUS` and `NT_AUXV`, and those pages of memory that a backtrace needs.

use std::collections::BTreeMap;
use std::path::Path;

use super::stub::Stub;
use crate::core::machine::Machine;
use crate::core::{CoreBuilder, CoreImage, Segment, Thread};

const PAGE: u64 = 4096;
const PT_LOAD: u32 = 1;
const PF_X: u32 = 1;
const PF_W: u32 = 2;
/// `AT_EXECFN`: the address of the program's name, the last thing on the stack.
const AT_EXECFN: u64 = 31;

/// Takes the core of a guest that runs `exe` on a 64-bit little-endian machine, as if `signal` were about to end it.
pub(super) fn core(stub: &mut Stub, machine: Machine, exe: &Path, signal: u16) -> CoreImage {
    let registers = registers(stub, &machine);
    let mut thread = Thread::new(1).signal(signal); // the stub doesn't say which thread it is
    for (name, value) in &registers {
        thread = thread.register(name, *value);
    }
    let mut builder = CoreBuilder::new().machine(machine).thread(thread);
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
    builder.build()
}

/// The general registers, by gdb's names.
fn registers(stub: &mut Stub, machine: &Machine) -> BTreeMap<&'static str, u64> {
    let values = words(&stub.registers());
    // The packet's order is that of gdb's target descriptions: aarch64-core.xml, riscv-64bit-cpu.xml.
    let names: Vec<&str> = match machine.name {
        "aarch64" => machine.registers.iter().take(33).copied().collect(),
        "riscv64" => {
            let general = machine.registers.iter().skip(1).copied();
            std::iter::once("zero").chain(general).chain(["pc"]).collect()
        }
        other => panic!("the order of {other}'s registers isn't known here"),
    };
    assert!(values.len() >= names.len(), "{} registers", values.len());
    names.into_iter().zip(values).filter(|(name, _)| *name != "zero").collect()
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
fn memory(stub: &mut Stub, exe: &[u8], registers: &BTreeMap<&str, u64>, top: u64) -> BTreeMap<u64, Content> {
    let mut segments = BTreeMap::new();
    for (address, size, flags) in load_segments(exe) {
        let content = match stub.read(address, size as usize).filter(|_| flags & PF_W != 0) {
            Some(bytes) => Content::Dumped { bytes, flags },
            None => Content::Unchanged { size, flags },
        };
        segments.insert(address, content);
    }
    let bottom = registers["sp"] & !(PAGE - 1);
    let size = (top + 1).next_multiple_of(PAGE) - bottom;
    let stack = stub.read(bottom, size as usize).expect("the stack");
    // Signal handlers return to a page that belongs to no file; it is found by the address on the stack, and in the register that a call leaves its return address in.
    for pointer in registers.values().copied().chain(words(&stack)) {
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
