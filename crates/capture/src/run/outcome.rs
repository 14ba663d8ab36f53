//! What became of a command.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use nix::unistd::getsid;

use super::exit::Exit;
use super::reap::Reaped;
use super::tail::Tail;
use crate::limits::CoreLimit;
use crate::trace::Dumps;

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
    /// The program's file, where it was found as soon as it was started; a command that removes or replaces its own at once
    /// has none, or the other one.
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
pub(super) fn session() -> u32 {
    getsid(None).map_or(0, |session| session.as_raw().cast_unsigned())
}
