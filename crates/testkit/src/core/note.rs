//! The notes of a core: what the kernel says about threads and process.

use std::collections::BTreeMap;

use super::encode::{Class, Encoder, Endian};
use super::machine::Machine;

/// Note types of a core (`include/uapi/linux/elf.h`), all under the owner name `CORE`.
pub mod note_kind {
    /// `NT_PRSTATUS`: one thread's registers.
    pub const PRSTATUS: u32 = 1;
    /// `NT_PRFPREG`: one thread's floating-point registers.
    pub const PRFPREG: u32 = 2;
    /// `NT_PRPSINFO`: the process.
    pub const PRPSINFO: u32 = 3;
    /// `NT_AUXV`: the auxiliary vector.
    pub const AUXV: u32 = 6;
    /// `NT_SIGINFO`: the fatal signal.
    pub const SIGINFO: u32 = 0x5349_4749;
    /// `NT_FILE`: the mapped files.
    pub const FILE: u32 = 0x4649_4c45;
}

/// One note: owner name, type and description.
#[derive(Clone, Debug)]
pub(super) struct Note {
    pub(super) owner: String,
    pub(super) kind: u32,
    pub(super) description: Vec<u8>,
}

impl Note {
    pub(super) fn core(kind: u32, description: Vec<u8>) -> Note {
        Note { owner: "CORE".to_owned(), kind, description }
    }
}

/// One thread: an `NT_PRSTATUS` and whatever notes follow it.
#[derive(Clone, Debug)]
pub struct Thread {
    tid: u32,
    signal: u16,
    registers: BTreeMap<String, u64>,
    pub(super) notes: Vec<Note>,
}

impl Thread {
    /// A thread of which every register is 0, but on x86-64 `cs` and `ss`, which are user space's.
    pub fn new(tid: u32) -> Thread {
        Thread { tid, signal: 0, registers: BTreeMap::new(), notes: Vec::new() }
    }

    /// Sets `pr_cursig`, which the kernel writes alike for every thread of a process that a signal killed.
    #[must_use]
    pub fn signal(mut self, signal: u16) -> Thread {
        self.signal = signal;
        self
    }

    /// Sets a register by its name (`rip`, `rsp`, `r12`, `orig_rax`, `fs_base`, …; [`Machine::registers`]). A core of a
    /// machine that has none of that name can't be built.
    #[must_use]
    pub fn register(mut self, name: &str, value: u64) -> Thread {
        self.registers.insert(name.to_owned(), value);
        self
    }

    /// Adds a note that belongs to this thread, such as `NT_PRFPREG` or `NT_X86_XSTATE`.
    #[must_use]
    pub fn note(mut self, owner: &str, kind: u32, description: impl Into<Vec<u8>>) -> Thread {
        self.notes.push(Note { owner: owner.to_owned(), kind, description: description.into() });
        self
    }

    /// `struct elf_prstatus` (336 bytes on x86-64).
    ///
    /// # Panics
    /// When a register was set that the machine doesn't have.
    pub(super) fn prstatus(&self, machine: &Machine) -> Vec<u8> {
        for name in self.registers.keys() {
            assert!(machine.registers.contains(&name.as_str()), "{} has no register {name:?}", machine.name);
        }
        let class = machine.class;
        let mut out = Encoder::new(machine.endian);
        out.u32(u32::from(self.signal)).u32(0).u32(0); // pr_info: si_signo, si_code, si_errno
        out.u16(self.signal).zeros(2); // pr_cursig
        out.word(class, 0).word(class, 0); // pr_sigpend, pr_sighold
        out.u32(self.tid).u32(1).u32(self.tid).u32(self.tid); // pr_pid, pr_ppid, pr_pgrp, pr_sid
        for _ in 0..8 {
            out.word(class, 0); // pr_utime, pr_stime, pr_cutime, pr_cstime
        }
        for name in machine.registers {
            let usual = match *name {
                "cs" => 0x33,
                "ss" => 0x2b,
                "orig_rax" => u64::MAX,
                _ => 0,
            };
            out.word(class, self.registers.get(*name).copied().unwrap_or(usual));
        }
        out.u32(1); // pr_fpvalid
        if class == Class::Elf64 {
            out.zeros(4);
        }
        out.into_bytes()
    }
}

/// The process: `NT_PRPSINFO`.
#[derive(Clone, Debug, Default)]
pub struct Psinfo {
    /// Process id.
    pub pid: u32,
    /// Parent's process id.
    pub ppid: u32,
    /// Real user id.
    pub uid: u32,
    /// Real group id.
    pub gid: u32,
    /// `pr_fname`: cut to 15 bytes.
    pub name: String,
    /// `pr_psargs`: cut to 79 bytes.
    pub arguments: String,
}

