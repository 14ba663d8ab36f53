//! How the cores of a command are best had on this host.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{Access, access};
use rustix::system::uname;

use crate::host::Host;
use crate::limits::LEAST_FOR_A_CORE;
use crate::live::can_dump;
use crate::pattern::{Facts, FilePattern, Target};
use crate::stores::Collector;
use crate::why::{Receiver, Situation};

/// Most bytes of a part of a path (`NAME_MAX`).
const LONGEST_PART: usize = 255;
/// The longest name of a thread that the kernel keeps (`TASK_COMM_LEN` without its NUL).
const LONGEST_COMM: usize = 15;

/// How cores are had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaptureMode {
    /// As the kernel writes them, or whom it gives them to: they are searched for afterwards.
    File,
    /// Written by us, by ptrace(2).
    Ptrace,
    /// Not at all.
    None,
}

impl CaptureMode {
    /// Returns the mode in which cores of commands can be had here: [`CaptureMode::Ptrace`] only where none would come
    /// otherwise, for tracing is seen by the command.
    ///
    /// Nor where the command may need rights that a traced process doesn't get: this user isn't root, and `host` has
    /// programs by which jobs become root.
    ///
    /// Nothing is proven here: before every command, a crash on purpose would cost more than it tells. A crasher that stands
    /// elsewhere than in `cwd`, where the command does, may fare otherwise.
    pub fn best(host: &Host, situation: &Situation, cwd: Option<&Path>) -> CaptureMode {
        let needs_rights = || !rustix::process::geteuid().is_root() && gives_rights(host);
        if arrive(host, situation, cwd) || !can_dump() || needs_rights() {
            CaptureMode::File
        } else {
            CaptureMode::Ptrace
        }
    }
}

/// Tells whether there is a program by which other users become root, or users of a namespace of theirs: executed by a
/// process that is traced without privileges, it gets no other rights (ptrace(2), execve(2)).
fn gives_rights(host: &Host) -> bool {
    const FOLDERS: [&str; 3] = ["/usr/bin", "/bin", "/usr/local/bin"];
    const PROGRAMS: [&str; 5] = ["sudo", "doas", "newuidmap", "fusermount", "fusermount3"];
    const SET_USER: u32 = 0o4000;
    FOLDERS.iter().flat_map(|folder| PROGRAMS.map(|program| host.path(folder).join(program))).any(|path| {
        path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.mode() & SET_USER != 0)
    })
}

/// Tells whether the kernel's cores arrive where a search finds them, of processes that stand in `cwd`.
fn arrive(host: &Host, situation: &Situation, cwd: Option<&Path>) -> bool {
    let Ok(pattern) = &situation.pattern else { return false };
    let is_here = situation.container.is_none() && situation.receiver == Receiver::Usable;
    match pattern.target() {
        Target::File(file) => {
            let may_be_written = situation.limit.hard.is_none_or(|hard| hard >= LEAST_FOR_A_CORE);
            let trouble = situation.folder.as_ref().is_some_and(|folder| folder.trouble.is_some());
            !file.is_empty() && may_be_written && !trouble && can_be_made(host, file, cwd)
        }
        Target::Pipe(_) | Target::Socket(_) => {
            is_here && Collector::of_pattern(pattern).is_some_and(Collector::keeps_any_program)
        }
    }
}

/// Tells whether a file can be made by the name that a pattern gives it, by a process that stands in `cwd`: not in a folder
/// that is gone or not to be written into, where a folder has the name, or where that is too long.
fn can_be_made(host: &Host, file: &FilePattern, cwd: Option<&Path>) -> bool {
    let Some(cwd) = cwd else { return file.is_absolute() };
    let name = expected_name(file, cwd);
    let fits = name.split(|byte| *byte == b'/').all(|part| part.len() <= LONGEST_PART);
    let reached = |name: &[u8]| host.path(cwd.join(OsStr::from_bytes(name)));
    let taken = file.fixed().is_some_and(|name| reached(name).is_dir());
    let folder = file.relative_folder().map(|folder| host.path(cwd.join(folder)));
    let writable = folder.is_none_or(|folder| access(&folder, Access::WRITE_OK | Access::EXEC_OK).is_ok());
    fits && !taken && writable
}

