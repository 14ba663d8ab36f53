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

use std::ffi::{OsStr, OsString};
use std::io::{self, PipeWriter};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::SystemTime;

use procfs::process::Process;
use rustix::io::Errno;
use rustix::process::{Pid, getpid, set_child_subreaper};

pub use error::RunError;
pub use exit::{Exit, dumps_core};
pub use reap::Reaped;
pub use tail::Tail;

use self::program::{exists, resolve};
use self::runtimes::additions;
use self::signals::Forwarding;
use self::tail::Copying;
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunOptions {
    /// Whether the command's soft limit of the core's size is raised to the hard one.
    pub raise_core_limit: bool,
    /// Whether the end of the command's standard error is kept, where that is no terminal.
    pub keep_stderr: bool,
    /// Whether sanitizers and language runtimes are told, by their variables, to leave cores.
    pub ask_runtimes: bool,
}

impl Default for RunOptions {
    fn default() -> RunOptions {
        RunOptions { raise_core_limit: true, keep_stderr: false, ask_runtimes: true }
    }
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
    /// Orphans of the command that a signal ended before the command did: at most 1024.
    pub orphans: Vec<Reaped>,
    /// How many of its orphans ended meanwhile, in whatever way.
    pub orphan_count: usize,
    /// The end of its standard error, where that was to be kept and is no terminal.
    pub stderr: Option<Tail>,
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
    let spawned = spawn(command, &runtimes, executable.as_deref().map(AsRef::as_ref), stderr.as_ref());
    drop(stderr);
    drop(raised);
    let pid = spawned.map_err(|source| explain(&command.program, path.as_deref(), source))?;

    let wait_failed = |source| RunError::Wait { pid: pid.as_raw_pid().cast_unsigned(), source };
    let addressee = forwarding.begin(pid).map_err(wait_failed)?;
    let ended = reap::until_the_end_of(pid, &addressee).map_err(wait_failed)?;
    let Some(own) = ended.command else { return Err(wait_failed(Errno::CHILD.into())) };
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
        orphans: ended.orphans,
        orphan_count: ended.orphan_count,
        stderr: copying.map(Copying::finish),
    })
}

/// Starts the command; as execvp(3) does, a file that is neither ELF nor has a `#!` line is given to the
/// shell.
fn spawn(
    command: &RunCommand,
    variables: &[(&str, OsString)],
    executable: Option<&OsStr>,
    stderr: Option<&PipeWriter>,
) -> io::Result<Pid> {
    let start = |program: &OsStr, script: Option<&OsStr>| {
        let mut start = Command::new(program);
        start.args(script).args(&command.arguments).envs(variables.iter().cloned());
        if let Some(stderr) = stderr {
            start.stderr(stderr.try_clone()?);
        }
        start.spawn()
    };
    let spawned = start(&command.program, None);
    let child = match (spawned, executable) {
        (Err(error), Some(script)) if error.raw_os_error() == Some(Errno::NOEXEC.raw_os_error()) => {
            start(OsStr::new("/bin/sh"), Some(script))?
        }
        (spawned, _) => spawned?,
    };
    // Dropping the handle neither waits for the child nor ends it.
    Ok(Pid::from_child(&child))
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
