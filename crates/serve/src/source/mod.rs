//! What is shown: a store, or a plain folder.

mod folder;
mod stored;

use std::ops::Range;
use std::path::Path;

use epitaph_store::{Artifact, DebuginfodFile, Listing, Opened, Selection, Store, StoreOptions};

use self::folder::Folder;
use self::stored::Stored;
use crate::{ServeError, link};

/// The page that an output folder has of its crashes.
const PAGE: &str = "index.html";

/// What identifies a version of a file, and how long that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    /// In bytes.
    pub(crate) size: u64,
    /// What differs between any two versions of the file, in characters that an entity tag may hold; none if nothing
    /// is known that does.
    pub(crate) version: Option<String>,
}

/// Gives lists and files. All methods block.
pub(crate) trait Files: Send + Sync {
    /// Lists so many of the selected jobs, the newest ones.
    fn newest(&self, selection: &Selection, most: usize) -> Result<Listing, ServeError>;

    /// What is known of an artifact before it is read.
    fn facts(&self, artifact: &Artifact) -> Result<Facts, ServeError>;

    /// Opens an artifact, or a part of it that lies within its size.
    fn open(&self, artifact: &Artifact, range: Option<Range<u64>>) -> Result<Opened, ServeError>;

    /// Opens a file by its build ID, or a part of it that lies within its size.
    fn open_build_id(
        &self,
        build_id: &str,
        kind: DebuginfodFile,
        range: Option<Range<u64>>,
    ) -> Result<Option<Opened>, ServeError>;

    /// Whether files are to be found by build ID among the artifacts of its only job.
    fn is_one_job(&self) -> bool;
}

/// What a server shows.
pub struct Source {
    pub(crate) files: Box<dyn Files>,
    url: String,
    start: String,
}

impl Source {
    /// Opens what a person has named: a store by its URL or folder; or, as one job, any other folder that isn't empty,
    /// such as `collect` and `pull` write. Of such a folder everything is shown but hidden files and links.
    ///
    /// What can't be read at all is an error.
    pub fn open(location: &str, options: &StoreOptions) -> Result<Self, ServeError> {
        let path = Path::new(location);
        let (files, url): (Box<dyn Files>, String) = if path.is_dir() && !is_store(path)? {
            (Box::new(Folder::new(path)?), location.to_owned())
        } else {
            let store = Store::open_with(location, options)?;
            let url = store.url();
            (Box::new(Stored(store)), url)
        };
        let listing = files.newest(&Selection::default(), 1)?;
        let start = if files.is_one_job() { start(&listing) } else { None };
        Ok(Self { files, url, start: start.unwrap_or_default() })
    }

    /// What to look at first, relative to a server's address: of a folder that is shown as one job its own page of
    /// crashes, or else the job's page; of a store the jobs, which is no more than the address.
    pub fn start(&self) -> &str {
        &self.start
    }

    /// Where it is, as a person may see it: never with what may have stood in the URL besides, such as a token.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Source(…)")
    }
}

/// The page of the only job.
fn start(listing: &Listing) -> Option<String> {
    let run = listing.runs.first()?;
    let page = run.artifacts.iter().find(|artifact| artifact.path == PAGE);
    let path = match page {
        Some(page) => link::artifact(&run.provider, &run.repo, &run.job, page),
        None => link::job(&run.provider, &run.repo, &run.job),
    };
    Some(path.trim_start_matches('/').to_owned())
}

/// Tells whether a folder is laid out as a store, or may become one with its first push.
fn is_store(path: &Path) -> Result<bool, ServeError> {
    let mut entries = path.read_dir().map_err(ServeError::read("list", path))?;
    let is_empty = entries.next().is_none();
    Ok(is_empty || path.join("runs").is_dir() || path.join("blobs/sha256").is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &Path) -> Result<Source, ServeError> {
        Source::open(path.to_str().unwrap(), &StoreOptions::default())
    }

    #[test]
    fn stores_and_other_folders_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!open(dir.path()).unwrap().files.is_one_job(), "it may become a store");
        std::fs::write(dir.path().join("core"), "x").unwrap();
        let source = open(dir.path()).unwrap();
        assert!(source.files.is_one_job() && source.start().starts_with("jobs/local/local/"));
        std::fs::write(dir.path().join("index.html"), "x").unwrap();
        assert!(open(dir.path()).unwrap().start().ends_with("/0/index.html"));
        std::fs::create_dir_all(dir.path().join("runs")).unwrap();
        assert!(!open(dir.path()).unwrap().files.is_one_job());
        for missing in [dir.path().join("missing"), dir.path().join("core")] {
            assert!(open(&missing).is_err());
        }
    }
}
