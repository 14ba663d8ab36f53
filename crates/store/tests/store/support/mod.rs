//! What the tests of both kinds of stores share.

pub(crate) mod circle;
pub(crate) mod github;
pub(crate) mod gitlab;
mod in_process;
pub(crate) mod peers;
pub(crate) mod s3;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use epitaph_store::{Progress, StoreError};

/// All regular files below a folder with their content, without epitaph's own folder.
pub(crate) fn tree(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    walkdir::WalkDir::new(root)
        .into_iter()
        .filter_entry(|entry| entry.file_name() != ".epitaph-pull")
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| (entry.path().strip_prefix(root).unwrap().to_owned(), fs::read(entry.path()).unwrap()))
        .collect()
}

/// The same with text for paths and contents.
pub(crate) fn texts(root: &Path) -> BTreeMap<String, String> {
    let text = |(path, content): (PathBuf, Vec<u8>)| {
        (path.to_str().unwrap().to_owned(), String::from_utf8_lossy(&content).into_owned())
    };
    tree(root).into_iter().map(text).collect()
}

/// What pulls keep for themselves in a folder.
pub(crate) fn kept_by_pulls(target: &Path) -> Vec<String> {
    let entries = fs::read_dir(target.join(".epitaph-pull")).into_iter().flatten();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Writes a file and the folders above it.
pub(crate) fn write(path: &Path, content: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// Writes down what it is told, a line for each call.
#[derive(Debug, Default)]
pub(crate) struct Log(Mutex<Vec<String>>);

impl Log {
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn count(&self, start: &str) -> usize {
        self.lines().iter().filter(|line| line.starts_with(start)).count()
    }

    fn add(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }
}

impl Progress for Log {
    fn total(&self, files: u64, bytes: Option<u64>) {
        self.add(format!("total {files} {bytes:?}"));
    }

    fn started(&self, path: &str, size: Option<u64>) {
        self.add(format!("started {path} {size:?}"));
    }

    fn advanced(&self, path: &str, position: u64, size: Option<u64>) {
        self.add(format!("advanced {path} {position} {size:?}"));
    }

    fn finished(&self, path: &str) {
        self.add(format!("finished {path}"));
    }

    fn skipped(&self, path: &str, reason: &str) {
        self.add(format!("skipped {path}: {reason}"));
    }

    fn failed(&self, path: &str, error: &StoreError) {
        self.add(format!("failed {path}: {error}"));
    }

    fn retrying(&self, path: &str, attempt: u32, wait: Duration, error: &StoreError) {
        self.add(format!("retrying {path} {attempt} {}: {error}", wait.as_millis()));
    }
}
