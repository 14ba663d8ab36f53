//! Runs the job's command so that its crashes can leave cores, and gets out of its way otherwise.
//!
//! The command keeps its terminal, its streams and its process group. Its soft limit of the core's size is
//! raised to the hard one, sanitizers and runtimes are asked for cores; signals are passed on to it; this process adopts the orphans it leaves, so that
//! the crash of a grandchild is seen even where its parent is gone.

mod clock;
mod error;
mod exit;
mod outcome;
mod program;
mod reap;
mod runtimes;
mod signals;
mod start;
mod tail;
mod timeout;
mod waiting;
mod watcher;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, getpid, set_child_subreaper};

pub use error::RunError;
pub(crate) use exit::of_status;
pub use exit::{Exit, dumps_core};
pub use outcome::RunOutcome;
pub use reap::Reaped;
pub(crate) use signals::ignored;
pub(crate) use start::become_command;
pub use tail::Tail;

use self::clock::Moment;
use self::outcome::session;
use self::program::resolve;
use self::runtimes::additions;
use self::start::{explain, spawn, through};
use self::tail::Copying;
use self::waiting::{Meanwhile, keep_ends};
use self::watcher::{Ran, start_and_watch, wait_failed};
use crate::limits::{CoreLimit, Raised};

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
    /// The most cores that are written here, of crashes and of hung processes each, if that is limited. Further processes
    /// are counted.
    pub most_cores: Option<usize>,
}

impl Default for RunOptions {
    fn default() -> RunOptions {
        RunOptions {
            raise_core_limit: true,
            keep_stderr: false,
            ask_runtimes: false,
            trace: None,
            timeout: None,
            most_cores: None,
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

/// Runs `command` and waits for its end.
///
/// While it runs, *every* child of this process is reaped here: nothing else may start processes meanwhile.
///
/// All that can fail for want of memory, files or threads is made before the command is started: from then on, somebody
/// watches over it.
pub fn run(command: &RunCommand, options: &RunOptions) -> Result<RunOutcome, RunError> {
    run_and(command, options, |_| {})
}

/// How far a command has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It was started, and is at work: what is done now, it doesn't wait for, where there is a second processor.
    Started,
    /// It has run for a while (50 ms). Many of the short commands of a build never get there.
    Lasting,
}

/// As [`run`], and does something `meanwhile`: at each stage that the command reaches. That should take a moment only.
pub fn run_and(
    command: &RunCommand,
    options: &RunOptions,
    meanwhile: impl FnMut(Stage) + Send,
) -> Result<RunOutcome, RunError> {
    let meanwhile = Mutex::new(meanwhile);
    let at = |stage: Stage| (*meanwhile.lock().unwrap_or_else(PoisonError::into_inner))(stage);
    let failed = |source: io::Error| RunError::Start { program: command.program.clone().into(), source };
    let cwd = std::env::current_dir().ok();
    let path = std::env::var_os("PATH");
    // Where this is refused, only crashes of orphans go unseen.
    let _ = set_child_subreaper(Some(getpid()));
    keep_ends().map_err(failed)?;
    let copying = if options.keep_stderr { Copying::begin().map_err(failed)? } else { None };
    let (copying, stderr) = copying.unzip();

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
            None => spawn(command, &prepare, path.as_deref()),
        };
        spawned.map_err(|source| explain(&command.program, path.as_deref(), source))
    };
    let mut executable = None;
    let start = || {
        let pid = start()?;
        at(Stage::Started);
        let file = resolve(&command.program, path.as_deref());
        executable = file.map(|file| file.canonicalize().unwrap_or(file));
        Ok(pid)
    };
    let Ran { pid, watched, untraced } =
        start_and_watch(options, start, Meanwhile::new(|| at(Stage::Lasting)), failed)?;
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

#[cfg(test)]
pub(crate) mod tests;
