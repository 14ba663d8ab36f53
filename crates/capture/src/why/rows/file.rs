//! Cores that go into files, and don't arrive.

use std::path::Path;

use super::{Row, Situation, Words, words};
use crate::limits::LEAST_FOR_A_CORE;
use crate::pattern::FilePattern;
use crate::text::{lossless, quoted, quoted_path};
use crate::why::situation::FolderTrouble;

/// The longest file name, and the longest path with its NUL (`NAME_MAX`, `PATH_MAX`).
const LONGEST_NAME: usize = 255;
const LONGEST_PATH: usize = 4096;

pub(super) const ROWS: &[Row] = &[
    Row::reason("core_unreadable", |situation| lost(situation, "unreadable")),
    Row::reason("core_foreign_owner", |situation| lost(situation, "foreign_owner")),
    Row::reason("core_empty", |situation| lost(situation, "empty")),
    Row::reason("limit_hard_zero", |situation| {
        file(situation)?;
        (situation.limit.hard == Some(0)).then_some(())?;
        words(
            format!("{} is 0, hard limit included, so the kernel writes no core", whose_limit(situation)),
            "raise the hard limit where it is set: docker run --ulimit core=-1, or limits.conf; this \
             process may not",
        )
    }),
    Row::reason("limit_zero", |situation| {
        file(situation)?;
        (situation.limit.soft == Some(0)).then_some(())?;
        words(
            format!("{} is 0, so the kernel writes no core", whose_limit(situation)),
            "put `ulimit -c unlimited` into the very step that crashes, or start its command with \
             `epitaph run --`",
        )
    }),
    Row::reason("limit_too_small", |situation| {
        file(situation)?;
        let soft = situation.limit.soft.filter(|soft| *soft < LEAST_FOR_A_CORE)?;
        words(
            format!(
                "{} is {soft} bytes, and below {LEAST_FOR_A_CORE} the kernel writes no core",
                whose_limit(situation)
            ),
            "put `ulimit -c unlimited` into the very step that crashes; where that is refused, raise the \
             hard limit",
        )
    }),
    Row::reason("pattern_dir_missing", |situation| {
        let (folder, trouble) = folder_trouble(situation)?;
        let state = match trouble {
            FolderTrouble::Missing => "does not exist",
            FolderTrouble::NotAFolder => "is not a folder",
            FolderTrouble::NotPermitted | FolderTrouble::ReadOnly => return None,
        };
        words(
            format!(
                "the folder that cores go to, {}, {state}, and the kernel creates none",
                quoted_path(folder)
            ),
            format!("create it before the crash: mkdir -p -m 1777 {}", lossless_path(folder)),
        )
    }),
    Row::reason("pattern_dir_unwritable", |situation| {
        let (folder, trouble) = folder_trouble(situation)?;
        let state = match trouble {
            FolderTrouble::NotPermitted => "this user may not write there",
            FolderTrouble::ReadOnly => "its file system is read-only",
            FolderTrouble::Missing | FolderTrouble::NotAFolder => return None,
        };
        words(
            format!("cores go to the folder {}, and {state}", quoted_path(folder)),
            "make the folder writable (mode 1777), or send cores to another one",
        )
    }),
    Row::reason("name_too_long", |situation| {
        let path = situation.core_path()?;
        let longest = path.split(|byte| *byte == b'/').map(<[u8]>::len).max()?;
        (longest > LONGEST_NAME || path.len() >= LONGEST_PATH).then_some(())?;
        words(
            format!(
                "the core's name would have {longest} bytes, and a file's name has {LONGEST_NAME} \
                 at most: {}",
                pattern(situation)
            ),
            "use %e (at most 15 bytes) instead of %E or %f in the core pattern, or build in a folder with a \
             short path",
        )
    }),
    Row::reason("name_is_a_folder", |situation| lost(situation, "folder")),
    Row::risk("pattern_relative", |situation| {
        file(situation).filter(|file| !file.is_absolute())?;
        words(
            format!(
                "cores land in the folder where the crasher stood at that moment: {}",
                pattern(situation)
            ),
            "search from further up, or give the core pattern a folder of its own",
        )
    }),
    Row::risk("name_not_distinct", |situation| {
        file(situation).filter(|file| !file.is_distinct())?;
        words(
            format!(
                "all crashes in one folder share one file name, so the last core replaces the others: {}",
                pattern(situation)
            ),
            "add the process id: echo 1 | sudo tee /proc/sys/kernel/core_uses_pid",
        )
    }),
];

fn file(situation: &Situation) -> Option<&FilePattern> {
    situation.pattern.as_ref().ok()?.file()
}

fn lost(situation: &Situation, code: &str) -> Option<Words> {
    let lost = situation.lost.iter().find(|lost| lost.code == code)?;
    words(lost.sentence.clone(), lost.hint.unwrap_or("look at the file and its file system"))
}

/// Limits are set per process: ours is the crasher's only where we started it.
fn whose_limit(situation: &Situation) -> &'static str {
    match situation.command {
        Some(_) => "the command's core size limit (ulimit -c)",
        None => "the core size limit (ulimit -c) of this step, and probably of the one that crashed,",
    }
}

fn folder_trouble(situation: &Situation) -> Option<(&Path, FolderTrouble)> {
    let folder = situation.folder.as_ref()?;
    Some((&folder.path, folder.trouble?))
}

fn lossless_path(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt as _;
    lossless(path.as_os_str().as_bytes())
}

fn pattern(situation: &Situation) -> String {
    let raw = situation.pattern.as_ref().map(|pattern| quoted(pattern.raw())).unwrap_or_default();
    format!("the core pattern is {raw}")
}
