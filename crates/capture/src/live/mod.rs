//! Cores of living processes: what the kernel would have written, made from outside.
//!
//! Every thread stands still and is traced by this one. What is dumped follows the kernel's own rules ([`rules`]), the
//! registers are the kernel's own sets, and the memory is read only while the core is: it is streamed to its file,
//! however large the process.

mod dumpable;
pub(crate) mod facts;
mod maps;
mod memory;
mod refused;
mod rules;
mod save;

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::sync::Arc;

use epitaph_elf::{
    Arch, FileMapping, LiveCore, LiveError, LiveProcess, LiveThread, ReadAt as _, RegisterSet, Segment,
};
use rustix::process::Pid;

pub(crate) use save::{SaveAs, save};

use self::dumpable::is_dumpable;
use self::facts::Status;
use self::maps::Mapping;
use self::memory::LiveMemory;
use self::rules::Dumped;
use crate::ptrace;

/// `NT_PRSTATUS`, as a set of registers: the general ones.
const GENERAL: u32 = 1;
/// Further sets (`NT_…` of linux/elf.h) by architecture; a machine that lacks one has none of it.
const SETS: [(&str, &[u32]); 2] = [
    // floating point; the extended state
    ("x86_64", &[2, 0x202]),
    // floating point; thread pointer; SVE; where pointers are signed
    ("aarch64", &[2, 0x401, 0x405, 0x406]),
];

/// Why there is no core of a living process.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LiveCoreError {
    /// The process can't be looked at: it ended, or belongs to somebody else.
    #[error("cannot look at process {pid}")]
    Process {
        /// Its process id.
        pid: i32,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The kernel wouldn't dump it: it asked for that (`PR_SET_DUMPABLE`), or changed its user, as setuid programs do.
    #[error("process {pid} is not to be dumped: it asked for that, or changed its user")]
    NotDumpable {
        /// Its process id.
        pid: i32,
    },
    /// No core can be made of what was seen.
    #[error("cannot make a core of process {pid}")]
    Make {
        /// Its process id.
        pid: i32,
        /// Why.
        #[source]
        source: LiveError,
    },
    /// Programs of this machine's architecture can't be dumped by this version.
    #[error("cores of living processes cannot be written on {arch}: only on x86_64 and aarch64")]
    Machine {
        /// The architecture.
        arch: &'static str,
    },
    /// The core could not be written.
    #[error("cannot write the core of process {pid}")]
    Save {
        /// Its process id.
        pid: i32,
        /// Why.
        #[source]
        source: epitaph_bundle::SaveError,
    },
    /// A bug of this program.
    #[error("a bug of epitaph: no core can be written of process {pid}")]
    Bug {
        /// Its process id.
        pid: i32,
    },
    /// The core could not be made slim.
    #[error("cannot make a slim core of process {pid}")]
    Slim {
        /// Its process id.
        pid: i32,
        /// Why.
        #[source]
        source: epitaph_elf::SlimError,
    },
}

/// Which threads of a process stand still.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    /// The process.
    pub(crate) process: Pid,
    /// The threads, in any order.
    pub(crate) threads: Vec<Pid>,
    /// What ends it, unless it hangs.
    pub(crate) ending: Option<Ending>,
}

/// A signal that ends a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    /// The thread that takes it.
    pub(crate) thread: Pid,
    /// Its number.
    pub(crate) signal: i32,
    /// Whether it is still to be taken; else the thread is at its end, and the kernel has forgotten what it was about.
    pub(crate) is_ahead: bool,
}

impl Standing {
    /// Returns a thread that still has the process's memory: the first one may have ended before the others.
    fn with_memory(&self) -> Pid {
        self.ending
            .map(|ending| ending.thread)
            .or_else(|| self.threads.first().copied())
            .unwrap_or(self.process)
    }
}

impl Ending {
    /// Returns its `siginfo_t`, where that can be known.
    fn info(self) -> Option<Vec<u8>> {
        if self.is_ahead { ptrace::signal_info(self.thread).ok() } else { refused::info(self) }
    }
}

