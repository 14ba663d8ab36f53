//! The folder that cores go to, and cores in it that can't be had.

use std::path::Path;

use super::{Row, Situation, Words, file, words};
use crate::canary::Fate;
use crate::text::{quoted_path, shell_word};
use crate::why::situation::{Folder, FolderTrouble};

/// Cores that are there.
pub(super) const FOUND: &[Row] = &[
    Row::reason("core_unreadable", |situation| lost(situation, "unreadable")),
    Row::reason("core_foreign_owner", |situation| lost(situation, "foreign_owner")),
    Row::reason("core_empty", |situation| lost(situation, "empty")),
];

pub(super) const ROWS: &[Row] = &[
    Row::reason("cwd_removed", |situation| {
        file(situation).filter(|file| !file.is_absolute())?;
        situation.inherited.folder_removed.then_some(())?;
        words(
            "cores land in the folder where the crasher stands, and the one where this step stands was removed",
            "let the step stand in a folder that stays, or give the core pattern a folder of its own",
        )
    }),
    Row::reason("pattern_dir_missing", |situation| {
        let (folder, trouble) = trouble(situation)?;
        let state = match trouble {
            FolderTrouble::Missing => "does not exist",
            FolderTrouble::NotAFolder => "is not a folder",
            _ => return None,
        };
        words(
            format!(
                "the folder that cores go to, {}, {state}, and the kernel creates none",
                quoted_path(folder)
            ),
            format!("create it before the crash: mkdir -p -m 1777 {}", shell_word(folder)),
        )
    }),
    Row::reason("pattern_dir_unwritable", |situation| {
        let (folder, trouble) = trouble(situation)?;
        let state = match trouble {
            FolderTrouble::NotPermitted => "this user may not write there",
            FolderTrouble::ReadOnly => "its file system is read-only",
            _ => return None,
        };
        words(
            format!("cores go to the folder {}, and {state}", quoted_path(folder)),
            "make the folder writable (mode 1777), or send cores to another one",
        )
    }),
    Row::reason("disk_full", |situation| {
        let (folder, trouble) = trouble(situation)?;
        let lack = match trouble {
            FolderTrouble::Full => "bytes",
            FolderTrouble::NoFiles => "files (inodes)",
            _ => return None,
        };
        words(
            format!(
                "cores go to the folder {}, whose file system has no room for more {lack}",
                quoted_path(folder)
            ),
            "remove what is not needed there, or send cores to another file system",
        )
    }),
    Row::reason("folder_maps_owners", |situation| {
        let (folder, kind) = mapping(situation)?;
        matches!(situation.canary, Some(Fate::Lost { .. })).then_some(())?;
        words(
            format!(
                "cores go to the folder {}, whose file system ({kind}) does not give files the owner and mode \
                 that the kernel asks for, so it writes none",
                quoted_path(&folder.path)
            ),
            "send cores to another file system: echo '/tmp/core.%p' | sudo tee /proc/sys/kernel/core_pattern",
        )
    }),
    Row::risk("folder_may_map_owners", |situation| {
        let (folder, kind) = mapping(situation)?;
        situation.canary.is_none().then_some(())?;
        words(
            format!(
                "the file system ({kind}) of the folder that cores go to, {}, may not give files the owner and mode \
                 that the kernel asks for, and then it writes none",
                quoted_path(&folder.path)
            ),
            "let `epitaph doctor` prove it, or send cores to another file system",
        )
    }),
];

/// Returns the words of a row about a core that the search could not take.
pub(super) fn lost(situation: &Situation, code: &str) -> Option<Words> {
    let lost = situation.lost.iter().find(|lost| lost.code == code)?;
    words(lost.sentence.clone(), lost.hint.unwrap_or("look at the file and its file system"))
}

fn trouble(situation: &Situation) -> Option<(&Path, FolderTrouble)> {
    file(situation)?;
    let folder = situation.folder.as_ref()?;
    Some((&folder.path, folder.trouble?))
}

fn mapping(situation: &Situation) -> Option<(&Folder, &str)> {
    file(situation)?;
    let folder = situation.folder.as_ref()?;
    Some((folder, folder.mapping.as_deref()?))
}
