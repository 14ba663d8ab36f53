//! The folder that the handler keeps cores in.
//!
//! It is root's, and so are the folders in it, one for each user, named by the user's number: a user can change nothing
//! there, so root never works in a folder of somebody else's. The files in a user's folder are that user's to read, and
//! nobody else's. What a program with more rights than its user left is root's, in the folder `0`.
//!
//! A crash has up to three files: `ID.core`, the slim core; `ID.core.zst`, the whole one, which replaces it; and
//! `ID.json`, what `/proc` said. They appear whole: under a name in `.partial` first.

mod quota;
mod rate;

use std::fs::{DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Mode, Uid, fchmod, fchown};

use super::error::HandlerError;
use super::files::{self, create};
use super::notice::Notice;
use super::trusted::{self, Place};

pub(super) use quota::LARGEST_SLIM;
pub(super) use rate::Decision;

/// What the names of unfinished files end in.
const PARTIAL: &str = ".partial";
/// The lock of a user's folder. Only root can open it: anybody could hold that of a folder.
const LOCK: &str = ".lock";
/// How long another handler of the same user may hold the lock.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the handler keeps cores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spool(PathBuf);

impl Spool {
    /// Takes the folder at `path`, which need not be there.
    pub fn at(path: impl Into<PathBuf>) -> Spool {
        Spool(path.into())
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Returns the folder that holds the cores of a user.
    pub fn of_user(&self, uid: u32) -> PathBuf {
        self.0.join(uid.to_string())
    }

    /// Returns the users' folders that are there, by the users' numbers.
    pub(super) fn users(&self) -> Vec<UserFolder> {
        let entries = std::fs::read_dir(&self.0).into_iter().flatten().filter_map(Result::ok);
        let user = |name: std::ffi::OsString| name.to_str()?.parse().ok();
        let mut users: Vec<u32> = entries.filter_map(|entry| user(entry.file_name())).collect();
        users.sort_unstable();
        users.into_iter().map(|uid| UserFolder { path: self.of_user(uid), uid }).collect()
    }

    /// Makes the folder where it isn't, and checks that nobody but root can change it.
    pub(super) fn make(&self) -> Result<(), HandlerError> {
        make_folder(&self.0, 0o755).map_err(HandlerError::file(&self.0, "made"))?;
        self.check()
    }

    /// Checks that nobody but root can change it.
    pub(super) fn check(&self) -> Result<(), HandlerError> {
        trusted::check(&self.0)
    }

    /// Opens a user's folder, and makes it where it isn't.
    pub(super) fn open(&self, uid: u32) -> Result<UserFolder, HandlerError> {
        let path = self.of_user(uid);
        let mode = if uid == 0 { 0o700 } else { 0o755 };
        make_folder(&path, mode).map_err(HandlerError::file(&path, "made"))?;
        let metadata = std::fs::symlink_metadata(&path).map_err(HandlerError::file(&path, "looked at"))?;
        match trusted::trouble(&metadata, rustix::process::geteuid().as_raw(), Place::Folder) {
            Some(trouble) => Err(HandlerError::Untrusted { path, trouble }),
            None => Ok(UserFolder { path, uid }),
        }
    }
}

fn make_folder(path: &Path, mode: u32) -> io::Result<()> {
    match DirBuilder::new().mode(mode).create(path) {
        // The mask may have taken some of the mode.
        Ok(()) => std::fs::set_permissions(path, Permissions::from_mode(mode)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// The folder of one user.
#[derive(Debug)]
pub(super) struct UserFolder {
    path: PathBuf,
    uid: u32,
}

/// Keeps other handlers of the same user from counting and evicting meanwhile.
#[derive(Debug)]
pub(super) struct Locked<'a> {
    folder: &'a UserFolder,
    _lock: File,
}

impl UserFolder {
    /// Returns the user's number.
    pub(super) fn uid(&self) -> u32 {
        self.uid
    }

    /// Waits for the lock, for a bounded time.
    pub(super) fn lock(&self) -> Result<Locked<'_>, HandlerError> {
        let path = self.path.join(LOCK);
        let lock = files::lock(&path, PATIENCE).map_err(HandlerError::file(&path, "opened"))?;
        let lock = lock.ok_or(HandlerError::Busy { path })?;
        Ok(Locked { folder: self, _lock: lock })
    }

    /// Names a new crash.
    ///
    /// Not by the program, whose name is nobody else's business: others can list the folder. Names sort by time.
    pub(super) fn entry(&self, notice: &Notice) -> Entry<'_> {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Entry { folder: self, id: format!("{:010}-{:09}-{}", notice.time, now.subsec_nanos(), notice.pid) }
    }
}

/// What a crash leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// What `/proc` said.
    Facts,
    /// The slim core.
    Slim,
    /// The whole core, compressed.
    Whole,
}

impl Part {
    const ALL: [Part; 3] = [Part::Facts, Part::Slim, Part::Whole];

    fn suffix(self) -> &'static str {
        match self {
            Part::Facts => "json",
            Part::Slim => "core",
            Part::Whole => "core.zst",
        }
    }
}

