//! Building the programs, once: builds are kept beside the test binaries, by everything that they depend on.

use std::collections::hash_map::DefaultHasher;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::hash::{Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::programs::{Program, sources_folder};
use super::{CrashError, programs};
use crate::tools;

/// Returns the folder that holds the built program: `exe`, and what else its steps make.
///
/// A build depends on the sources, the steps and the compilers' versions, and is made again when one changes.
/// Two that make the same at once both build, and the first to finish wins.
pub(super) fn built(program: &Program) -> Result<PathBuf, CrashError> {
    let steps: Vec<Vec<OsString>> = program.build.iter().map(|step| words(step)).collect();
    let sources: Vec<PathBuf> = program.sources().map(|source| sources_folder().join(source)).collect();
    kept(program.name, &steps, &sources)
}

/// The words of a step; `@NAME` in it is a file of `testdata/programs`.
fn words(step: &str) -> Vec<OsString> {
    let word = |word: &str| match word.strip_prefix(programs::SOURCE_MARK) {
        Some(source) => sources_folder().join(source).into_os_string(),
        None => word.into(),
    };
    step.split_whitespace().map(word).collect()
}

/// As [`built`], of any commands, which read these files.
pub(super) fn kept(name: &str, steps: &[Vec<OsString>], sources: &[PathBuf]) -> Result<PathBuf, CrashError> {
    let tools: Vec<&str> = steps.iter().filter_map(|step| step.first()?.to_str()).collect();
    let missing: Vec<&str> = tools.iter().copied().filter(|tool| !tools::have(tool)).collect();
    if !missing.is_empty() {
        return Err(CrashError::Unavailable(format!(
            "not installed: {} (make setup installs it)",
            missing.join(", ")
        )));
    }
    let builds = builds_folder();
    let folder = builds.join(format!("{name}-{:016x}", fingerprint(steps, sources, &tools)?));
    if folder.is_dir() {
        return Ok(folder);
    }
    fs::create_dir_all(&builds).map_err(CrashError::io(format!("creating {}", builds.display())))?;
    let making = tempfile::Builder::new()
        .prefix(".making-")
        .tempdir_in(&builds)
        .map_err(CrashError::io(format!("creating a folder in {}", builds.display())))?;
    for step in steps {
        run(name, step.iter().cloned(), making.path())?;
    }
    match fs::rename(making.path(), &folder) {
        Err(_) if folder.is_dir() => {} // somebody else was faster
        other => {
            other.map_err(CrashError::io(format!("moving a build to {}", folder.display())))?;
            let _gone = making.keep();
        }
    }
    Ok(folder)
}

/// `epitaph-testkit` in cargo's profile folder, or in the temporary folder where a test binary lies elsewhere
/// (documentation tests do).
fn builds_folder() -> PathBuf {
    let exe = std::env::current_exe().unwrap_or_default();
    let profile = exe.ancestors().find(|folder| folder.ends_with("deps")).and_then(Path::parent);
    match profile {
        Some(folder) => folder.join("epitaph-testkit"),
        None => std::env::temp_dir().join(format!("epitaph-testkit-{}", nix::unistd::geteuid())),
    }
}

fn fingerprint(steps: &[Vec<OsString>], sources: &[PathBuf], tools: &[&str]) -> Result<u64, CrashError> {
    let mut hasher = DefaultHasher::new();
    steps.hash(&mut hasher);
    for path in sources {
        fs::read(path).map_err(CrashError::io(format!("reading {}", path.display())))?.hash(&mut hasher);
        path.hash(&mut hasher); // it stands in the debug information
    }
    for tool in tools {
        let version = Command::new(tool).arg("--version").stdin(Stdio::null()).output();
        version.map_err(CrashError::io(format!("running {tool} --version")))?.stdout.hash(&mut hasher);
    }
    Ok(hasher.finish())
}

/// Runs one command of a build in `folder`.
pub(crate) fn run(
    program: &str,
    words: impl IntoIterator<Item = OsString>,
    folder: &Path,
) -> Result<(), CrashError> {
    let words: Vec<OsString> = words.into_iter().collect();
    let step = words.join(OsStr::new(" ")).to_string_lossy().into_owned();
    let mut words = words.into_iter();
    let output = Command::new(words.next().unwrap_or_default())
        .args(words)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .map_err(CrashError::io(format!("running {step}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let output = String::from_utf8_lossy(&said).into_owned();
    Err(CrashError::Build { program: program.to_owned(), step, output })
}
