//! Binaries that lie about under any name: known by what their headers say.

use std::path::{Path, PathBuf};

use epitaph_elf::{BuildId, Bytes, FileKind, Object, identify};
use walkdir::WalkDir;

use crate::regular::{Links, open_regular};

/// How deep a tree that came with a core is searched.
const DEEPEST: usize = 8;
/// How many files and folders are looked at.
const MOST_ENTRIES: usize = 20_000;
/// How many files and folders are looked at in a folder that may be anybody's.
const MOST_STRANGERS: usize = 2_000;

/// The ELF files in a folder.
#[derive(Debug, Default)]
pub(super) struct Heap {
    files: Vec<HeapFile>,
}

#[derive(Debug)]
struct HeapFile {
    path: PathBuf,
    build_id: Option<BuildId>,
    /// Whether it holds debug information for a file, but not the file's code.
    debug_only: bool,
}

impl Heap {
    /// Reads the headers of the ELF files beneath `root`, or in it, unless it is `known` to have come with the core.
    pub(super) fn of(root: &Path, known: bool) -> Heap {
        let (depth, most) = if known { (DEEPEST, MOST_ENTRIES) } else { (1, MOST_STRANGERS) };
        let files = WalkDir::new(root)
            .max_depth(depth)
            .same_file_system(true)
            .sort_by_file_name()
            .into_iter()
            // Cores are no binaries; `buildid` is looked up by name, and it was.
            .filter_entry(|entry| {
                let named = |name| entry.depth() == 1 && entry.file_name() == name;
                !(named("crashes") || named("buildid"))
            })
            .take(most)
            .filter_map(Result::ok)
            .filter(|entry| entry.file_type().is_file())
            .filter_map(|entry| HeapFile::read(entry.path()))
            .collect();
        Heap { files }
    }

    /// Files with code, of this build ID.
    pub(super) fn images(&self, id: &BuildId) -> Vec<PathBuf> {
        self.paths(|file| !file.debug_only && file.build_id.as_ref() == Some(id))
    }

    /// Files with debug information only, of this build ID.
    pub(super) fn debug_files(&self, id: &BuildId) -> Vec<PathBuf> {
        self.paths(|file| file.debug_only && file.build_id.as_ref() == Some(id))
    }

    /// Files without a build ID that are called `name`, or `name.1` as `wget` calls the second of that name.
    pub(super) fn named(&self, name: &str) -> Vec<PathBuf> {
        self.paths(|file| {
            let actual = file.path.file_name().unwrap_or_default().to_string_lossy();
            let number = actual.strip_prefix(name).and_then(|rest| rest.strip_prefix('.'));
            let named = actual == name
                || number
                    .is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()));
            named && file.build_id.is_none()
        })
    }

    fn paths(&self, wanted: impl Fn(&HeapFile) -> bool) -> Vec<PathBuf> {
        self.files.iter().filter(|file| wanted(file)).map(|file| file.path.clone()).collect()
    }
}

impl HeapFile {
    fn read(path: &Path) -> Option<HeapFile> {
        let (file, _) = open_regular(path, Links::Refuse).ok()?;
        if !matches!(identify(&file).ok()?, FileKind::Executable | FileKind::SharedObject) {
            return None;
        }
        let object = Object::parse(Bytes::map(&file).ok()?).ok()?;
        // `objcopy --only-keep-debug` keeps the section table, but empties what is loaded.
        let debug = [".debug_info", ".zdebug_info", ".symtab"].iter().any(|name| object.has_section(name));
        let debug_only = debug && !object.has_section(".text");
        Some(HeapFile { path: path.to_owned(), build_id: object.build_id().cloned(), debug_only })
    }
}