/// One crash in a user's folder.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    folder: &'a UserFolder,
    id: String,
}

impl Entry<'_> {
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Returns where a part is, or will be.
    pub(super) fn path(&self, part: Part) -> PathBuf {
        self.folder.path.join(format!("{}.{}", self.id, part.suffix()))
    }

    fn partial(&self, part: Part) -> PathBuf {
        self.folder.path.join(format!("{}.{}{PARTIAL}", self.id, part.suffix()))
    }

    /// Begins a part.
    pub(super) fn begin(&self, part: Part) -> Result<File, HandlerError> {
        let path = self.partial(part);
        create(&path).map_err(HandlerError::file(path, "made"))
    }

    /// Seals a part: its user's to read, under its name; a core is on disk by then. The facts follow with it: syncing
    /// them alone would only make the dying process wait.
    pub(super) fn seal(&self, part: Part, file: &File) -> Result<(), HandlerError> {
        let path = self.path(part);
        let sealed = || -> io::Result<()> {
            fchmod(file, Mode::RUSR)?;
            fchown(file, Some(Uid::from_raw(self.folder.uid)), None)?;
            if part == Part::Facts {
                return std::fs::rename(self.partial(part), &path);
            }
            file.sync_all()?;
            std::fs::rename(self.partial(part), &path)?;
            File::open(&self.folder.path)?.sync_all()
        };
        sealed().map_err(HandlerError::file(&path, "sealed"))
    }

    /// Removes a part that was sealed. What can't be removed is swept by the next handler.
    pub(super) fn discard(&self, part: Part) {
        let _ = std::fs::remove_file(self.path(part));
    }

    /// Removes every part that was sealed.
    pub(super) fn discard_all(&self) {
        for part in Part::ALL {
            self.discard(part);
        }
    }

    /// Removes what was begun and not sealed.
    pub(super) fn abandon(&self) {
        for part in Part::ALL {
            let _ = std::fs::remove_file(self.partial(part));
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::ffi::OsString;
    use std::io::Write as _;
    use std::os::unix::fs::MetadataExt as _;

    use rustix::fs::{FlockOperation, flock};

    use super::*;

    /// A spool with a folder of this process's own user.
    pub(crate) fn own_folder() -> (tempfile::TempDir, UserFolder) {
        let root = tempfile::tempdir().unwrap();
        let folder = Spool::at(root.path()).open(rustix::process::geteuid().as_raw()).unwrap();
        (root, folder)
    }

    pub(crate) fn notice(time: u64) -> Notice {
        let text = format!("v=1 P=71 I=72 u=7 g=7 s=11 t={time} c=0 d=1 F=3 e=a");
        Notice::parse(&text.split(' ').map(OsString::from).collect::<Vec<_>>()).unwrap()
    }

    /// Seals a part that holds so many bytes.
    pub(crate) fn sealed(entry: &Entry<'_>, part: Part, bytes: usize) {
        let mut file = entry.begin(part).unwrap();
        file.write_all(&vec![1; bytes]).unwrap();
        entry.seal(part, &file).unwrap();
    }

    pub(crate) fn names(folder: &UserFolder) -> Vec<String> {
        let entries = std::fs::read_dir(&folder.path).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| !name.starts_with('.'));
        names.sort();
        names
    }

    #[test]
    fn a_part_appears_when_it_is_sealed() {
        let (_root, folder) = own_folder();
        let entry = folder.entry(&notice(1_800_000_000));
        let file = entry.begin(Part::Slim).unwrap();
        assert!(names(&folder)[0].ends_with(".core.partial"));
        assert!(entry.begin(Part::Slim).is_err(), "nothing is written over");
        entry.seal(Part::Slim, &file).unwrap();
        assert_eq!(names(&folder), [format!("{}.core", entry.id())]);
        assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o400);
        drop(entry.begin(Part::Whole).unwrap());
        entry.abandon();
        assert_eq!(names(&folder).len(), 1);
        entry.discard_all();
        assert!(names(&folder).is_empty());
    }

    #[test]
    fn what_users_put_in_a_folders_place_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let spool = Spool::at(root.path());
        std::os::unix::fs::symlink(elsewhere.path(), spool.of_user(7)).unwrap();
        std::fs::write(spool.of_user(8), "").unwrap();
        std::fs::create_dir(spool.of_user(9)).unwrap();
        std::fs::set_permissions(spool.of_user(9), Permissions::from_mode(0o777)).unwrap();
        for uid in [7, 8, 9] {
            assert!(matches!(spool.open(uid), Err(HandlerError::Untrusted { .. })), "{uid}");
        }
    }

    #[test]
    fn one_handler_at_a_time_counts() {
        let (_root, folder) = own_folder();
        let held = folder.lock().unwrap();
        let path = folder.path.join(LOCK);
        let second = File::open(&path).unwrap();
        assert!(flock(&second, FlockOperation::NonBlockingLockExclusive).is_err());
        drop(held);
        flock(&second, FlockOperation::NonBlockingLockExclusive).unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
    }
}
