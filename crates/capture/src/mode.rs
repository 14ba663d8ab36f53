//! How the cores of a command are best had on this host.

use crate::handler::OwnPattern;
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
    pub fn best(situation: &Situation) -> CaptureMode {
        if arrive(situation) || !can_dump() { CaptureMode::File } else { CaptureMode::Ptrace }
    }
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
            CaptureMode::best(&situation)
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
}
