//! What the kernel logs of a process that a fault ends: enough for a function, a file and a line without any core.
//!
//! x86 logs one line (`show_signal_msg` in linux/arch/x86/mm/fault.c, `show_signal` in arch/x86/kernel/traps.c), and
//! for page faults the code around it (`show_opcodes`); arm64, where `debug.exception-trace` is 1, one line and the
//! registers (`arm64_show_signal` in arch/arm64/kernel/traps.c). All of them rate-limit it. The mapping is that of
//! `print_vma_addr` in linux/mm/util.c, since Linux 6.10 with the offset in the file.
//!
//! Anybody may name a thread so that its line looks like another's: what is read here is what a log says, and no more.

mod aarch64;
mod file;
mod live;
mod mapping;
mod prefix;
mod refused;
mod x86;

use std::time::Duration;

use epitaph_elf::Remains;

pub use file::{CodeSearch, FilePlaces};
pub use live::{KernelLog, kernel_crashes_since, refused_cores_since};
pub use refused::RefusedCore;

/// Most lines of a log that are read.
const MOST_LINES: usize = 1 << 20;
/// Most crashes of a log that are kept: the last ones.
const MOST_CRASHES: usize = 64;
/// The longest line that is read, in bytes: the kernel's records are shorter.
const LONGEST_LINE: usize = 4096;

/// A death that the kernel logged.
#[derive(Clone, Debug)]
pub struct KernelCrash {
    /// The thread's name (`comm`).
    pub thread_name: String,
    /// When, since the machine was started.
    pub since_boot: Option<Duration>,
    /// The message.
    pub message: String,
    /// What it says of the process.
    pub remains: Remains,
}

/// Finds the deaths in a log: of `dmesg` or `journalctl -k`, as `/var/log/kern.log` has it, or bare messages.
pub fn kernel_crashes(log: &str) -> Vec<KernelCrash> {
    let mut crashes: Vec<KernelCrash> = Vec::new();
    // The message that is being told: what follows it may be more of it.
    let mut open = false;
    for line in log.lines().take(MOST_LINES).filter(|line| line.len() <= LONGEST_LINE) {
        let (since_boot, message) = prefix::split(line);
        if let Some((thread_name, remains)) = x86::crash(message).or_else(|| aarch64::crash(message)) {
            if crashes.len() >= 2 * MOST_CRASHES {
                crashes.drain(..MOST_CRASHES);
            }
            crashes.push(KernelCrash { thread_name, since_boot, message: message.to_owned(), remains });
            open = true;
        } else if let Some(crash) = crashes.last_mut().filter(|_| open) {
            open = !x86::add_code(message, &mut crash.remains);
            aarch64::add_registers(message, &crash.message, &mut crash.remains);
        }
    }
    // Without a program counter there is nothing to tell.
    crashes
        .retain(|crash| crash.remains.registers.iter().any(|(number, _)| *number == crash.remains.arch.pc));
    let surplus = crashes.len().saturating_sub(MOST_CRASHES);
    crashes.drain(..surplus);
    crashes
}

/// Takes `NAME[TID]` apart; the name may hold anything.
fn thread(text: &str) -> Option<(String, u32)> {
    let (name, tid) = text.strip_suffix(']')?.rsplit_once('[')?;
    Some((name.to_owned(), tid.parse().ok()?))
}

/// Reads a hexadecimal number, with or without `0x`.
fn hex(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x").unwrap_or(text), 16).ok()
}

#[cfg(test)]
mod tests {
    use epitaph_elf::{AARCH64, I386, X86_64};

    use super::*;

    fn only(log: &str) -> KernelCrash {
        let mut crashes = kernel_crashes(log);
        assert_eq!(crashes.len(), 1, "{crashes:?}");
        crashes.pop().unwrap()
    }

    fn register(crash: &KernelCrash, number: u16) -> Option<u64> {
        let registers = &crash.remains.registers;
        registers.iter().find(|(known, _)| *known == number).map(|(_, value)| *value)
    }

