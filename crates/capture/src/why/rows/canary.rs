//! What a program that crashed here on purpose proves.

use super::{Row, file, words};
use crate::canary::Fate;
use crate::text::quoted_path;

pub(super) const ROWS: &[Row] = &[
    Row::reason("canary_core_cut", |situation| {
        let Some(Fate::Core { path, missing, .. }) = &situation.canary else { return None };
        (*missing > 0).then_some(())?;
        words(
            format!(
                "a program that crashed here on purpose left a core that lacks {missing} bytes: {}",
                quoted_path(path)
            ),
            "look for a full disk, a quota, or a limit: df, ulimit -a",
        )
    }),
    Row::reason("canary_lost", |situation| {
        file(situation)?;
        let Some(Fate::Lost { dumped, .. }) = &situation.canary else { return None };
        let said = match dumped {
            true => "the kernel says that it wrote a core, but none is there",
            false => "the kernel wrote no core",
        };
        words(
            format!("a program crashed here on purpose, and {said}"),
            "look for what the kernel says: dmesg | tail; a quota, a security module or a sandbox may forbid it",
        )
    }),
];
