//! What a push has to copy, and in which order.

use std::collections::HashSet;
use std::fs::{self, FileType, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use walkdir::{DirEntry, WalkDir};

use super::names::{self, Destination};
use crate::layout::Role;
use crate::outcome::{Failed, Skipped};
use crate::warning::Warning;
use crate::{Encrypt, StoreError};

/// A file to copy.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) source: PathBuf,
    /// Its artifact path.
    pub(crate) artifact: String,
    pub(crate) role: Role,
    /// In bytes, when it was found.
    pub(crate) size: u64,
    /// Whether it leaves encrypted.
    pub(crate) encrypted: bool,
}

/// Everything that a push was given.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) files: Vec<Planned>,
    pub(crate) skipped: Vec<Skipped>,
    pub(crate) failed: Vec<Failed>,
    pub(crate) warnings: Vec<Warning>,
}

impl Planned {
    /// Returns the file that leaves, and its size in bytes: this one, or what it is when encrypted.
    pub(crate) async fn leaving(
        &self,
        encrypt: Option<&Arc<dyn Encrypt>>,
    ) -> Result<(PathBuf, u64), StoreError> {
        let Some(encrypt) = encrypt.filter(|_| self.encrypted).cloned() else {
            return Ok((self.source.clone(), self.size));
        };
        let source = self.source.clone();
        // A large file takes its time, in which others are sent.
        let encrypted = tokio::task::spawn_blocking(move || {
            let path = encrypt.encrypt(&source)?;
            let size = path.metadata()?.len();
            Ok((path, size))
        });
        let encrypted = encrypted.await.unwrap_or_else(|panicked| Err(io::Error::other(panicked)));
        encrypted.map_err(StoreError::io("encrypt", &self.source))
    }
}

impl Plan {
    /// Finds the files, and those that leave encrypted by another name. The store is left out where it is a folder that
    /// lies inside of a pushed one.
    pub(crate) fn make(
        sources: &[PathBuf],
        destination: Option<&Destination>,
        store: Option<&Path>,
        encrypt: Option<&dyn Encrypt>,
    ) -> Self {
        let mut plan = Self::default();
        let store = store.and_then(|store| fs::metadata(store).ok());
        for source in sources {
            let found = std::path::absolute(source).and_then(|path| Ok((fs::canonicalize(&path)?, path)));
            match found.and_then(|(real, path)| Ok((fs::metadata(&real)?, real, path))) {
                Err(error) => plan.fail(source, error),
                Ok((metadata, real, path)) if metadata.is_dir() => {
                    plan.add_folder(&path, &real, destination, store.as_ref());
                }
                Ok((metadata, real, path)) => {
                    let artifact = names::of_file(&path, destination, sources.len() == 1);
                    plan.add_file(real, artifact, &metadata);
                }
            }
        }
        if let Some(encrypt) = encrypt {
            plan.encrypt(encrypt);
        }
        plan.files
            .sort_by(|a, b| (a.role.rank(), a.size, &a.artifact).cmp(&(b.role.rank(), b.size, &b.artifact)));
        plan.separate_namesakes();
        plan
    }

