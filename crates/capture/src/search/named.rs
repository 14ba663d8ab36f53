//! Files of one name in a tree.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::limits::SearchLimits;
use super::walk::Walk;
use crate::host::Host;

/// Most files that are returned.
const MOST: usize = 256;

/// Finds the files of this name in `root` and, as far as `depth`, beneath it: near ones first, and no links.
pub(crate) fn named(
    host: &Host,
    root: &Path,
    name: &OsStr,
    depth: usize,
    limits: SearchLimits,
) -> Vec<PathBuf> {
    let mut found = Vec::new();
    Walk::new(host, limits).walk(root, depth, &mut |entry| {
        let is_wanted = entry.file_type.is_file() && entry.path.file_name() == Some(name);
        if is_wanted && found.len() < MOST {
            found.push(entry.path.to_owned());
        }
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_files_of_the_name_come_first() {
        let root = tempfile::tempdir().unwrap();
        for file in ["a/b/wanted", "wanted", "a/wanted.c", "other"] {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        std::fs::create_dir(root.path().join("a/wanted")).unwrap();
        let found = |depth| {
            let host = Host::real();
            let found = named(&host, root.path(), OsStr::new("wanted"), depth, SearchLimits::default());
            found.len()
        };
        assert_eq!([found(0), found(1), found(2)], [1, 1, 2]);
    }
}
