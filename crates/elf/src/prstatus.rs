//! The notes that describe a process: linux/elfcore.h (`elf_prstatus`, `elf_prpsinfo`), `siginfo_t`
//! (linux/asm-generic/siginfo.h), and `NT_FILE` (linux/fs/binfmt_elf.c, `fill_files_note`).

use crate::signals::{SI_KERNEL, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP, SYS_SECCOMP};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use crate::arch::Arch;
use crate::header::Class;
use crate::process::{FileMapping, ProcessInfo, RefusedCall, SignalInfo, Thread};
use crate::registers::Registers;
use crate::system_call::{KeptCall, Number};

/// `pr_psargs`
const ARGS: usize = 80;
/// `pr_fname`
const NAME: usize = 16;

/// What the kernel keeps in the place of a call's number where it handled none (x86: `orig_ax`).
const NO_CALL: i64 = -1;

/// Offsets in `struct elf_prstatus`: those of all architectures of a class.
struct Status {
    /// `pr_cursig` (u16)
    signal: usize,
    /// `pr_pid` (u32)
    pid: usize,
    /// `pr_reg`
    registers: usize,
}

impl Status {
    fn of(class: Class) -> Status {
        match class {
            Class::Elf32 => Status { signal: 12, pid: 24, registers: 72 },
            Class::Elf64 => Status { signal: 12, pid: 32, registers: 112 },
        }
    }
}

/// Offsets in `struct elf_prpsinfo`. On 32-bit architectures the ids of user and group have 16 bits.
struct PsInfo {
    uid: usize,
    gid: usize,
    /// `pr_pid`, followed by `pr_ppid`, `pr_pgrp` and `pr_sid`
    pid: usize,
    /// `pr_fname`
    name: usize,
    /// `pr_psargs`
    args: usize,
}

impl PsInfo {
    fn of(class: Class) -> PsInfo {
        match class {
            Class::Elf32 => PsInfo { uid: 8, gid: 10, pid: 12, name: 28, args: 44 },
            Class::Elf64 => PsInfo { uid: 16, gid: 20, pid: 24, name: 40, args: 56 },
        }
    }
}

/// Parses `NT_PRSTATUS`; `None` if it has not this architecture's size.
pub(crate) fn thread(arch: &Arch, desc: &[u8]) -> Option<Thread> {
    let (layout, offsets) = (&arch.prstatus, Status::of(arch.class));
    if desc.len() != layout.size {
        return None;
    }
    let word = usize::from(arch.class.word());
    let value = |index: usize| arch.endian.word_at(arch.class, desc, offsets.registers + index * word);
    let mut registers = Registers::with_code_mask(arch.code_mask);
    for (index, number) in layout.order.iter().enumerate() {
        registers.set(*number, value(index));
    }
    Some(Thread {
        tid: arch.endian.u32_at(desc, offsets.pid)?,
        name: None,
        signal: arch.endian.u16_at(desc, offsets.signal)?,
        registers,
        tls: layout.tls.and_then(value),
        call: KeptCall {
            number: match arch.calls.number {
                Number::Kept(index) => value(index).filter(|number| arch.signed(*number) != NO_CALL),
                Number::Register(..) | Number::Immediate(..) => None,
            },
            first_argument: arch.calls.kept_argument.and_then(value),
            result: arch.calls.kept_result.and_then(value),
        },
    })
}

/// Parses `NT_PRPSINFO`.
pub(crate) fn process_info(arch: &Arch, desc: &[u8]) -> Option<ProcessInfo> {
    let layout = PsInfo::of(arch.class);
    let number = |offset| arch.endian.u32_at(desc, offset);
    let user = |offset| match arch.class {
        Class::Elf32 => arch.endian.u16_at(desc, offset).map(u32::from),
        Class::Elf64 => number(offset),
    };
    let args = desc.get(layout.args..layout.args + ARGS)?;
    let text = until_nul(args);
    Some(ProcessInfo {
        pid: number(layout.pid)?,
        ppid: number(layout.pid + 4)?,
        session: number(layout.pid + 12)?,
        uid: user(layout.uid)?,
        gid: user(layout.gid)?,
        name: os_string(until_nul(desc.get(layout.name..layout.name + NAME)?)),
        // The kernel turns the NUL after each argument into a space, the last one's too.
        args: os_string(text.strip_suffix(b" ").unwrap_or(text)),
        args_cut: text.len() >= ARGS - 1,
    })
}

/// Parses `NT_SIGINFO`. Which members of the union hold is told by the signal and the sign of `si_code`.
pub(crate) fn signal_info(arch: &Arch, desc: &[u8]) -> Option<SignalInfo> {
    let number = arch.endian.u32_at(desc, 0)? as i32;
    let code = arch.endian.u32_at(desc, 8)? as i32;
    let union = match arch.bits() {
        64 => 16,
        _ => 12,
    };
    let is_fault =
        [SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV].contains(&number) && code > 0 && code != SI_KERNEL;
    let fault_address = is_fault.then(|| arch.endian.word_at(arch.class, desc, union)).flatten();
    // SI_USER (0), SI_QUEUE (-1), SI_TKILL (-6): somebody called kill, sigqueue or tgkill.
    let sender = [0, -1, -6]
        .contains(&code)
        .then(|| Some((arch.endian.u32_at(desc, union)?, arch.endian.u32_at(desc, union + 4)?)))
        .flatten();
    // The address of the call, its number, its architecture.
    let word = usize::from(arch.class.word());
    let refused = (number == SIGSYS && code == SYS_SECCOMP)
        .then(|| {
            let number = arch.endian.u32_at(desc, union + word)?;
            Some(RefusedCall { number, audit: arch.endian.u32_at(desc, union + word + 4)? })
        })
        .flatten();
    Some(SignalInfo { number, code: Some(code), fault_address, sender, refused })
}

