//! Exit codes. They are documented in the README and never change their meaning.

use std::process::ExitCode;

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0: done, also when crashes were found.
    Done,
    /// 1: failed, wholly or in part.
    Failed,
    /// 2: the command line makes no sense.
    Usage,
    /// 3: crashes were found, and `--fail-on-crash` was given; or new ones, and `--fail-on-new`.
    Crashes,
    /// The status of the command that `run` ran: its own, or 128 + signal; 125 to 127 as in env(1).
    Command(i32),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        match exit {
            Exit::Done => ExitCode::from(0),
            Exit::Failed => ExitCode::from(1),
            Exit::Usage => ExitCode::from(2),
            Exit::Crashes => ExitCode::from(3),
            Exit::Command(status) => ExitCode::from(u8::try_from(status & 0xff).unwrap_or(u8::MAX)),
        }
    }
}
