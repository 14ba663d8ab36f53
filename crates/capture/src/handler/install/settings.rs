//! The kernel's settings: read, written, and read again.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::Change;
use crate::handler::error::HandlerError;
use crate::host::Host;

/// Where cores go (core(5)).
pub(super) const CORE_PATTERN: &str = "/proc/sys/kernel/core_pattern";
/// How many programs may be given cores at the same time; 0 for any number (core(5)).
pub(super) const PIPE_LIMIT: &str = "/proc/sys/kernel/core_pipe_limit";

/// A setting and its value, without the newline that reading adds.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    path: PathBuf,
    pub(super) value: Vec<u8>,
}

impl Setting {
    pub(super) fn read(host: &Host, path: &str) -> Result<Setting, HandlerError> {
        let mut value = std::fs::read(host.path(path)).map_err(HandlerError::file(path, "read"))?;
        while value.last() == Some(&b'\n') {
            value.pop();
        }
        Ok(Setting { path: PathBuf::from(path), value })
    }

    /// Returns the value as people read it.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.value).into_owned()
    }

    /// Returns the value as a number; what is none counts as 0, which is the kernel's default.
    pub(super) fn number(&self) -> u32 {
        self.text().trim().parse().unwrap_or(0)
    }

    /// Returns the change to another value.
    pub(super) fn change(&self, to: impl Into<Vec<u8>>) -> Change {
        Change { path: self.path.clone(), from: self.value.clone(), to: to.into() }
    }
}

/// Makes changes in their order; where one fails, takes back those before it.
pub(super) fn apply(host: &Host, changes: &[Change]) -> Result<(), HandlerError> {
    for (index, change) in changes.iter().enumerate() {
        if let Err(error) = set(host, &change.path, &change.to) {
            for made in changes.iter().take(index + 1).rev() {
                // What can't be put back is told by the error that we return, and stands in the spool's file.
                let _ = set(host, &made.path, &made.from);
            }
            return Err(error);
        }
    }
    Ok(())
}

/// Writes a setting, and checks that it was kept.
fn set(host: &Host, path: &Path, value: &[u8]) -> Result<(), HandlerError> {
    let file = host.path(path);
    let written = || -> io::Result<()> {
        OpenOptions::new().write(true).truncate(true).open(&file)?.write_all(&[value, b"\n"].concat())
    };
    written().map_err(HandlerError::file(path, "written"))?;
    let kept = std::fs::read(&file).map_err(HandlerError::file(path, "read"))?;
    let kept = kept.strip_suffix(b"\n").unwrap_or(&kept);
    if kept != value {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        return Err(HandlerError::NotKept { path: path.to_owned(), wanted: text(value), kept: text(kept) });
    }
    Ok(())
}
