//! Runs the job's command so that its crashes can leave cores, and gets out of its way otherwise.
//!
//! The command keeps its terminal, its streams and its process group. Its soft limit of the core's size is
//! raised to the hard one, sanitizers and runtimes are asked for cores; signals are passed on to it; this process adopts the orphans it leaves, so that
//! the crash of a grandchild is seen even where its parent is gone.

mod clock;
mod error;
mod exit;
mod program;
mod reap;
mod runtimes;
mod signals;
mod start;
mod tail;
mod timeout;
mod waiting;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, mpsc};
use std::time::{Duration, SystemTime};

use nix::unistd::getsid;
use rustix::io::Errno;
use rustix::process::{Pid, getpid, set_child_subreaper};

pub use error::RunError;
pub(crate) use exit::of_status;
pub use exit::{Exit, dumps_core};
pub use reap::Reaped;
pub(crate) use signals::ignored;
pub(crate) use start::become_command;
pub use tail::Tail;

use self::clock::Moment;
use self::program::resolve;
use self::runtimes::additions;
use self::signals::Forwarding;
use self::start::{explain, spawn, through};
use self::tail::Copying;
use self::timeout::{Watched, watch};
use self::waiting::{Waiting, keep_ends};
use crate::limits::{CoreLimit, Raised};
use crate::trace::{Dumper, Dumps, Tracer, begin};

/// A command: a program and its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunCommand {
    /// A path, or a name that is looked up in `PATH`.
    pub program: OsString,
    /// Its arguments, without the program's name.
    pub arguments: Vec<OsString>,
}

impl RunCommand {
    /// Makes a command of a program and its arguments.
    pub fn new(
        program: impl Into<OsString>,
        arguments: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> RunCommand {
        RunCommand { program: program.into(), arguments: arguments.into_iter().map(Into::into).collect() }
    }
}

/// How a command is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunOptions {
    /// Whether the command's soft limit of the core's size is raised to the hard one.
    pub raise_core_limit: bool,
    /// Whether the end of the command's standard error is kept, where that is no terminal.
    pub keep_stderr: bool,
    /// Whether sanitizers and language runtimes are told, by their variables, to leave cores.
    pub ask_runtimes: bool,
    /// Whether the command is traced, and cores of it are written here rather than by the kernel.
    pub trace: Option<Trace>,
    /// How long it may take, and what then.
    pub timeout: Option<Timeout>,
}

impl Default for RunOptions {
    fn default() -> RunOptions {
        RunOptions {
            raise_core_limit: true,
            keep_stderr: false,
            ask_runtimes: false,
            trace: None,
            timeout: None,
        }
    }
}

/// How cores are written by ptrace(2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// A program and its first arguments that calls [`start_stopped`](crate::start_stopped), to be traced by this process,
    /// with the arguments that follow: the command.
    pub starter: Vec<OsString>,
    /// An existing folder for the cores, which nobody else writes to.
    pub folder: PathBuf,
    /// Cores with more data than so many bytes are made slim; 0 makes all of them so.
    pub full_below: u64,
}

/// What is done with a command that takes too long: every process that it started is dumped, and ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeout {
    /// How long it may take.
    pub after: Duration,
    /// An existing folder for the (slim) cores, which nobody else writes to; without one, nothing is dumped.
    pub folder: Option<PathBuf>,
}

