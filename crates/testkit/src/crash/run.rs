//! Running a program until it dies.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{Read as _, Seek as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::cores_here::CoresHere;
use super::programs::Program;
use super::{Crash, CrashError, build};

/// How long a program may take to die; its core is written within that time.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program that is built, in a folder of its own, and has not run yet.
#[derive(Debug)]
pub struct Built {
    /// The executable, with whatever was built beside it.
    pub exe: PathBuf,
    /// An empty folder to run it in.
    pub work: PathBuf,
    /// The folder that holds both.
    pub dir: TempDir,
    program: String,
    arguments: Vec<String>,
    signal: i32,
}

impl Built {
    /// Builds `program`, or takes the build of an earlier call.
    pub fn of(program: &Program) -> Result<Built, CrashError> {
        let folder = build::built(program)?;
        let built = Built::by(program.name, program.signal, |bin| copy_files(&folder, bin))?;
        let arguments = program.arguments.iter().map(|&argument| argument.to_owned()).collect();
        Ok(Built { exe: built.exe.with_file_name(program.executable), arguments, ..built })
    }

    /// Builds `exe` by these commands, which read these files, or takes the build of an earlier call.
    pub(crate) fn kept(
        name: &str,
        signal: i32,
        steps: &[Vec<OsString>],
        sources: &[PathBuf],
    ) -> Result<Built, CrashError> {
        let folder = build::kept(name, steps, sources)?;
        Built::by(name, signal, |bin| copy_files(&folder, bin))
    }

    /// Gives it arguments to be run with.
    pub(crate) fn with_arguments(self, arguments: Vec<String>) -> Built {
        Built { arguments, ..self }
    }

    /// Lets `make` build a program, as `exe`, in an empty folder. It is to die of `signal`.
    pub fn by(
        name: &str,
        signal: i32,
        make: impl FnOnce(&Path) -> Result<(), CrashError>,
    ) -> Result<Built, CrashError> {
        let dir = tempfile::Builder::new()
            .prefix("crash-")
            .tempdir()
            .map_err(CrashError::io("a temporary folder"))?;
        let (bin, work) = (dir.path().join("bin"), dir.path().join("work"));
        for folder in [&bin, &work] {
            fs::create_dir(folder).map_err(CrashError::io(format!("creating {}", folder.display())))?;
        }
        make(&bin)?;
        Ok(Built { exe: bin.join("exe"), work, dir, program: name.to_owned(), arguments: Vec::new(), signal })
    }

    /// Lets it crash, with no limit on the core's size and in an environment that holds no secrets.
    pub fn crash(self, _here: &CoresHere) -> Result<Crash, CrashError> {
        let mut stderr = tempfile::tempfile().map_err(CrashError::io("a temporary file"))?;
        let mut child = without_core_limit(&self.exe)
            .args(&self.arguments)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .current_dir(&self.work)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::from(stderr.try_clone().map_err(CrashError::io("a temporary file"))?))
            .spawn()
            .map_err(CrashError::io(format!("starting {}", self.exe.display())))?;
        let pid = child.id();
        let status = wait(&mut child).map_err(CrashError::io(format!("waiting for {}", self.program)))?;
        let mut said = Vec::new();
        stderr
            .rewind()
            .and_then(|()| stderr.read_to_end(&mut said))
            .map_err(CrashError::io("a temporary file"))?;
        let stderr = String::from_utf8_lossy(&said).into_owned();

        if status.signal() != Some(self.signal) {
            let got = format!("{status}\n{stderr}");
            return Err(CrashError::Survived { program: self.program, expected: self.signal, got });
        }
        let Some(core) = CoresHere::core_in(&self.work) else {
            return Err(CrashError::NoCore { program: self.program, folder: self.work });
        };
        let Built { exe, work, dir, .. } = self;
        Ok(Crash { exe, core, work, status, pid, stderr, dir })
    }
}

/// Returns a command that runs `program` with no limit on the size of its core, and with no signal ignored.
///
/// A test run may have been started with signals ignored (a shell's background job is, for SIGINT and SIGQUIT), and
/// programs inherit that: what a test kills by such a signal would live on.
pub fn without_core_limit(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("env");
    command.args(["--default-signal", "sh", "-c", r#"ulimit -c unlimited && exec "$0" "$@""#]).arg(program);
    command
}

/// Copies a build, with its times: a binary has to look older than the core of its process.
///
/// Another process does it: as long as this one has a program open for writing, so has whatever another of its threads
/// starts meanwhile, and the kernel refuses to run it ("text file busy").
fn copy_files(from: &Path, to: &Path) -> Result<(), CrashError> {
    let what = || format!("copying {} to {}", from.display(), to.display());
    let status = Command::new("cp").arg("-Rp").arg(from.join(".")).arg(to).stdin(Stdio::null()).status();
    let status = status.map_err(CrashError::io(what()))?;
    status
        .success()
        .then_some(())
        .ok_or_else(|| CrashError::io(what())(std::io::Error::other(status.to_string())))
}

/// Waits for the end, and kills what doesn't come to one by itself.
fn wait(child: &mut Child) -> std::io::Result<ExitStatus> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if Instant::now() > deadline {
            child.kill()?;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crash::program;

    #[test]
    fn a_crash_leaves_its_core_and_nothing_else() {
        let Some(crash) = Crash::of_or_skip(program("assert")) else { return };
        assert_eq!(crash.status.signal(), Some(6));
        assert!(crash.status.core_dumped());
        assert!(crash.stderr.contains("assert.c"), "{}", crash.stderr);
        assert_eq!(fs::read_dir(&crash.work).unwrap().count(), 1);
        assert!(crash.core.starts_with(&crash.work));
        let older = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
        assert!(older(&crash.exe) <= older(&crash.core));
    }

    /// Changes the host for a moment, and so runs with the long sweeps only.
    #[test]
    fn a_pattern_of_the_tests_own_names_the_core() {
        if std::env::var_os("EPITAPH_TEST_ALL").is_none() {
            return;
        }
        let Some(here) = crate::crash::or_skip(CoresHere::with_pattern("epitaph.%e.%p.%s")) else { return };
        let built = Built::of(program("dump")).unwrap();
        let crash = built.crash(&here).unwrap();
        let name = crash.core.file_name().unwrap().to_str().unwrap();
        assert_eq!(name, format!("epitaph.dump.{}.6", crash.pid));
    }

    #[test]
    fn another_death_than_the_documented_one_is_an_error() {
        let Ok(_) = CoresHere::acquire() else { return };
        let wrong = Program { signal: 8, ..*program("assert") };
        let error = Crash::of(&wrong).unwrap_err();
        assert!(matches!(error, CrashError::Survived { expected: 8, .. }), "{error}");
    }
}
