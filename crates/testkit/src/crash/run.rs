//! Running a program until it dies.

use std::fs;
use std::io::{Read as _, Seek as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::cores_here::CoresHere;
use super::programs::Program;
use super::{Crash, CrashError};

/// How long a program may take to die; its core is written within that time.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs `program`, built in `built`, from a copy in a folder of its own, with no limit on the core's size and
/// with an environment that holds no secrets.
pub(super) fn run(program: &Program, built: &Path, _here: &CoresHere) -> Result<Crash, CrashError> {
    let dir =
        tempfile::Builder::new().prefix("crash-").tempdir().map_err(CrashError::io("a temporary folder"))?;
    let (bin, work) = (dir.path().join("bin"), dir.path().join("work"));
    copy_files(built, &bin)?;
    fs::create_dir(&work).map_err(CrashError::io(format!("creating {}", work.display())))?;
    let exe = bin.join(program.executable);

    let mut stderr = tempfile::tempfile().map_err(CrashError::io("a temporary file"))?;
    let mut child = Command::new("sh")
        .args(["-c", r#"ulimit -c unlimited && exec "$0" "$@""#])
        .arg(&exe)
        .args(program.arguments)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .current_dir(&work)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::from(stderr.try_clone().map_err(CrashError::io("a temporary file"))?))
        .spawn()
        .map_err(CrashError::io(format!("starting {}", exe.display())))?;
    let pid = child.id();
    let status = wait(&mut child).map_err(CrashError::io(format!("waiting for {}", program.name)))?;
    let mut said = Vec::new();
    stderr
        .rewind()
        .and_then(|()| stderr.read_to_end(&mut said))
        .map_err(CrashError::io("a temporary file"))?;
    let said = String::from_utf8_lossy(&said).into_owned();

    if status.signal() != Some(program.signal) {
        let got = format!("{status}\n{said}");
        return Err(CrashError::Survived { program: program.name, expected: program.signal, got });
    }
    let Some(core) = CoresHere::core_in(&work) else {
        return Err(CrashError::NoCore { program: program.name, folder: work });
    };
    Ok(Crash { exe, core, work, status, pid, stderr: said, dir })
}

/// Copies a build, with its times: a binary has to look older than the core of its process.
fn copy_files(from: &Path, to: &PathBuf) -> Result<(), CrashError> {
    let copy = || -> std::io::Result<()> {
        fs::create_dir(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            let copy = to.join(entry.file_name());
            fs::copy(entry.path(), &copy)?;
            fs::File::open(&copy)?.set_modified(entry.metadata()?.modified()?)?;
        }
        Ok(())
    };
    copy().map_err(CrashError::io(format!("copying {} to {}", from.display(), to.display())))
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

    #[test]
    fn another_death_than_the_documented_one_is_an_error() {
        let Ok(_) = CoresHere::acquire() else { return };
        let wrong = Program { signal: 8, ..*program("assert") };
        let error = Crash::of(&wrong).unwrap_err();
        assert!(matches!(error, CrashError::Survived { expected: 8, .. }), "{error}");
    }
}
