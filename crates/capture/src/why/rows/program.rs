//! Programs whose processes the kernel dumps only where it is told so (`fs.suid_dumpable`, proc(5)).

use super::{Row, Situation, file, words};
use crate::why::situation::Guarded;

/// `fs.suid_dumpable`: as no other process.
const NEVER: u32 = 0;
/// `fs.suid_dumpable`: for root only, and never into a relative path.
const FOR_ROOT: u32 = 2;

pub(super) const ROWS: &[Row] = &[
    Row::reason("program_guarded", |situation| {
        let why = guarded(situation).filter(|_| situation.suid_dumpable == NEVER)?;
        words(
            format!("the command's program {why}, and the kernel writes no cores of such processes"),
            "test a copy of the program without that, or: sudo sysctl fs.suid_dumpable=2, with an absolute core pattern",
        )
    }),
    Row::reason("suid_needs_absolute_path", |situation| {
        let why = guarded(situation).filter(|_| situation.suid_dumpable == FOR_ROOT)?;
        file(situation).filter(|file| !file.is_absolute())?;
        words(
            format!(
                "the command's program {why}, and the kernel writes cores of such processes to absolute paths only"
            ),
            "give the core pattern a folder: echo '/tmp/core.%p' | sudo tee /proc/sys/kernel/core_pattern",
        )
    }),
    Row::risk("suid_relative", |situation| {
        file(situation).filter(|file| !file.is_absolute())?;
        (situation.suid_dumpable == FOR_ROOT && guarded(situation).is_none()).then_some(())?;
        words(
            "programs that change their user leave no cores: fs.suid_dumpable is 2, and the core pattern is relative",
            "give the core pattern a folder: echo '/tmp/core.%p' | sudo tee /proc/sys/kernel/core_pattern",
        )
    }),
];

/// Returns what makes the command's program guarded, where cores go into files; programs may take them all the same.
fn guarded(situation: &Situation) -> Option<&'static str> {
    file(situation)?;
    Some(match situation.command.as_ref()?.program.guarded? {
        Guarded::SetUser => "runs as another user (set-user-ID)",
        Guarded::SetGroup => "runs as another group (set-group-ID)",
        Guarded::Capabilities => "has capabilities",
        Guarded::Unreadable => "may be executed but not read",
    })
}
