//! The folders in which a crasher can have left a core.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use procfs::process::{Process, all_processes_with_root};

use crate::handler::{OwnPattern, Spool};
use crate::host::Host;
use crate::pattern::Matcher;
use crate::stores::Collector;

/// The most processes that are asked where they stand.
const MOST_PROCESSES: usize = 4096;
/// The most folders of processes that are searched.
const MOST_PROCESS_FOLDERS: usize = 64;

/// A folder to search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    /// Levels of folders below it that are searched too; `None` for as many as the limits allow.
    pub(super) depth: Option<usize>,
    /// Whether it is listed among the searched places though it holds nothing.
    pub(super) listed: Listed,
    /// Whether folders beneath it are left out in which nothing was made since the time that cores are looked for from.
    pub(super) changed_only: bool,
    /// Whether it is whose cores are searched for, rather than where anybody's may lie.
    pub(super) own: bool,
}

/// When a place is listed among the searched ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listed {
    /// Always: somebody asked for it.
    Always,
    /// Where it exists.
    IfThere,
    /// Where a core was found in it.
    IfUseful,
}

impl Place {
    pub(super) fn tree(path: impl Into<PathBuf>) -> Place {
        Place { own: true, ..Place::of(path, None, Listed::Always) }
    }

    pub(super) fn folder(path: impl Into<PathBuf>, depth: usize) -> Place {
        Place { own: true, ..Place::of(path, Some(depth), Listed::Always) }
    }

    fn of(path: impl Into<PathBuf>, depth: Option<usize>, listed: Listed) -> Place {
        Place { path: path.into(), depth, listed, changed_only: false, own: false }
    }
}

/// Returns the folder that the host's own pattern names, if it names one.
pub(super) fn of_pattern(host: &Host, pattern: Option<&Matcher>) -> Option<Place> {
    let pattern = pattern?;
    let path = host.path(pattern.folder()?);
    Some(Place::of(path, Some(pattern.depth_below_folder()), Listed::Always))
}

/// Returns where our own handler keeps this user's cores, if the host's cores go to it; for root, those of all users.
pub(super) fn of_handler(host: &Host) -> Option<Place> {
    let own = OwnPattern::of(host.settings().pattern.as_ref().ok()?)?;
    let spool = Spool::at(host.path(own.spool));
    let user = rustix::process::geteuid();
    Some(if user.is_root() {
        Place::of(spool.path(), Some(1), Listed::IfThere)
    } else {
        Place::of(spool.of_user(user.as_raw()), Some(0), Listed::IfThere)
    })
}

/// Returns folders where programs like to stand, besides the job's own.
pub(super) fn usual(host: &Host, home: Option<&Path>) -> Vec<Place> {
    let mut places = vec![temporary(host)];
    places.extend(home.map(|home| Place::of(home, Some(0), Listed::IfThere)));
    places
}

/// Returns the folder of temporary files, of which only what has changed lately is looked at: a core that is made changes
/// the folder that it is made in.
pub(super) fn changed(host: &Host) -> Place {
    Place { changed_only: true, ..temporary(host) }
}

fn temporary(host: &Host) -> Place {
    Place::of(host.path("/tmp"), Some(2), Listed::IfThere)
}

/// Returns the working folders of this user's processes that see the same mounts as we do.
///
/// A daemon that a test started may have crashed in the folder where its siblings still stand.
pub(super) fn of_processes(host: &Host) -> Vec<Place> {
    let proc = host.path("/proc");
    let Ok(processes) = all_processes_with_root(&proc) else { return Vec::new() };
    let user = rustix::process::geteuid().as_raw();
    let mounts = mounts(&proc.join("self"));
    let folders: BTreeSet<PathBuf> = processes
        .take(MOST_PROCESSES)
        .filter_map(Result::ok)
        .filter(|process| process.uid().is_ok_and(|uid| uid == user))
        .filter(|process| mounts.is_some() && mounts_of(&proc, process) == mounts)
        .filter_map(|process| process.cwd().ok())
        .filter(|folder| folder.is_absolute())
        .take(MOST_PROCESSES)
        .collect();
    folders
        .into_iter()
        .take(MOST_PROCESS_FOLDERS)
        .map(|path| Place::of(host.path(path), Some(0), Listed::IfUseful))
        .collect()
}

/// Returns the stores of other collectors.
pub(super) fn of_collectors(host: &Host) -> impl Iterator<Item = Place> {
    Collector::all_folders(host).map(|(path, depth)| Place::of(path, Some(depth), Listed::IfUseful))
}

fn mounts_of(proc: &Path, process: &Process) -> Option<PathBuf> {
    mounts(&proc.join(process.pid().to_string()))
}

/// Returns what names the mount namespace of a process; `None` where we may not know.
fn mounts(process: &Path) -> Option<PathBuf> {
    std::fs::read_link(process.join("ns/mnt")).ok()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;
    use crate::pattern::{CorePattern, Rules};

    #[test]
    fn a_live_process_shows_its_folder() {
        let _one_at_a_time = crate::run::tests::alone();
        let folder = tempfile::tempdir().unwrap();
        let mut sleeper =
            Command::new("sleep").arg("60").current_dir(&folder).stdout(Stdio::null()).spawn().unwrap();
        let places = of_processes(&Host::real());
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
        let path = folder.path().canonicalize().unwrap();
        assert!(places.iter().any(|place| place.path == path && place.depth == Some(0)), "{places:?}");
        assert!(places.len() <= MOST_PROCESS_FOLDERS);
    }

    #[test]
    fn our_own_handlers_pattern_names_its_spool() {
        let place = |pattern: &str| {
            let (root, host) = crate::host::tests::fake(&[("kernel/core_pattern", pattern)]);
            of_handler(&host).map(|place| place.path.strip_prefix(root.path()).unwrap().to_owned())
        };
        let user = rustix::process::geteuid();
        let of_user =
            |spool: &str| if user.is_root() { spool.into() } else { format!("{spool}/{}", user.as_raw()) };
        assert_eq!(place("|/x/epitaph handler run v=1 e=%e"), Some(of_user("var/spool/epitaph").into()));
        assert_eq!(place("|/x/epitaph handler run v=1 D=/srv/c e=%e"), Some(of_user("srv/c").into()));
        assert_eq!(place("|/usr/lib/systemd/systemd-coredump %P"), None);
    }

    #[test]
    fn an_absolute_pattern_names_its_folder() {
        let host = Host::at("/fake");
        let place = |text: &str| {
            of_pattern(&host, CorePattern::parse(text, Rules::default()).matcher().as_ref())
                .map(|place| (place.path, place.depth))
        };
        assert_eq!(place("/cores/%e/core.%p"), Some(("/fake/cores".into(), Some(1))));
        assert_eq!(place("core.%p"), None);
    }
}