/// What became of a command.
#[derive(Clone, Debug)]
pub struct RunOutcome {
    /// How it ended.
    pub exit: Exit,
    /// Whether the kernel says that it wrote a core of the command itself.
    pub core_dumped: bool,
    /// The command's process id.
    pub pid: u32,
    /// The session that it was started in (this process's own): 0 where its leader is outside of this PID namespace,
    /// as in many containers. The kernel then puts 0 into cores as well.
    pub session: u32,
    /// The program's file, if it was found before the start.
    pub executable: Option<PathBuf>,
    /// When it was started: if the clock was set back since, as the clock has it now.
    pub started: SystemTime,
    /// By how much the clock was set back while it ran; mostly not at all.
    pub set_back: Duration,
    /// When it had ended.
    pub ended: SystemTime,
    /// The folder that it was started in; `None` where that was removed.
    pub cwd: Option<PathBuf>,
    /// The limit of the core's size that it was started with.
    pub core_limit: CoreLimit,
    /// Orphans of the command that a signal ended before the command did: at most 1024. Where the command is traced, these
    /// are whatever processes a signal ended that makes cores, and no others.
    pub orphans: Vec<Reaped>,
    /// How many of its orphans ended meanwhile, in whatever way.
    pub orphan_count: usize,
    /// The end of its standard error, where that was to be kept and is no terminal.
    pub stderr: Option<Tail>,
    /// Cores that were written here, and not by the kernel.
    pub dumps: Dumps,
    /// Whether it took too long, and was ended.
    pub timed_out: bool,
    /// Why it could not be traced, where it should have been.
    pub untraced: Option<Arc<io::Error>>,
}

impl RunOutcome {
    /// Returns the folder that the command was started in, where what lies beneath it is its own: what lies beneath `/` is
    /// everybody's.
    pub fn own_folder(&self) -> Option<&Path> {
        self.cwd.as_deref().filter(|folder| folder.parent().is_some())
    }

    /// Tells whether a file lies in the command's own folder.
    pub fn has_in_its_folder(&self, file: &Path) -> bool {
        self.own_folder().is_some_and(|folder| file.starts_with(folder))
    }

    /// Tells whether a file of this time may have been written before the command was started, although it seems not to be:
    /// the clock was set back meanwhile.
    pub fn may_be_older(&self, written: SystemTime) -> bool {
        self.started.checked_add(self.set_back).is_some_and(|told| written < told) && !self.set_back.is_zero()
    }

    /// Returns the processes, the command included, that were ended by a signal which makes the kernel write
    /// a core.
    ///
    /// Crashes of processes whose own parent waited for them are not among these: a shell or a test runner
    /// may turn them into an exit status, or hide them.
    pub fn crashed(&self) -> impl Iterator<Item = Reaped> {
        let command = Reaped { pid: self.pid, exit: self.exit, core_dumped: self.core_dumped };
        [command].into_iter().chain(self.orphans.iter().copied()).filter(|reaped| reaped.exit.is_crash())
    }
}

/// Returns this process's session as its own PID namespace has it, 0 if its leader is outside of that.
///
/// Not by rustix's `getsid`, which takes 0 for impossible.
fn session() -> u32 {
    getsid(None).map_or(0, |session| session.as_raw().cast_unsigned())
}

