//! A folder in which a test makes files with the tools of this machine.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A temporary folder; it goes when this is dropped.
#[derive(Debug)]
pub struct Scratch {
    folder: TempDir,
}

impl Default for Scratch {
    fn default() -> Scratch {
        Scratch::new()
    }
}

impl Scratch {
    /// Makes an empty folder.
    ///
    /// # Panics
    /// When there can be none.
    pub fn new() -> Scratch {
        Scratch { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// Returns the folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the path of a file in it, whether it is there or not.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file, and the folders that lead to it.
    ///
    /// # Panics
    /// When it can't.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        let written = std::fs::create_dir_all(path.parent().unwrap_or(&path))
            .and_then(|()| std::fs::write(&path, bytes.as_ref()));
        written.unwrap_or_else(|error| panic!("writing {}: {error}", path.display()));
        path
    }

    /// Reads a file.
    ///
    /// # Panics
    /// When it can't.
    pub fn read(&self, name: &str) -> Vec<u8> {
        let path = self.path(name);
        std::fs::read(&path).unwrap_or_else(|error| panic!("reading {}: {error}", path.display()))
    }

    /// Runs a command in the folder; its words are what stands between blanks.
    ///
    /// # Panics
    /// When it fails.
    pub fn run(&self, command: &str) {
        self.try_run(command).unwrap_or_else(|said| panic!("{command}: {said}"));
    }

    /// Runs a command in the folder, which may fail: an option that this machine's tool doesn't know.
    ///
    /// # Errors
    /// What it said.
    pub fn try_run(&self, command: &str) -> Result<(), String> {
        let mut words = command.split_whitespace().map(OsString::from);
        let output = Command::new(words.next().unwrap_or_default())
            .args(words)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .output()
            .map_err(|error| error.to_string())?;
        if output.status.success() {
            return Ok(());
        }
        Err(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_run_in_the_folder_and_say_why_they_fail() {
        let scratch = Scratch::new();
        scratch.write("a/b", "text");
        scratch.run("cp a/b c");
        assert_eq!(scratch.read("c"), b"text");
        assert!(scratch.try_run("cat nowhere").unwrap_err().contains("nowhere"));
        assert!(scratch.try_run("no-program-has-this-name").is_err());
    }
}
