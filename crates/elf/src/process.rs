//! What any source of a crash gives: the process as it was when it died.

use std::ffi::OsString;
use std::fmt;

use crate::arch::Arch;
use crate::auxv::AuxVector;
use crate::registers::Registers;
use crate::slim::Slimmed;
use crate::system_call::KeptCall;

/// A dead process.
#[derive(Clone, Debug)]
pub struct Process {
    /// The architecture that its registers are of.
    pub arch: &'static Arch,
    /// Its threads; where a signal ended it, the one that took the signal is first.
    pub threads: Vec<Thread>,
    /// The files that it had mapped, by address.
    pub mappings: Vec<FileMapping>,
    /// The auxiliary vector.
    pub auxv: AuxVector,
    /// The signal that ended it.
    pub signal: Option<SignalInfo>,
    /// Names and ids.
    pub info: Option<ProcessInfo>,
    /// `kernel`, or `gcore` where a debugger wrote the core; unknown where somebody else did.
    pub producer: Option<&'static str>,
    /// What the core was made of, where it is a slim one.
    pub slim: Option<Slimmed>,
    /// What is wrong with the source.
    pub defects: Vec<Defect>,
}

/// One thread.
#[derive(Clone, Debug)]
pub struct Thread {
    /// Thread id.
    pub tid: u32,
    /// Its name, where whoever wrote the core knew it; the kernel doesn't tell.
    pub name: Option<OsString>,
    /// The signal that was being taken (`pr_cursig`); 0 if none.
    pub signal: u16,
    /// Registers.
    pub registers: Registers,
    /// The thread pointer's base (x86: `fs_base`), where it is known.
    pub tls: Option<u64>,
    /// What the kernel keeps of the system call that it was in.
    pub(crate) call: KeptCall,
}

/// A range of addresses that a file was mapped to (`NT_FILE`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileMapping {
    /// First address.
    pub start: u64,
    /// First address after it.
    pub end: u64,
    /// Offset in the file, in bytes.
    pub offset: u64,
    /// The file's path as the kernel knew it, perhaps with ` (deleted)` at its end; bytes, not text.
    pub path: OsString,
}

/// The signal that ended the process (`NT_SIGINFO`, or as much as `pr_cursig` tells).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignalInfo {
    /// Its number.
    pub number: i32,
    /// `si_code`; absent where only the number is known.
    pub code: Option<i32>,
    /// `si_addr`, for a signal that the hardware raised.
    pub fault_address: Option<u64>,
    /// `si_pid` and `si_uid`, for a signal that a process sent.
    pub sender: Option<(u32, u32)>,
    /// The system call that a filter (seccomp) refused.
    pub refused: Option<RefusedCall>,
}

/// A system call that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusedCall {
    /// `si_syscall`: its number, as `audit` numbers its calls.
    pub number: u32,
    /// `si_arch`, an `AUDIT_ARCH_…` value: see [`Arch::audited`].
    pub audit: u32,
}

impl SignalInfo {
    /// A signal of which nothing else is known.
    pub fn of_number(number: i32) -> SignalInfo {
        SignalInfo { number, code: None, fault_address: None, sender: None, refused: None }
    }
}

/// Names and ids (`NT_PRPSINFO`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessInfo {
    /// Process id.
    pub pid: u32,
    /// Parent's process id.
    pub ppid: u32,
    /// Session id (`pr_sid`): the process that leads its session.
    pub session: u32,
    /// Real user id.
    pub uid: u32,
    /// Real group id.
    pub gid: u32,
    /// `comm`: at most 15 bytes.
    pub name: OsString,
    /// The command line's first 80 bytes, its NULs as spaces.
    pub args: OsString,
    /// Whether the command line fills all 80 bytes, so that more of it may be missing.
    pub args_cut: bool,
}

/// Something that is wrong with a core, and what follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Defect {
    /// The file ends before the last byte that its headers promise.
    Truncated {
        /// Bytes that are missing.
        missing: u64,
    },
    /// The number of segments is unknown, because section header 0 is beyond the end of the file (`PN_XNUM`).
    SegmentCountLost,
    /// More segments than are read.
    TooManySegments {
        /// How many the header promises.
        promised: u64,
    },
    /// The file ends within its notes: some of them are not there.
    NotesCut,
    /// A note's sizes make no sense; it and what follows it are not read.
    BrokenNote,
    /// The notes are larger than what is read of them.
    NotesTooLarge {
        /// Their size in bytes.
        size: u64,
    },
    /// A thread's registers have not the size that the architecture's have.
    OddThread {
        /// The note's size in bytes.
        size: usize,
    },
    /// No thread's registers are there.
    NoThreads,
    /// The list of mapped files (`NT_FILE`) is missing or broken.
    NoFileList,
    /// A slim core's stacks that were too large for it: their middles are missing.
    StacksCut {
        /// How many.
        count: u64,
    },
    /// The note that a slim core carries makes no sense, or is of a later version.
    BrokenSlimNote,
}

impl Defect {
    /// Returns a stable token for it.
    pub fn code(&self) -> &'static str {
        match self {
            Defect::Truncated { .. } => "core_truncated",
            Defect::SegmentCountLost => "core_segment_count_lost",
            Defect::TooManySegments { .. } => "core_too_many_segments",
            Defect::NotesCut => "core_notes_cut",
            Defect::BrokenNote => "core_broken_note",
            Defect::NotesTooLarge { .. } => "core_notes_too_large",
            Defect::OddThread { .. } => "core_odd_thread",
            Defect::NoThreads => "core_no_threads",
            Defect::NoFileList => "core_no_file_list",
            Defect::StacksCut { .. } => "core_stacks_cut",
            Defect::BrokenSlimNote => "core_broken_slim_note",
        }
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Defect::Truncated { missing } => {
                write!(f, "the core is truncated: {missing} bytes that its headers promise are missing")
            }
            Defect::SegmentCountLost => {
                write!(f, "the core is truncated before its segment count (more than 65,534 segments)")
            }
            Defect::TooManySegments { promised } => {
                write!(f, "the core promises {promised} segments; only the first of them were read")
            }
            Defect::NotesCut => {
                write!(f, "the core is truncated within its notes: threads or mapped files are missing")
            }
            Defect::BrokenNote => write!(f, "a note's size makes no sense; the notes after it were not read"),
            Defect::NotesTooLarge { size } => {
                write!(f, "the notes take {size} bytes; only the first of them were read")
            }
            Defect::OddThread { size } => {
                write!(f, "a thread's registers take {size} bytes, which is not this architecture's size")
            }
            Defect::NoThreads => write!(f, "the core holds no thread's registers"),
            Defect::NoFileList => write!(f, "the core has no readable list of mapped files (NT_FILE)"),
            Defect::StacksCut { count } => {
                write!(f, "the slim core lacks the middle of {count} stacks, which were too large for it")
            }
            Defect::BrokenSlimNote => {
                write!(f, "the core is a slim one, but its note on what was left out can't be read")
            }
        }
    }
}
