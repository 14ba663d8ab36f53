//! One file, kept: with as little work and room as the file systems allow.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::StoreError;
use crate::files::open_regular;

/// How much is copied at a time. Pieces of zeros become holes: a core of gigabytes may have few bytes that are none.
const PIECE: usize = 64 << 10;

/// Keeps the content of `source` in the file `kept`, which must not be there. `unfinished` is beside it.
pub(super) fn keep(source: &Path, kept: &Path, unfinished: &Path) -> Result<(), StoreError> {
    let mut from = open_regular(source)?;
    let failed = || StoreError::io("write", kept);
    let to = OpenOptions::new().write(true).create_new(true).mode(0o600).open(unfinished);
    let mut to = to.map_err(failed())?;
    // The first is a copy of its own that shares its blocks (btrfs, xfs). The second one sees it when the file is changed
    // in place, but a push tells its hash by what it reads.
    if rustix::fs::ioctl_ficlone(&to, &from).is_ok() {
        return fs::rename(unfinished, kept).map_err(failed());
    }
    if fs::hard_link(source, kept).is_ok() {
        return fs::remove_file(unfinished).map_err(failed());
    }
    copy(&mut from, &mut to).and_then(|()| to.sync_data()).map_err(failed())?;
    fs::rename(unfinished, kept).map_err(failed())
}

/// Copies all of a file into an empty one.
fn copy(from: &mut File, to: &mut File) -> io::Result<()> {
    let (mut piece, mut size) = (vec![0; PIECE], 0u64);
    loop {
        let length = match from.read(&mut piece) {
            Ok(0) => return to.set_len(size),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let read = piece.get(..length).unwrap_or_default();
        if read.iter().all(|byte| *byte == 0) {
            to.seek(SeekFrom::Current(i64::try_from(length).map_err(io::Error::other)?))?;
        } else {
            to.write_all(read)?;
        }
        size += length as u64;
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    #[test]
    fn a_copy_keeps_content_and_holes() {
        let dir = tempfile::tempdir().unwrap();
        let mut content = vec![0; 4 * PIECE + 100];
        content[2 * PIECE + 5] = 1;
        fs::write(dir.path().join("a"), &content).unwrap();
        let mut to = File::create(dir.path().join("b")).unwrap();
        copy(&mut File::open(dir.path().join("a")).unwrap(), &mut to).unwrap();
        assert!(fs::read(dir.path().join("b")).unwrap() == content);
        assert!(to.metadata().unwrap().blocks() * 512 <= 2 * PIECE as u64);
    }

    #[test]
    fn only_files_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("file"), "x").unwrap();
        symlink("file", at("link")).unwrap();
        keep(&at("file"), &at("0"), &at("part")).unwrap();
        assert_eq!(fs::read_to_string(at("0")).unwrap(), "x");
        assert!(!at("part").exists());
        assert!(matches!(keep(&at("link"), &at("1"), &at("part")), Err(StoreError::NotRegular { .. })));
        assert!(keep(&at("absent"), &at("1"), &at("part")).unwrap_err().is_absent());
    }
}