/// Tells whether cores of living processes can be written on this machine.
pub(crate) fn can_dump() -> bool {
    SETS.iter().any(|(arch, _)| *arch == std::env::consts::ARCH)
}

/// Makes the core of a process that stands still. It can be read as long as that lasts.
pub(crate) fn core_of(standing: &Standing) -> Result<LiveCore, LiveCoreError> {
    let pid = standing.process.as_raw_pid();
    let machine = std::env::consts::ARCH;
    let sets = SETS.iter().find(|(arch, _)| *arch == machine).map(|(_, sets)| *sets);
    let (Some(arch), Some(sets)) = (Arch::of_this_program(), sets) else {
        return Err(LiveCoreError::Machine { arch: machine });
    };
    let looked = |source| LiveCoreError::Process { pid, source };
    let alive = standing.with_memory();
    if !is_dumpable(alive).map_err(looked)? {
        return Err(LiveCoreError::NotDumpable { pid });
    }
    let memory = LiveMemory::open(alive).map_err(looked)?;
    let mappings = maps::parse(&facts::read(alive, "smaps").map_err(looked)?);
    let filter = facts::filter(alive);
    let process = LiveProcess {
        arch,
        info: facts::info(standing.process, alive).map_err(looked)?,
        threads: threads(standing, sets),
        signal: standing.ending.and_then(Ending::info),
        auxv: facts::read(alive, "auxv").unwrap_or_default(),
        mappings: mappings.iter().filter(|mapping| mapping.is_file()).map(file).collect(),
        segments: mappings.iter().map(|mapping| segment(mapping, filter, &memory)).collect(),
    };
    let zeros_at_first =
        mappings.into_iter().filter(Mapping::begins_as_zeros).map(|mapping| mapping.range).collect();
    let memory = Arc::new(memory.with_zeros_at_first(zeros_at_first));
    LiveCore::new(&process, memory).map_err(|source| LiveCoreError::Make { pid, source })
}

/// Reads the threads, the one first that takes the signal, else the process's first one. One whose registers can't be
/// had any more has ended.
fn threads(standing: &Standing, sets: &[u32]) -> Vec<LiveThread> {
    let first = standing.ending.map_or(standing.process, |ending| ending.thread);
    let mut order: Vec<Pid> = standing.threads.clone();
    order.sort_by_key(|thread| (*thread != first, thread.as_raw_pid()));
    let thread = |thread: Pid| {
        let status = Status::of(thread).ok()?;
        let set =
            |kind: &u32| Some(RegisterSet { kind: *kind, bytes: ptrace::registers(thread, *kind).ok()? });
        Some(LiveThread {
            tid: thread.as_raw_pid().cast_unsigned(),
            name: facts::thread_name(thread),
            signal: standing.ending.map_or(0, |ending| ending.signal),
            pending: status.signals("SigPnd"),
            blocked: status.signals("SigBlk"),
            registers: ptrace::registers(thread, GENERAL).ok()?,
            sets: sets.iter().filter_map(set).collect(),
        })
    };
    order.into_iter().filter_map(thread).collect()
}

fn file(mapping: &Mapping) -> FileMapping {
    FileMapping {
        start: mapping.range.start,
        end: mapping.range.end,
        offset: mapping.offset,
        path: OsString::from_vec(mapping.name.clone()),
    }
}

fn segment(mapping: &Mapping, filter: u32, memory: &LiveMemory) -> Segment {
    let size = mapping.range.end - mapping.range.start;
    let file_size = match rules::dumped(mapping, filter) {
        Dumped::Whole => size,
        Dumped::IfElf if begins_elf(mapping, memory) => memory.page_size().min(size),
        Dumped::IfElf | Dumped::Nothing => 0,
    };
    Segment {
        address: mapping.range.start,
        memory_size: size,
        offset: 0,
        file_size,
        read: mapping.read,
        write: mapping.write,
        execute: mapping.execute,
    }
}

fn begins_elf(mapping: &Mapping, memory: &LiveMemory) -> bool {
    let mut magic = [0; 4];
    memory.read_at(mapping.range.start, &mut magic).is_ok_and(|count| count == 4) && magic == *b"\x7fELF"
}
