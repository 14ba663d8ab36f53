//! The `siginfo_t` of a process that a filter of system calls (seccomp) killed.
//!
//! Such a process doesn't stop before it takes its signal, and once it is at its end, the kernel has forgotten what the
//! signal was about. But it stands there as it called, so that what the kernel had put into the signal can be had again.

use epitaph_elf::signals::{SIGSYS, SYS_SECCOMP};

use super::Ending;
use super::facts::read;

/// Bytes of `siginfo_t`.
const SIZE: usize = 128;
/// What linux/audit.h calls an architecture (`AUDIT_ARCH_…`), as seccomp does.
const ARCHITECTURES: [(&str, u32); 2] = [("x86_64", 0xc000_003e), ("aarch64", 0xc000_00b7)];

/// A system call as `/proc/PID/syscall` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Call {
    number: i32,
    /// The address behind the instruction that called.
    from: u64,
}

/// Returns the `siginfo_t` of a process that a filter killed; `None` of any other.
pub(super) fn info(ending: Ending) -> Option<Vec<u8>> {
    if ending.signal != SIGSYS {
        return None;
    }
    let (_, arch) = ARCHITECTURES.iter().find(|(name, _)| *name == std::env::consts::ARCH)?;
    let call = parse(&String::from_utf8(read(ending.thread, "syscall").ok()?).ok()?)?;
    Some(made_of(call, *arch))
}

/// Lays out a `siginfo_t` (asm-generic/siginfo.h): signal, error, code, and behind them `_sigsys`. The error is the filter's
/// own number (`SECCOMP_RET_DATA`), which nobody keeps: it stays 0.
fn made_of(call: Call, arch: u32) -> Vec<u8> {
    let fields: [&[u8]; 7] = [
        &SIGSYS.to_ne_bytes(),
        &0_i32.to_ne_bytes(),
        &SYS_SECCOMP.to_ne_bytes(),
        &0_i32.to_ne_bytes(),
        &call.from.to_ne_bytes(),
        &call.number.to_ne_bytes(),
        &arch.to_ne_bytes(),
    ];
    let mut info = fields.concat();
    info.resize(SIZE, 0);
    info
}

/// Reads `NUMBER ARGUMENTS… SP PC` (proc_pid_syscall(5)); what is in no system call has other texts there.
fn parse(text: &str) -> Option<Call> {
    let mut words = text.split_whitespace();
    let number = words.next()?.parse().ok().filter(|number| *number >= 0)?;
    let from = u64::from_str_radix(words.next_back()?.strip_prefix("0x")?, 16).ok()?;
    Some(Call { number, from })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_read_only_where_there_is_one() {
        let text = "110 0x0 0x1 0x2 0x3 0x4 0x5 0x7fffffffe118 0x7ffff7ecf5a9\n";
        assert_eq!(parse(text), Some(Call { number: 110, from: 0x7fff_f7ec_f5a9 }));
        for other in ["running\n", "-1 0x7fffffffe118 0x7ffff7ecf5a9\n", "110\n", ""] {
            assert_eq!(parse(other), None, "{other}");
        }
    }

    #[test]
    fn what_is_made_has_the_kernels_layout() {
        let info = made_of(Call { number: 110, from: 0x1234_5678_9abc }, 0xc000_003e);
        assert_eq!(info.len(), SIZE);
        let word = |at: usize| i32::from_ne_bytes(info[at..at + 4].try_into().unwrap());
        assert_eq!([word(0), word(4), word(8), word(24)], [31, 0, 1, 110]);
        assert_eq!(word(28).cast_unsigned(), 0xc000_003e);
        assert_eq!(u64::from_ne_bytes(info[16..24].try_into().unwrap()), 0x1234_5678_9abc);
    }
}
