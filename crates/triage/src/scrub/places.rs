//! Where the files of a process are: that is no secret, whatever else has the same name.

use std::collections::{BTreeSet, HashSet};
use std::os::unix::ffi::OsStrExt;

use epitaph_elf::Process;

/// The paths of a process's mapped files.
///
/// CI systems put into variables such as PROJECT_KEY or KEY_FOLDER what is also the name of a folder, and without the
/// names of mapped files nothing else of a core could be understood.
#[derive(Debug, Default)]
pub(crate) struct Places<'a> {
    paths: BTreeSet<&'a [u8]>,
    /// Of every file, and of the folders that lead to it.
    names: HashSet<&'a [u8]>,
}

impl<'a> Places<'a> {
    /// Collects those of a process.
    pub(crate) fn of(process: &'a Process) -> Places<'a> {
        Places::new(process.mappings.iter().map(|mapping| mapping.path.as_bytes()))
    }

    pub(super) fn new(paths: impl Iterator<Item = &'a [u8]>) -> Places<'a> {
        let mut places = Places::default();
        let mut last: &[u8] = &[];
        for path in paths {
            // A file's mappings follow each other, and there may be many.
            if path != last && places.paths.insert(path) {
                places.names.extend(path.split(|byte| *byte == b'/'));
            }
            last = path;
        }
        places
    }

    /// The paths, each once.
    pub(super) fn paths(&self) -> impl Iterator<Item = &'a [u8]> {
        self.paths.iter().copied()
    }

    /// Tells whether a value is no more than the name of a mapped file, or of a folder that leads to one.
    pub(super) fn has_name(&self, value: &[u8]) -> bool {
        self.names.contains(value)
    }

    /// Tells whether a value is such a name, or a path that leads to a mapped file.
    pub(crate) fn has(&self, value: &[u8]) -> bool {
        let next = self.paths.range(value..).next();
        self.has_name(value) || value.starts_with(b"/") && next.is_some_and(|path| path.starts_with(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_paths_of_mapped_files_are_places() {
        let paths: [&[u8]; 3] = [b"/home/ci/bin/prog", b"/home/ci/bin/prog", b"/usr/lib/libc.so.6"];
        let places = Places::new(paths.into_iter());
        assert_eq!(places.paths().count(), 2);
        for place in [&b"/home/ci/bin/prog"[..], b"/home/ci", b"/home/c", b"ci", b"libc.so.6"] {
            assert!(places.has(place), "{place:?}");
        }
        for other in [&b"/home/other"[..], b"home/ci", b"c", b"libc.so", b"/home/ci/bin/prog.c", b"zzz"] {
            assert!(!places.has(other), "{other:?}");
        }
    }
}
