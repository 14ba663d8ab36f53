//! Cores that were found when enough were taken: they are listed, and not kept open.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::SystemTime;

use epitaph_summary::CoreSource;

/// The most that are listed one by one.
const MOST_LISTED: usize = 4096;

/// A core that was found when enough were taken: what its name and its file tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beyond {
    /// Where it was found.
    pub path: PathBuf,
    /// The values in its name by specifier letter, where a core pattern makes such names.
    pub name_fields: BTreeMap<String, String>,
    /// Why it was looked at.
    pub source: CoreSource,
    /// When it was last written.
    pub modified: SystemTime,
    /// Its size in bytes, holes included.
    pub size: u64,
    /// The bytes that it occupies on disk.
    pub size_on_disk: u64,
}

/// The list of them, which has an end.
#[derive(Debug, Default)]
pub(super) struct BeyondList {
    listed: Vec<Beyond>,
    more: usize,
}

impl BeyondList {
    pub(super) fn add(&mut self, core: Beyond) {
        if self.listed.len() < MOST_LISTED {
            self.listed.push(core);
        } else {
            self.more += 1;
        }
    }

    /// Returns the cores, oldest first, and how many more there are.
    pub(super) fn finish(mut self) -> (Vec<Beyond>, usize) {
        self.listed.sort_by(|a, b| (a.modified, &a.path).cmp(&(b.modified, &b.path)));
        (self.listed, self.more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_has_an_end_and_counts_on() {
        let mut list = BeyondList::default();
        for index in 0..MOST_LISTED + 2 {
            list.add(Beyond {
                path: format!("/{index}").into(),
                name_fields: BTreeMap::new(),
                source: CoreSource::Pattern,
                modified: SystemTime::UNIX_EPOCH,
                size: 1,
                size_on_disk: 1,
            });
        }
        let (listed, more) = list.finish();
        assert_eq!((listed.len(), more), (MOST_LISTED, 2));
    }
}
