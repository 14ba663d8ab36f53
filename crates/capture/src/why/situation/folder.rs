//! The folder that cores go to, and what is wrong with it.

use std::path::{Path, PathBuf};

use procfs::FromRead as _;
use procfs::process::MountInfos;
use rustix::fs::{Access, access, statvfs};
use rustix::io::Errno;

use crate::host::Host;

/// File systems that may give files another owner or mode than the kernel asks for; it then refuses to write into them.
const MAPPING: [&str; 12] =
    ["vfat", "msdos", "exfat", "ntfs", "ntfs3", "fuseblk", "9p", "virtiofs", "cifs", "smb3", "nfs", "nfs4"];

/// A folder that cores go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// The folder, as the host names it.
    pub path: PathBuf,
    /// What is wrong with it, if anything is.
    pub trouble: Option<FolderTrouble>,
    /// The kind of its file system, where that may give files another owner or mode than the kernel asks for.
    pub mapping: Option<String>,
}

/// What is wrong with a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FolderTrouble {
    /// It doesn't exist.
    Missing,
    /// It isn't a folder.
    NotAFolder,
    /// This user may not create files in it.
    NotPermitted,
    /// Its file system is mounted read-only.
    ReadOnly,
    /// Its file system has no room for another file (inode).
    NoFiles,
    /// Its file system has no room for bytes.
    Full,
}

impl Folder {
    /// Looks at the host's folder `path`.
    pub(super) fn of(host: &Host, path: PathBuf) -> Folder {
        Folder::in_brief(host, path).with_mapping(host)
    }

    /// Looks only whether files can be made in the host's folder `path`.
    pub(super) fn in_brief(host: &Host, path: PathBuf) -> Folder {
        Folder { trouble: trouble(&host.path(&path)), mapping: None, path }
    }

    /// Adds what kind of file system it is on: all mounts are read for that.
    pub(super) fn with_mapping(self, host: &Host) -> Folder {
        Folder { mapping: mapping(host, &self.path), ..self }
    }
}

fn trouble(folder: &Path) -> Option<FolderTrouble> {
    match std::fs::metadata(folder) {
        Err(_) => return Some(FolderTrouble::Missing),
        Ok(metadata) if !metadata.is_dir() => return Some(FolderTrouble::NotAFolder),
        Ok(_) => {}
    }
    match access(folder, Access::WRITE_OK | Access::EXEC_OK) {
        Err(Errno::ROFS) => return Some(FolderTrouble::ReadOnly),
        Err(Errno::ACCESS | Errno::PERM) => return Some(FolderTrouble::NotPermitted),
        _ => {}
    }
    let room = statvfs(folder).ok()?;
    // Some of the rest is kept for root.
    let (blocks, files) = if rustix::process::geteuid().is_root() {
        (room.f_bfree, room.f_ffree)
    } else {
        (room.f_bavail, room.f_favail)
    };
    match () {
        // File systems that make inodes as they need them count none.
        () if room.f_files > 0 && files == 0 => Some(FolderTrouble::NoFiles),
        () if room.f_blocks > 0 && blocks == 0 => Some(FolderTrouble::Full),
        () => None,
    }
}

/// Returns the kind of the file system that `path` is on, where it is one of those that map owners and modes.
fn mapping(host: &Host, path: &Path) -> Option<String> {
    let mounts = MountInfos::from_file(host.path("/proc/self/mountinfo")).ok()?;
    // Of two mounts in one place, the later one is seen.
    let mount = mounts.0.iter().filter(|mount| path.starts_with(&mount.mount_point));
    let kind = &mount.max_by_key(|mount| mount.mount_point.components().count())?.fs_type;
    MAPPING.contains(&kind.as_str()).then(|| kind.clone())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::host::tests::fake;
    use crate::why::Situation;

    #[test]
    fn the_folder_of_an_absolute_pattern_is_looked_at() {
        let (_root, host) = fake(&[("kernel/core_pattern", "/cores/core.%p")]);
        let folder = |trouble| Some(Folder { path: "/cores".into(), trouble, mapping: None });
        assert_eq!(Situation::of(&host).folder, folder(Some(FolderTrouble::Missing)));
        std::fs::write(host.path("/cores"), "").unwrap();
        assert_eq!(Situation::of(&host).folder, folder(Some(FolderTrouble::NotAFolder)));
        std::fs::remove_file(host.path("/cores")).unwrap();
        std::fs::create_dir(host.path("/cores")).unwrap();
        assert_eq!(Situation::of(&host).folder, folder(None));
        std::fs::set_permissions(host.path("/cores"), std::fs::Permissions::from_mode(0o555)).unwrap();
        if !rustix::process::geteuid().is_root() {
            assert_eq!(Situation::of(&host).folder, folder(Some(FolderTrouble::NotPermitted)));
        }
    }

    #[test]
    fn the_innermost_mount_is_the_one_that_counts() {
        let (_root, host) = fake(&[]);
        std::fs::create_dir_all(host.path("/proc/self")).unwrap();
        let mounts = "1 0 8:1 / / rw - ext4 /dev/a rw\n2 1 0:5 / /job rw - 9p share rw\n\
                      3 2 0:6 / /job/tmp rw - tmpfs none rw\n";
        std::fs::write(host.path("/proc/self/mountinfo"), mounts).unwrap();
        let kind = |path: &str| mapping(&host, Path::new(path));
        assert_eq!(kind("/job/src").as_deref(), Some("9p"));
        assert_eq!(kind("/job/tmp/x"), None);
        assert_eq!(kind("/jobs"), None);
    }
}
