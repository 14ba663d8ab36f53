//! A folder that is no store, shown as one job: what `collect` has written, or `pull` has brought.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use epitaph_store::{Artifact, DebuginfodFile, Listing, Opened, Run, Selection, Warning};
use rustix::fs::{Mode, OFlags, open, openat};
use rustix::io::Errno;
use walkdir::{DirEntry, WalkDir};

use super::{Facts, Files};
use crate::ServeError;

/// What stands for provider, repository and node of what no CI system has run.
const LOCAL: &str = "local";
const NODE: &str = "0";

/// The most files that are listed, and the deepest folder that is looked into.
const MOST_FILES: usize = 100_000;
const DEEPEST: usize = 32;

/// A folder, and what its only job is called.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
    job: String,
}

impl Folder {
    /// Shows the folder at `root` as a job of its name.
    pub(super) fn new(root: &Path) -> Result<Self, ServeError> {
        let root = root.canonicalize().map_err(ServeError::read("open", root))?;
        let name = root.file_name().map(|name| name.to_string_lossy().into_owned());
        Ok(Self { job: name.unwrap_or_else(|| LOCAL.to_owned()), root })
    }

    fn run(&self, warnings: &mut Vec<Warning>) -> Result<Run, ServeError> {
        let mut artifacts = Vec::new();
        let walk = WalkDir::new(&self.root).min_depth(1).max_depth(DEEPEST).sort_by_file_name();
        for entry in walk.into_iter().filter_entry(|entry| !is_hidden(entry)) {
            match entry {
                Ok(entry) if entry.file_type().is_file() => match self.artifact(&entry) {
                    Some(artifact) => artifacts.push(artifact),
                    None => warnings.push(Warning {
                        path: entry.path().display().to_string(),
                        message: "its name is no UTF-8, which URLs need".to_owned(),
                    }),
                },
                Ok(_) => {}
                Err(error) => warnings.push(Warning {
                    path: error.path().unwrap_or(&self.root).display().to_string(),
                    message: error.to_string(),
                }),
            }
            if artifacts.len() > MOST_FILES {
                return Err(ServeError::TooManyFiles { path: self.root.clone(), most: MOST_FILES });
            }
        }
        let (provider, repo) = (LOCAL.to_owned(), LOCAL.to_owned());
        Ok(Run { provider, repo, job: self.job.clone(), created: None, artifacts })
    }

    fn artifact(&self, entry: &DirEntry) -> Option<Artifact> {
        let path = entry.path().strip_prefix(&self.root).ok()?.to_str()?.to_owned();
        let size = entry.metadata().ok().map(|metadata| metadata.len());
        Some(Artifact { path, node: NODE.to_owned(), size, sha256: None, url: None })
    }

    /// Opens a file of the folder. Whatever has become of the folder meanwhile: no link leads out of it, and what is no
    /// file isn't waited for.
    fn file(&self, path: &str) -> Result<File, ServeError> {
        let whole = self.root.join(path);
        let failed = |error: Errno| match error {
            // Linux says ENOTDIR of a link where a folder should be, and ENXIO of a socket.
            Errno::LOOP | Errno::NOTDIR | Errno::NXIO => ServeError::NotRegular { path: whole.clone() },
            error => ServeError::read("open", &whole)(error.into()),
        };
        let unfollowed = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
        let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut folder: OwnedFd =
            open(&self.root, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).map_err(failed)?;
        for step in folders.split('/').filter(|step| !step.is_empty()) {
            folder = openat(&folder, step, OFlags::DIRECTORY | unfollowed, Mode::empty()).map_err(failed)?;
        }
        let file = openat(&folder, name, OFlags::NONBLOCK | unfollowed, Mode::empty()).map_err(failed)?;
        let file = File::from(file);
        let metadata = file.metadata().map_err(ServeError::read("open", &whole))?;
        if metadata.is_file() { Ok(file) } else { Err(ServeError::NotRegular { path: whole }) }
    }
}

impl Files for Folder {
    fn newest(&self, selection: &Selection, _most: usize) -> Result<Listing, ServeError> {
        let mut listing = Listing::default();
        let wanted =
            |wanted: &Option<String>, name: &str| wanted.as_deref().is_none_or(|wanted| wanted == name);
        if wanted(&selection.repo, LOCAL) && wanted(&selection.job, &self.job) {
            listing.runs.push(self.run(&mut listing.warnings)?);
        }
        Ok(listing)
    }

