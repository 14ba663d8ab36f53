//! Which file a command's name stands for.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

/// Where execvp(3) looks when there is no `PATH`.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// Returns the file that executing `program` starts, if there is one.
pub(super) fn resolve(program: &OsStr, path: Option<&OsStr>) -> Option<PathBuf> {
    if program.as_bytes().contains(&b'/') {
        return Some(PathBuf::from(program)).filter(|file| file.exists());
    }
    places(program, path).find(|file| is_executable(file))
}

/// Returns whether `program` is there at all, executable or not.
pub(super) fn exists(program: &OsStr, path: Option<&OsStr>) -> bool {
    if program.as_bytes().contains(&b'/') {
        return Path::new(program).exists();
    }
    places(program, path).any(|file| file.exists())
}

/// Returns the files that a name without a slash can stand for, the first choice first.
fn places(program: &OsStr, path: Option<&OsStr>) -> impl Iterator<Item = PathBuf> {
    std::env::split_paths(path.unwrap_or(OsStr::new(DEFAULT_PATH)))
        .filter(move |_| !program.is_empty())
        .map(|folder| if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder })
        .map(move |folder| folder.join(program))
}

fn is_executable(file: &Path) -> bool {
    file.is_file() && access(file, Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn names_are_looked_up_and_paths_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let tool = folder.path().join("tool");
        std::fs::write(&tool, "").unwrap();
        let path = std::env::join_paths([Path::new("/nowhere"), folder.path()]).unwrap();
        let found = |program: &str| resolve(OsStr::new(program), Some(&path));
        assert_eq!(found("tool"), None, "not executable");
        assert!(exists(OsStr::new("tool"), Some(&path)) && exists(tool.as_os_str(), None));
        assert!(!exists(OsStr::new("other"), Some(&path)) && !exists(OsStr::new(""), Some(&path)));
        std::fs::set_permissions(&tool, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(found("tool"), Some(tool.clone()));
        assert_eq!(found("other"), None);
        assert_eq!(found(""), None);
        assert_eq!(found(tool.to_str().unwrap()), Some(tool));
        assert_eq!(found("./gone"), None);
        assert!(resolve(OsStr::new("sh"), None).is_some());
    }
}
