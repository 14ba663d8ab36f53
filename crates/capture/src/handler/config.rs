//! What `handler install` writes down for the handler and for `handler uninstall`.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::HandlerError;
use super::files::replace;

/// The file in the spool. Root alone can read it.
const NAME: &str = "handler.json";
/// Its longest, in bytes.
const LONGEST: u64 = 64 << 10;

/// How many handlers may be at work at once: programs where the host has no limit of its own (`kernel.core_pipe_limit`),
/// receivers of a socket.
pub(super) const AT_ONCE: u32 = 8;

/// How much of the disk the handler may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandlerLimits {
    /// Bytes that the crashes of one user may take. Its oldest ones go first.
    pub quota: u64,
    /// Bytes of the disk that are left free: where fewer are, only slim cores are kept.
    pub keep_free: u64,
    /// How many crashes of one signature are kept in a day. The others are counted.
    pub first: u32,
}

impl Default for HandlerLimits {
    fn default() -> HandlerLimits {
        HandlerLimits { quota: 2 << 30, keep_free: 1 << 30, first: 3 }
    }
}

/// The kernel's settings as they were before the handler was installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Saved {
    /// The bytes of `kernel.core_pattern`, which may be any.
    pub(super) core_pattern: Vec<u8>,
    /// `kernel.core_pipe_limit`.
    pub(super) core_pipe_limit: u32,
}

/// The file's content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Config {
    pub(super) limits: HandlerLimits,
    /// `kernel.core_pipe_limit` as the handler's installation has set it.
    pub(super) pipe_limit: u32,
    pub(super) saved: Saved,
}

impl Config {
    pub(super) fn path(spool: &Path) -> PathBuf {
        spool.join(NAME)
    }

    /// Reads the file of a spool, which the caller trusts; `None` where there is none.
    pub(super) fn read(spool: &Path) -> Result<Option<Config>, HandlerError> {
        let path = Config::path(spool);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(HandlerError::file(path, "read")(error)),
        };
        let mut text = Vec::new();
        file.take(LONGEST).read_to_end(&mut text).map_err(HandlerError::file(&path, "read"))?;
        serde_json::from_slice(&text).map(Some).map_err(|source| HandlerError::Config { path, source })
    }

    /// Writes the file: whole, or not at all.
    pub(super) fn write(&self, spool: &Path) -> Result<(), HandlerError> {
        replace(&Config::path(spool), |file| {
            file.write_all(&serde_json::to_vec_pretty(self)?)?;
            file.sync_all()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let spool = tempfile::tempdir().unwrap();
        assert_eq!(Config::read(spool.path()).unwrap(), None);
        let config = Config {
            limits: HandlerLimits::default(),
            pipe_limit: 8,
            saved: Saved { core_pattern: b"|/x \xff".to_vec(), core_pipe_limit: 0 },
        };
        config.write(spool.path()).unwrap();
        assert_eq!(Config::read(spool.path()).unwrap(), Some(config));
        assert_eq!(std::fs::read_dir(spool.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_broken_file_is_an_error() {
        let spool = tempfile::tempdir().unwrap();
        std::fs::write(Config::path(spool.path()), "{").unwrap();
        assert!(matches!(Config::read(spool.path()), Err(HandlerError::Config { .. })));
    }
}
