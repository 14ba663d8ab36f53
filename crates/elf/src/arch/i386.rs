//! 32-bit x86. Registers: System V ABI for the Intel386 architecture, table 2.14 (DWARF numbers) and 2.2 (callee-saved).

mod branch;
mod signal;

use goblin::elf::header::EM_386;

use super::saved::{frame_record, return_address_on_stack};
use super::{Arch, NONE, PrStatus, SignalReturn, x86_64};
use crate::header::{Class, Endian};
use crate::system_call::{CallAbi, Number};

const ESP: u16 = 4;
const EBP: u16 = 5;
const EIP: u16 = 8;

/// 32-bit x86, on a 32-bit kernel or an x86-64 one: their cores are alike.
pub static I386: Arch = Arch {
    name: "i386",
    machine: EM_386,
    class: Class::Elf32,
    endian: Endian::Little,
    pc: EIP,
    sp: ESP,
    fp: EBP,
    link: None,
    returns_by_link: false,
    // ebx, ebp, esi, edi
    callee_saved: 1 << 3 | 1 << EBP | 1 << 6 | 1 << 7,
    code_mask: u32::MAX as u64,
    goroutine: None,
    register_names: &[
        (0, "eax"),
        (3, "ebx"),
        (1, "ecx"),
        (2, "edx"),
        (6, "esi"),
        (7, "edi"),
        (EBP, "ebp"),
        (ESP, "esp"),
        (EIP, "eip"),
    ],
    // `struct user_regs_struct` (linux/arch/x86/include/asm/user_32.h): ebx ecx edx esi edi ebp eax ds es fs gs
    // orig_eax eip cs eflags esp ss
    prstatus: PrStatus {
        size: 144,
        order: &[3, 1, 2, 6, 7, EBP, 0, NONE, NONE, NONE, NONE, NONE, EIP, NONE, NONE, ESP],
        tls: None,
    },
    // orig_eax; ebx ecx edx esi edi ebp; eax
    calls: CallAbi {
        number: Number::Kept(11),
        arguments: [3, 1, 2, 6, 7, EBP],
        result: 0,
        kept_argument: None,
        kept_result: None,
    },
    more_registers: |_, _, _| {},
    after_call: |registers, memory| return_address_on_stack(&I386, registers, memory),
    follows_call: x86_64::follows_call,
    call_target: branch::call_target,
    jumps: branch::jumps,
    stub_slot: branch::stub_slot,
    register_stores: |_| Vec::new(),
    // push %ebp; mov %esp,%ebp
    after_frame: |registers, memory| frame_record(&I386, 0, 8, registers, memory),
    // the return address
    sp_to_cfa_at_entry: 4,
    caller_sp_to_cfa: 0,
    signal_returns: &[
        SignalReturn {
            // mov $173,%eax (rt_sigreturn); int $0x80
            code: &[0xb8, 0xad, 0x00, 0x00, 0x00, 0xcd, 0x80],
            interrupted: signal::interrupted_with_siginfo,
            record: signal::record_with_siginfo,
        },
        SignalReturn {
            // pop %eax; mov $119,%eax (sigreturn); int $0x80
            code: &[0x58, 0xb8, 0x77, 0x00, 0x00, 0x00, 0xcd, 0x80],
            interrupted: signal::interrupted,
            record: signal::record,
        },
    ],
    machine_code: None,
};
