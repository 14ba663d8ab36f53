//! The names that cores get.

use super::folder::lost;
use super::{Row, file, pattern, words};
use crate::pattern::{Facts, FilePattern, Specifier};
use crate::text::quoted_path;

/// The longest file name, and the longest path with its NUL (`NAME_MAX`, `PATH_MAX`).
const LONGEST_NAME: usize = 255;
const LONGEST_PATH: usize = 4096;
/// The largest process id (`PID_MAX_LIMIT`).
const LONGEST_ID: u32 = 4_194_304;

pub(super) const ROWS: &[Row] = &[
    Row::reason("name_too_long", |situation| {
        let path = situation.core_path()?;
        let longest = path.split(|byte| *byte == b'/').map(<[u8]>::len).max()?;
        (longest > LONGEST_NAME || path.len() >= LONGEST_PATH).then_some(())?;
        words(
            format!(
                "the core's name would have {longest} bytes, and a file's name has {LONGEST_NAME} \
                 at most: the core pattern is {}",
                pattern(situation)
            ),
            "use %e (at most 15 bytes) instead of %E or %f in the core pattern, or build in a folder with a \
             short path",
        )
    }),
    Row::reason("name_is_a_folder", |situation| match (&situation.name_taken, file(situation)) {
        (Some(folder), Some(_)) => words(
            format!("{} is a folder, so the kernel cannot write a core of this name", quoted_path(folder)),
            "remove or rename the folder, or add the process id: echo 1 | sudo tee /proc/sys/kernel/core_uses_pid",
        ),
        _ => lost(situation, "folder"),
    }),
    Row::risk("pattern_relative", |situation| {
        file(situation).filter(|file| !file.is_absolute())?;
        words(
            format!(
                "cores land in the folder where the crasher stood at that moment: the core pattern is {}",
                pattern(situation)
            ),
            "search from further up, or give the core pattern a folder of its own",
        )
    }),
    Row::risk("name_not_distinct", |situation| {
        file(situation).filter(|file| !file.is_distinct())?;
        words(
            format!(
                "all crashes in one folder share one file name, so the last core replaces the others: the core \
                 pattern is {}",
                pattern(situation)
            ),
            "add the process id: echo 1 | sudo tee /proc/sys/kernel/core_uses_pid",
        )
    }),
    Row::risk("name_may_be_too_long", |situation| {
        let room = room_for_executable(file(situation)?)?;
        let here = situation.inherited.folder.as_ref()?.as_os_str().len();
        // Programs are built some folders further down.
        (here >= room / 2).then_some(())?;
        words(
            format!(
                "a program whose path has more than {room} bytes leaves no core, and this folder's has {here}: the \
                 core pattern is {}",
                pattern(situation)
            ),
            "use %e (at most 15 bytes) instead of %E in the core pattern, or build in a folder with a short path",
        )
    }),
];

/// Returns how long a program's path may be for its core's name to be possible, where the name holds that path.
fn room_for_executable(file: &FilePattern) -> Option<usize> {
    file.uses(Specifier::Executable).then_some(())?;
    let facts =
        Facts { pid: LONGEST_ID, host_pid: LONGEST_ID, executable: Some(b"/".to_vec()), ..Facts::default() };
    let name = file.expand(&facts).rsplit(|byte| *byte == b'/').next()?.len();
    // The stand-in is one byte itself.
    Some((LONGEST_NAME + 1).saturating_sub(name))
}
