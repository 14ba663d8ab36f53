//! What each thread waits for, and who holds it.
//!
//! The registers alone tell: a thread that waits for another stands in futex(2), and the call's arguments say where the
//! lock's word is and what it held. No stack is walked, so that thousands of threads take no time. What kind of lock it
//! is, and who holds it, the memory around the word tells by the layouts of the C libraries ([`glibc`], [`musl`]); a
//! holder is only named where all that is known of such a lock fits and the thread is one of the process's.

mod futex;
mod glibc;
mod musl;
mod place;
mod ring;

use std::collections::BTreeMap;

use epitaph_elf::{LoadedModules, Memory, Process, SystemCall};
use epitaph_summary::{Hex, Syscall, WaitsOn};

use crate::syscalls;
use futex::{Futex, Operation};
use place::{Place, Threads};

pub use ring::Ring;

/// In a futex's word, the bit that says that somebody waits, and the bits of a thread id: linux/futex.h.
const FUTEX_WAITERS: u32 = 1 << 31;
const FUTEX_TID: u32 = (1 << 30) - 1;
/// Thread ids are below this (`PID_MAX_LIMIT`, linux/include/linux/threads.h).
const MOST_PIDS: u32 = 1 << 22;

/// Recognizes a lock by the futex, the place of its word and the id of the thread that waits.
type Recognizer = fn(&Futex, Place<'_>, &Threads<'_>, u32) -> Option<Wait>;

/// What all threads of a process were doing.
#[derive(Clone, Debug, Default)]
pub struct Waits {
    /// By thread, in the process's order.
    pub threads: Vec<ThreadState>,
    /// Deadlocks: rings of threads that wait for each other. A thread that waits for itself is one as well.
    pub rings: Vec<Ring>,
}

/// What a thread was doing, as far as its registers tell.
#[derive(Clone, Debug, Default)]
pub struct ThreadState {
    /// The system call that it was in.
    pub call: Option<Call>,
    /// What it waited for.
    pub wait: Option<Wait>,
}

/// A system call that a thread was in.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// Its number on this architecture.
    pub number: u64,
    /// Its name, if it has one.
    pub name: Option<&'static str>,
    /// Whether the thread waited in it; otherwise it had come to its end.
    pub waited: bool,
}

/// What a thread waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// What it is.
    pub kind: WaitKind,
    /// Where it lies.
    pub address: u64,
    /// Who holds it.
    pub holder: Option<Holder>,
    /// Whether all that is known of a lock of this kind fits.
    pub sure: bool,
    /// Whether the wait ends by itself, after some time.
    pub timed: bool,
}

/// Kinds of what threads wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitKind {
    /// A mutex.
    Mutex,
    /// A lock for readers and writers.
    ReadWriteLock,
    /// A condition variable.
    Condition,
    /// A semaphore.
    Semaphore,
    /// Another thread's end.
    Thread,
    /// A barrier.
    Barrier,
    /// The end of something that is done once.
    Once,
    /// Something that only its program knows.
    Futex,
}

/// Who holds a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A thread of the process.
    Living {
        /// Its id.
        tid: u32,
        /// Its index among the process's threads.
        index: usize,
    },
    /// None of the process's threads: one that has ended, or another process's.
    Gone {
        /// Its id.
        tid: u32,
    },
}

/// Finds out what each thread waits for.
pub fn waits(process: &Process, memory: &dyn Memory, loaded: &LoadedModules<'_>) -> Waits {
    let known = Threads::of(process);
    let recognizers = recognizers(loaded);
    let threads: Vec<ThreadState> = process
        .threads
        .iter()
        .map(|thread| {
            let call = SystemCall::of(process.arch, thread, memory);
            let name = call.and_then(|call| syscalls::name(process.arch, call.number));
            let wait = call
                .filter(|_| matches!(name, Some("futex" | "futex_time64")))
                .and_then(|call| Futex::of(&call))
                .map(|futex| {
                    let place = Place::new(memory, process, futex.address);
                    wait_for(&futex, place, &known, thread.tid, &recognizers)
                });
            let call = call.map(|call| Call { number: call.number, name, waited: call.interrupted });
            ThreadState { call, wait }
        })
        .collect();
    let rings = ring::find(&threads);
    Waits { threads, rings }
}

