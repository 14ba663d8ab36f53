//! x86-64. Registers: System V ABI for AMD64, figure 3.36 (DWARF numbers) and 3.2.1 (callee-saved).

mod branch;

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
    prpsinfo: PrPsInfo { uid: 16, gid: 20, pid: 24, ppid: 28, session: 36, name: 40, args: 56 },
    after_call,
    follows_call: branch::follows_call,
    call_target: branch::call_target,
    jumps: branch::jumps,
    stub_slot: branch::stub_slot,
    // the return address
    sp_to_cfa_at_entry: 8,
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