/// Runs `command` and waits for its end.
///
/// While it runs, *every* child of this process is reaped here: nothing else may start processes meanwhile.
///
/// All that can fail for want of memory, files or threads is made before the command is started: from then on, somebody
/// watches over it.
pub fn run(command: &RunCommand, options: &RunOptions) -> Result<RunOutcome, RunError> {
    let failed = |source: io::Error| RunError::Start { program: command.program.clone().into(), source };
    let cwd = std::env::current_dir().ok();
    let path = std::env::var_os("PATH");
    let executable =
        resolve(&command.program, path.as_deref()).map(|file| file.canonicalize().unwrap_or(file));
    // Where this is refused, only crashes of orphans go unseen.
    let _ = set_child_subreaper(Some(getpid()));
    keep_ends().map_err(failed)?;
    let mut forwarding = Forwarding::install().map_err(failed)?;
    let copying = if options.keep_stderr { Copying::begin().map_err(failed)? } else { None };
    let (copying, stderr) = copying.unzip();
    let waiting = Waiting::up_to(options.timeout.as_ref().map(|timeout| timeout.after)).map_err(failed)?;

    let limit = CoreLimit::current();
    let runtimes = if options.ask_runtimes { additions(|name| std::env::var_os(name)) } else { Vec::new() };
    let begin = Moment::now();
    let start = || {
        let _raised = options.raise_core_limit.then(Raised::for_a_start);
        // Dropped with this function: it is the command's alone from here on.
        let stderr = stderr;
        let prepare = |start: &mut Command| -> io::Result<()> {
            start.envs(runtimes.iter().cloned());
            if let Some(stderr) = &stderr {
                start.stderr(stderr.try_clone()?);
            }
            Ok(())
        };
        let spawned = match &options.trace {
            Some(trace) => {
                let mut start = through(&trace.starter, command);
                prepare(&mut start).and_then(|()| start.spawn()).map(|child| Pid::from_child(&child))
            }
            None => spawn(command, &prepare, executable.as_deref().map(AsRef::as_ref)),
        };
        spawned.map_err(|source| explain(&command.program, path.as_deref(), source))
    };
    let addressee = forwarding.addressee();
    let watch = |pid: Pid, tracer: Option<Tracer>| {
        watch(pid, &addressee, tracer, waiting, options.timeout.as_ref())
            .map_err(|source| wait_failed(pid, source))
    };
    let start = || start().inspect(|pid| forwarding.begin(*pid));
    let (pid, watched, untraced) = match &options.trace {
        Some(trace) => run_traced(trace, start, watch).map_err(failed)??,
        None => {
            let pid = start()?;
            (pid, watch(pid, None)?, None)
        }
    };
    let Some(own) = watched.ended.command else { return Err(wait_failed(pid, Errno::CHILD.into())) };
    let end = Moment::now();
    let set_back = begin.set_back(end);
    Ok(RunOutcome {
        exit: own.exit,
        core_dumped: own.core_dumped,
        pid: own.pid,
        session: session(),
        executable,
        started: begin.earliest(set_back),
        set_back,
        ended: end.told(),
        cwd,
        core_limit: if options.raise_core_limit || untraced.is_some() { limit.raised() } else { limit },
        orphans: watched.ended.orphans,
        orphan_count: watched.ended.orphan_count,
        dumps: watched.dumps,
        timed_out: watched.timed_out,
        untraced,
        stderr: copying.map(Copying::finish),
    })
}

/// What came of a command that was to be traced; why it wasn't, if so.
type RunTraced = (Pid, Watched, Option<Arc<io::Error>>);

/// Starts a command and watches over it in a thread of its own, which is the tracer: with that thread's end, the kernel
/// lets go all that the command left behind, whatever is done here afterwards.
fn run_traced(
    trace: &Trace,
    start: impl FnOnce() -> Result<Pid, RunError>,
    watch: impl FnOnce(Pid, Option<Tracer>) -> Result<Watched, RunError> + Send,
) -> io::Result<Result<RunTraced, RunError>> {
    std::thread::scope(|scope| {
        let (send, started) = mpsc::channel();
        let tracer =
            std::thread::Builder::new().name("tracer".to_owned()).spawn_scoped(scope, move || {
                // Nothing comes where the start failed.
                let pid = started.recv().ok()?;
                let (tracer, untraced) = match begin(pid) {
                    Ok(()) => (Some(Tracer::new(Dumper::of(trace))), None),
                    Err(refused) => (None, Some(Arc::new(refused))),
                };
                Some(watch(pid, tracer).map(|watched| (pid, watched, untraced)))
            })?;
        let pid = match start() {
            Ok(pid) => pid,
            Err(error) => return Ok(Err(error)),
        };
        // The thread waits for it.
        let _ = send.send(pid);
        let lost = || wait_failed(pid, io::Error::other("the thread that traces it ended early"));
        Ok(tracer.join().ok().flatten().unwrap_or_else(|| Err(lost())))
    })
}

fn wait_failed(pid: Pid, source: io::Error) -> RunError {
    RunError::Wait { pid: pid.as_raw_pid().cast_unsigned(), source }
}

#[cfg(test)]
pub(crate) mod tests;
