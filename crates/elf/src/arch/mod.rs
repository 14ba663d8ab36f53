//! Architectures: one file each, and this table of them.

mod aarch64;
mod arm;
mod branch;
mod i386;
mod machine;
mod machine_code;
mod ppc64le;
mod riscv64;
mod s390x;
mod saved;
mod signal_record;
mod store;
mod x86_64;

use crate::header::{Class, Endian};
use crate::memory::{Memory, MemoryError};
use crate::process::Thread;
use crate::registers::Registers;
use crate::system_call::CallAbi;

pub use aarch64::AARCH64;
pub use arm::ARM;
pub use branch::{Jump, Target};
pub use i386::I386;
pub(crate) use machine::machine_name;
pub use machine_code::{CodePiece, FrameRule, FromEntry, MachineCode, Place};
pub use ppc64le::PPC64LE;
pub use riscv64::RISCV64;
pub use s390x::S390X;
pub use signal_record::{FaultKind, RecordedFault, SignalRecord};
pub use store::RegisterStore;
pub use x86_64::X86_64;

/// What the rest of epitaph needs to know about an architecture.
pub struct Arch {
    /// Its name as `uname -m` gives it.
    pub name: &'static str,
    /// `e_machine`.
    pub(crate) machine: u16,
    pub(crate) class: Class,
    pub(crate) endian: Endian,
    /// Where [`Registers`] keep the program counter: its DWARF number, or one that CFI leaves free.
    pub pc: u16,
    /// DWARF number of the stack pointer.
    pub sp: u16,
    /// DWARF number of the frame pointer.
    pub fp: u16,
    /// DWARF number of the register that a call leaves its return address in; `None` where it pushes it.
    pub link: Option<u16>,
    /// Whether functions return through that register, so that after a call it holds where the call came back to.
    pub returns_by_link: bool,
    /// DWARF numbers (a bit each, all below 64) that a function gives back as it got them, by the ABI.
    pub callee_saved: u64,
    /// DWARF number of the register in which Go keeps what it runs (the pointer to its `g`); `None` where there is none,
    /// or addresses have 32 bits, whose Go programs have other records.
    pub goroutine: Option<u16>,
    /// The bits that an address of code may have: others in a return address are no part of the address.
    pub(crate) code_mask: u64,
    /// Names of the registers, by DWARF number.
    pub register_names: &'static [(u16, &'static str)],
    /// Where `NT_PRSTATUS` keeps the registers.
    pub(crate) prstatus: PrStatus,
    /// How the kernel is called.
    pub(crate) calls: CallAbi,
    /// Takes what a thread's other notes say, given type and descriptor.
    pub(crate) more_registers: fn(u32, &[u8], &mut Thread),
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
    /// Finds instructions that store a register on the stack, given a function's first bytes. It may find more than
    /// there are.
    pub register_stores: fn(&[u8]) -> Vec<RegisterStore>,
    /// Follows the frame pointer to the caller, where the function keeps one (which nobody knows): its frame pointer,
    /// stack pointer and return address, and no other register.
    pub after_frame: fn(&Registers, &dyn Memory) -> Option<Registers>,
    /// Bytes from the stack pointer to the CFA at a function's first instruction.
    pub sp_to_cfa_at_entry: u8,
    /// Bytes from the caller's stack pointer to the CFA, where no rule says anything else.
    pub caller_sp_to_cfa: u8,
    /// What signal handlers return to.
    pub signal_returns: &'static [SignalReturn],
    /// Reads frames out of machine code; `None` where nobody has written how.
    pub machine_code: Option<MachineCode>,
}

/// In a list of DWARF numbers, a register that has none or isn't needed.
pub(crate) const NONE: u16 = u16::MAX;

/// The code that a signal handler returns to: a system call that the kernel answers by restoring the registers.
#[derive(Debug)]
pub struct SignalReturn {
    /// Its instructions.
    pub code: &'static [u8],
    /// Recovers the interrupted registers, given those at its first instruction.
    pub interrupted: fn(&Registers, &dyn Memory) -> Option<Registers>,
    /// Reads what the kernel noted of the signal, given the same registers; nothing where nobody has written how.
    pub record: fn(&Registers, &dyn Memory) -> Option<SignalRecord>,
}