/// Returns the name of a core of a program in `cwd`, as long as names of programs mostly are at most.
fn expected_name(file: &FilePattern, cwd: &Path) -> Vec<u8> {
    const MOST: u32 = 4 << 20; // `PID_MAX_LIMIT`
    file.expand(&Facts {
        pid: MOST,
        host_pid: MOST,
        tid: MOST,
        host_tid: MOST,
        time: u64::from(u32::MAX),
        host_name: uname().nodename().to_bytes().to_vec(),
        thread_name: vec![b'x'; LONGEST_COMM],
        executable: Some(cwd.join("x".repeat(LONGEST_COMM)).into_os_string().into_encoded_bytes()),
        ..Facts::default()
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::host::tests::fake;
    use crate::limits::CoreLimit;

    #[test]
    fn processes_are_traced_only_where_no_core_would_come() {
        let best = |pattern: &str, change: fn(&mut Situation)| {
            let (root, host) = fake(&[("kernel/core_pattern", pattern)]);
            std::fs::create_dir(root.path().join("tmp")).unwrap();
            let mut situation = Situation::in_brief(&host);
            (situation.limit, situation.container) = (CoreLimit::UNLIMITED, None);
            change(&mut situation);
            CaptureMode::best(&host, &situation, Some(Path::new("/tmp")))
        };
        let (file, traced) =
            (CaptureMode::File, if can_dump() { CaptureMode::Ptrace } else { CaptureMode::File });
        let usable = |situation: &mut Situation| situation.receiver = Receiver::Usable;
        for (pattern, change, expected) in [
            ("core\n", (|_| {}) as fn(&mut Situation), file),
            ("/tmp/core.%p\n", |_| {}, file),
            ("/nowhere/core.%p\n", |_| {}, traced),
            ("core\n", |situation| situation.limit.hard = Some(0), traced),
            ("\n", |_| {}, traced),
            ("|/usr/lib/systemd/systemd-coredump %P\n", usable, file),
            ("|/usr/share/apport/apport %p\n", |_| {}, traced),
            (
                "|/usr/share/apport/apport %p\n",
                |situation| (situation.receiver, situation.container) = (Receiver::Usable, Some("it is")),
                traced,
            ),
            ("|/opt/other\n", usable, traced),
            ("|/opt/epitaph handler run v=1 P=%P\n", usable, file),
        ] {
            assert_eq!(best(pattern, change), expected, "{pattern}");
        }
    }

    #[test]
    fn a_core_must_find_room_where_the_command_stands() {
        let can_be_made = |pattern: &str, cwd: Option<&Path>| {
            let (root, host) = fake(&[("kernel/core_pattern", pattern)]);
            std::fs::create_dir_all(root.path().join("job/core")).unwrap();
            let pattern = host.settings().pattern.clone().unwrap();
            super::can_be_made(&host, pattern.file().unwrap(), cwd)
        };
        let job = Some(Path::new("/job"));
        assert!(can_be_made("core.%p", job) && can_be_made("core.%p.%E", job));
        assert!(!can_be_made("core", job), "a folder has its name");
        assert!(!can_be_made("core.%p", Some(Path::new("/gone"))) && !can_be_made("core.%p", None));
        assert!(!can_be_made("sub/core.%p", job) && can_be_made("/tmp/core.%p", None));
        let deep = format!("/job/{}", "x".repeat(240));
        assert!(can_be_made("/tmp/core.%p", Some(Path::new(&deep))));
        assert!(!can_be_made("/tmp/core.%p.%E", Some(Path::new(&deep))), "its name is too long");
    }

    #[test]
    fn programs_that_give_rights_are_known_by_their_mode() {
        let (root, host) = fake(&[]);
        assert!(!gives_rights(&host));
        let sudo = root.path().join("usr/bin/sudo");
        std::fs::create_dir_all(sudo.parent().unwrap()).unwrap();
        std::fs::write(&sudo, "").unwrap();
        assert!(!gives_rights(&host));
        std::fs::set_permissions(&sudo, std::fs::Permissions::from_mode(0o4755)).unwrap();
        assert!(gives_rights(&host));
    }
}