    fn add_folder(&mut self, named: &Path, real: &Path, to: Option<&Destination>, store: Option<&Metadata>) {
        let is_store = |entry: &DirEntry| {
            let same = |metadata: &Metadata| {
                store.is_some_and(|store| (store.dev(), store.ino()) == (metadata.dev(), metadata.ino()))
            };
            entry.file_type().is_dir() && entry.metadata().is_ok_and(|metadata| same(&metadata))
        };
        let mut walk = WalkDir::new(real).into_iter();
        while let Some(entry) = walk.next() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    let path = error.path().unwrap_or(named).to_owned();
                    self.fail(&path, error.into_io_error().unwrap_or_else(|| io::ErrorKind::Other.into()));
                    continue;
                }
            };
            if is_store(&entry) {
                self.skip(entry.path(), "the store itself");
                walk.skip_current_dir();
            } else if !entry.file_type().is_dir() {
                let inside = entry.path().strip_prefix(real).unwrap_or(entry.path());
                let artifact = names::in_folder(named, inside, to);
                match entry.metadata() {
                    Ok(metadata) => self.add_file(entry.into_path(), artifact, &metadata),
                    Err(error) => {
                        let reason = error.into_io_error().unwrap_or_else(|| io::ErrorKind::Other.into());
                        self.fail(entry.path(), reason);
                    }
                }
            }
        }
    }

    fn add_file(&mut self, source: PathBuf, artifact: String, metadata: &Metadata) {
        match special(metadata.file_type()) {
            Some(kind) => self.skip(&source, kind),
            None => {
                let role = Role::of_artifact(&artifact, &source);
                self.files.push(Planned { source, artifact, role, size: metadata.len(), encrypted: false });
            }
        }
    }

    fn encrypt(&mut self, encrypt: &dyn Encrypt) {
        for file in &mut self.files {
            if let Some(suffix) = encrypt.suffix(&file.source) {
                file.artifact.push_str(suffix);
                file.encrypted = true;
            }
        }
    }

    /// Encrypts what leaves encrypted, and has that leave as it is then.
    pub(crate) async fn encrypt_now(&mut self, encrypt: Option<&Arc<dyn Encrypt>>) {
        let mut files = Vec::with_capacity(self.files.len());
        for mut file in std::mem::take(&mut self.files) {
            match file.leaving(encrypt).await {
                Ok((source, size)) => {
                    (file.source, file.size, file.encrypted) = (source, size, false);
                    files.push(file);
                }
                Err(error) => self.failed.push(Failed { path: file.source.display().to_string(), error }),
            }
        }
        self.files = files;
    }

    /// Gives the second file of a path the name `path.2`: a core that is not copied dies with its job.
    fn separate_namesakes(&mut self) {
        let mut taken: HashSet<String> = HashSet::with_capacity(self.files.len());
        let most = self.files.len() + 1;
        let mut namesakes = Vec::new();
        for (index, file) in self.files.iter().enumerate() {
            if !taken.insert(file.artifact.clone()) {
                namesakes.push(index);
            }
        }
        for index in namesakes {
            let Some(file) = self.files.get_mut(index) else { continue };
            let free =
                (2..=most).map(|n| format!("{}.{n}", file.artifact)).find(|name| !taken.contains(name));
            let Some(name) = free else { continue };
            self.warnings.push(Warning {
                path: file.source.display().to_string(),
                message: format!("another file is `{}` already: stored as `{name}`", file.artifact),
            });
            taken.insert(name.clone());
            file.artifact = name;
        }
    }

    fn skip(&mut self, path: &Path, reason: &str) {
        self.skipped.push(Skipped { path: path.display().to_string(), reason: reason.to_owned() });
    }

    fn fail(&mut self, path: &Path, error: io::Error) {
        let failed = Failed { path: path.display().to_string(), error: StoreError::io("read", path)(error) };
        self.failed.push(failed);
    }
}

/// What a file is, if it is nothing that can be copied.
fn special(kind: FileType) -> Option<&'static str> {
    let kinds = [
        (kind.is_symlink(), "a symbolic link"),
        (kind.is_fifo(), "a FIFO"),
        (kind.is_socket(), "a socket"),
        (kind.is_char_device() || kind.is_block_device(), "a device"),
    ];
    kinds.into_iter().find_map(|(is, name)| is.then_some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(files: &[(&str, usize)]) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        for (path, size) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, vec![0; *size]).unwrap();
        }
        let top = Destination::parse("").unwrap();
        let plan = Plan::make(&[dir.path().to_owned()], Some(&top), None, None);
        plan.files.into_iter().map(|file| file.artifact).collect()
    }

    #[test]
    fn summaries_come_first_and_the_biggest_core_last() {
        let files = [
            ("core.1", 10),
            ("buildid/abcd/executable", 5),
            ("crashes/b/summary.json", 300),
            ("crashes/a/summary.json", 400),
            ("crashes/a/core.zst", 200),
            ("summary.md", 20),
            ("index.html", 90),
        ];
        let expected = [
            "crashes/b/summary.json",
            "crashes/a/summary.json",
            "summary.md",
            "index.html",
            "buildid/abcd/executable",
            "core.1",
            "crashes/a/core.zst",
        ];
        assert_eq!(order(&files), expected);
    }

    #[test]
    fn a_role_is_told_by_the_source_where_the_destination_hides_it() {
        let dir = tempfile::tempdir().unwrap();
        let crash = dir.path().join("crashes/x1");
        fs::create_dir_all(&crash).unwrap();
        fs::write(crash.join("summary.json"), "{}").unwrap();
        let destination = Destination::parse("elsewhere").unwrap();
        let plan = Plan::make(&[crash], Some(&destination), None, None);
        assert_eq!(plan.files[0].artifact, "elsewhere/summary.json");
        assert_eq!(plan.files[0].role, Role::Summary { id: "x1".into() });
    }

    #[test]
    fn namesakes_are_all_kept() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a", "b", "c"] {
            fs::create_dir(dir.path().join(name)).unwrap();
            fs::write(dir.path().join(name).join("core"), name).unwrap();
        }
        let sources: Vec<PathBuf> = ["a", "b", "c"].iter().map(|name| dir.path().join(name)).collect();
        let destination = Destination::parse("cores").unwrap();
        let plan = Plan::make(&sources, Some(&destination), None, None);
        let names: Vec<&str> = plan.files.iter().map(|file| file.artifact.as_str()).collect();
        assert_eq!(names, ["cores/core", "cores/core.2", "cores/core.3"]);
        assert_eq!(plan.warnings.len(), 2);
    }
}
