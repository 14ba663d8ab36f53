//! How the cores of a command are best had on this host.

use std::os::unix::fs::MetadataExt as _;

use crate::handler::OwnPattern;
use crate::host::Host;
use crate::limits::LEAST_FOR_A_CORE;
use crate::live::can_dump;
use crate::pattern::Target;
use crate::why::{Receiver, Situation};

/// Programs that keep the cores they are given where a search finds them.
const COLLECTORS: [&[u8]; 2] = [b"systemd-coredump", b"apport"];

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
    pub fn best(host: &Host, situation: &Situation) -> CaptureMode {
        let needs_rights = || !rustix::process::geteuid().is_root() && gives_rights(host);
        if arrive(situation) || !can_dump() || needs_rights() {
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

/// Tells whether the kernel's cores arrive where a search finds them.
fn arrive(situation: &Situation) -> bool {
    let Ok(pattern) = &situation.pattern else { return false };
    let is_here = situation.container.is_none() && situation.receiver == Receiver::Usable;
    match pattern.target() {
        Target::File(file) => {
            let may_be_written = situation.limit.hard.is_none_or(|hard| hard >= LEAST_FOR_A_CORE);
            let trouble = situation.folder.as_ref().is_some_and(|folder| folder.trouble.is_some());
            !file.is_empty() && may_be_written && !trouble
        }
        Target::Pipe(pipe) => {
            let name = pipe.program.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
            is_here && (COLLECTORS.contains(&name) || OwnPattern::of(pattern).is_some())
        }
        Target::Socket(_) => is_here && OwnPattern::of(pattern).is_some(),
    }
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
            CaptureMode::best(&host, &situation)
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