impl Psinfo {
    /// `struct elf_prpsinfo`: 136 bytes of a 64-bit machine, 124 of a 32-bit one, whose ids have 16 bits.
    pub(super) fn encode(&self, class: Class, endian: Endian) -> Vec<u8> {
        let mut out = Encoder::new(endian);
        out.u8(0).u8(b'R').u8(0).u8(0); // pr_state, pr_sname, pr_zomb, pr_nice
        match class {
            Class::Elf32 => out.u32(0).u16(self.uid as u16).u16(self.gid as u16), // pr_flag, …
            Class::Elf64 => out.zeros(4).u64(0).u32(self.uid).u32(self.gid),
        };
        out.u32(self.pid).u32(self.ppid).u32(self.pid).u32(self.pid); // …, pr_pgrp, pr_sid
        out.text(&self.name, 16).text(&self.arguments, 80);
        out.into_bytes()
    }
}

/// The fatal signal: `NT_SIGINFO`, a `siginfo_t`.
#[derive(Clone, Copy, Debug)]
pub struct Siginfo {
    signal: u32,
    code: i32,
    /// The first two words of the union, which is the faulting address or the sender's pid and uid.
    union: SiginfoUnion,
}

#[derive(Clone, Copy, Debug)]
enum SiginfoUnion {
    Address(u64),
    Sender { pid: u32, uid: u32 },
    Call { number: u32, audit: u32 },
}

impl Siginfo {
    /// A fault (`SIGSEGV`, `SIGBUS`, `SIGFPE`, `SIGILL`): `si_code` and `si_addr`.
    pub fn fault(signal: u32, code: i32, address: u64) -> Siginfo {
        Siginfo { signal, code, union: SiginfoUnion::Address(address) }
    }

    /// A signal that a process sent: `code` is `SI_USER` (0), `SI_TKILL` (−6), …
    pub fn sent(signal: u32, code: i32, pid: u32, uid: u32) -> Siginfo {
        Siginfo { signal, code, union: SiginfoUnion::Sender { pid, uid } }
    }

    /// A system call that seccomp refused (`SIGSYS`): `si_syscall` and `si_arch`.
    pub fn refused(number: u32, audit: u32) -> Siginfo {
        Siginfo { signal: 31, code: 1, union: SiginfoUnion::Call { number, audit } }
    }

    /// The 128 bytes of `siginfo_t`; the union starts at offset 16, on a 32-bit machine at 12.
    pub(super) fn encode(self, class: Class, endian: Endian) -> Vec<u8> {
        let mut out = Encoder::new(endian);
        out.u32(self.signal).u32(0).u32(self.code.cast_unsigned()); // si_signo, si_errno, si_code
        if class == Class::Elf64 {
            out.zeros(4);
        }
        match self.union {
            SiginfoUnion::Address(address) => out.word(class, address),
            SiginfoUnion::Sender { pid, uid } => out.u32(pid).u32(uid),
            // Where the call was comes first.
            SiginfoUnion::Call { number, audit } => out.word(class, 0).u32(number).u32(audit),
        };
        out.zeros(128 - out.len());
        out.into_bytes()
    }
}

/// One row of `NT_FILE`: a file-backed mapping.
#[derive(Clone, Debug)]
pub struct FileMapping {
    /// First address.
    pub start: u64,
    /// First address after it.
    pub end: u64,
    /// Offset in the file, in units of the note's page size.
    pub page_offset: u64,
    /// The path as the kernel writes it (` (deleted)` and all).
    pub path: Vec<u8>,
}

impl FileMapping {
    /// A mapping of `path` from its page `page_offset` on.
    pub fn new(start: u64, end: u64, page_offset: u64, path: impl AsRef<[u8]>) -> FileMapping {
        FileMapping { start, end, page_offset, path: path.as_ref().to_vec() }
    }
}

/// `NT_FILE`: count, page size, a row of three words each, then the paths, each with its NUL.
pub(super) fn encode_files(files: &[FileMapping], page_size: u64, class: Class, endian: Endian) -> Vec<u8> {
    let mut out = Encoder::new(endian);
    out.word(class, files.len() as u64).word(class, page_size);
    for file in files {
        out.word(class, file.start).word(class, file.end).word(class, file.page_offset);
    }
    for file in files {
        out.raw(&file.path).u8(0);
    }
    out.into_bytes()
}

/// `NT_AUXV`: pairs of words, closed by `AT_NULL`.
pub(super) fn encode_auxv(entries: &[(u64, u64)], class: Class, endian: Endian) -> Vec<u8> {
    let mut out = Encoder::new(endian);
    for (key, value) in entries.iter().chain(&[(0, 0)]) {
        out.word(class, *key).word(class, *value);
    }
    out.into_bytes()
}
