//! A program that crashes on purpose: the proof that a crash here leaves a core, or that it doesn't.
//!
//! It stands where the job would, with the limit raised as [`run`](crate::run()) raises it, and with an empty
//! environment, since its core may end up where others read it. Its own core is removed again where the kernel wrote it
//! into a file; what a collector has taken is the collector's. It is never sent where its core would replace another.

mod ground;
mod track;

use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant, SystemTime};

use self::ground::Ground;
use crate::host::Host;
use crate::limits::Raised;
use crate::run::RunCommand;

/// What the thread is called that crashes: its core is nobody's crash, wherever a collector keeps it.
pub const CANARY_NAME: &str = "epitaph-canary";

/// Time between two looks at a process that is dying; most need less than five.
const PAUSE: Duration = Duration::from_millis(2);

/// A program that ends itself by a core signal.
#[derive(Clone, Debug)]
pub struct Canary {
    command: RunCommand,
    patience: Duration,
}

/// How a canary ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flight {
    /// Its process id.
    pub pid: u32,
    /// What became of its core.
    pub fate: Fate,
    /// How long all that took.
    pub took: Duration,
}

/// What became of a canary's core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was found.
    Core {
        /// Where.
        path: PathBuf,
        /// Its size in bytes, holes included, as it lies there.
        size: u64,
        /// Bytes that its headers promise and that it hasn't.
        missing: u64,
        /// Whether it is removed again.
        removed: bool,
    },
    /// None was found.
    Lost {
        /// Whether the kernel says that it wrote one.
        dumped: bool,
        /// The file that was left instead, empty or too short to be a core, and is removed again.
        stub: Option<PathBuf>,
    },
}

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CanaryError {
    /// It would replace a core that is there.
    #[error("its core would replace {}", path.display())]
    WouldReplace {
        /// The file of that name.
        path: PathBuf,
    },
    /// The folder for it can't be made.
    #[error("cannot make a folder for it in {}", path.display())]
    Folder {
        /// Where.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// It can't be started.
    #[error("cannot start {}", program.display())]
    Start {
        /// Its program.
        program: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// It ended in another way.
    #[error("it should have died of a core signal, but: {status}")]
    Survived {
        /// How it ended.
        status: ExitStatus,
    },
    /// It took too long.
    #[error("its core was not written within {} s", patience.as_secs())]
    Slow {
        /// The time that it had.
        patience: Duration,
    },
}

impl CanaryError {
    /// Returns what to do about it, where something can be done.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            CanaryError::WouldReplace { .. } => Some("collect that core, or move it away, and ask again"),
            CanaryError::Slow { .. } => Some("the program that takes cores may hang: look for it with ps"),
            _ => None,
        }
    }
}

impl Canary {
    /// Prepares a canary: `command` must end by a core signal soon, and do nothing else.
    pub fn new(command: RunCommand) -> Canary {
        Canary { command, patience: Duration::from_secs(10) }
    }

    /// Sets how long it may take to die, its core's writing included.
    #[must_use]
    pub fn patience(self, patience: Duration) -> Canary {
        Canary { patience, ..self }
    }

    /// Lets it crash in `cwd`, and looks for its core.
    ///
    /// While it runs, nothing else may wait for this process's children.
    pub fn send(&self, host: &Host, cwd: &Path) -> Result<Flight, CanaryError> {
        let begun = Instant::now();
        let since = SystemTime::now();
        let ground = Ground::of(host, cwd, &self.command.program)?;
        let mut child = self
            .start(ground.folder())
            .map_err(|source| CanaryError::Start { program: (&self.command.program).into(), source })?;
        let pid = child.id();
        let status = self.wait(&mut child)?;
        let dumped = std::os::unix::process::ExitStatusExt::core_dumped(&status);
        if !crate::run::of_status(status).is_some_and(crate::run::Exit::is_crash) {
            return Err(CanaryError::Survived { status });
        }
        let fate = track::core_of(host, ground.folder(), pid, since)
            .unwrap_or_else(|stub| Fate::Lost { dumped, stub });
        Ok(Flight { pid, fate, took: begun.elapsed() })
    }

    fn start(&self, folder: &Path) -> io::Result<Child> {
        let mut command = Command::new(&self.command.program);
        command.args(&self.command.arguments).env_clear().process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // A folder that was removed can be stood in, but not entered.
        if folder.exists() {
            command.current_dir(folder);
        }
        // Where the limit can't be raised, what it is now decides.
        let _raised = Raised::for_a_start();
        command.spawn()
    }

    /// Waits for its end, which comes after its core was written.
    fn wait(&self, child: &mut Child) -> Result<ExitStatus, CanaryError> {
        let deadline = Instant::now() + self.patience;
        loop {
            match child.try_wait() {
                Ok(Some(status)) => return Ok(status),
                Ok(None) if Instant::now() < deadline => std::thread::sleep(PAUSE),
                // It is killed rather than left behind; who reads its core sees the end of it.
                _ => {
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err(CanaryError::Slow { patience: self.patience });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
