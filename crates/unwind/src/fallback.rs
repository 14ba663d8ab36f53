//! Ways on where there is no CFI.

use epitaph_elf::{Arch, Memory, Registers, read_u64};

/// Most bytes that a frame found by its frame pointer may take.
const LARGEST_FRAME: u64 = 64 << 20;
/// Bytes before a return address that hold the longest call instruction.
const LONGEST_CALL: usize = 8;

/// Takes the return address off the top of the stack, after a call that led to no code (NULL, a wild pointer) or
/// in a stub that has pushed nothing. Only if it looks like one: in code, right after a call.
pub(crate) fn after_call(arch: &Arch, registers: &Registers, memory: &dyn Memory) -> Option<Registers> {
    let caller = (arch.after_call)(registers, memory)?;
    is_return_address(arch, caller.get(arch.pc)?, memory).then_some(caller)
}

/// Follows the frame pointer: the caller's frame pointer and the return address lie where it points.
pub(crate) fn frame_pointer(arch: &Arch, registers: &Registers, memory: &dyn Memory) -> Option<Registers> {
    let (fp, sp) = (registers.get(arch.fp)?, registers.get(arch.sp)?);
    let word = u64::from(arch.bits() / 8);
    let frame = fp.checked_sub(sp)?;
    if !fp.is_multiple_of(word) || frame > LARGEST_FRAME {
        return None;
    }
    let return_address = read_u64(memory, fp.checked_add(word)?).ok()?;
    if !is_return_address(arch, return_address, memory) {
        return None;
    }
    let mut caller = *registers;
    // What else the function saved, and where, nobody knows.
    caller.retain(0);
    caller.set(arch.fp, read_u64(memory, fp).ok());
    caller.set(arch.sp, fp.checked_add(2 * word));
    caller.set(arch.pc, Some(return_address));
    Some(caller)
}

/// Recognises the C library's signal return by its instructions: static musl and Go have no CFI (or a wrong one)
/// for it, and the kernel looks for nothing else.
pub(crate) fn is_sigreturn(arch: &Arch, pc: u64, memory: &dyn Memory) -> bool {
    let mut bytes = [0; 16];
    let Some(bytes) = bytes.get_mut(..arch.sigreturn.len()) else { return false };
    memory.read(pc, bytes).is_ok() && bytes == arch.sigreturn
}

/// Tells whether `address` is in code, right after a call instruction (or in code whose bytes can't be read).
fn is_return_address(arch: &Arch, address: u64, memory: &dyn Memory) -> bool {
    let Some(start) = address.checked_sub(LONGEST_CALL as u64) else { return false };
    let mut before = [0; LONGEST_CALL];
    memory.is_executable(address)
        && (memory.read(start, &mut before).is_err() || (arch.follows_call)(&before))
}
