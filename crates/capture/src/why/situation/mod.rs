//! The facts that decide whether a crash leaves a core, gathered in one look.

mod evidence;
mod folder;
mod own;
mod program;
mod receiver;
mod systemd;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

pub use evidence::{LastWords, OwnReport};
pub use folder::{Folder, FolderTrouble};
pub use own::Inherited;
pub use program::{Guarded, Program};
pub use receiver::Receiver;
pub use systemd::Systemd;

use crate::canary::Fate;
use crate::container;
use crate::error::CaptureError;
use crate::host::Host;
use crate::kernel_log::RefusedCore;
use crate::limits::CoreLimit;
use crate::pattern::{CorePattern, Facts, FilePattern};
use crate::run::{Exit, Reaped, RunOutcome};
use crate::search::{Found, Limit, Reason};
use crate::why::NoCore;

/// The facts that decide whether a crash leaves a core. [`explain`](super::explain) looks at nothing else.
#[derive(Clone, Debug)]
pub struct Situation {
    /// The host's core pattern.
    pub pattern: Result<CorePattern, CaptureError>,
    /// Whether the kernel is gVisor's, which only looks like Linux.
    pub gvisor: bool,
    /// How many programs may be given cores at the same time; 0 for any number.
    pub pipe_limit: u32,
    /// `fs.suid_dumpable`: whether programs that change their user leave cores (0 no, 1 yes, 2 for root only).
    pub suid_dumpable: u32,
    /// The limit of the core's size: the command's, where `run` started one, else our own.
    pub limit: CoreLimit,
    /// What else a process gets from the step that starts it.
    pub inherited: Inherited,
    /// What shows that we are in a container, if anything does.
    pub container: Option<&'static str>,
    /// What stands at the pattern's program or socket, as seen from here.
    pub receiver: Receiver,
    /// What systemd-coredump does, where cores go to it and it can be seen from here.
    pub systemd: Systemd,
    /// The folder that cores go to, where it is known.
    pub folder: Option<Folder>,
    /// A folder that has the name which every core would get.
    pub name_taken: Option<PathBuf>,
    /// How many processes of this control group were killed for want of memory.
    pub oom_kills: u64,
    /// What became of the canary, where one was sent.
    pub canary: Option<Fate>,
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
    /// What the kernel says of a core that it did not write.
    pub kernel_said: Option<RefusedCore>,
    /// What the collector that the pattern leads to says of a core that it did not keep.
    pub not_kept: Option<NoCore>,
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
    /// What that file is.
    pub program: Program,
    /// A report that a runtime left in its folder.
    pub own_report: Option<OwnReport>,
    /// What it said of its own end.
    pub last_words: LastWords,
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
        let container = container::evidence(host);
        let situation = Situation::of_pattern(host, container);
        let systemd =
            situation.receiver == Receiver::Usable && host.settings().pipes_into("systemd-coredump");
        let situation = Situation {
            gvisor: host.is_gvisor(),
            pipe_limit: host.pipe_limit().unwrap_or(0),
            suid_dumpable: host.suid_dumpable().unwrap_or(0),
            limit: own::core_limit(host),
            inherited: Inherited::of(host),
            systemd: if systemd { Systemd::of(host) } else { Systemd::default() },
            oom_kills: evidence::oom_kills(host).unwrap_or(0),
            folder: situation.folder.map(|folder| folder.with_mapping(host)),
            ..situation
        };
        match situation.file() {
            Some(file) if file.is_absolute() => situation.with_name_in(host, Path::new("/")),
            _ => situation,
        }
    }

    /// Looks only at where cores go and whether they may: all that [`CaptureMode::best`](crate::CaptureMode::best) asks
    /// for, before every command.
    pub fn in_brief(host: &Host) -> Situation {
        // Files are written as the crasher sees them, inside of a container or not.
        let is_file = host.settings().pattern.as_ref().is_ok_and(|pattern| pattern.file().is_some());
        Situation::of_pattern(host, if is_file { None } else { container::evidence(host) })
    }

    /// Looks at what the core pattern leads to.
    fn of_pattern(host: &Host, container: Option<&'static str>) -> Situation {
        let pattern = host.settings().pattern.clone();
        let receiver = pattern.as_ref().map_or(Receiver::Unknown, |it| receiver::of(host, it, container));
        let folder = pattern.as_ref().ok().and_then(|pattern| pattern.matcher()?.folder());
        Situation {
            receiver,
            folder: folder.map(|path| Folder::in_brief(host, path)),
            pattern,
            gvisor: false,
            pipe_limit: 0,
            suid_dumpable: 0,
            limit: CoreLimit::current(),
            inherited: Inherited::default(),
            container,
            systemd: Systemd::default(),
            name_taken: None,
            oom_kills: 0,
            canary: None,
            command: None,
            lost: Vec::new(),
            searched: 0,
            limits_hit: Vec::new(),
            older: 0,
            kernel_said: None,
            not_kept: None,
        }
    }

    /// Says where the crasher stands, which is where a relative pattern leads.
    #[must_use]
    pub fn standing_in(mut self, host: &Host, cwd: &Path) -> Situation {
        if let Some(relative) = self.relative_folder() {
            // Joined with nothing, a path would end in a slash.
            let path = if relative.as_os_str().is_empty() { cwd.to_owned() } else { cwd.join(relative) };
            self.folder = Some(Folder::of(host, path));
        }
        self.with_name_in(host, cwd)
    }

    /// Looks for a folder with the one name that all cores get, if they do.
    fn with_name_in(mut self, host: &Host, cwd: &Path) -> Situation {
        if let Some(name) = self.file().and_then(FilePattern::fixed) {
            let path = cwd.join(OsStr::from_bytes(name));
            self.name_taken = host.path(&path).is_dir().then_some(path);
        }
        self
    }

    /// Returns the folder that a relative pattern names, up to the first one named by a value: empty for the crasher's
    /// own.
    fn relative_folder(&self) -> Option<PathBuf> {
        self.file().filter(|file| !file.is_empty())?.relative_folder()
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

    /// Adds what the kernel says of a core that it did not write.
    #[must_use]
    pub fn after_kernel(self, said: Option<RefusedCore>) -> Situation {
        Situation { kernel_said: said, ..self }
    }

    /// Adds what became of a canary.
    #[must_use]
    pub fn after_canary(self, fate: &Fate) -> Situation {
        Situation { canary: Some(fate.clone()), ..self }
    }

    /// Adds what became of the command.
    #[must_use]
    pub fn after_run(mut self, outcome: &RunOutcome) -> Situation {
        self.limit = outcome.core_limit;
        self.command = Some(CommandFacts {
            exit: outcome.exit,
            crashed: outcome.crashed().collect(),
            pid: outcome.pid,
            program: outcome.executable.as_deref().map(Program::of).unwrap_or_default(),
            executable: outcome.executable.clone(),
            own_report: outcome.cwd.as_deref().and_then(|cwd| evidence::own_report(cwd, outcome.started)),
            last_words: LastWords::default(),
        });
        // A relative pattern leads to where the command was started, unless it went elsewhere.
        match &outcome.cwd {
            Some(cwd) => self.standing_in(&Host::real(), cwd),
            None => self,
        }
    }

    /// Adds the end of what the command wrote on standard error, where that was kept.
    #[must_use]
    pub fn after_output(mut self, output: &[u8]) -> Situation {
        if let Some(command) = &mut self.command {
            command.last_words = LastWords::of(output);
        }
        self
    }

    /// Adds what the collector says that the pattern leads to, see [`why_not_kept`](crate::why_not_kept).
    #[must_use]
    pub fn after_asking(mut self, not_kept: Option<NoCore>) -> Situation {
        self.not_kept = not_kept;
        self
    }

    /// Returns the pattern of file names, where cores go into files.
    pub fn file(&self) -> Option<&FilePattern> {
        self.pattern.as_ref().ok()?.file()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::tests::fake;

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
            set_back: std::time::Duration::ZERO,
            ended: std::time::SystemTime::now(),
            cwd: Some(folder.path().to_owned()),
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
        assert_eq!(
            situation.folder,
            Some(Folder { path: folder.path().to_owned(), trouble: None, mapping: None })
        );
        assert_eq!(situation.command.unwrap().crashed.len(), 1);
    }
}
