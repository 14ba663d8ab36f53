//! Whether anybody but root can change what a path leads to.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::error::HandlerError;

/// Permission to write for the group or for others.
const OTHERS_MAY_WRITE: u32 = 0o022;

/// Checks a path and every folder that leads to it: root's own, written to by nobody else, and no link among them.
///
/// A sticky folder such as `/tmp` won't do: there, others can put something else in the path's place before it is made.
pub(super) fn check(path: &Path) -> Result<(), HandlerError> {
    check_owned_by(path, 0)
}

fn check_owned_by(path: &Path, owner: u32) -> Result<(), HandlerError> {
    for part in path.ancestors().filter(|part| !part.as_os_str().is_empty()) {
        let metadata = std::fs::symlink_metadata(part).map_err(HandlerError::file(part, "looked at"))?;
        let place = if part == path { Place::End } else { Place::Folder };
        if let Some(trouble) = trouble(&metadata, owner, place) {
            return Err(HandlerError::Untrusted { path: part.to_owned(), trouble });
        }
    }
    Ok(())
}

/// What a part of a path may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A folder.
    Folder,
    /// A folder or a plain file.
    End,
}

/// Says what is wrong with one part of a path, not followed where it is a link.
pub(super) fn trouble(metadata: &Metadata, owner: u32, place: Place) -> Option<&'static str> {
    let is_known = metadata.is_dir() || (place == Place::End && metadata.is_file());
    match () {
        () if metadata.is_symlink() => Some("it is a link"),
        () if !is_known => Some("it is no plain file or folder"),
        () if metadata.uid() != owner && metadata.uid() != 0 => Some("it doesn't belong to root"),
        () if metadata.mode() & OTHERS_MAY_WRITE != 0 => Some("its mode lets others write to it"),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn the_systems_own_programs_are_trusted() {
        let shell = Path::new("/bin/sh").canonicalize().unwrap();
        check(&shell).unwrap();
    }

    #[test]
    fn every_part_of_the_path_counts() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("epitaph");
        std::fs::write(&program, "").unwrap();
        // /tmp is anybody's to write to, whatever lies in it.
        assert!(matches!(check(&program), Err(HandlerError::Untrusted { .. })));

        let me = rustix::process::geteuid().as_raw();
        let of_part = |part: &Path, place| trouble(&std::fs::symlink_metadata(part).unwrap(), me, place);
        mode(&program, 0o755);
        assert_eq!(of_part(&program, Place::End), None);
        assert!(of_part(&program, Place::Folder).is_some(), "a file leads nowhere");
        for bad in [0o775, 0o757] {
            mode(&program, bad);
            assert_eq!(of_part(&program, Place::End), Some("its mode lets others write to it"));
        }
        let link = folder.path().join("link");
        symlink(&program, &link).unwrap();
        assert_eq!(of_part(&link, Place::End), Some("it is a link"));
        mode(folder.path(), 0o1777);
        assert_eq!(of_part(folder.path(), Place::Folder), Some("its mode lets others write to it"));
        if me != 0 {
            assert_eq!(
                trouble(&std::fs::symlink_metadata(&program).unwrap(), 0, Place::End),
                Some("it doesn't belong to root")
            );
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = check(Path::new("/usr/no-such-epitaph")).unwrap_err();
        assert_eq!(error.to_string(), "/usr/no-such-epitaph: cannot be looked at");
    }
}
