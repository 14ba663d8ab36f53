//! Starts the command, in a new process or in the place of this program.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use rustix::io::Errno;
use rustix::process::Pid;

use super::program::{exists, resolve};
use super::{RunCommand, RunError};

/// Makes the start of a command; one of a file that is neither ELF nor has a `#!` line fails.
fn start_of(command: &RunCommand) -> Command {
    let mut start = Command::new(&command.program);
    start.args(&command.arguments);
    start
}

/// Makes the start of a command through a program that it is given to.
pub(super) fn through(starter: &[OsString], command: &RunCommand) -> Command {
    let mut words = starter.iter().chain([&command.program]).chain(&command.arguments);
    let mut start = Command::new(words.next().unwrap_or(&command.program));
    start.args(words);
    start
}

/// Starts the command; as execvp(3) does, a file that is neither ELF nor has a `#!` line is given to the
/// shell.
pub(super) fn spawn(
    command: &RunCommand,
    prepare: &impl Fn(&mut Command) -> io::Result<()>,
    path: Option<&OsStr>,
) -> io::Result<Pid> {
    let start = |mut start: Command| {
        prepare(&mut start)?;
        start.spawn()
    };
    let spawned = start(start_of(command));
    let child = match spawned {
        Err(error) if is_no_program(&error) => {
            let script = resolve(&command.program, path).ok_or(error)?;
            start(by_shell(command, script.as_os_str()))?
        }
        spawned => spawned?,
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
pub(super) fn explain(program: &OsStr, path: Option<&OsStr>, source: io::Error) -> RunError {
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
