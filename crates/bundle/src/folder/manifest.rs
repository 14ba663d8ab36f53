//! `manifest.json`: what the folder holds, so that whoever downloads it can tell that nothing is missing or changed.

use std::collections::HashMap;
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use walkdir::{DirEntry, WalkDir};

use super::disk::TEMPORARY;
use super::is_sealed;
use super::{BundleError, CORE, CRASHES, ENCRYPTED_CORE, OutputFolder, SUMMARY};
use crate::digest::sha256_of;
use crate::regular::{Links, open_regular};
use crate::summaries::{Crashes, read_into};

/// The manifest's name.
pub(super) const MANIFEST: &str = "manifest.json";
/// The value of its `schema`.
const SCHEMA: &str = "epitaph-manifest/1";
/// How deep the folder is walked; what is ours lies two folders deep.
const DEEPEST: usize = 16;
/// How many files are listed.
const MOST_FILES: usize = 100_000;

#[derive(Serialize, Deserialize)]
struct Manifest {
    schema: String,
    files: Vec<Entry>,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Entry {
    /// Relative to the output folder.
    path: String,
    /// In bytes.
    size: u64,
    sha256: String,
}

impl OutputFolder {
    /// Rewrites the manifest; the caller holds the folder's lock.
    pub(super) fn rewrite_manifest(&self) -> Result<(), BundleError> {
        let path = self.path.join(MANIFEST);
        let text = text_of(&self.path, &Before::read(&path))
            .map_err(|error| BundleError::Write { path: path.clone(), source: error.into() })?;
        self.write_small(&self.path, &path, &text)
    }
}

/// Returns the manifest of what is in the folder `root`.
fn text_of(root: &Path, before: &Before) -> serde_json::Result<Vec<u8>> {
    let mut files: Vec<Entry> = WalkDir::new(root)
        .max_depth(DEEPEST)
        .same_file_system(true)
        .into_iter()
        .filter_entry(is_listed)
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_file())
        .take(MOST_FILES)
        // What vanishes or can't be read is not vouched for.
        .filter_map(|entry| before.entry(root, &entry).ok())
        .collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let manifest = Manifest { schema: SCHEMA.to_owned(), files };
    let mut text = serde_json::to_vec_pretty(&manifest)?;
    text.push(b'\n');
    Ok(text)
}

/// Tells whether the manifest tells of a file, or of what is in a folder: not of itself, nor of what is being written.
fn is_listed(entry: &DirEntry) -> bool {
    let name = entry.file_name().as_encoded_bytes();
    if name.starts_with(TEMPORARY.as_bytes()) || entry.depth() == 1 && name == MANIFEST.as_bytes() {
        return false;
    }
    let crash = entry.depth() == 2
        && entry.file_type().is_dir()
        && entry.path().parent().and_then(Path::file_name).is_some_and(|parent| parent == CRASHES);
    !crash || is_sealed(entry.path())
}

/// The manifest that is replaced: most of what it says is still right, and hashing gigabytes anew is not.
#[derive(Default)]
struct Before {
    entries: HashMap<String, Entry>,
    written: Option<SystemTime>,
}

impl Before {
    fn read(path: &Path) -> Before {
        let Ok((file, metadata)) = open_regular(path, Links::Refuse) else { return Before::default() };
        let manifest = serde_json::from_reader::<_, Manifest>(io::BufReader::new(file));
        let Some(manifest) = manifest.ok().filter(|manifest| manifest.schema == SCHEMA) else {
            return Before::default();
        };
        let entries = manifest.files.into_iter().map(|entry| (entry.path.clone(), entry)).collect();
        Before { entries, written: metadata.modified().ok() }
    }

    fn entry(&self, root: &Path, found: &DirEntry) -> io::Result<Entry> {
        let relative = found.path().strip_prefix(root).unwrap_or(found.path());
        let path = relative.to_string_lossy().into_owned();
        let (file, metadata) = open_regular(found.path(), Links::Refuse)?;
        if let Some(entry) = self.entries.get(&path).filter(|entry| self.holds(entry, &metadata)) {
            return Ok(entry.clone());
        }
        if let Some(sha256) = sealed_hash(found.path(), &metadata) {
            return Ok(Entry { path, size: metadata.len(), sha256 });
        }
        let (sha256, size) = sha256_of(&file)?;
        Ok(Entry { path, size, sha256 })
    }

    /// Tells whether an entry still holds: same size, and not written since.
    fn holds(&self, entry: &Entry, metadata: &Metadata) -> bool {
        let older =
            metadata.modified().ok().zip(self.written).is_some_and(|(file, manifest)| file < manifest);
        older && entry.size == metadata.len()
    }
}

/// Returns the sha256 that a core's summary names: it was taken when the core was stored.
fn sealed_hash(path: &Path, metadata: &Metadata) -> Option<String> {
    if ![CORE, ENCRYPTED_CORE].iter().any(|name| path.ends_with(name)) {
        return None;
    }
    let summary: PathBuf = path.with_file_name(SUMMARY);
    let mut crashes = Crashes::default();
    read_into(&summary, &mut crashes);
    let core = crashes.summaries.into_iter().next()?.core?;
    core.stored_sha256.filter(|_| core.stored_size == Some(metadata.len()))
}
