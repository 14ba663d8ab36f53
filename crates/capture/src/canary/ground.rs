//! Where a canary stands, so that its core replaces no other.
//!
//! The kernel removes a file that has the name of the core it is about to write.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::CanaryError;
use crate::host::Host;
use crate::pattern::{Facts, FilePattern};

/// The longest name of a process, in bytes (`TASK_COMM_LEN` without the final NUL).
const LONGEST_THREAD_NAME: usize = 15;

/// The folder that a canary stands in.
pub(super) enum Ground {
    /// The job's own.
    Job(PathBuf),
    /// One in it, that is removed with whatever is in it.
    Own(TempDir),
}

impl Ground {
    pub(super) fn of(host: &Host, cwd: &Path, program: &OsString) -> Result<Ground, CanaryError> {
        let job = || Ok(Ground::Job(cwd.to_owned()));
        let Ok(pattern) = &host.settings().pattern else { return job() };
        match pattern.file() {
            Some(file) if file.is_empty() || file.is_distinct() => job(),
            Some(file) if file.is_absolute() => {
                let path = host.path(OsStr::from_bytes(&file.expand(&facts(program))));
                match path.symlink_metadata() {
                    Ok(there) if !there.is_dir() => Err(CanaryError::WouldReplace { path }),
                    _ => job(),
                }
            }
            Some(file) => Ground::own(cwd, file),
            None => job(),
        }
    }

    /// Makes a folder of its own, with the folders in it that the pattern wants to be there.
    fn own(cwd: &Path, file: &FilePattern) -> Result<Ground, CanaryError> {
        let failed = |source| CanaryError::Folder { path: cwd.to_owned(), source };
        let own = tempfile::Builder::new().prefix("epitaph-canary-").tempdir_in(cwd).map_err(failed)?;
        for folder in file.relative_folder().iter().filter(|folder| cwd.join(folder).is_dir()) {
            std::fs::create_dir_all(own.path().join(folder)).map_err(failed)?;
        }
        Ok(Ground::Own(own))
    }

    pub(super) fn folder(&self) -> &Path {
        match self {
            Ground::Job(folder) => folder,
            Ground::Own(folder) => folder.path(),
        }
    }
}

/// What the kernel will put into a name that tells no two crashes apart.
fn facts(program: &OsString) -> Facts {
    let given = Path::new(program);
    // A process is called what it was executed as; its executable is what that leads to.
    let name = given.file_name().unwrap_or_default().as_bytes();
    let executable = given.canonicalize().unwrap_or_else(|_| given.to_owned());
    Facts {
        uid: rustix::process::getuid().as_raw(),
        gid: rustix::process::getgid().as_raw(),
        host_name: rustix::system::uname().nodename().to_bytes().to_vec(),
        thread_name: name.iter().copied().take(LONGEST_THREAD_NAME).collect(),
        executable: Some(executable.as_os_str().as_bytes().to_vec()),
        ..Facts::default()
    }
}
