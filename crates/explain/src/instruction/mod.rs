//! One machine instruction, decoded: its text, what it would do, and the memory that it reaches with given registers.

mod aarch64;
mod x86;

use std::fmt::Write as _;

use epitaph_elf::{AARCH64, Arch, I386, Memory, Registers, X86_64};
use epitaph_summary::{self as summary, AccessKind, Hex};

/// Where the code that is decoded runs.
#[derive(Clone, Copy)]
pub(crate) struct Machine<'a> {
    /// The architecture.
    pub(crate) arch: &'static Arch,
    /// The registers at the instruction.
    pub(crate) registers: &'a Registers,
    /// The thread pointer, where it is known.
    pub(crate) tls: Option<u64>,
    /// The memory.
    pub(crate) memory: &'a dyn Memory,
}

/// A decoded instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Instruction {
    /// Where it lies.
    pub(crate) address: u64,
    /// Its bytes.
    pub(crate) bytes: Vec<u8>,
    /// Its text.
    pub(crate) text: String,
    /// The registers that it reads and its text names.
    pub(crate) registers: Vec<String>,
    /// What it accesses, in the order of its text; what the text doesn't name comes last.
    pub(crate) operands: Vec<Operand>,
    /// What it does, as far as it matters.
    pub(crate) action: Action,
}

/// What an instruction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// It goes on with the next one.
    Plain,
    /// It goes on at an address that was computed; `None` where that can't be told.
    Jump(Option<u64>),
    /// It returns to that address.
    Return(Option<u64>),
    /// It divides integers, by this divisor.
    Divide(Option<u64>),
    /// It is there to fail: `ud2`, `brk`. What it tells by its operand.
    Trap(Option<u32>),
    /// It may not be used by programs.
    Privileged,
    /// It is none.
    Invalid,
}

/// A place in memory that an instruction accesses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Operand {
    /// Read or write; what is read and written fails as a write.
    pub(crate) kind: AccessKind,
    /// Where; `None` where a register isn't known.
    pub(crate) address: Option<u64>,
    /// Bytes; `None` where the instruction alone doesn't say.
    pub(crate) size: Option<u32>,
    /// The register that the address is counted from.
    pub(crate) base: Option<Held>,
    /// The register that is added to it, and its factor.
    pub(crate) index: Option<(Held, u32)>,
    /// Whether that is the stack pointer.
    pub(crate) on_stack: bool,
    /// Bytes that the address must be a multiple of, where it must.
    pub(crate) alignment: u32,
}

/// A register and what it held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// Its name.
    pub(crate) register: String,
    /// Its value, where it is known.
    pub(crate) value: Option<u64>,
}

impl Operand {
    /// Bytes from the base register to the address, as a signed number.
    pub(crate) fn offset(&self) -> Option<i64> {
        let base = self.base.as_ref().map_or(Some(0), |base| base.value)?;
        Some(self.address?.wrapping_sub(base) as i64)
    }

    /// Tells whether the access should have been aligned, and isn't.
    pub(crate) fn is_misaligned(&self) -> bool {
        let alignment = u64::from(self.alignment);
        alignment > 1 && self.address.is_some_and(|address| !address.is_multiple_of(alignment))
    }

    /// Tells whether the access reaches an address. One of unknown size reaches as far as a page.
    pub(crate) fn reaches(&self, address: u64) -> bool {
        const UNKNOWN: u64 = 4096;
        let size = self.size.map_or(UNKNOWN, u64::from).max(1);
        self.address.and_then(|start| address.checked_sub(start)).is_some_and(|within| within < size)
    }
}

impl Instruction {
    /// Decodes the instruction at the program counter; `None` where its bytes aren't known, or nobody has written how.
    pub(crate) fn decode(machine: Machine<'_>) -> Option<Instruction> {
        let arch = machine.arch;
        let pc = machine.registers.get(arch.pc)?;
        let decode = match arch {
            arch if *arch == X86_64 || *arch == I386 => x86::decode,
            arch if *arch == AARCH64 => aarch64::decode,
            _ => return None,
        };
        let bytes = code(machine.memory, pc)?;
        decode(machine, pc, &bytes)
    }

    /// Returns it as the summary has it.
    pub(crate) fn described(&self) -> summary::Instruction {
        let mut bytes = String::new();
        for byte in &self.bytes {
            // Writing to a String doesn't fail.
            let _ = write!(bytes, "{byte:02x}");
        }
        summary::Instruction {
            address: Some(Hex(self.address)),
            bytes: Some(bytes),
            text: Some(self.text.clone()),
            registers: self.registers.clone(),
        }
    }
}

/// Reads the bytes of the instruction at an address, and maybe some of the next one: up to the longest (x86: 15 bytes), or
/// as many as there are where code or what is known of it ends.
fn code(memory: &dyn Memory, pc: u64) -> Option<Vec<u8>> {
    const LONGEST: usize = 15;
    (1..=LONGEST).rev().find_map(|len| epitaph_elf::read_vec(memory, pc, len).ok())
}

#[cfg(test)]
pub(crate) mod tests {
    use epitaph_elf::MemoryError;

    use super::*;

    /// Memory of a few pieces.
    pub(crate) struct Pieces(pub(crate) Vec<(u64, Vec<u8>)>);

    impl Memory for Pieces {
        fn read(&self, address: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
            for (start, bytes) in &self.0 {
                let Some(within) = address.checked_sub(*start) else { continue };
                let piece = bytes.get(within as usize..).and_then(|rest| rest.get(..buf.len()));
                if let Some(piece) = piece {
                    buf.copy_from_slice(piece);
                    return Ok(());
                }
            }
            Err(MemoryError::Unmapped { address })
        }

        fn is_executable(&self, _: u64) -> bool {
            true
        }
    }

    /// Decodes code with registers given by their names.
    pub(crate) fn decoded(arch: &'static Arch, code: &[u8], named: &[(&str, u64)]) -> Instruction {
        const PC: u64 = 0x40_1000;
        let mut registers = Registers::default();
        registers.set(arch.pc, Some(PC));
        for (name, value) in named {
            let (number, _) = arch.register_names.iter().find(|(_, known)| known == name).unwrap();
            registers.set(*number, Some(*value));
        }
        let memory = Pieces(vec![(PC, code.iter().copied().chain([0x90; 16]).collect())]);
        let machine = Machine { arch, registers: &registers, tls: Some(0x7f00_0000), memory: &memory };
        Instruction::decode(machine).unwrap()
    }
}
