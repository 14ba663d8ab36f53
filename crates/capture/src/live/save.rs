//! Writing the core of a living process to a file.

use std::path::Path;
use std::sync::Arc;

use epitaph_bundle::{SaveError, spool_core};
use epitaph_elf::{CoreError, CoreFile, LiveCore, ReadAt, SlimCore, SlimOptions};
use rustix::process::Pid;

use super::LiveCoreError;

/// How much of a core is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SaveAs {
    /// What debuggers need for the same backtraces.
    Slim,
    /// All of it, if it has no more data than so many bytes and the disk has room for it; else a slim one.
    FullBelow(u64),
}

/// Writes the core of a process, which stands still meanwhile, to a file that appears when it is complete.
pub(crate) fn save(process: Pid, core: LiveCore, target: &Path, how: SaveAs) -> Result<(), LiveCoreError> {
    let pid = process.as_raw_pid();
    let failed = |source| LiveCoreError::Save { pid, source };
    if let SaveAs::FullBelow(most) = how
        && data_of(&core, most) <= most
    {
        match spool_core(&core, target) {
            Ok(_) => return Ok(()),
            Err(SaveError::Full { .. }) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    let unread = |error: CoreError| failed(SaveError::Read(std::io::Error::other(error)));
    let core = CoreFile::open(Arc::new(core)).map_err(unread)?;
    let slim = SlimCore::new(&core, &SlimOptions::default())
        .map_err(|source| LiveCoreError::Slim { pid, source })?;
    spool_core(&slim, target).map(drop).map_err(failed)
}

/// How much data a core has, untouched memory left out; beyond `most`, counting ends.
fn data_of(core: &LiveCore, most: u64) -> u64 {
    let (mut data, mut at) = (0_u64, 0);
    while data <= most
        && at < core.size()
        && let Some(range) = core.next_data(at)
    {
        let end = range.end.min(core.size());
        data = data.saturating_add(end.saturating_sub(range.start));
        at = end.max(at.saturating_add(1));
    }
    data
}
