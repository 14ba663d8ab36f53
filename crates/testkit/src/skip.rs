//! Tests that can't run here: said aloud, never passed over.
//!
//! The test harness hides what a passing test prints through `println!`, so a skip is written to the standard
//! error stream itself, and also appended to the file that `EPITAPH_SKIPPED` names: `make test` prints that file
//! at its end.

use std::fs::OpenOptions;
use std::io::Write as _;

/// The environment variable that names the file in which skipped tests are collected.
pub const SKIPPED_FILE: &str = "EPITAPH_SKIPPED";

/// Says that the running test is skipped, or a part of it, and why.
///
/// # Panics
/// When the file for skipped tests can't be written: the skip would go unnoticed.
pub fn skipped(reason: &str) {
    let thread = std::thread::current();
    let line = format!("SKIPPED: {}: {reason}\n", thread.name().unwrap_or("a test"));
    // Standard error may be closed; the file is what counts then.
    let _ = std::io::stderr().write_all(line.as_bytes());
    if let Some(path) = std::env::var_os(SKIPPED_FILE) {
        let file = OpenOptions::new().create(true).append(true).open(&path);
        file.and_then(|mut file| file.write_all(line.as_bytes()))
            .unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
    }
}
