//! Names of system calls. Numbers are each architecture's own (linux/arch/*/tools/syscall.tbl).

use epitaph_elf::{AARCH64, ARM, Arch, I386, PPC64LE, RISCV64, S390X, X86_64};
use syscalls::{aarch64, arm, powerpc64, riscv64, s390x, x86, x86_64};

/// Calls of x32 carry this bit (`__X32_SYSCALL_BIT`, linux/arch/x86/include/uapi/asm/unistd.h); most of them are x86-64's.
const X32: u64 = 1 << 30;
/// x32's own calls begin here; below them the numbers mean what they mean on x86-64.
const X32_OWN: u64 = 512;

/// Returns the name of an architecture's system call, as its manual page has it: `openat`.
pub fn name(arch: &Arch, number: u64) -> Option<&'static str> {
    let plain = match number & X32 {
        0 => number,
        _ => Some(number ^ X32).filter(|own| *arch == X86_64 && *own < X32_OWN)?,
    };
    let number = usize::try_from(plain).ok()?;
    match arch {
        arch if *arch == X86_64 => x86_64::Sysno::new(number).map(|call| call.name()),
        arch if *arch == I386 => x86::Sysno::new(number).map(|call| call.name()),
        arch if *arch == AARCH64 => aarch64::Sysno::new(number).map(|call| call.name()),
        arch if *arch == ARM => arm::Sysno::new(number).map(|call| call.name()),
        arch if *arch == RISCV64 => riscv64::Sysno::new(number).map(|call| call.name()),
        arch if *arch == PPC64LE => powerpc64::Sysno::new(number).map(|call| call.name()),
        arch if *arch == S390X => s390x::Sysno::new(number).map(|call| call.name()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_architecture_has_its_own_numbers() {
        for (arch, number, expected) in [
            (&X86_64, 202, "futex"),
            (&X86_64, X32 + 202, "futex"),
            (&I386, 240, "futex"),
            (&AARCH64, 98, "futex"),
            (&ARM, 240, "futex"),
            (&RISCV64, 98, "futex"),
            (&PPC64LE, 221, "futex"),
            (&S390X, 238, "futex"),
            (&X86_64, 110, "getppid"),
            (&X86_64, 435, "clone3"),
        ] {
            assert_eq!(name(arch, number), Some(expected), "{} {number}", arch.name);
        }
    }

    #[test]
    fn other_numbers_have_no_name() {
        for number in [100_000, X32 + 600, X32 << 1, u64::MAX] {
            assert_eq!(name(&X86_64, number), None, "{number:#x}");
        }
        assert_eq!(name(&AARCH64, X32 + 98), None);
    }
}
