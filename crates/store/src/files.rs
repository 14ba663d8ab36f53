//! Opening files that someone else may have put there.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::fcntl::OFlag;

use crate::StoreError;

/// Opens a regular file for reading. A symbolic link at the end of the path is refused, and a FIFO or device is
/// never waited for.
pub(crate) fn open_regular(path: &Path) -> Result<File, StoreError> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let file = match OpenOptions::new().read(true).custom_flags(flags.bits()).open(path) {
        Ok(file) => file,
        // What a symbolic link (ELOOP) and a socket (ENXIO) answer.
        Err(error) if matches!(error.raw_os_error(), Some(ELOOP | ENXIO)) => {
            return Err(StoreError::NotRegular { path: path.to_owned() });
        }
        Err(error) => return Err(StoreError::io("open", path)(error)),
    };
    let metadata = file.metadata().map_err(StoreError::io("read", path))?;
    if metadata.is_file() { Ok(file) } else { Err(StoreError::NotRegular { path: path.to_owned() }) }
}

/// How much of a file is read: one that grows meanwhile, such as a log, would never end.
pub(crate) fn length_now(file: &File) -> io::Result<u64> {
    // The kernel's own files tell no length.
    file.metadata().map(|metadata| if metadata.len() == 0 { LONGEST_UNTOLD } else { metadata.len() })
}

/// In bytes.
const LONGEST_UNTOLD: u64 = 64 << 20;

const ELOOP: i32 = nix::errno::Errno::ELOOP as i32;
const ENXIO: i32 = nix::errno::Errno::ENXIO as i32;

/// Reads a whole file, unless it is longer than `limit` bytes: then the answer is an error of the kind
/// [`FileTooLarge`](io::ErrorKind::FileTooLarge).
pub(crate) fn read_capped(file: &mut impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    #[test]
    fn only_regular_files_open() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("file"), "x").unwrap();
        symlink("file", path("link")).unwrap();
        mkfifo(&path("fifo"), Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
        let _listener = UnixListener::bind(path("socket")).unwrap();
        assert!(open_regular(&path("file")).is_ok());
        for name in ["link", "fifo", "socket", "."] {
            assert!(matches!(open_regular(&path(name)), Err(StoreError::NotRegular { .. })), "{name}");
        }
        assert!(matches!(open_regular(&path("absent")), Err(StoreError::Io { .. })));
    }

    #[test]
    fn reading_stops_at_the_limit() {
        assert_eq!(read_capped(&mut &b"abc"[..], 3).unwrap(), b"abc");
        let error = read_capped(&mut io::repeat(0), 1000).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }
}
