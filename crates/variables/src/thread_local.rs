//! Variables of which each thread has its own: where a thread's copy is (ELF Handling For Thread-Local Storage, 3.4;
//! glibc `csu/libc-tls.c`, musl `src/env/__init_tls.c`).

use epitaph_elf::{AARCH64, ARM, I386, PPC64LE, RISCV64, S390X, ThreadLocal, X86_64};

use crate::context::Context;

/// Returns the address of the variable at an offset of its module's block, for the program itself: its block stands at a
/// known distance from the thread pointer. A library's block may be anywhere, and is not looked for.
pub(crate) fn address(context: &Context<'_, '_>, offset: u64) -> Option<u64> {
    let world = context.world;
    let thread_pointer = context.thread_pointer.filter(|pointer| *pointer != 0)?;
    let module = world.modules.find(context.frame()?.lookup)?;
    if !world.modules.modules().get(module)?.module.main {
        return None;
    }
    let object = world.modules.object(module).or_else(|| world.modules.debug_object(module))?;
    let start = block(world.arch, thread_pointer, object.thread_local()?)?;
    Some(start.wrapping_add(offset))
}

/// Finds the block of the program's own variables.
fn block(arch: &epitaph_elf::Arch, thread_pointer: u64, block: ThreadLocal) -> Option<u64> {
    let alignment = block.alignment;
    // Variant II: right below the thread pointer, as far as its alignment allows.
    if *arch == X86_64 || *arch == I386 || *arch == S390X {
        let padded = block.size.checked_add(alignment - 1)? / alignment * alignment;
        return thread_pointer.checked_sub(padded);
    }
    // Variant I: above it, after what the C library keeps there.
    let head = if *arch == AARCH64 {
        16_u64
    } else if *arch == ARM {
        8
    } else if *arch == RISCV64 || *arch == PPC64LE {
        0
    } else {
        return None;
    };
    // PowerPC's thread pointer stands 0x7000 beyond the start.
    let base = if *arch == PPC64LE { thread_pointer.checked_sub(0x7000)? } else { thread_pointer };
    base.checked_add(head.checked_add(alignment - 1)? / alignment * alignment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_stands_at_a_known_distance() {
        let of = |size, alignment| ThreadLocal { address: 0x1000, size, alignment };
        assert_eq!(block(&X86_64, 0x7000, of(4, 4)), Some(0x6ffc));
        assert_eq!(block(&X86_64, 0x7000, of(0x11, 16)), Some(0x6fe0));
        assert_eq!(block(&AARCH64, 0x7000, of(4, 4)), Some(0x7010));
        assert_eq!(block(&AARCH64, 0x7000, of(4, 64)), Some(0x7040));
        assert_eq!(block(&X86_64, 0x10, of(u64::MAX, 1)), None);
    }
}
