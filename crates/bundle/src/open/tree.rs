//! Cores and summaries in a tree of files: an output folder, a pulled tree, a heap of downloads.

use std::fs::File;
use std::path::{Path, PathBuf};

use epitaph_summary::{CrashSummary, Warning};
use walkdir::{DirEntry, WalkDir};

use super::OpenError;
use super::inside::content_inside;
use super::kind::{Content, content};
use crate::cipher::ENCRYPTED_SUFFIX;
use crate::digest::sha256_of;
use crate::regular::{Links, NotOpened, open_regular};
use crate::summaries::{Crashes, read_into};

/// How deep a tree is searched.
const DEEPEST: usize = 16;
/// Where a pull into this folder keeps what has not arrived whole.
pub(crate) const UNFINISHED: &str = ".epitaph-pull";
/// How many files and folders of a tree are looked at.
const MOST_ENTRIES: usize = 100_000;

/// A crash that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CoreInTree {
    /// Its core, plain or wrapped; absent where only the summary was kept.
    pub core: Option<PathBuf>,
    /// Its summary (or, for a `crashes.jsonl` on its own, the file with all of them).
    pub summary: Option<PathBuf>,
    /// Its id, where it is known.
    pub id: Option<String>,
}

/// What was found beneath a path.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CoresInTree {
    /// The crashes, by path.
    pub crashes: Vec<CoreInTree>,
    /// Folders that could not be read, and limits that were reached.
    pub warnings: Vec<Warning>,
}

/// Finds the crashes at `path`: a core, a summary, or a folder with some at any depth.
///
/// In a folder, each `crashes/<id>/` is one crash. Other files count by content, not by name: `xargs wget` leaves
/// `core.zst.1` beside `summary.json.1`, and which belong together is told by the size and the sha256 that the
/// summary names. Symbolic links are not followed, and the search ends after 100,000 files and folders.
pub fn find_cores(path: &Path) -> Result<CoresInTree, OpenError> {
    let metadata = std::fs::metadata(path).map_err(|error| OpenError::of_file(path, NotOpened::Io(error)))?;
    if !metadata.is_dir() {
        return Ok(CoresInTree { crashes: vec![one_file(path)?], warnings: Vec::new() });
    }
    // A symbolic link or `.` is looked at by what it leads to, or else it would not count as `crashes/<id>`.
    let root = path.canonicalize().map_err(|source| OpenError::Read { path: path.to_owned(), source })?;
    let mut search = Search::default();
    let mut entries = 0;
    let walk = WalkDir::new(&root).max_depth(DEEPEST).same_file_system(true).sort_by_file_name();
    for entry in walk.into_iter().filter_entry(|entry| entry.file_name() != UNFINISHED) {
        entries += 1;
        if entries > MOST_ENTRIES {
            let text = format!("{}: only the first {MOST_ENTRIES} files were searched", path.display());
            search.warnings.push(Warning::new("search_limit", text));
            break;
        }
        match entry {
            Ok(entry) => search.look_at(&entry),
            Err(error) => search.warnings.push(Warning::new("folder_unreadable", error.to_string())),
        }
    }
    Ok(search.finish())
}

fn one_file(path: &Path) -> Result<CoreInTree, OpenError> {
    let (file, _) = open_regular(path, Links::Follow).map_err(|error| OpenError::of_file(path, error))?;
    let content = content(&file).map_err(|source| OpenError::Read { path: path.to_owned(), source })?;
    if content == Content::Summary {
        return Ok(CoreInTree { summary: Some(path.to_owned()), ..CoreInTree::default() });
    }
    // Whatever else it is: it was given as a core, and opening it tells what is wrong with it.
    let folder = path.canonicalize().ok().and_then(|path| Some(path.parent()?.to_owned()));
    let folder = folder.filter(|folder| is_crash_folder(folder));
    let summary = folder.as_ref().map(|folder| folder.join("summary.json")).filter(|path| is_regular(path));
    let id = folder.as_deref().and_then(folder_name);
    Ok(CoreInTree { core: Some(path.to_owned()), summary, id })
}

/// Tells whether `folder` is `…/crashes/<id>`.
fn is_crash_folder(folder: &Path) -> bool {
    folder.parent().and_then(Path::file_name).is_some_and(|name| name == "crashes")
}

fn folder_name(folder: &Path) -> Option<String> {
    Some(folder.file_name()?.to_string_lossy().into_owned())
}

fn is_regular(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| metadata.is_file())
}

/// What a walk has found so far.
#[derive(Default)]
struct Search {
    crashes: Vec<CoreInTree>,
    loose_cores: Vec<PathBuf>,
    /// Those of them that were decrypted, and the encrypted file beside each.
    decrypted: Vec<(PathBuf, PathBuf)>,
    loose_summaries: Vec<PathBuf>,
    /// Reports over several crashes; they count only where nothing else is left of those.
    lists: Vec<PathBuf>,
    warnings: Vec<Warning>,
}

