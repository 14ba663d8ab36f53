//! The facts that decide whether a crash leaves a core, gathered in one look.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use rustix::io::Errno;

use crate::container;
use crate::error::CaptureError;
use crate::host::Host;
use crate::limits::CoreLimit;
use crate::pattern::{CorePattern, Facts, Target};
use crate::run::{Exit, Reaped, RunOutcome};
use crate::search::{Found, Limit, Reason};

/// The facts that decide whether a crash leaves a core. [`explain`](super::explain) looks at nothing else.
#[derive(Clone, Debug)]
pub struct Situation {
    /// The host's core pattern.
    pub pattern: Result<CorePattern, CaptureError>,
    /// The limit of the core's size: the command's, where `run` started one, else our own.
    pub limit: CoreLimit,
    /// What shows that we are in a container, if anything does.
    pub container: Option<&'static str>,
    /// What stands at the pattern's program or socket, as seen from here.
    pub receiver: Receiver,
    /// The folder that cores go to, where it is known.
    pub folder: Option<Folder>,
    /// The command that was run, where one was.
    pub command: Option<CommandFacts>,
    /// Cores that are there and can't be had.
    pub lost: Vec<LostCore>,
    /// How many folders were searched.
    pub searched: usize,
    /// What kept the search from seeing everything.
    pub limits_hit: Vec<Limit>,
    /// How many cores were left alone because they are older than the job.
    pub older: usize,
}

/// What stands at the place of a program or socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receiver {
    /// The pattern has none, or it can't be seen from here.
    Unknown,
    /// A program that can be executed, or a socket.
    Usable,
    /// Nothing.
    Missing,
    /// Something else.
    Unusable,
}

/// A folder that cores go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// The folder, as the host names it.
    pub path: PathBuf,
    /// What is wrong with it, if anything is.
    pub trouble: Option<FolderTrouble>,
}

/// What is wrong with a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FolderTrouble {
    /// It doesn't exist.
    Missing,
    /// It isn't a folder.
    NotAFolder,
    /// This user may not create files in it.
    NotPermitted,
    /// Its file system is mounted read-only.
    ReadOnly,
}

/// A command that was run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandFacts {
    /// How it ended.
    pub exit: Exit,
    /// The processes that were seen to end by a signal that makes the kernel write a core.
    pub crashed: Vec<Reaped>,
    /// Its process id.
    pub pid: u32,
    /// Its program's file.
    pub executable: Option<PathBuf>,
}

/// A core that is there and can't be had, or a name that is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostCore {
    /// [`Reason::code`] of it.
    pub code: &'static str,
    /// A sentence that names the file.
    pub sentence: String,
    /// What to do about it.
    pub hint: Option<&'static str>,
}

impl Situation {
    /// Looks at `host` and at this process.
    pub fn of(host: &Host) -> Situation {
        let pattern = CorePattern::of(host);
        let container = container::evidence(host);
        let receiver =
            pattern.as_ref().map_or(Receiver::Unknown, |pattern| receiver(host, pattern, container));
        let folder = pattern.as_ref().ok().and_then(|pattern| pattern.matcher()?.folder());
        Situation {
            receiver,
            folder: folder.map(|path| Folder { trouble: trouble(&host.path(&path)), path }),
            pattern,
            limit: CoreLimit::current(),
            container,
            command: None,
            lost: Vec::new(),
            searched: 0,
            limits_hit: Vec::new(),
            older: 0,
        }
    }

    /// Adds what a search came across.
    #[must_use]
    pub fn after_search(mut self, found: &Found) -> Situation {
        let lost = found
            .rejected
            .iter()
            .filter(|rejected| rejected.reason.is_a_loss() || matches!(rejected.reason, Reason::Folder));
        self.lost = lost
            .map(|rejected| LostCore {
                code: rejected.reason.code(),
                sentence: rejected.sentence(),
                hint: rejected.reason.hint(),
            })
            .collect();
        self.searched = found.places.len();
        self.limits_hit.clone_from(&found.limits_hit);
        self.older = found.older;
        self
    }

    /// Adds what became of the command.
    #[must_use]
    pub fn after_run(mut self, outcome: &RunOutcome) -> Situation {
        self.limit = outcome.core_limit;
        self.command = Some(CommandFacts {
            exit: outcome.exit,
            crashed: outcome.crashed().collect(),
            pid: outcome.pid,
            executable: outcome.executable.clone(),
        });
        // A relative pattern leads to where the command was started, unless it went elsewhere.
        if self.folder.is_none()
            && let Some(core) = self.core_path()
        {
            let core = outcome.cwd.join(OsStr::from_bytes(&core));
            self.folder = core.parent().map(|path| Folder { path: path.to_owned(), trouble: trouble(path) });
        }
        self
    }

    /// Returns the path that a core of the command itself gets, as far as that can be known.
    pub fn core_path(&self) -> Option<Vec<u8>> {
        let command = self.command.as_ref()?;
        let executable = command.executable.as_ref()?.as_os_str().as_bytes();
        let name = executable.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let facts = Facts {
            pid: command.pid,
            host_pid: command.pid,
            tid: command.pid,
            host_tid: command.pid,
            thread_name: name.iter().copied().take(15).collect(),
            executable: Some(executable.to_vec()),
            host_name: rustix::system::uname().nodename().to_bytes().to_vec(),
            ..Facts::default()
        };
        self.pattern.as_ref().ok()?.expand(&facts).filter(|path| !path.is_empty())
    }
}

