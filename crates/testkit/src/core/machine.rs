//! The machines that cores are of: their names in ELF, and how the kernel lays their registers out.
//!
//! From the kernel's `arch/*/include/uapi/asm/ptrace.h` (x86: `arch/x86/include/asm/user_{32,64}.h`) and
//! `include/uapi/linux/elf-em.h`; register names are gdb's.

use super::encode::{Class, Endian};

/// A machine.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// Its name as `uname -m` gives it.
    pub name: &'static str,
    /// `e_machine`
    pub number: u16,
    /// Width of its addresses.
    pub class: Class,
    /// Its byte order.
    pub endian: Endian,
    /// The words of `pr_reg`, by name, in their order.
    pub registers: &'static [&'static str],
}

/// x86-64.
pub const X86_64: Machine = Machine {
    name: "x86_64",
    number: 62,
    class: Class::Elf64,
    endian: Endian::Little,
    registers: &[
        "r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi",
        "rdi", "orig_rax", "rip", "cs", "eflags", "rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs", "gs",
    ],
};

/// 32-bit x86.
pub const I386: Machine = Machine {
    name: "i386",
    number: 3,
    class: Class::Elf32,
    endian: Endian::Little,
    registers: &[
        "ebx", "ecx", "edx", "esi", "edi", "ebp", "eax", "ds", "es", "fs", "gs", "orig_eax", "eip", "cs",
        "eflags", "esp", "ss",
    ],
};

/// 64-bit Arm.
pub const AARCH64: Machine = Machine {
    name: "aarch64",
    number: 183,
    class: Class::Elf64,
    endian: Endian::Little,
    registers: &[
        "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15",
        "x16", "x17", "x18", "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x29",
        "x30", "sp", "pc", "pstate",
    ],
};

/// 32-bit Arm.
pub const ARM: Machine = Machine {
    name: "arm",
    number: 40,
    class: Class::Elf32,
    endian: Endian::Little,
    registers: &[
        "r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "sp", "lr", "pc",
        "cpsr", "orig_r0",
    ],
};

/// 64-bit RISC-V.
pub const RISCV64: Machine = Machine {
    name: "riscv64",
    number: 243,
    class: Class::Elf64,
    endian: Endian::Little,
    registers: &[
        "pc", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4", "a5", "a6",
        "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
    ],
};

/// 64-bit Power, little-endian.
pub const PPC64LE: Machine = Machine {
    name: "ppc64le",
    number: 21,
    class: Class::Elf64,
    endian: Endian::Little,
    registers: &[
        "r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
        "r16", "r17", "r18", "r19", "r20", "r21", "r22", "r23", "r24", "r25", "r26", "r27", "r28", "r29",
        "r30", "r31", "pc", "msr", "orig_r3", "ctr", "lr", "xer", "cr", "softe", "trap", "dar", "dsisr",
        "result", "spare44", "spare45", "spare46", "spare47",
    ],
};

/// 64-bit IBM Z. The access registers have 4 bytes each: two make a word.
pub const S390X: Machine = Machine {
    name: "s390x",
    number: 22,
    class: Class::Elf64,
    endian: Endian::Big,
    registers: &[
        "pswm", "pc", "r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "r13",
        "r14", "r15", "acr0_1", "acr2_3", "acr4_5", "acr6_7", "acr8_9", "acr10_11", "acr12_13", "acr14_15",
        "orig_r2",
    ],
};

/// All of them.
pub const ALL: [Machine; 7] = [X86_64, I386, AARCH64, ARM, RISCV64, PPC64LE, S390X];