impl Search {
    fn look_at(&mut self, entry: &DirEntry) {
        let path = entry.path();
        if entry.file_type().is_dir() {
            if is_crash_folder(path) {
                let summary = Some(path.join("summary.json")).filter(|path| is_regular(path));
                self.crashes.push(CoreInTree { core: None, summary, id: folder_name(path) });
            }
            return;
        }
        // Temporary files, and the like.
        if !entry.file_type().is_file() || entry.file_name().as_encoded_bytes().starts_with(b".") {
            return;
        }
        match file_content(path) {
            Some(Content::Core | Content::Encrypted) => self.core(path),
            Some(Content::Summary) => self.summary(entry),
            _ => {}
        }
    }

    fn core(&mut self, path: &Path) {
        // The encrypted twin of a core that can be read.
        let twin = decrypted_name(path).filter(|twin| self.loose_cores.contains(twin));
        match self.crash_of(path) {
            Some(crash) if crash.core.is_none() => crash.core = Some(path.to_owned()),
            Some(_) => {} // one core a crash
            None => match twin {
                Some(twin) => self.decrypted.push((twin, path.to_owned())),
                None => self.loose_cores.push(path.to_owned()),
            },
        }
    }

    fn summary(&mut self, entry: &DirEntry) {
        let path = entry.path();
        if self.crash_of(path).is_some() {
            return; // found with its folder
        }
        // `crashes.jsonl`, or `crashes.jsonl.1` as wget names the second one.
        if entry.file_name().to_string_lossy().contains(".jsonl") {
            self.lists.push(path.to_owned());
        } else {
            self.loose_summaries.push(path.to_owned());
        }
    }

    /// Returns the crash whose folder `path` lies in. The walk is depth first: it can only be the last one.
    fn crash_of(&mut self, path: &Path) -> Option<&mut CoreInTree> {
        let folder = path.parent().filter(|folder| is_crash_folder(folder))?;
        let id = folder_name(folder);
        self.crashes.last_mut().filter(|crash| crash.id == id)
    }

    fn finish(mut self) -> CoresInTree {
        // A folder in which nothing was found is none of ours, or holds what a killed writer left.
        self.crashes.retain(|crash| crash.core.is_some() || crash.summary.is_some());
        let mut cores = self.loose_cores;
        for path in self.loose_summaries {
            let mut read = Crashes::default();
            read_into(&path, &mut read);
            let summary = read.summaries.first();
            let core = summary.and_then(|summary| take_core_of(summary, &mut cores, &self.decrypted));
            let id = summary.and_then(|summary| summary.id.clone());
            self.crashes.push(CoreInTree { core, summary: Some(path), id });
        }
        self.crashes
            .extend(cores.into_iter().map(|core| CoreInTree { core: Some(core), ..CoreInTree::default() }));
        if self.crashes.is_empty() {
            let lists = self.lists.into_iter();
            self.crashes
                .extend(lists.map(|list| CoreInTree { summary: Some(list), ..CoreInTree::default() }));
        }
        self.crashes.sort_by(|a, b| a.place().cmp(&b.place()));
        CoresInTree { crashes: self.crashes, warnings: self.warnings }
    }
}

impl CoreInTree {
    fn place(&self) -> Option<&Path> {
        self.summary.as_deref().or(self.core.as_deref())
    }
}

/// Says what a file of a tree holds, looking into wrappers; `None` if it can't be read.
fn file_content(path: &Path) -> Option<Content> {
    let (file, _) = open_regular(path, Links::Refuse).ok()?;
    match content(&file).ok()? {
        Content::Wrapped(wrapper) => content_inside(wrapper, &file).ok(),
        content => Some(content),
    }
}

/// Returns where the core of an encrypted file lies once it is decrypted.
fn decrypted_name(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?.strip_suffix(ENCRYPTED_SUFFIX)?;
    Some(path.with_file_name(name))
}

/// Takes the core that `summary` tells of out of `cores`: by the stored copy's size, then by its sha256. The stored copy of
/// one that was `decrypted` is the file beside it.
fn take_core_of(
    summary: &CrashSummary,
    cores: &mut Vec<PathBuf>,
    decrypted: &[(PathBuf, PathBuf)],
) -> Option<PathBuf> {
    let stored = summary.core.as_ref()?;
    let (size, hash) = (stored.stored_size?, stored.stored_sha256.as_ref()?);
    let is_stored = |path: &Path| {
        let Ok(file) = File::open(path) else { return false };
        file.metadata().is_ok_and(|metadata| metadata.len() == size)
            && sha256_of(&file).is_ok_and(|(actual, _)| actual == *hash)
    };
    let of_twin = |core: &Path| decrypted.iter().any(|(plain, twin)| plain == core && is_stored(twin));
    let index = cores.iter().position(|core| is_stored(core));
    let index = index.or_else(|| cores.iter().position(|core| of_twin(core)))?;
    Some(cores.remove(index))
}