fn receiver(host: &Host, pattern: &CorePattern, container: Option<&str>) -> Receiver {
    // Programs are started, and sockets reached, outside of the container: what is seen from inside says
    // nothing.
    if container.is_some() {
        return Receiver::Unknown;
    }
    let (path, is_socket) = match pattern.target() {
        Target::File(_) => return Receiver::Unknown,
        Target::Pipe(pipe) => (&pipe.program, false),
        Target::Socket(socket) => (&socket.path, true),
    };
    if path.is_empty() {
        return Receiver::Missing;
    }
    let path = host.path(PathBuf::from(OsString::from_vec(path.clone())));
    match std::fs::metadata(&path) {
        Err(_) => Receiver::Missing,
        Ok(metadata) if is_socket && metadata.file_type().is_socket() => Receiver::Usable,
        Ok(metadata) if !is_socket && metadata.is_file() && access(&path, Access::EXEC_OK).is_ok() => {
            Receiver::Usable
        }
        Ok(_) => Receiver::Unusable,
    }
}

fn trouble(folder: &Path) -> Option<FolderTrouble> {
    match std::fs::metadata(folder) {
        Err(_) => return Some(FolderTrouble::Missing),
        Ok(metadata) if !metadata.is_dir() => return Some(FolderTrouble::NotAFolder),
        Ok(_) => {}
    }
    match access(folder, Access::WRITE_OK | Access::EXEC_OK) {
        Err(Errno::ROFS) => Some(FolderTrouble::ReadOnly),
        Err(Errno::ACCESS | Errno::PERM) => Some(FolderTrouble::NotPermitted),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::host::tests::fake;

    #[test]
    fn the_folder_of_an_absolute_pattern_is_looked_at() {
        let (_root, host) = fake(&[("kernel/core_pattern", "/cores/core.%p")]);
        let folder = |trouble| Some(Folder { path: "/cores".into(), trouble });
        assert_eq!(Situation::of(&host).folder, folder(Some(FolderTrouble::Missing)));
        std::fs::write(host.path("/cores"), "").unwrap();
        assert_eq!(Situation::of(&host).folder, folder(Some(FolderTrouble::NotAFolder)));
        std::fs::remove_file(host.path("/cores")).unwrap();
        std::fs::create_dir(host.path("/cores")).unwrap();
        assert_eq!(Situation::of(&host).folder, folder(None));
        std::fs::set_permissions(host.path("/cores"), std::fs::Permissions::from_mode(0o555)).unwrap();
        if !rustix::process::geteuid().is_root() {
            assert_eq!(Situation::of(&host).folder, folder(Some(FolderTrouble::NotPermitted)));
        }
    }

    #[test]
    fn the_program_is_looked_at_unless_we_are_in_a_container() {
        let (_root, host) = fake(&[("kernel/core_pattern", "|/lib/handler %p")]);
        assert_eq!(Situation::of(&host).receiver, Receiver::Missing);
        std::fs::create_dir(host.path("/lib")).unwrap();
        std::fs::write(host.path("/lib/handler"), "").unwrap();
        assert_eq!(Situation::of(&host).receiver, Receiver::Unusable);
        std::fs::set_permissions(host.path("/lib/handler"), std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(Situation::of(&host).receiver, Receiver::Usable);
        std::fs::write(host.path("/.dockerenv"), "").unwrap();
        assert_eq!(Situation::of(&host).receiver, Receiver::Unknown);
    }

    #[test]
    fn a_socket_must_be_one() {
        let (_root, host) = fake(&[("kernel/core_pattern", "@/run/c")]);
        assert_eq!(Situation::of(&host).receiver, Receiver::Missing);
        std::fs::create_dir(host.path("/run")).unwrap();
        std::fs::write(host.path("/run/c"), "").unwrap();
        assert_eq!(Situation::of(&host).receiver, Receiver::Unusable);
        std::fs::remove_file(host.path("/run/c")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(host.path("/run/c")).unwrap();
        assert_eq!(Situation::of(&host).receiver, Receiver::Usable);
    }

    #[test]
    fn the_commands_own_facts_replace_ours() {
        let (_root, host) = fake(&[("kernel/core_pattern", "core.%p.%e")]);
        let folder = tempfile::tempdir().unwrap();
        let outcome = RunOutcome {
            exit: Exit::Signal(6),
            core_dumped: true,
            pid: 7,
            session: 1,
            executable: Some("/bin/a-name-longer-than-fifteen".into()),
            started: std::time::SystemTime::now(),
            ended: std::time::SystemTime::now(),
            cwd: folder.path().to_owned(),
            core_limit: CoreLimit { soft: Some(1), hard: Some(2) },
            orphans: Vec::new(),
            orphan_count: 0,
            stderr: None,
            dumps: crate::Dumps::default(),
            timed_out: false,
            untraced: None,
        };
        let situation = Situation::of(&host).after_run(&outcome);
        assert_eq!(situation.limit, outcome.core_limit);
        assert_eq!(situation.core_path().unwrap(), b"core.7.a-name-longer-t");
        assert_eq!(situation.folder, Some(Folder { path: folder.path().to_owned(), trouble: None }));
        assert_eq!(situation.command.unwrap().crashed.len(), 1);
    }
}
