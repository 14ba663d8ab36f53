//! Libraries that are put between a program and the system, to let the system fail it: `testdata/preload`.

use std::path::PathBuf;
use std::process::Command;

use epitaph_testkit::skip::skipped;
use epitaph_testkit::tools;
use tempfile::TempDir;

use crate::support::{folder, repository};

/// A library for `LD_PRELOAD`.
pub(crate) struct Preload {
    folder: TempDir,
}

impl Preload {
    /// Builds one; says why, and returns nothing, where that can't be.
    pub(crate) fn of(name: &str) -> Option<Preload> {
        if !tools::have_or_skip(&["gcc"]) {
            return None;
        }
        let preload = Preload { folder: folder() };
        let source = repository().join("testdata/preload").join(name).with_extension("c");
        let mut gcc = Command::new("gcc");
        gcc.args(["-Wall", "-Werror", "-shared", "-fPIC", "-o"]).arg(preload.path()).arg(source);
        let output = gcc.output().unwrap();
        if !output.status.success() {
            skipped(&format!("{name}.c can't be built: {}", String::from_utf8_lossy(&output.stderr)));
            return None;
        }
        Some(preload)
    }

    /// Returns the library.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("preload.so")
    }

    /// Returns a file for what the library reads or writes.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("file")
    }

    /// Returns what the library wrote, and removes it.
    pub(crate) fn take_told(&self) -> Option<String> {
        let told = std::fs::read_to_string(self.file()).ok();
        let _ = std::fs::remove_file(self.file());
        told
    }
}
