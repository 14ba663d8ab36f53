//! Mends what can be mended safely, and put back by a command that is told.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use procfs::process::Process;
use rustix::fs::{Mode, OFlags, fchmod};
use rustix::process::{Pid, Resource, Rlimit, getppid, prlimit};

use super::Diagnosis;
use crate::host::Host;
use crate::limits::CoreLimit;
use crate::text::quoted_path;
use crate::why::FolderTrouble;

/// The mode of a folder into which everybody's processes may crash: writable, and what is in it its owner's.
const SHARED: u32 = 0o1777;
/// Reasons that a higher soft limit mends.
const OF_THE_LIMIT: [&str; 5] = [
    "limit_zero",
    "limit_too_small",
    "pattern_pipe_limit_one",
    "pattern_pipe_systemd_limit",
    "pattern_pipe_apport_limit",
];

/// Something that was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixed {
    /// What, as a sentence without a final period.
    pub sentence: String,
    /// The command for the shell that takes it back.
    pub undo: String,
}

/// Why something could not be changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FixError {
    /// The folder can't be made.
    #[error("cannot create the folder {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The limit can't be raised.
    #[error("cannot raise the core size limit of process {pid}, which started this one")]
    Limit {
        /// The process.
        pid: i32,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

impl FixError {
    /// Returns what to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            FixError::Folder { path, source } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some(format!("as root: mkdir -p -m 1777 {}", quoted_path(path)))
            }
            FixError::Limit { .. } => Some("put `ulimit -c unlimited` into the step itself".to_owned()),
            FixError::Folder { .. } => None,
        }
    }
}

/// Mends the reason of a diagnosis where that is safe: makes the folder that an absolute core pattern names, or raises the
/// soft core size limit of the process that started this one (a step's shell), and of this one. Kernel settings are left
/// alone: the advice of the reason has the command for them.
///
/// Returns what was changed; nothing, where nothing could be.
pub fn fix(host: &Host, diagnosis: &Diagnosis) -> Result<Vec<Fixed>, FixError> {
    let Some(reason) = &diagnosis.reason else { return Ok(Vec::new()) };
    let situation = &diagnosis.situation;
    match (&situation.folder, reason.code) {
        (Some(folder), "pattern_dir_missing") if folder.trouble == Some(FolderTrouble::Missing) => {
            make_folder(host, &folder.path)
        }
        (_, code) if OF_THE_LIMIT.contains(&code) => raise_limit(situation.limit),
        _ => Ok(Vec::new()),
    }
}

fn make_folder(host: &Host, path: &Path) -> Result<Vec<Fixed>, FixError> {
    let failed = |source| FixError::Folder { path: path.to_owned(), source };
    let missing: Vec<&Path> = path.ancestors().take_while(|path| !host.path(path).exists()).collect();
    for folder in missing.iter().rev() {
        DirBuilder::new().mode(0o755).create(host.path(folder)).map_err(failed)?;
    }
    // By what was made, not by its name; the umask doesn't count here.
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW;
    let folder: File = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(host.path(path))
        .map_err(failed)?;
    fchmod(&folder, Mode::from_raw_mode(SHARED)).map_err(|error| failed(error.into()))?;
    let undo: Vec<String> = missing.iter().map(|folder| crate::text::shell_word(folder)).collect();
    Ok(vec![Fixed {
        sentence: format!("created the folder {} (mode 1777)", quoted_path(path)),
        undo: format!("rmdir {}", undo.join(" ")),
    }])
}

fn raise_limit(own: CoreLimit) -> Result<Vec<Fixed>, FixError> {
    let raised = own.raised();
    // Lower than it is now it cannot be.
    let _ = rustix::process::setrlimit(Resource::Core, Rlimit { current: raised.soft, maximum: raised.hard });
    // The first process, or one outside of this pid namespace, is no step's shell.
    let Some(parent) = getppid().filter(|parent| !parent.is_init()) else { return Ok(Vec::new()) };
    let pid = parent.as_raw_pid();
    let failed = |source| FixError::Limit { pid, source };
    let (name, before) = process(parent).map_err(failed)?;
    if before.soft == before.hard {
        return Ok(Vec::new());
    }
    let limit = Rlimit { current: before.hard, maximum: before.hard };
    prlimit(Some(parent), Resource::Core, limit).map_err(|error| failed(error.into()))?;
    let words =
        |limit: Option<u64>| limit.map_or_else(|| "unlimited".to_owned(), |bytes| format!("{bytes} bytes"));
    Ok(vec![Fixed {
        sentence: format!(
            "raised the soft core size limit of process {pid} ({name}), which started this one, from {} to {}",
            words(before.soft),
            words(before.hard)
        ),
        undo: format!(
            "prlimit --pid {pid} --core={}:",
            before.soft.map_or_else(|| "unlimited".to_owned(), |bytes| bytes.to_string())
        ),
    }])
}

/// Returns the name of a process, and its limit of the core's size.
fn process(pid: Pid) -> io::Result<(String, CoreLimit)> {
    let read = || {
        let process = Process::new(pid.as_raw_pid())?;
        Ok((process.stat()?.comm, CoreLimit::from(&process.limits()?)))
    };
    read().map_err(|error: procfs::ProcError| io::Error::other(error))
}
