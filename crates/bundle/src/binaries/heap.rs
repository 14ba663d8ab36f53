//! Binaries that lie about under any name: known by what their headers say.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use epitaph_elf::{BuildId, Bytes, FileKind, Object, identify};
use walkdir::WalkDir;

use crate::open::UNFINISHED;
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
    /// Files that are not linked: split debug information, what dwz took out, and any object file.
    unlinked: Vec<PathBuf>,
    /// What dwz took out is known by its ID, which is read when it is first asked for: a folder of object files is
    /// nothing to read for every crash.
    supplementary: OnceLock<Vec<(PathBuf, BuildId)>>,
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
        let mut heap = Heap::default();
        let entries = WalkDir::new(root)
            .max_depth(depth)
            .same_file_system(true)
            .sort_by_file_name()
            .into_iter()
            // Cores are no binaries; `buildid` is looked up by name, and it was; half a download has no place at all.
            .filter_entry(|entry| {
                let named = |name| entry.depth() == 1 && entry.file_name() == name;
                !(named("crashes") || named("buildid") || entry.file_name() == UNFINISHED)
            })
            .take(most)
            .filter_map(Result::ok)
            .filter(|entry| entry.file_type().is_file());
        for entry in entries {
            heap.add(entry.path());
        }
        heap
    }

    /// Adds an ELF file, and passes over any other.
    fn add(&mut self, path: &Path) {
        let Ok((file, _)) = open_regular(path, Links::Refuse) else { return };
        match identify(&file) {
            Ok(FileKind::Executable | FileKind::SharedObject) => {
                self.files.extend(HeapFile::read(path, &file));
            }
            Ok(FileKind::Relocatable) => self.unlinked.push(path.to_owned()),
            _ => {}
        }
    }

    /// Files with code, of this build ID.
    pub(super) fn images(&self, id: &BuildId) -> Vec<PathBuf> {
        self.paths(|file| !file.debug_only && file.build_id.as_ref() == Some(id))
    }

    /// Files with debug information only, of this build ID.
    pub(super) fn debug_files(&self, id: &BuildId) -> Vec<PathBuf> {
        self.paths(|file| file.debug_only && file.build_id.as_ref() == Some(id))
    }

    /// Files without a build ID that are called `name`, or so that a download may have been called `name`.
    pub(super) fn named(&self, name: &str) -> Vec<PathBuf> {
        self.paths(|file| file.build_id.is_none() && is_called(&file.path, name))
    }

    /// Files that are not linked, and are called `name` in one of these ways.
    pub(super) fn unlinked(&self, name: &str) -> Vec<PathBuf> {
        self.unlinked.iter().filter(|path| is_called(path, name)).cloned().collect()
    }

    /// What dwz took out of debug information, of this ID.
    pub(super) fn supplementary(&self, id: &BuildId) -> Vec<PathBuf> {
        let known = self.supplementary.get_or_init(|| {
            let id = |path: &PathBuf| {
                let (file, _) = open_regular(path, Links::Refuse).ok()?;
                Object::parse(Bytes::map(&file).ok()?).ok()?.supplementary_id()
            };
            self.unlinked.iter().filter_map(|path| Some((path.clone(), id(path)?))).collect()
        });
        known.iter().filter(|(_, found)| found == id).map(|(path, _)| path.clone()).collect()
    }

    fn paths(&self, wanted: impl Fn(&HeapFile) -> bool) -> Vec<PathBuf> {
        self.files.iter().filter(|file| wanted(file)).map(|file| file.path.clone()).collect()
    }
}

/// Tells whether a file is called `name`, or as `wget` calls what it downloads under that name: `name.1` where there is
/// one already, `name?query` and `name?query.1` where the address had a query.
fn is_called(path: &Path, name: &str) -> bool {
    let actual = path.file_name().unwrap_or_default().to_string_lossy();
    let Some(rest) = actual.strip_prefix(name) else { return false };
    let number = rest.strip_prefix('.');
    rest.is_empty()
        || rest.starts_with('?')
        || number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

impl HeapFile {
    fn read(path: &Path, file: &File) -> Option<HeapFile> {
        let object = Object::parse(Bytes::map(file).ok()?).ok()?;
        // `objcopy --only-keep-debug` keeps the section table, but empties what is loaded.
        let debug = [".debug_info", ".zdebug_info", ".symtab"].iter().any(|name| object.has_section(name));
        let debug_only = debug && !object.has_section(".text");
        Some(HeapFile { path: path.to_owned(), build_id: object.build_id().cloned(), debug_only })
    }
}
