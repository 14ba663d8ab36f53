//! x86-64. Registers: System V ABI for AMD64, figure 3.36 (DWARF numbers) and 3.2.1 (callee-saved).

use goblin::elf::header::EM_X86_64;

use super::{Arch, PrPsInfo, PrStatus};
use crate::header::{Class, Endian};
use crate::memory::{Memory, read_u64};
use crate::registers::Registers;

const RSP: u16 = 7;
const RIP: u16 = 16;

/// x86-64 with 64-bit addresses (not x32).
pub static X86_64: Arch = Arch {
    name: "x86_64",
    machine: EM_X86_64,
    class: Class::Elf64,
    endian: Endian::Little,
    pc: RIP,
    sp: RSP,
    fp: 6,
    // rbx, rbp, r12 to r15
    callee_saved: 1 << 3 | 1 << 6 | 0xf << 12,
    register_names: &[
        (0, "rax"),
        (3, "rbx"),
        (2, "rcx"),
        (1, "rdx"),
        (4, "rsi"),
        (5, "rdi"),
        (6, "rbp"),
        (7, "rsp"),
        (8, "r8"),
        (9, "r9"),
        (10, "r10"),
        (11, "r11"),
        (12, "r12"),
        (13, "r13"),
        (14, "r14"),
        (15, "r15"),
        (16, "rip"),
    ],
    // `struct user_regs_struct` (linux/arch/x86/include/asm/user_64.h): r15 r14 r13 r12 rbp rbx r11 r10 r9 r8
    // rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss fs_base gs_base ds es fs gs
    prstatus: PrStatus {
        size: 336,
        signal: 12,
        pid: 32,
        registers: 112,
        order: &[
            (15, 0),
            (14, 1),
            (13, 2),
            (12, 3),
            (6, 4),
            (3, 5),
            (11, 6),
            (10, 7),
            (9, 8),
            (8, 9),
            (0, 10),
            (2, 11),
            (1, 12),
            (4, 13),
            (5, 14),
            (16, 16),
            (7, 19),
        ],
        tls: Some(21),
    },
    prpsinfo: PrPsInfo { uid: 16, gid: 20, pid: 24, ppid: 28, name: 40, args: 56 },
    after_call,
    follows_call,
    // mov $15,%rax; syscall
    sigreturn: &[0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05],
    after_sigreturn,
};

/// After a call the return address is at the top of the stack.
fn after_call(registers: &Registers, memory: &dyn Memory) -> Option<Registers> {
    let sp = registers.get(RSP)?;
    let mut caller = *registers;
    caller.retain(X86_64.callee_saved);
    caller.set(RIP, Some(read_u64(memory, sp).ok()?));
    caller.set(RSP, Some(sp.checked_add(8)?));
    Some(caller)
}

/// The handler has popped its return address, so the stack pointer is at the `ucontext` of `struct rt_sigframe`
/// (linux/arch/x86/include/asm/sigframe.h); its `sigcontext` (uapi/asm/sigcontext.h) follows 40 bytes of flags,
/// link and alternate stack.
fn after_sigreturn(registers: &Registers, memory: &dyn Memory) -> Option<Registers> {
    const CONTEXT: u64 = 40;
    // r8 to r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip
    const ORDER: [u16; 17] = [8, 9, 10, 11, 12, 13, 14, 15, 5, 4, 6, 3, 1, 0, 2, RSP, RIP];
    let context = registers.get(RSP)?.checked_add(CONTEXT)?;
    let mut interrupted = Registers::default();
    for (index, number) in (0..).zip(ORDER) {
        interrupted.set(number, Some(read_u64(memory, context.checked_add(8 * index)?).ok()?));
    }
    Some(interrupted)
}

/// Recognises the encodings of `call`: E8 rel32, and FF /2 in each form that it has (Intel SDM volume 2, CALL and
/// table 2-2): register, memory with no, 8-bit or 32-bit displacement, each with or without SIB.
fn follows_call(before: &[u8]) -> bool {
    let at = |back: usize| before.len().checked_sub(back).and_then(|index| before.get(index)).copied();
    if at(5) == Some(0xe8) {
        return true;
    }
    // ModRM of FF /2: reg field 2.
    let indirect = |back: usize| {
        if at(back) != Some(0xff) {
            return None;
        }
        at(back - 1).filter(|modrm| modrm >> 3 & 7 == 2)
    };
    let matches_length = |back: usize, modrm: u8| {
        let (mode, rm) = (modrm >> 6, modrm & 7);
        let sib = usize::from(mode != 3 && rm == 4);
        let base_is_none = mode == 0 && rm == 4 && at(back - 2).is_some_and(|sib| sib & 7 == 5);
        let displacement = match mode {
            0 if rm == 5 || base_is_none => 4,
            1 => 1,
            2 => 4,
            _ => 0,
        };
        back == 2 + sib + displacement
    };
    [2, 3, 4, 6, 7].into_iter().any(|back| indirect(back).is_some_and(|modrm| matches_length(back, modrm)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_recognised() {
        let calls: [&[u8]; 8] = [
            &[0xe8, 1, 2, 3, 4],
            &[0xff, 0xd0],                   // call *%rax
            &[0x41, 0xff, 0xd4],             // call *%r12
            &[0xff, 0x10],                   // call *(%rax)
            &[0xff, 0x50, 0x08],             // call *8(%rax)
            &[0xff, 0x15, 1, 0, 0, 0],       // call *1(%rip)
            &[0xff, 0x54, 0x24, 0x08],       // call *8(%rsp)
            &[0xff, 0x14, 0x25, 1, 2, 3, 4], // call *0x04030201
        ];
        for call in calls {
            let mut padded = vec![0x90; 8 - call.len()];
            padded.extend_from_slice(call);
            assert!(follows_call(&padded), "{call:x?}");
        }
    }

    #[test]
    fn other_instructions_are_not() {
        let others: [&[u8]; 5] = [
            &[],
            &[0xff],
            &[0x90; 8],
            &[0xff, 0xe0], /* jmp *%rax */
            &[0xff, 0x50], /* displacement missing */
        ];
        for other in others {
            assert!(!follows_call(other), "{other:x?}");
        }
    }
}
