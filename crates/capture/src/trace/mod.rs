//! Cores by ptrace(2), where the kernel's would lead elsewhere: the job's whole tree is traced, and a process that is
//! about to die by a signal is dumped before it takes it.
//!
//! Nothing else changes for the job: signals are passed on, stops of job control last until somebody continues what is
//! stopped, and when this process ends, however it does, the others go on. What can't work while it is traced is let go
//! as soon as it is executed ([`alone`]). What a filter of system calls (seccomp) kills doesn't stop before it takes its
//! signal, and is dumped at its end ([`ends`]).

mod alone;
mod denied;
mod ends;
mod halt;
mod hang;
mod start;
mod tree;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

use epitaph_summary::CoreSource;
use rustix::process::{Pid, Signal, WaitIdStatus, WaitStatus};

pub use denied::why_untraced;
pub(crate) use hang::dump_tree;
pub(crate) use start::begin;
pub use start::start_stopped;
pub(crate) use tree::{descendants, signal_tree};

use self::alone::Alone;
use self::ends::{cause_among, ended_by, ends_by, ends_with_its_process};
use self::halt::{halt, tasks};
use crate::live::{Ending, LiveCoreError, SaveAs, Standing, core_of, save};
use crate::ptrace;
use crate::run::Trace;
use crate::search::Candidate;

/// A process that was dumped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dumped {
    /// Its process id.
    pub pid: u32,
    /// The signal that was about to end it; `None` for one that hung.
    pub signal: Option<i32>,
    /// Its core.
    pub core: PathBuf,
}

/// What was dumped, and what could not be.
#[derive(Clone, Debug, Default)]
pub struct Dumps {
    /// The cores, oldest first.
    pub cores: Vec<Dumped>,
    /// Why some processes have none.
    pub failed: Vec<Arc<LiveCoreError>>,
    /// How many more processes died, or hung, beyond those that are dumped at most.
    pub more: usize,
}

impl Dumped {
    /// Opens its core, as a search would have found it.
    pub fn candidate(&self) -> io::Result<Candidate> {
        let file = File::open(&self.core)?;
        let metadata = file.metadata()?;
        Ok(Candidate {
            path: self.core.clone(),
            file,
            verified: true,
            name_fields: BTreeMap::new(),
            source: CoreSource::Traced,
            modified: metadata.modified()?,
            size: metadata.len(),
            size_on_disk: metadata.blocks() * 512,
            growing: false,
        })
    }
}

impl Dumps {
    /// Adds what came later.
    pub(crate) fn add(&mut self, later: Dumps) {
        self.cores.extend(later.cores);
        self.failed.extend(later.failed);
        self.more += later.more;
    }
}

/// Where cores go, and how much of them.
#[derive(Clone, Debug)]
pub(crate) struct Dumper {
    /// An existing folder that nobody else writes to.
    pub(crate) folder: PathBuf,
    pub(crate) how: SaveAs,
    /// The most that are written, if that is limited: a storm shall not fill the disk.
    pub(crate) most: Option<usize>,
}

impl Dumper {
    pub(crate) fn of(trace: &Trace, most: Option<usize>) -> Dumper {
        Dumper { folder: trace.folder.clone(), how: SaveAs::FullBelow(trace.full_below), most }
    }

    /// Dumps a process that stands still, and keeps account of it.
    fn dump(&self, standing: &Standing, dumps: &mut Dumps) {
        if self.most.is_some_and(|most| dumps.cores.len() >= most) {
            dumps.more += 1;
            return;
        }
        let pid = standing.process.as_raw_pid().cast_unsigned();
        // Process ids come back.
        let mut core = self.folder.join(format!("core.{pid}"));
        if core.exists() {
            core = self.folder.join(format!("core.{pid}.{}", dumps.cores.len()));
        }
        let signal = standing.ending.map(|ending| ending.signal);
        // A fault of ours that a crafted process finds must cost neither the others nor the job.
        let saved = catch_unwind(AssertUnwindSafe(|| {
            core_of(standing).and_then(|live| save(standing.process, live, &core, self.how))
        }));
        let saved = saved.unwrap_or_else(|_| Err(LiveCoreError::Bug { pid: standing.process.as_raw_pid() }));
        match saved {
            Ok(()) => dumps.cores.push(Dumped { pid, signal, core }),
            Err(error) => dumps.failed.push(Arc::new(error)),
        }
    }
}

/// Follows the processes that are traced.
#[derive(Debug)]
pub(crate) struct Tracer {
    dumper: Dumper,
    pub(crate) dumps: Dumps,
    /// Processes that were let take a signal that ends them.
    dying: HashSet<Pid>,
    /// Whose end is awaited of processes that a filter of system calls killed.
    awaited: HashMap<Pid, Pid>,
    alone: Alone,
}

impl Tracer {
    pub(crate) fn new(dumper: Dumper) -> Tracer {
        Tracer {
            dumper,
            dumps: Dumps::default(),
            dying: HashSet::new(),
            awaited: HashMap::new(),
            alone: Alone::default(),
        }
    }

    /// Tells, once, whether a process that ended was seen dying of a signal that makes cores.
    pub(crate) fn saw_die(&mut self, process: Pid) -> bool {
        self.awaited.remove(&process);
        self.dying.remove(&process)
    }

