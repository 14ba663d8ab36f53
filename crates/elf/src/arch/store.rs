//! What a function saves on its stack.

/// An instruction that stores a register at an offset from the stack pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegisterStore {
    /// DWARF number of the register.
    pub register: u16,
    /// Bytes from the stack pointer behind the instruction to what was stored.
    pub offset: i64,
    /// Offset of the first byte behind the instruction.
    pub end: u64,
}
