//! Ways on where there is no CFI.

use epitaph_elf::{Arch, Memory, Registers};

/// Most bytes that a frame found by its frame pointer may take.
const LARGEST_FRAME: u64 = 64 << 20;
/// Bytes before a return address that hold the longest call instruction.
pub(crate) const LONGEST_CALL: usize = 8;

/// Takes the return address off the top of the stack, after a call that led to no code (NULL, a wild pointer) or
/// in a stub that has pushed nothing. Only if it looks like one: in code, right after a call.
pub(crate) fn after_call(arch: &Arch, registers: &Registers, memory: &dyn Memory) -> Option<Registers> {
    let caller = (arch.after_call)(registers, memory)?;
    is_return_address(arch, caller.get(arch.pc)?, memory).then_some(caller)
}

/// Follows the frame pointer. Only if it may be one, and leads to a return address.
pub(crate) fn frame_pointer(arch: &Arch, registers: &Registers, memory: &dyn Memory) -> Option<Registers> {
    let (fp, sp) = (registers.get(arch.fp)?, registers.get(arch.sp)?);
    let frame = fp.checked_sub(sp)?;
    if !fp.is_multiple_of(u64::from(arch.bits() / 8)) || frame > LARGEST_FRAME {
        return None;
    }
    let caller = (arch.after_frame)(registers, memory)?;
    is_return_address(arch, caller.get(arch.pc)?, memory).then_some(caller)
}

/// Tells whether the frame pointer says that this is a stack's first frame: where every frame leads to its caller's,
/// the first one leads to 0.
pub(crate) fn is_first(arch: &Arch, registers: &Registers, memory: &dyn Memory) -> bool {
    (arch.after_frame)(registers, memory).is_some_and(|caller| caller.get(arch.sp) == Some(0))
}

/// Tells whether `address` is in code, right after a call instruction (or in code whose bytes can't be read), or is
/// what a signal handler returns to.
pub(crate) fn is_return_address(arch: &Arch, address: u64, memory: &dyn Memory) -> bool {
    let Some(start) = address.checked_sub(LONGEST_CALL as u64) else { return false };
    let mut before = [0; LONGEST_CALL];
    memory.is_executable(address)
        && (memory.read(start, &mut before).is_err()
            || (arch.follows_call)(&before)
            || arch.signal_return(address, memory).is_some())
}

/// Tells whether a return led to `pc`: it was just taken off the stack.
pub(crate) fn returned_to(arch: &Arch, registers: &Registers, pc: u64, memory: &dyn Memory) -> bool {
    let below = registers.get(arch.sp).and_then(|sp| sp.checked_sub(u64::from(arch.bits() / 8)));
    arch.link.is_none() && below.and_then(|below| arch.read_word(memory, below).ok()) == Some(pc)
}
