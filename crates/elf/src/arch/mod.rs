//! Architectures: one file each, and this table of them.

mod branch;
mod x86_64;

use crate::header::{Class, Endian};
use crate::memory::Memory;
use crate::registers::Registers;

pub use branch::{Jump, Target};
pub use x86_64::X86_64;

/// What the rest of epitaph needs to know about an architecture.
pub struct Arch {
    /// Its name as `uname -m` gives it.
    pub name: &'static str,
    /// `e_machine`.
    pub(crate) machine: u16,
    pub(crate) class: Class,
    pub(crate) endian: Endian,
    /// DWARF number of the program counter's column.
    pub pc: u16,
    /// DWARF number of the stack pointer.
    pub sp: u16,
    /// DWARF number of the frame pointer.
    pub fp: u16,
    /// DWARF numbers (a bit each) that a function gives back as it got them, by the ABI.
    pub callee_saved: u64,
    /// Names of the registers, by DWARF number.
    pub register_names: &'static [(u16, &'static str)],
    /// Where `NT_PRSTATUS` keeps the registers.
    pub(crate) prstatus: PrStatus,
    /// Where `NT_PRPSINFO` keeps the process.
    pub(crate) prpsinfo: PrPsInfo,
    /// Recovers the caller of a function that has only just been called: its return address has not been moved.
    pub after_call: fn(&Registers, &dyn Memory) -> Option<Registers>,
    /// Tells whether a call instruction ends at an address, given up to 8 bytes before it.
    pub follows_call: fn(&[u8]) -> bool,
    /// Tells where the call instruction leads that ends at an address, given that address and 8 bytes before it;
    /// `None` where the instruction alone doesn't say.
    pub call_target: fn(u64, &[u8]) -> Option<Target>,
    /// Finds what may be jumps out of a function, given the address of its code and the code. It may find more than
    /// there are: see what they lead to.
    pub jumps: fn(u64, &[u8]) -> Vec<Jump>,
    /// Finds the slot that a stub of a procedure linkage table jumps through, given its address and up to 16 bytes
    /// of it.
    pub stub_slot: fn(u64, &[u8]) -> Option<u64>,
    /// Bytes from the stack pointer to the CFA at a function's first instruction.
    pub sp_to_cfa_at_entry: u8,
    /// The instructions of the C library's signal return (`rt_sigreturn` by its number), as a handler returns to.
    pub sigreturn: &'static [u8],
    /// Recovers the interrupted registers, given those at the signal return's first instruction.
    pub after_sigreturn: fn(&Registers, &dyn Memory) -> Option<Registers>,
}

/// Layout of `struct elf_prstatus` (linux/elfcore.h).
pub(crate) struct PrStatus {
    /// Bytes of the whole note.
    pub(crate) size: usize,
    /// Offset of `pr_cursig` (u16).
    pub(crate) signal: usize,
    /// Offset of `pr_pid` (u32).
    pub(crate) pid: usize,
    /// Offset of `pr_reg`.
    pub(crate) registers: usize,
    /// DWARF number for each word of `pr_reg` that has one: (DWARF number, index).
    pub(crate) order: &'static [(u16, usize)],
    /// Index in `pr_reg` of the thread pointer's base, where there is one.
    pub(crate) tls: Option<usize>,
}

/// Layout of `struct elf_prpsinfo` (linux/elfcore.h).
pub(crate) struct PrPsInfo {
    pub(crate) uid: usize,
    pub(crate) gid: usize,
    pub(crate) pid: usize,
    pub(crate) ppid: usize,
    pub(crate) session: usize,
    /// Offset of `pr_fname`, 16 bytes.
    pub(crate) name: usize,
    /// Offset of `pr_psargs`, 80 bytes.
    pub(crate) args: usize,
}

impl std::fmt::Debug for Arch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Arch {
    fn eq(&self, other: &Arch) -> bool {
        self.name == other.name
    }
}

impl Arch {
    /// Returns the architecture of an ELF header, if it is one of those that are known.
    pub(crate) fn of(machine: u16, class: Class, endian: Endian) -> Option<&'static Arch> {
        [&X86_64]
            .into_iter()
            .find(|arch| arch.machine == machine && arch.class == class && arch.endian == endian)
    }

    /// Bits of an address.
    pub fn bits(&self) -> u8 {
        self.class.word() * 8
    }
}

/// Names an `e_machine` for people, also those that cannot be read.
pub(crate) fn machine_name(machine: u16) -> &'static str {
    goblin::elf::header::machine_to_str(machine)
}