    /// Deals with a thread that stopped, so that it goes on, unless job control has stopped it.
    pub(crate) fn stopped(&mut self, thread: Pid, stop: Stop) {
        let mut stops = VecDeque::from([(thread, stop)]);
        while let Some((thread, stop)) = stops.pop_front() {
            // Where any of these fails, the thread was killed meanwhile.
            let _ = match stop {
                Stop::Takes(signal) => {
                    let process = ends_by(thread, signal);
                    stops.extend(self.ends(process, Ending { thread, signal, is_ahead: true }));
                    ptrace::go_on(thread, signal)
                }
                Stop::Ends => {
                    if let Some((process, signal)) = ended_by(thread) {
                        let ending = Ending { thread, signal, is_ahead: false };
                        stops.extend(self.ends(Some(process), ending));
                    }
                    ptrace::go_on(thread, 0)
                }
                Stop::Executed => {
                    self.dying.remove(&thread);
                    if self.alone.is_for(thread) {
                        ptrace::detach(thread, 0)
                    } else {
                        ptrace::go_on(thread, 0)
                    }
                }
                Stop::Group => ptrace::leave_stopped(thread),
                Stop::Other => ptrace::go_on(thread, 0),
            };
        }
    }

    /// Dumps a process that a signal ends, unless that was done. Returns the threads that were stopped for it, and how.
    fn ends(&mut self, process: Option<Pid>, ending: Ending) -> Vec<(Pid, Stop)> {
        // Of several threads that crash together, the first one is told.
        let Some(process) = process.filter(|process| !self.dying.contains(process)) else {
            return Vec::new();
        };
        let awaited = self.awaited.get(&process).is_some_and(|cause| *cause != ending.thread);
        if !ending.is_ahead && (awaited || !ends_with_its_process(ending.thread)) {
            return Vec::new();
        }
        let others: Vec<Pid> = tasks(process).into_iter().filter(|task| *task != ending.thread).collect();
        let stopped = halt(&others);
        let threads: Vec<Pid> = stopped.iter().map(|(thread, _)| *thread).chain([ending.thread]).collect();
        let ending = match cause_among(&threads).or_else(|| cause_among(&others)) {
            _ if ending.is_ahead => ending,
            // Before Linux 5.16 threads stop at their ends before the kernel dumps, and whose signal it was waits for them:
            // its own end is still to come, and what is known only there is worth more than the others' registers.
            Some(cause) if !threads.contains(&cause) => {
                self.awaited.insert(process, cause);
                return stopped;
            }
            cause => Ending { thread: cause.unwrap_or(ending.thread), ..ending },
        };
        self.dying.insert(process);
        let standing = Standing { process, threads, ending: Some(ending) };
        self.dumper.dump(&standing, &mut self.dumps);
        stopped
    }
}

/// Ends the tracing of a thread that stopped too late for whom it was stopped for.
pub(crate) fn let_go(thread: Pid, stop: Stop) {
    // Where this fails, the thread was killed meanwhile.
    let _ = ptrace::detach(thread, stop.signal());
}

/// Why a traced thread stopped (ptrace(2), "Stopped states").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It is about to take a signal.
    Takes(i32),
    /// It executes a program.
    Executed,
    /// It is at its end, with its memory and its registers still there.
    Ends,
    /// Job control stopped its process.
    Group,
    /// It was started, it starts another, or it was asked to stop.
    Other,
}

impl Stop {
    /// Reads what `waitpid` gives of a thread that stopped.
    pub(crate) fn of(status: WaitStatus) -> Stop {
        Stop::of_code(status.as_raw() >> 8)
    }

    /// Reads what `waitid` gives of a traced thread that stopped.
    fn of_tracee(status: &WaitIdStatus) -> Option<Stop> {
        status.trapping_signal().or_else(|| status.stopping_signal()).map(Stop::of_code)
    }

    /// Reads the signal, and the event above it.
    fn of_code(code: i32) -> Stop {
        const STOPPING: [Signal; 4] = [Signal::STOP, Signal::TSTP, Signal::TTIN, Signal::TTOU];
        let (signal, event) = (code & 0xff, code >> 8);
        match event {
            0 => Stop::Takes(signal),
            libc::PTRACE_EVENT_EXEC => Stop::Executed,
            libc::PTRACE_EVENT_EXIT => Stop::Ends,
            libc::PTRACE_EVENT_STOP if STOPPING.iter().any(|stopping| stopping.as_raw() == signal) => {
                Stop::Group
            }
            _ => Stop::Other,
        }
    }

    /// The signal that the thread is still to get, 0 if none.
    fn signal(self) -> i32 {
        match self {
            Stop::Takes(signal) => signal,
            Stop::Executed | Stop::Ends | Stop::Group | Stop::Other => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stops_are_told_apart() {
        let stop = |event: i32, signal: i32| Stop::of_code(event << 8 | signal);
        assert_eq!(stop(0, 11), Stop::Takes(11));
        assert_eq!(stop(0, 64), Stop::Takes(64));
        assert_eq!(stop(libc::PTRACE_EVENT_EXEC, 5), Stop::Executed);
        assert_eq!(stop(libc::PTRACE_EVENT_EXIT, 5), Stop::Ends);
        assert_eq!(stop(libc::PTRACE_EVENT_STOP, Signal::TSTP.as_raw()), Stop::Group);
        assert_eq!(stop(libc::PTRACE_EVENT_STOP, Signal::TRAP.as_raw()), Stop::Other);
        assert_eq!(stop(libc::PTRACE_EVENT_FORK, 5), Stop::Other);
        // A stop signal that is about to be taken doesn't stop the process yet.
        assert_eq!(stop(0, Signal::STOP.as_raw()), Stop::Takes(19));
        assert_eq!((Stop::Takes(40).signal(), Stop::Group.signal()), (40, 0));
    }
}
