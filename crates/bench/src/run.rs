//! Running one process, measured.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::launch::Launched;
use crate::{BenchError, Sample};

/// What is run.
#[derive(Clone, Debug, Default)]
pub struct Task {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// A file that it gets through a pipe, as its standard input.
    pub piped: Option<PathBuf>,
    /// A file or folder that it makes; whatever is there is removed before each run.
    pub makes: Option<PathBuf>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ran {
    /// By itself.
    Ended {
        /// What it took.
        sample: Sample,
        /// The exit status, as a shell gives it.
        status: i32,
    },
    /// It was killed for taking too long.
    TimedOut,
}

/// Runs processes, one at a time, and keeps what the last one wrote.
#[derive(Debug)]
pub struct Runner {
    launcher: PathBuf,
    folder: PathBuf,
    limit: Duration,
}

impl Runner {
    /// Makes a runner that keeps its files in `folder` and kills what takes longer than `limit`. `launcher` is this
    /// program's own file.
    ///
    /// # Errors
    /// When the folder can't be made.
    pub fn new(launcher: PathBuf, folder: &Path, limit: Duration) -> Result<Runner, BenchError> {
        let io = || BenchError::io(format!("creating {}", folder.display()));
        fs::create_dir_all(folder).map_err(io())?;
        let folder = folder.canonicalize().map_err(io())?;
        Ok(Runner { launcher, folder, limit })
    }

    /// Returns the folder, in which the processes run.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the most that a run may take.
    pub fn limit(&self) -> Duration {
        self.limit
    }

    /// Returns what the last run printed.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn printed(&self) -> Result<Vec<u8>, BenchError> {
        read(&self.stdout())
    }

    /// Returns the error of which the last run complained, or else the last line that it wrote on standard error.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn complaint(&self) -> Result<String, BenchError> {
        let said = String::from_utf8_lossy(&read(&self.stderr())?).into_owned();
        let lines = || said.lines().map(str::trim);
        let error = lines().find(|line| line.starts_with("error: "));
        Ok(error.or(lines().rfind(|line| !line.is_empty())).unwrap_or_default().to_owned())
    }

    /// Runs a task.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn run(&self, task: &Task) -> Result<Ran, BenchError> {
        if let Some(path) = &task.makes {
            remove(path)?;
        }
        let report = self.folder.join("report");
        remove(&report)?;
        let mut feeder = task.piped.as_deref().map(Feeder::start).transpose()?;
        let stdin = feeder.as_mut().and_then(Feeder::output).unwrap_or_else(Stdio::null);
        let mut child = Command::new(&self.launcher)
            .arg("launch")
            .args([report.as_os_str(), task.program.as_os_str()])
            .args(&task.arguments)
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| name == "PATH" || name == "HOME"))
            .envs([("TERM", "dumb"), ("LC_ALL", "C.UTF-8")])
            .current_dir(&self.folder)
            .stdin(stdin)
            .stdout(create(&self.stdout())?)
            .stderr(create(&self.stderr())?)
            .process_group(0)
            .spawn()
            .map_err(BenchError::io(format!("starting {}", self.launcher.display())))?;
        let Some(status) = self.wait(&mut child)? else { return Ok(Ran::TimedOut) };
        if !status.success() {
            let why = self.complaint()?;
            return Err(BenchError::Lacking(format!("{} could not be run: {why}", task.program.display())));
        }
        let launched: Launched = serde_json::from_slice(&read(&report)?)
            .map_err(BenchError::json("reading a launcher's report"))?;
        Ok(Ran::Ended { sample: launched.sample, status: launched.status })
    }

    /// Waits for the launcher, and kills it with all it started when it takes too long.
    fn wait(&self, child: &mut Child) -> Result<Option<ExitStatus>, BenchError> {
        let deadline = Instant::now() + self.limit;
        let waiting = || BenchError::io("waiting for a launcher");
        loop {
            if let Some(status) = child.try_wait().map_err(waiting())? {
                return Ok(Some(status));
            }
            if Instant::now() > deadline {
                // It may just have ended by itself.
                let _gone = killpg(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL);
                child.wait().map_err(waiting())?;
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn stdout(&self) -> PathBuf {
        self.folder.join("stdout")
    }

    fn stderr(&self) -> PathBuf {
        self.folder.join("stderr")
    }
}

/// Feeds a file through a pipe. It ends with the last reader, and is waited for when it is dropped.
struct Feeder(Child);

impl Feeder {
    fn start(file: &Path) -> Result<Feeder, BenchError> {
        let spawned = Command::new("cat").arg(file).stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        spawned.map(Feeder).map_err(BenchError::io("starting cat"))
    }

    fn output(&mut self) -> Option<Stdio> {
        self.0.stdout.take().map(Stdio::from)
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        // A reader that ended early leaves it waiting for nobody.
        let _ended = self.0.kill();
        let _status = self.0.wait();
    }
}

/// Removes a file or a folder with all it holds, if it is there.
pub(crate) fn remove(path: &Path) -> Result<(), BenchError> {
    let removed = match fs::symlink_metadata(path) {
        Err(_) => return Ok(()),
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
    };
    removed.map_err(BenchError::io(format!("removing {}", path.display())))
}

fn read(path: &Path) -> Result<Vec<u8>, BenchError> {
    fs::read(path).map_err(BenchError::io(format!("reading {}", path.display())))
}

fn create(path: &Path) -> Result<File, BenchError> {
    File::create(path).map_err(BenchError::io(format!("creating {}", path.display())))
}
