//! Runs the job's command so that its crashes can leave cores, and gets out of its way otherwise.
//!
//! The command keeps its terminal, its streams and its process group. Its soft limit of the core's size is
//! raised to the hard one, sanitizers and runtimes are asked for cores; signals are passed on to it; this process adopts the orphans it leaves, so that
//! the crash of a grandchild is seen even where its parent is gone.

mod error;
mod exit;
mod program;
mod reap;
mod runtimes;
mod signals;
mod tail;
mod timeout;
mod waiting;

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use procfs::process::Process;
use rustix::io::Errno;
use rustix::process::{Pid, getpid, set_child_subreaper};

pub use error::RunError;
pub(crate) use exit::of_status;
pub use exit::{Exit, dumps_core};
pub use reap::Reaped;
pub use tail::Tail;

use self::program::{exists, resolve};
use self::runtimes::additions;
use self::signals::Forwarding;
use self::tail::Copying;
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
    /// A program and its first arguments that calls [`start_stopped`](crate::start_stopped) with the arguments that
    /// follow: the command.
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
    /// An existing folder for the (slim) cores, which nobody else writes to.
    pub folder: PathBuf,
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
    /// When it was started.
    pub started: SystemTime,
    /// When it had ended.
    pub ended: SystemTime,
    /// The folder that it was started in.
    pub cwd: PathBuf,
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

/// Returns this process's session as its own PID namespace has it, 0 if there is none or `/proc` doesn't tell.
///
/// Asked of `/proc` because rustix's `getsid` takes 0 for impossible.
fn session() -> u32 {
    let stat = Process::myself().and_then(|this| this.stat());
    stat.map_or(0, |stat| u32::try_from(stat.session).unwrap_or(0))
}

/// Runs `command` and waits for its end.
///
/// While it runs, *every* child of this process is reaped here: nothing else may start processes meanwhile.
pub fn run(command: &RunCommand, options: &RunOptions) -> Result<RunOutcome, RunError> {
    let failed = |source: io::Error| RunError::Start { program: command.program.clone().into(), source };
    let cwd = std::env::current_dir().unwrap_or_default();
    let path = std::env::var_os("PATH");
    let executable =
        resolve(&command.program, path.as_deref()).map(|file| file.canonicalize().unwrap_or(file));
    // Where this is refused, only crashes of orphans go unseen.
    let _ = set_child_subreaper(Some(getpid()));
    let mut forwarding = Forwarding::install().map_err(failed)?;
    let copying = if options.keep_stderr { Copying::begin().map_err(failed)? } else { None };
    let (copying, stderr) = copying.unzip();

    let limit = CoreLimit::current();
    let raised = options.raise_core_limit.then(Raised::for_a_start).and_then(Result::ok);
    let core_limit = if raised.is_some() { limit.raised() } else { limit };
    let started = SystemTime::now();
    let runtimes = if options.ask_runtimes { additions(|name| std::env::var_os(name)) } else { Vec::new() };
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
    drop(stderr);
    drop(raised);
    let pid = spawned.map_err(|source| explain(&command.program, path.as_deref(), source))?;

    let wait_failed = |source| RunError::Wait { pid: pid.as_raw_pid().cast_unsigned(), source };
    let addressee = forwarding.begin(pid).map_err(wait_failed)?;
    let traced = options.trace.as_ref().map(|trace| begin(pid).map(|()| Tracer::new(Dumper::of(trace))));
    let (tracer, untraced) = match traced.transpose() {
        Ok(tracer) => (tracer, None),
        Err(refused) => (None, Some(Arc::new(refused))),
    };
    let watched = timeout::watch(pid, &addressee, tracer, options.timeout.as_ref()).map_err(wait_failed)?;
    let Some(own) = watched.ended.command else { return Err(wait_failed(Errno::CHILD.into())) };
    Ok(RunOutcome {
        exit: own.exit,
        core_dumped: own.core_dumped,
        pid: own.pid,
        session: session(),
        executable,
        started,
        ended: SystemTime::now(),
        cwd,
        core_limit,
        orphans: watched.ended.orphans,
        orphan_count: watched.ended.orphan_count,
        dumps: watched.dumps,
        timed_out: watched.timed_out,
        untraced,
        stderr: copying.map(Copying::finish),
    })
}

/// Makes the start of a command; one of a file that is neither ELF nor has a `#!` line fails.
fn start_of(command: &RunCommand) -> Command {
    let mut start = Command::new(&command.program);
    start.args(&command.arguments);
    start
}

/// Makes the start of a command through a program that it is given to.
fn through(starter: &[OsString], command: &RunCommand) -> Command {
    let mut words = starter.iter().chain([&command.program]).chain(&command.arguments);
    let mut start = Command::new(words.next().unwrap_or(&command.program));
    start.args(words);
    start
}

/// Starts the command; as execvp(3) does, a file that is neither ELF nor has a `#!` line is given to the
/// shell.
fn spawn(
    command: &RunCommand,
    prepare: &impl Fn(&mut Command) -> io::Result<()>,
    executable: Option<&OsStr>,
) -> io::Result<Pid> {
    let start = |mut start: Command| {
        prepare(&mut start)?;
        start.spawn()
    };
    let spawned = start(start_of(command));
    let child = match (spawned, executable) {
        (Err(error), Some(script)) if is_no_program(&error) => start(by_shell(command, script))?,
        (spawned, _) => spawned?,
    };
    // Dropping the handle neither waits for the child nor ends it.
    Ok(Pid::from_child(&child))
}

/// Executes the command in the place of this program, as [`spawn`] does in a new process. Returns only if that fails.
pub(crate) fn become_command(command: &RunCommand) -> RunError {
    let path = std::env::var_os("PATH");
    let mut error = start_of(command).exec();
    if is_no_program(&error)
        && let Some(script) = resolve(&command.program, path.as_deref())
    {
        error = by_shell(command, script.as_os_str()).exec();
    }
    explain(&command.program, path.as_deref(), error)
}

fn is_no_program(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::NOEXEC.raw_os_error())
}

fn by_shell(command: &RunCommand, script: &OsStr) -> Command {
    let mut start = Command::new("/bin/sh");
    start.arg(script).args(&command.arguments);
    start
}

/// Sorts a failed start the way env(1) does.
fn explain(program: &OsStr, path: Option<&OsStr>, source: io::Error) -> RunError {
    let exists = exists(program, path);
    let looked_up = !program.as_bytes().contains(&b'/');
    let program = PathBuf::from(program);
    match source.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOENT) => RunError::NotFound { program, exists, source },
        // One folder of PATH that we may not enter makes the system say this of any name that no folder has.
        Some(Errno::ACCESS) if looked_up && !exists => RunError::NotFound { program, exists, source },
        // The fork failed, not the program.
        Some(Errno::AGAIN | Errno::NOMEM | Errno::MFILE | Errno::NFILE) | None => {
            RunError::Start { program, source }
        }
        Some(_) => RunError::NotExecutable { program, source },
    }
}

#[cfg(test)]
pub(crate) mod tests;