/// Returns what can recognize the locks of the C library that the process has; a static program may have either.
fn recognizers(loaded: &LoadedModules<'_>) -> Vec<Recognizer> {
    let has = |marks: &[&[u8]]| {
        loaded.modules().iter().any(|loaded| {
            let name = loaded.module.path.file_name().unwrap_or_default().as_encoded_bytes();
            marks.iter().any(|mark| name.starts_with(mark))
        })
    };
    let musl = has(&[b"ld-musl", b"libc.musl"]);
    let glibc = has(&[b"libc.so.6", b"libc-2."]);
    let of_glibc = glibc::ALL.into_iter().filter(|_| glibc || !musl);
    of_glibc.chain(musl::ALL.into_iter().filter(|_| musl || !glibc)).collect()
}

/// Says what a thread waits for that stands in a futex call.
fn wait_for(
    futex: &Futex,
    place: Place<'_>,
    threads: &Threads<'_>,
    waiting: u32,
    recognizers: &[Recognizer],
) -> Wait {
    let known = recognizers.iter().find_map(|recognize| recognize(futex, place, threads, waiting));
    let wait = known.or_else(|| by_kernel(futex, place, threads, waiting));
    let wait = wait.unwrap_or_else(|| Wait::unheld(WaitKind::Futex, place));
    Wait { timed: futex.timed, ..wait }
}

/// The kernel itself wants the owner in the word of a lock with priority inheritance, whoever made it.
fn by_kernel(futex: &Futex, place: Place<'_>, threads: &Threads<'_>, waiting: u32) -> Option<Wait> {
    let owner = place.int(0).filter(|_| futex.operation == Operation::Lock)? & FUTEX_TID;
    let holder = Holder::of(owner, threads);
    // The kernel lets no thread wait for itself.
    let fits = owner != waiting && matches!(holder, Holder::Living { .. });
    fits.then(|| Wait::held(WaitKind::Mutex, place, holder))
}

impl Wait {
    /// A wait for something that somebody holds: sure where that is one of the process's threads.
    fn held(kind: WaitKind, place: Place<'_>, holder: Holder) -> Wait {
        let sure = matches!(holder, Holder::Living { .. });
        Wait { kind, address: place.address(), holder: Some(holder), sure, timed: false }
    }

    /// A wait for something of which nobody keeps who holds it.
    fn unheld(kind: WaitKind, place: Place<'_>) -> Wait {
        Wait { kind, address: place.address(), holder: None, sure: false, timed: false }
    }

    /// Describes it for a summary.
    pub fn describe(&self) -> WaitsOn {
        let (owner_tid, owner_gone) = match self.holder {
            Some(Holder::Living { tid, .. }) => (Some(tid), None),
            Some(Holder::Gone { tid }) => (Some(tid), Some(true)),
            None => (None, None),
        };
        let kind = self.kind.token().to_owned();
        WaitsOn { kind, address: Some(Hex(self.address)), owner_tid, owner_gone }
    }
}

impl WaitKind {
    /// Returns its token in summaries.
    fn token(self) -> &'static str {
        match self {
            WaitKind::Mutex => "mutex",
            WaitKind::ReadWriteLock => "rwlock",
            WaitKind::Condition => "condition",
            WaitKind::Semaphore => "semaphore",
            WaitKind::Thread => "thread",
            WaitKind::Barrier => "barrier",
            WaitKind::Once => "once",
            WaitKind::Futex => "futex",
        }
    }
}

impl Holder {
    fn of(tid: u32, threads: &Threads<'_>) -> Holder {
        threads.find(tid).map_or(Holder::Gone { tid }, |index| Holder::Living { tid, index })
    }
}

impl Call {
    /// Describes it for a summary.
    pub fn describe(&self) -> Syscall {
        Syscall { number: Some(self.number), name: self.name.map(str::to_owned) }
    }
}

/// Threads that all wait for one lock, which another thread holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Crowd {
    /// How many wait.
    pub(crate) count: usize,
    /// What for.
    pub(crate) wait: Wait,
    /// The holder's index.
    pub(crate) holder: usize,
}

impl Waits {
    /// Finds the lock that most threads wait for, where it is known who holds it.
    pub(crate) fn largest_crowd(&self) -> Option<Crowd> {
        let mut crowds: BTreeMap<(u64, usize), Crowd> = BTreeMap::new();
        for wait in self.threads.iter().filter_map(|state| state.wait.filter(|wait| wait.sure)) {
            if let Some(Holder::Living { index, .. }) = wait.holder {
                let crowd =
                    crowds.entry((wait.address, index)).or_insert(Crowd { count: 0, wait, holder: index });
                crowd.count += 1;
            }
        }
        crowds.into_values().max_by_key(|crowd| crowd.count)
    }

    /// Counts the threads that waited in a system call.
    pub(crate) fn waiting(&self) -> usize {
        self.threads.iter().filter(|state| state.call.is_some_and(|call| call.waited)).count()
    }
}
