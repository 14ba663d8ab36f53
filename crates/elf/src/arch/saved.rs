//! Registers that were saved to memory: by a function, a call or the kernel.

use super::{Arch, NONE};
use crate::memory::Memory;
use crate::registers::Registers;

/// Consecutive words of memory that hold registers.
pub(super) struct Saved<'a> {
    /// Address of the first.
    pub(super) address: u64,
    /// DWARF number of each; [`NONE`] passes one over.
    pub(super) order: &'a [u16],
}

/// Reads registers that the kernel saved when it delivered a signal; all others are unknown. `None` if one can't be
/// read.
pub(super) fn restore(
    arch: &Arch,
    registers: &Registers,
    memory: &dyn Memory,
    saved: &[Saved<'_>],
) -> Option<Registers> {
    let word = u64::from(arch.class.word());
    let mut restored = *registers;
    restored.retain(0);
    for part in saved {
        for (index, number) in (0..).zip(part.order).filter(|(_, number)| **number != NONE) {
            let address = part.address.checked_add(word * index)?;
            restored.set(*number, Some(arch.read_word(memory, address).ok()?));
        }
    }
    Some(restored)
}

/// The caller of a function that has only just been called, where a call pushes its return address.
pub(super) fn return_address_on_stack(
    arch: &Arch,
    registers: &Registers,
    memory: &dyn Memory,
) -> Option<Registers> {
    let sp = registers.get(arch.sp)?;
    let mut caller = *registers;
    caller.retain(arch.callee_saved);
    caller.set(arch.pc, Some(registers.code_address(arch.read_word(memory, sp).ok()?)));
    caller.set(arch.sp, Some(sp.checked_add(arch.class.word().into())?));
    Some(caller)
}

/// The caller of a function that has only just been called, where a call leaves its return address in a register.
pub(super) fn link_register(arch: &Arch, registers: &Registers) -> Option<Registers> {
    let return_address = registers.get(arch.link?)?;
    let mut caller = *registers;
    caller.retain(arch.callee_saved);
    caller.set(arch.pc, Some(registers.code_address(return_address)));
    caller.set(arch.sp, registers.get(arch.sp));
    Some(caller)
}

/// The caller of a function that keeps a frame record, two words where the frame pointer points (and `below` bytes
/// beneath that): the caller's frame pointer, and the return address. The caller's stack pointer is `to_sp` bytes
/// above the frame pointer, or further up.
pub(super) fn frame_record(
    arch: &Arch,
    below: u64,
    to_sp: u64,
    registers: &Registers,
    memory: &dyn Memory,
) -> Option<Registers> {
    let fp = registers.get(arch.fp)?;
    let record = fp.checked_sub(below)?;
    let return_address = arch.read_word(memory, record.checked_add(arch.class.word().into())?).ok()?;
    let mut caller = *registers;
    // What else the function saved, and where, nobody knows.
    caller.retain(0);
    caller.set(arch.fp, arch.read_word(memory, record).ok());
    caller.set(arch.sp, fp.checked_add(to_sp));
    caller.set(arch.pc, Some(registers.code_address(return_address)));
    Some(caller)
}
