//! Cores of a guest that stands still, from what qemu's gdb stub says of it: qemu itself writes none of riscv64
//! programs, and none of a program that hasn't died.
//!
//! They are no kernel's and not qemu's: `NT_PRSTATUS` and `NT_AUXV`, and those pages of memory that a backtrace needs.

use std::collections::BTreeMap;
use std::path::Path;

use super::stub::Stub;
use crate::core::machine::Machine;
use crate::core::{Class, CoreBuilder, CoreImage, Segment, Thread};

const PAGE: u64 = 4096;
const PT_LOAD: u32 = 1;
const PF_X: u32 = 1;
const PF_W: u32 = 2;
/// `AT_EXECFN`: the address of the program's name, the last thing on the stack.
const AT_EXECFN: u64 = 31;

/// Takes the core of a guest that runs `exe` on a little-endian machine, as if `signal` were about to end it.
pub(super) fn core(stub: &mut Stub, machine: Machine, exe: &Path, signal: u16) -> CoreImage {
    let registers = registers(stub, &machine);
    let mut thread = Thread::new(1).signal(signal); // the stub doesn't say which thread it is
    for (name, value) in &registers {
        thread = thread.register(name, *value);
    }
    let mut builder = CoreBuilder::new().machine(machine).thread(thread);
    let auxv = words(&stub.auxv(), machine.class);
    for pair in auxv.chunks_exact(2).filter(|pair| pair[0] != 0) {
        builder = builder.auxv(pair[0], pair[1]);
    }
    let name = auxv.chunks_exact(2).find(|pair| pair[0] == AT_EXECFN).expect("the program's name");
    let exe = std::fs::read(exe).expect("the executable");
    for (address, segment) in memory(stub, &exe, machine.class, &registers, name[1]) {
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
    let values = words(&stub.registers(), machine.class);
    // The packet's order is that of gdb's target descriptions: aarch64-core.xml, arm-core.xml,
    // riscv-64bit-cpu.xml.
    let names: Vec<&str> = match machine.name {
        "arm" => machine.registers.iter().take(16).copied().collect(),
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
fn memory(
    stub: &mut Stub,
    exe: &[u8],
    class: Class,
    registers: &BTreeMap<&str, u64>,
    top: u64,
) -> BTreeMap<u64, Content> {
    let mut segments = BTreeMap::new();
    for (address, size, flags) in load_segments(exe, class) {
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
    for pointer in registers.values().copied().chain(words(&stack, class)) {
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

/// The loadable segments of a little-endian executable, by whole pages: address, size, flags.
fn load_segments(exe: &[u8], class: Class) -> Vec<(u64, u64, u32)> {
    // Offsets in `Elf64_Ehdr` and `Elf64_Phdr`, or `Elf32_Ehdr` and `Elf32_Phdr` (elf.h).
    let (word, [table, count, entry], [at_address, at_size, at_flags]) = match class {
        Class::Elf64 => (8, [32, 56, 56], [16, 40, 4]),
        Class::Elf32 => (4, [28, 44, 32], [8, 20, 24]),
    };
    let word_at = |at: usize| words(&exe[at..at + word], class)[0];
    let u32_at = |at: usize| u32::from_le_bytes(exe[at..at + 4].try_into().expect("4 bytes"));
    let count = u16::from_le_bytes([exe[count], exe[count + 1]]);
    let table = word_at(table) as usize;
    let headers = (0..usize::from(count)).map(|index| table + entry * index);
    let segment = |at: usize| {
        let (address, size) = (word_at(at + at_address), word_at(at + at_size));
        let start = address & !(PAGE - 1);
        (start, (address + size).next_multiple_of(PAGE) - start, u32_at(at + at_flags))
    };
    headers.filter(|at| u32_at(*at) == PT_LOAD).map(segment).collect()
}

fn words(bytes: &[u8], class: Class) -> Vec<u64> {
    match class {
        Class::Elf64 => bytes.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect(),
        Class::Elf32 => bytes.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word).into()).collect(),
    }
}
