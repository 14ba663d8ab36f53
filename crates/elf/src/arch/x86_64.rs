//! x86-64. Registers: System V ABI for AMD64, figure 3.36 (DWARF numbers) and 3.2.1 (callee-saved).

mod branch;
mod entry;
mod exit;
#[cfg(test)]
mod frame_tests;
mod listing;
mod signal;
mod state;
mod store;

pub(super) use branch::follows_call;
pub(super) use signal::exception;

use goblin::elf::header::EM_X86_64;

use super::{Arch, MachineCode, NONE, PrStatus, SignalReturn, saved};
use crate::header::{Class, Endian};
use crate::system_call::{CallAbi, Number};

const RBP: u16 = 6;
const RSP: u16 = 7;
const RIP: u16 = 16;
/// rbx, rbp, r12 to r15, a bit each.
const CALLEE_SAVED: u64 = 1 << 3 | 1 << RBP | 0xf << 12;

/// x86-64 with 64-bit addresses (not x32).
pub static X86_64: Arch = Arch {
    name: "x86_64",
    machine: EM_X86_64,
    class: Class::Elf64,
    endian: Endian::Little,
    pc: RIP,
    sp: RSP,
    fp: RBP,
    link: None,
    returns_by_link: false,
    callee_saved: CALLEE_SAVED,
    goroutine: Some(14),
    code_mask: u64::MAX,
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
        order: &[15, 14, 13, 12, RBP, 3, 11, 10, 9, 8, 0, 2, 1, 4, 5, NONE, RIP, NONE, NONE, RSP],
        tls: Some(21),
    },
    // orig_rax; rdi rsi rdx r10 r8 r9; rax
    calls: CallAbi {
        number: Number::Kept(15),
        arguments: [5, 4, 1, 10, 8, 9],
        result: 0,
        kept_argument: None,
        kept_result: None,
    },
    more_registers: |_, _, _| {},
    after_call: |registers, memory| saved::return_address_on_stack(&X86_64, registers, memory),
    follows_call: branch::follows_call,
    call_target: branch::call_target,
    jumps: branch::jumps,
    stub_slot: branch::stub_slot,
    register_stores: store::register_stores,
    // push %rbp; mov %rsp,%rbp
    after_frame: |registers, memory| saved::frame_record(&X86_64, 0, 16, registers, memory),
    // the return address
    sp_to_cfa_at_entry: 8,
    caller_sp_to_cfa: 0,
    signal_returns: &[SignalReturn {
        // mov $15,%rax; syscall
        code: &[0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05],
        interrupted: signal::interrupted,
        record: signal::record,
    }],
    machine_code: Some(MachineCode { from_entry: entry::from_entry, to_return: exit::to_return }),
};
