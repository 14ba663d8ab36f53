//! Ways on where there is no CFI.

use epitaph_elf::{Arch, Memory, Registers, SignalReturn};

/// Most bytes that a frame found by its frame pointer may take.
const LARGEST_FRAME: u64 = 64 << 20;
/// Bytes before a return address that hold the longest call instruction.
const LONGEST_CALL: usize = 8;
/// Bytes of the longest signal return.
const LONGEST_SIGNAL_RETURN: usize = 16;

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

/// Recognises the C library's signal return by its instructions: static musl and Go have no CFI (or a wrong one)
/// for it, and the kernel looks for nothing else.
pub(crate) fn signal_return(arch: &Arch, pc: u64, memory: &dyn Memory) -> Option<&'static SignalReturn> {
    let mut longest = [0; LONGEST_SIGNAL_RETURN];
    arch.signal_returns.iter().find(|candidate| {
        let bytes = longest.get_mut(..candidate.code.len()).unwrap_or_default();
        memory.read(pc, bytes).is_ok() && bytes == candidate.code
    })
}

/// Tells whether `address` is in code, right after a call instruction (or in code whose bytes can't be read).
pub(crate) fn is_return_address(arch: &Arch, address: u64, memory: &dyn Memory) -> bool {
    let Some(start) = address.checked_sub(LONGEST_CALL as u64) else { return false };
    let mut before = [0; LONGEST_CALL];
    memory.is_executable(address)
        && (memory.read(start, &mut before).is_err() || (arch.follows_call)(&before))
}