/// Parses `NT_FILE`: count, page size, (start, end, offset in pages) for each, then the names, NUL-terminated.
/// Returns the mappings that are whole, and whether the list was.
pub(crate) fn file_mappings(arch: &Arch, desc: &[u8]) -> (Vec<FileMapping>, bool) {
    let word = usize::from(arch.class.word());
    let value = |index: usize| arch.endian.word_at(arch.class, desc, index.checked_mul(word)?);
    let (Some(count), Some(page_size)) = (value(0), value(1)) else { return (Vec::new(), false) };
    // Each entry takes three words and at least a NUL: more can't be there.
    let most = desc.len() / (3 * word + 1);
    let entries = usize::try_from(count).unwrap_or(usize::MAX).min(most);
    let names = desc.get(word * (2 + 3 * entries)..).unwrap_or_default();
    let mappings: Vec<FileMapping> = (0..entries)
        .zip(names.split(|byte| *byte == 0))
        .map_while(|(entry, name)| {
            let at = 2 + 3 * entry;
            Some(FileMapping {
                start: value(at)?,
                end: value(at + 1)?,
                offset: value(at + 2)?.checked_mul(page_size)?,
                path: os_string(name),
            })
        })
        .collect();
    let whole = mappings.len() as u64 == count;
    (mappings.into_iter().filter(|mapping| mapping.start < mapping.end).collect(), whole)
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

pub(crate) fn os_string(bytes: &[u8]) -> OsString {
    OsString::from_vec(bytes.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::X86_64;

    fn files(count: u64, page_size: u64, entries: &[[u64; 3]], names: &[u8]) -> Vec<u8> {
        let mut desc = Vec::new();
        for number in [count, page_size].iter().chain(entries.iter().flatten()) {
            desc.extend(number.to_le_bytes());
        }
        desc.extend(names);
        desc
    }

    #[test]
    fn mapped_files_are_listed() {
        let desc = files(2, 4096, &[[0x1000, 0x2000, 0], [0x2000, 0x3000, 1]], b"/a\0/b\n \xff\0");
        let (mappings, whole) = file_mappings(&X86_64, &desc);
        assert!(whole);
        assert_eq!(mappings[1].offset, 4096);
        assert_eq!(mappings[1].path, OsString::from_vec(b"/b\n \xff".to_vec()));
    }

    #[test]
    fn an_absurd_count_gives_what_is_there() {
        for count in [3, 1 << 32, 1 << 60, u64::MAX] {
            let desc = files(count, 4096, &[[0x1000, 0x2000, 0]], b"/a\0");
            let (mappings, whole) = file_mappings(&X86_64, &desc);
            assert!(!whole && mappings.len() <= 1, "{count}: {mappings:?}");
        }
    }

    #[test]
    fn a_page_offset_that_overflows_ends_the_list() {
        let desc = files(1, u64::MAX, &[[0x1000, 0x2000, 2]], b"/a\0");
        assert_eq!(file_mappings(&X86_64, &desc), (Vec::new(), false));
    }

    #[test]
    fn only_faults_have_an_address_and_only_sent_signals_a_sender() {
        let info = |number: i32, code: i32| {
            let mut desc = vec![0; 128];
            desc[0..4].copy_from_slice(&number.to_le_bytes());
            desc[8..12].copy_from_slice(&code.to_le_bytes());
            desc[16..24].copy_from_slice(&0x0000_03e8_0000_1234_u64.to_le_bytes());
            signal_info(&X86_64, &desc).unwrap()
        };
        assert_eq!(info(11, 1).fault_address, Some(0x3e8_0000_1234));
        assert_eq!(info(11, SI_KERNEL).fault_address, None);
        assert_eq!(info(6, -6).sender, Some((0x1234, 1000)));
        assert_eq!(info(11, 0).fault_address, None);
        assert_eq!(info(11, 1).sender, None);
    }

    #[test]
    fn a_refused_call_is_told_with_its_architecture() {
        let mut desc = vec![0; 128];
        for (at, number) in [(0, SIGSYS as u32), (8, 1), (24, 110), (28, 0xc000_003e)] {
            desc[at..at + 4].copy_from_slice(&number.to_le_bytes());
        }
        let info = signal_info(&X86_64, &desc).unwrap();
        assert_eq!(info.refused, Some(RefusedCall { number: 110, audit: 0xc000_003e }));
        assert_eq!(info.fault_address, None);
        // A SIGSYS that somebody sent.
        desc[8..12].fill(0);
        assert_eq!(signal_info(&X86_64, &desc).unwrap().refused, None);
    }

    #[test]
    fn other_sizes_are_not_a_thread() {
        for size in [0, 1, 335, 337, 144] {
            assert!(thread(&X86_64, &vec![0; size]).is_none());
        }
    }
}