    fn facts(&self, artifact: &Artifact) -> Result<Facts, ServeError> {
        let file = self.file(&artifact.path)?;
        let metadata = file.metadata().map_err(ServeError::read("open", &self.root.join(&artifact.path)))?;
        // A file that was replaced has another inode; one that was written into, another time.
        let version = format!(
            "{:x}-{:x}-{:x}.{:x}",
            metadata.ino(),
            metadata.len(),
            metadata.ctime(),
            metadata.ctime_nsec()
        );
        Ok(Facts { size: metadata.len(), version: Some(version) })
    }

    fn open(&self, artifact: &Artifact, range: Option<Range<u64>>) -> Result<Opened, ServeError> {
        let failed = || ServeError::read("read", &self.root.join(&artifact.path));
        let mut file = self.file(&artifact.path)?;
        let size = file.metadata().map_err(failed())?.len();
        let range = range.unwrap_or(0..size);
        file.seek(SeekFrom::Start(range.start)).map_err(failed())?;
        Ok(Opened { size, content: Box::new(file.take(range.end.saturating_sub(range.start))) })
    }

    fn open_build_id(
        &self,
        _build_id: &str,
        _kind: DebuginfodFile,
        _range: Option<Range<u64>>,
    ) -> Result<Option<Opened>, ServeError> {
        Ok(None)
    }

    fn is_one_job(&self) -> bool {
        true
    }
}

/// Tells whether a file is hidden: somebody's own, a lock, or one that is still being written.
fn is_hidden(entry: &DirEntry) -> bool {
    entry.depth() > 0 && entry.file_name().to_string_lossy().starts_with('.')
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io;
    use std::os::unix::fs::symlink;

    use super::*;

    fn artifact(path: &str) -> Artifact {
        Artifact { path: path.into(), node: NODE.into(), size: None, sha256: None, url: None }
    }

    fn tree() -> (tempfile::TempDir, Folder) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("epitaph-out");
        fs::create_dir_all(root.join("crashes/x")).unwrap();
        fs::write(root.join("crashes/x/core.zst"), "content").unwrap();
        fs::write(root.join(".lock"), "").unwrap();
        fs::create_dir(root.join(".ssh")).unwrap();
        fs::write(root.join(".ssh/id"), "secret").unwrap();
        fs::write(dir.path().join("outside"), "secret").unwrap();
        symlink(dir.path(), root.join("up")).unwrap();
        symlink("../outside", root.join("link")).unwrap();
        let folder = Folder::new(&root).unwrap();
        (dir, folder)
    }

    #[test]
    fn its_files_are_one_job() {
        let (_dir, folder) = tree();
        let listing = folder.newest(&Selection::default(), 1).unwrap();
        let run = &listing.runs[0];
        assert_eq!((run.repo.as_str(), run.job.as_str()), ("local", "epitaph-out"));
        let paths: Vec<&str> = run.artifacts.iter().map(|artifact| artifact.path.as_str()).collect();
        assert_eq!((paths, run.artifacts[0].size), (vec!["crashes/x/core.zst"], Some(7)));
        let other = Selection { job: Some("other".into()), ..Selection::default() };
        assert!(folder.newest(&other, 1).unwrap().runs.is_empty());
    }

    #[test]
    fn parts_and_versions() {
        let (_dir, folder) = tree();
        let core = artifact("crashes/x/core.zst");
        let read = |range| io::read_to_string(folder.open(&core, range).unwrap().content).unwrap();
        assert_eq!((read(None), read(Some(1..3))), ("content".to_owned(), "on".to_owned()));
        let before = folder.facts(&core).unwrap();
        assert_eq!(before.size, 7);
        fs::remove_file(folder.root.join(&core.path)).unwrap();
        fs::write(folder.root.join(&core.path), "CONTENT").unwrap();
        assert_ne!(folder.facts(&core).unwrap().version, before.version);
    }

    #[test]
    fn nothing_outside_is_opened() {
        let (_dir, folder) = tree();
        for path in ["link", "up/outside", "crashes", "crashes/x/core.zst/x"] {
            let error = folder.open(&artifact(path), None).unwrap_err();
            assert!(matches!(error, ServeError::NotRegular { .. }), "{path}: {error}");
        }
        assert!(matches!(folder.open(&artifact("absent"), None), Err(ServeError::Read { .. })));
    }
}