    #[test]
    fn a_segmentation_fault_is_read_from_every_kind_of_log() {
        const MESSAGE: &str = "my prog[4711]: segfault at 148 ip 000055d2c0de13aa sp 00007ffd0badc0de error 4 in \
                               my prog[13aa,55d2c0de1000+1000] likely on CPU 3 (core 1, socket 0)";
        for (prefix, seconds) in [
            ("", None),
            ("[57412.032199] ", Some(57412)),
            ("[    1.500000] ", Some(1)),
            ("<6>[57412.032199] ", Some(57412)),
            ("6,123,57412032199,-;", Some(57412)),
            ("kern  :info  : [57412.032199] ", Some(57412)),
            ("[Mon Nov 23 14:50:21 2026] ", None),
            ("Nov 23 14:50:21 build7 kernel: ", None),
            ("Nov 23 14:50:21 build7 kernel: [57412.032199] ", Some(57412)),
            ("2026-11-23T14:50:21.1+00:00 build7 kernel: [57412.032199] ", Some(57412)),
        ] {
            let crash = only(&format!("{prefix}{MESSAGE}\n"));
            assert_eq!((crash.thread_name.as_str(), crash.remains.tid), ("my prog", 4711), "{prefix}");
            assert_eq!(crash.since_boot.map(|time| time.as_secs()), seconds, "{prefix}");
            assert_eq!(register(&crash, X86_64.pc), Some(0x55d2_c0de_13aa));
            assert_eq!(register(&crash, X86_64.sp), Some(0x7ffd_0bad_c0de));
            let signal = &crash.remains.signal;
            assert_eq!((signal.number, signal.code, signal.fault_address), (11, None, Some(0x148)));
            let code = crash.remains.code.as_ref().unwrap();
            assert_eq!(
                (code.start, code.end, code.offset),
                (0x55d2_c0de_1000, 0x55d2_c0de_2000, Some(0x1000))
            );
            assert_eq!(code.file, "my prog");
        }
    }

    #[test]
    fn faults_differ_by_what_the_processor_said() {
        let signal = |message: &str| {
            let crash = only(message);
            let signal = crash.remains.signal;
            (signal.number, signal.code, signal.fault_address)
        };
        let trap = |kind: &str| {
            signal(&format!(
                "traps: a[1] {kind} ip:559f625d6311 sp:7fffb3e2fda8 error:0 in a[559f625d6000+1000]"
            ))
        };
        assert_eq!(trap("general protection fault"), (11, Some(0x80), None));
        assert_eq!(trap("general protection"), (11, Some(0x80), None), "before Linux 5.6");
        assert_eq!(trap("trap invalid opcode"), (4, Some(2), Some(0x559f_625d_6311)));
        assert_eq!(trap("trap divide error"), (8, Some(1), Some(0x559f_625d_6311)));
        assert_eq!(trap("trap int3"), (5, Some(0x80), None));
        assert_eq!(trap("trap alignment check"), (7, Some(1), None));
        assert_eq!(trap("trap stack segment"), (7, Some(0x80), None));
        let fault = |error: u8| {
            signal(&format!("a[1]: segfault at 7f0000001000 ip 559f625d6311 sp 7fffb3e2fda8 error {error}"))
        };
        assert_eq!(fault(7), (11, Some(2), Some(0x7f00_0000_1000)), "a page that is there");
        assert_eq!(fault(6), (11, None, Some(0x7f00_0000_1000)), "a page that is not, for either reason");
    }

