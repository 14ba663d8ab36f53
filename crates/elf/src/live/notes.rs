//! The notes of a living process, in the kernel's order: linux/fs/binfmt_elf.c (`fill_note_info`, `write_note_info`),
//! linux/elfcore.h (`elf_prstatus`, `elf_prpsinfo`), 64-bit layouts.

use std::os::unix::ffi::OsStrExt as _;

use super::{LiveError, LiveInfo, LiveProcess, LiveThread};
use crate::encode::Encoder;
use crate::note::{NT_AUXV, NT_FILE, NT_FPREGSET, NT_PRPSINFO, NT_PRSTATUS, NT_SIGINFO, NT_THREAD_NAME};
use crate::process::FileMapping;
use crate::slim::{OWNER, PAGE};

const CORE: &[u8] = b"CORE";
const LINUX: &[u8] = b"LINUX";
/// Where the registers are in `struct elf_prstatus`: after signals, ids and times.
const REGISTERS: usize = 112;
/// `pr_psargs`, its final NUL included.
const ARGS: usize = 80;
/// `pr_fname`, its final NUL included.
const NAME: usize = 16;

/// Writes all notes with `out`, which is given up for them.
pub(super) fn notes(process: &LiveProcess, mut out: Encoder<'_>) -> Result<Vec<u8>, LiveError> {
    let (first, others) = process.threads.split_first().ok_or(LiveError::NoThreads)?;
    out.note(CORE, NT_PRSTATUS, &status(process, first)?);
    out.note(CORE, NT_PRPSINFO, &psinfo(&process.info));
    if let Some(signal) = &process.signal {
        out.note(CORE, NT_SIGINFO, signal);
    }
    out.note(CORE, NT_AUXV, &process.auxv);
    if !process.mappings.is_empty() {
        out.note(CORE, NT_FILE, &files(&process.mappings));
    }
    more(first, &mut out);
    for thread in others {
        out.note(CORE, NT_PRSTATUS, &status(process, thread)?);
        more(thread, &mut out);
    }
    Ok(out.into_bytes())
}

/// Writes the notes of a thread that follow its `NT_PRSTATUS`.
fn more(thread: &LiveThread, out: &mut Encoder<'_>) {
    for set in &thread.sets {
        out.note(if set.kind == NT_FPREGSET { CORE } else { LINUX }, set.kind, &set.bytes);
    }
    out.note(OWNER, NT_THREAD_NAME, thread.name.as_bytes());
}

/// `struct elf_prstatus`; the times that the thread took are left at zero.
fn status(process: &LiveProcess, thread: &LiveThread) -> Result<Vec<u8>, LiveError> {
    let (arch, info) = (process.arch, &process.info);
    let mut bytes = Vec::with_capacity(arch.prstatus.size);
    for number in [thread.signal, 0, 0] {
        bytes.extend(number.to_le_bytes()); // pr_info: si_signo, si_code, si_errno
    }
    bytes.extend((thread.signal as u16).to_le_bytes());
    bytes.extend([0; 2]);
    bytes.extend(thread.pending.to_le_bytes());
    bytes.extend(thread.blocked.to_le_bytes());
    for id in [thread.tid, info.ppid, info.group, info.session] {
        bytes.extend(id.to_le_bytes());
    }
    bytes.resize(REGISTERS, 0);
    bytes.extend(&thread.registers);
    let has_floats = thread.sets.iter().any(|set| set.kind == NT_FPREGSET);
    bytes.extend(u64::from(has_floats).to_le_bytes()); // pr_fpvalid and padding
    if bytes.len() != arch.prstatus.size {
        return Err(LiveError::Registers { arch: arch.name, size: thread.registers.len() });
    }
    Ok(bytes)
}

/// `struct elf_prpsinfo`
fn psinfo(info: &LiveInfo) -> Vec<u8> {
    const STATES: &[u8] = b"RSDTZW";
    let state = STATES.iter().position(|letter| *letter == info.state).map_or(0, |index| index as u8);
    let is_zombie = u8::from(info.state == b'Z');
    let mut bytes = vec![state, info.state, is_zombie, info.nice as u8, 0, 0, 0, 0];
    bytes.extend(info.flags.to_le_bytes());
    for id in [info.uid, info.gid, info.pid, info.ppid, info.group, info.session] {
        bytes.extend(id.to_le_bytes());
    }
    let text = |text: &mut dyn Iterator<Item = u8>, size: usize| {
        let mut field: Vec<u8> = text.take(size - 1).collect();
        field.resize(size, 0);
        field
    };
    bytes.extend(text(&mut info.name.as_bytes().iter().copied(), NAME));
    // The kernel turns the NUL after each argument into a space.
    let args = info.args.iter().map(|byte| if *byte == 0 { b' ' } else { *byte });
    bytes.extend(text(&mut args.into_iter(), ARGS));
    bytes
}

/// `NT_FILE`: count, page size, (start, end, offset in pages) of each, and the names.
fn files(mappings: &[FileMapping]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let numbers = mappings.iter().flat_map(|file| [file.start, file.end, file.offset / PAGE]);
    for number in [mappings.len() as u64, PAGE].into_iter().chain(numbers) {
        bytes.extend(number.to_le_bytes());
    }
    for file in mappings {
        bytes.extend(file.path.as_bytes());
        bytes.push(0);
    }
    bytes
}