/// Layout of `struct elf_prstatus` (linux/elfcore.h), as far as architectures of one class differ.
pub(crate) struct PrStatus {
    /// Bytes of the whole note.
    pub(crate) size: usize,
    /// DWARF number of each word of `pr_reg`, [`NONE`] for those that have none or aren't needed.
    pub(crate) order: &'static [u16],
    /// Index in `pr_reg` of the thread pointer's base, where there is one.
    pub(crate) tls: Option<usize>,
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
        [&X86_64, &AARCH64, &I386, &ARM, &RISCV64, &PPC64LE, &S390X]
            .into_iter()
            .find(|arch| arch.machine == machine && arch.class == class && arch.endian == endian)
    }

    /// Returns the architecture that this program was built for, if it is one of those that are known.
    pub fn of_this_program() -> Option<&'static Arch> {
        [&X86_64, &AARCH64, &RISCV64, &S390X].into_iter().find(|arch| arch.name == std::env::consts::ARCH)
    }

    /// Returns the architecture that an `AUDIT_ARCH_…` value (linux/include/uapi/linux/audit.h) names: its ELF machine, with
    /// flags for 64 bits and for little-endian.
    pub fn audited(audit: u32) -> Option<&'static Arch> {
        const BITS_64: u32 = 1 << 31;
        const LITTLE: u32 = 1 << 30;
        let class = if audit & BITS_64 == 0 { Class::Elf32 } else { Class::Elf64 };
        let endian = if audit & LITTLE == 0 { Endian::Big } else { Endian::Little };
        Arch::of(u16::try_from(audit & !(BITS_64 | LITTLE)).ok()?, class, endian)
    }

    /// DWARF number of the register of a system call's first argument.
    pub(crate) fn first_argument(&self) -> u16 {
        let [first, ..] = self.calls.arguments;
        first
    }

    /// Recognises the C library's signal return by its instructions: static musl and Go have no CFI (or a wrong one)
    /// for it, and the kernel looks for nothing else.
    pub fn signal_return(&self, pc: u64, memory: &dyn Memory) -> Option<&'static SignalReturn> {
        /// Bytes of the longest one.
        const LONGEST: usize = 16;
        let mut longest = [0; LONGEST];
        self.signal_returns.iter().find(|candidate| {
            let bytes = longest.get_mut(..candidate.code.len()).unwrap_or_default();
            memory.read(pc, bytes).is_ok() && bytes == candidate.code
        })
    }

    /// Tells whether the instruction before an address is a breakpoint after which the program counter stands: x86's `int3`
    /// (0xcc), or `int $3` in its long form (0xcd 0x03).
    pub fn follows_breakpoint(&self, pc: u64, memory: &dyn Memory) -> bool {
        let is_x86 = *self == X86_64 || *self == I386;
        let (mut short, mut long) = ([0; 1], [0; 2]);
        let read =
            |back, into: &mut [u8]| pc.checked_sub(back).is_some_and(|at| memory.read(at, into).is_ok());
        is_x86 && ((read(1, &mut short) && short == [0xcc]) || (read(2, &mut long) && long == [0xcd, 0x03]))
    }

    /// Bits of an address.
    pub fn bits(&self) -> u8 {
        self.class.word() * 8
    }

    /// Byte order.
    pub fn endian(&self) -> Endian {
        self.endian
    }

    /// Wraps a sum around the end of the address space.
    #[inline]
    pub fn wrap(&self, address: u64) -> u64 {
        self.class.wrap(address)
    }

    /// Takes a word as wide as an address for a number with a sign.
    pub(crate) fn signed(&self, word: u64) -> i64 {
        match self.class {
            Class::Elf32 => i64::from(word as u32 as i32),
            Class::Elf64 => word as i64,
        }
    }

    /// Reads a word as wide as an address.
    ///
    /// # Errors
    ///
    /// As [`Memory::read`].
    #[inline]
    pub fn read_word(&self, memory: &dyn Memory, address: u64) -> Result<u64, MemoryError> {
        self.read_number(memory, address, self.class.word())
    }

    /// Returns the word at an offset of bytes that were read from memory.
    pub fn word_in(&self, bytes: &[u8], offset: usize) -> Option<u64> {
        self.endian.word_at(self.class, bytes, offset)
    }

    /// Reads a number of up to 8 bytes; of a `size` beyond that, the first 8.
    ///
    /// # Errors
    ///
    /// As [`Memory::read`].
    #[inline]
    pub fn read_number(&self, memory: &dyn Memory, address: u64, size: u8) -> Result<u64, MemoryError> {
        let size = usize::from(size).min(8);
        let mut bytes = [0; 8];
        let part = match self.endian {
            Endian::Little => bytes.get_mut(..size),
            Endian::Big => bytes.get_mut(8 - size..),
        };
        memory.read(address, part.unwrap_or_default())?;
        Ok(match self.endian {
            Endian::Little => u64::from_le_bytes(bytes),
            Endian::Big => u64::from_be_bytes(bytes),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audits_names_of_architectures_are_known() {
        for (audit, arch) in
            [(0xc000_003e, "x86_64"), (0x4000_0003, "i386"), (0xc000_00b7, "aarch64"), (0x8000_0016, "s390x")]
        {
            assert_eq!(Arch::audited(audit).map(|arch| arch.name), Some(arch), "{audit:#x}");
        }
        assert!(Arch::audited(0x3e).is_none() && Arch::audited(u32::MAX).is_none());
    }
}
