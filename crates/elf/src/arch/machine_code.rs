//! What machine code says of its frame: enough to leave it where no other information is.

use super::Arch;
use crate::memory::{Memory, MemoryError};
use crate::registers::Registers;

/// Bytes of code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodePiece {
    /// Address of the first one.
    pub start: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Where a value is, by the registers of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It is a register's value and so much more.
    Sum {
        /// DWARF number.
        register: u16,
        /// Bytes that are added.
        offset: i64,
    },
    /// It is the word in memory at a register's value and so much more, and to that word so much is added.
    Word {
        /// DWARF number.
        register: u16,
        /// Bytes from the register's value to the word.
        offset: i64,
        /// Bytes that are added to the word.
        addend: i64,
    },
}

impl Place {
    /// Returns the value; none where the register isn't known.
    ///
    /// # Errors
    ///
    /// Why the word can't be read.
    pub fn value(
        self,
        arch: &Arch,
        registers: &Registers,
        memory: &dyn Memory,
    ) -> Result<Option<u64>, MemoryError> {
        let (Place::Sum { register, offset } | Place::Word { register, offset, .. }) = self;
        let Some(base) = registers.get(register) else { return Ok(None) };
        let sum = arch.wrap(base.wrapping_add_signed(offset));
        match self {
            Place::Sum { .. } => Ok(Some(sum)),
            Place::Word { addend, .. } => {
                Ok(Some(arch.wrap(arch.read_word(memory, sum)?.wrapping_add_signed(addend))))
            }
        }
    }
}

/// How to leave a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameRule {
    /// The canonical frame address. The return address is the word below it.
    pub cfa: Place,
    /// Where the registers are (by DWARF number) that a function gives back as it got them. One that isn't here is
    /// not known.
    pub saved: Vec<(u16, Place)>,
}

/// What the code from a function's first instruction on says of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromEntry {
    /// It has a caller.
    Rule(FrameRule),
    /// It is the thread's first one: its code has cleared the frame pointer without keeping the caller's, as the ABI
    /// asks of that one (System V ABI for AMD64, 3.4.1).
    First,
}

/// What can be read out of an architecture's machine code. Both follow the code as it may run, branch by branch.
#[derive(Debug)]
pub struct MachineCode {
    /// Works out the frame at an instruction from those that lead there from the function's entry, the first byte of
    /// the first piece. An address within an instruction (a call, before a return address) means the state after it.
    /// `None` where the code doesn't lead there, or leaves open what the frame is like.
    pub from_entry: fn(&[CodePiece], u64) -> Option<FromEntry>,
    /// Works out the frame at an instruction from those that lead on to the function's return, the likeliest way first.
    pub to_return: fn(&[CodePiece], u64) -> Vec<FrameRule>,
}