    #[test]
    fn the_mapping_is_what_is_last_in_brackets() {
        let code = |rest: &str| {
            only(&format!("a[1]: segfault at 0 ip 559f625d6311 sp 7fffb3e2fda8 error 4{rest}")).remains.code
        };
        let file = |rest: &str| code(rest).map(|code| code.file.into_string().unwrap());
        assert_eq!(file(" in libc-2.31.so[559f625d6000+1000]").as_deref(), Some("libc-2.31.so"));
        assert_eq!(file(" in odd [x][559f625d6000+1000]").as_deref(), Some("odd [x]"));
        assert_eq!(code(" in a[559f625d6000+1000]").unwrap().offset, None);
        assert_eq!(code(" in a[311,559f625d6000+1000]").unwrap().offset, Some(0));
        // A program counter outside of it, a size of nothing or too much, an offset that doesn't fit.
        for bad in [
            "",
            " in a",
            " in a[559f625d7000+1000]",
            " in a[559f625d6000+0]",
            " in a[559f625d6000+ffffffffffffffff]",
            " in a[10,559f625d6000+1000]",
            " in a[zz+1000]",
        ] {
            assert_eq!(code(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_code_around_is_taken_from_the_next_message() {
        let log = "a[1]: segfault at 0 ip 559f625d6311 sp 7fffb3e2fda8 error 4 in a[559f625d6000+1000]\n\
                   [1.0] Code: 55 48 89 <8b> 07 c3\n[1.0] Code: ff <ff>\n";
        assert_eq!(
            only(log).remains.bytes,
            Some((0x559f_625d_630e, vec![0x55, 0x48, 0x89, 0x8b, 0x07, 0xc3]))
        );
        for bad in ["Code: Unable to access opcode bytes at 0x1.", "Code: 55 48", "Code: <8b> zz", "Code: "] {
            let log = format!("a[1]: segfault at 0 ip 559f625d6311 sp 7fffb3e2fda8 error 4\n{bad}\n");
            assert_eq!(only(&log).remains.bytes, None, "{bad}");
        }
    }

    #[test]
    fn a_small_stack_pointer_is_that_of_a_32_bit_process() {
        let crash =
            only("a[1]: segfault at 0 ip 0000000008049166 sp 00000000ff9d1c40 error 4 in a[8049000+1000]");
        assert_eq!(*crash.remains.arch, I386);
        assert_eq!(register(&crash, I386.pc), Some(0x0804_9166));
    }

    #[test]
    fn arm64_logs_its_registers() {
        let log = "\
[  12.345678] crash[99]: unhandled exception: DABT (lower EL), ESR 0x0000000092000046, level 2 translation fault in crash[714,aaaad0b50000+1000]
[  12.345690] CPU: 2 PID: 99 Comm: crash Not tainted 6.12.0 #1
[  12.345700] Hardware name: linux,dummy-virt (DT)
[  12.345710] pstate: 60001000 (nZCv daif -PAN -UAO -TCO -DIT +SSBS BTYPE=--)
[  12.345720] pc : 0000aaaad0b50714
[  12.345730] lr : 0000aaaad0b50748
[  12.345740] sp : 0000ffffe0a1b2c0
[  12.345750] x29: 0000ffffe0a1b2d0 x28: 0000000000000000 x27: 0000aaaad0b6fdd0
";
        let crash = only(log);
        assert_eq!(*crash.remains.arch, AARCH64);
        let of = |number: u16| register(&crash, number);
        assert_eq!((of(AARCH64.pc), of(AARCH64.sp)), (Some(0xaaaa_d0b5_0714), Some(0xffff_e0a1_b2c0)));
        assert_eq!(
            (of(30), of(29), of(27)),
            (Some(0xaaaa_d0b5_0748), Some(0xffff_e0a1_b2d0), Some(0xaaaa_d0b6_fdd0))
        );
        assert_eq!(crash.remains.code.unwrap().offset, Some(0));
        assert_eq!(crash.remains.signal.number, 11);
        // Without its registers, it tells nothing.
        assert!(kernel_crashes(log.lines().next().unwrap()).is_empty());
        let old = "crash[99]: unhandled level 2 translation fault (11) at 0x00000148, esr 0x92000006, in crash[400000+1000]\n\
                   pc : 0000000000400714\n";
        let signal = only(old).remains.signal;
        assert_eq!((signal.number, signal.fault_address), (11, Some(0x148)));
    }

    #[test]
    fn many_crashes_leave_the_last_and_noise_leaves_none() {
        let line = |tid: usize| format!("a[{tid}]: segfault at 0 ip 559f625d6311 sp 7fffb3e2fda8 error 4\n");
        let log: String = (1..=1000).map(line).collect();
        let crashes = kernel_crashes(&log);
        assert_eq!(crashes.len(), MOST_CRASHES);
        assert_eq!((crashes[0].remains.tid, crashes.last().unwrap().remains.tid), (937, 1000));
        for noise in [
            "",
            "\n",
            "segfault at",
            "]: segfault at ",
            "a[x]: segfault at 0 ip 1 sp 1 error 0",
            "traps: ",
            "traps: a[1] trap ip:",
            "traps: a[1] odd ip:1 sp:2 error:0",
            "[",
            "<",
            ";;",
        ] {
            assert!(kernel_crashes(noise).is_empty(), "{noise}");
        }
    }
}
