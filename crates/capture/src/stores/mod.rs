//! Other collectors that the kernel gives cores to: which one it is, when it is done with the cores of a job, and what
//! it says of a core that it did not keep.
//!
//! Their files are found by the [search](crate::Search) and opened by `bundle`; here is what needs their processes and
//! their logs. A core that such a collector is given appears after the process is gone, when it is compressed or
//! wrapped: whoever looks at once finds nothing.

mod apport;
mod ask;
mod export;
mod in_journal;
mod journal;
mod wait;

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use epitaph_bundle::StoreName;

use crate::handler::{OwnPattern, Spool};
use crate::host::Host;
use crate::pattern::{CorePattern, Target};
use crate::why::NoCore;

pub use in_journal::{InJournalError, TakenOut, in_journal, take_out_of_journal};
pub use journal::InJournal;
pub use wait::{Patience, Waited, wait_for_dumps};

/// Most users of a Windows host whose folders are looked at.
const MOST_WINDOWS_USERS: usize = 64;

/// A program that the core pattern gives cores to, and that keeps them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Collector {
    /// `systemd-coredump`.
    Systemd,
    /// `apport`, Ubuntu's.
    Apport,
    /// `abrt-hook-ccpp`, of old Fedora and RHEL. Later ones let systemd-coredump keep the core, and read its journal.
    Abrt,
    /// `wsl-capture-crash`: Windows keeps the cores of its Linux.
    Wsl,
    /// Our own handler.
    Epitaph,
}

/// A folder of cores: where it is, and how many levels of folders below it are part of it.
pub(crate) type StoreFolder = (PathBuf, usize);

impl Collector {
    /// Those of others.
    const ALL: [Collector; 4] = [Collector::Systemd, Collector::Apport, Collector::Abrt, Collector::Wsl];

    /// Returns the collector that the core pattern of `host` leads to, if it is one of those.
    pub fn of(host: &Host) -> Option<Collector> {
        Collector::of_pattern(&CorePattern::of(host).ok()?)
    }

    /// Returns the collector that a core pattern leads to, if it is one of those.
    pub fn of_pattern(pattern: &CorePattern) -> Option<Collector> {
        if OwnPattern::of(pattern).is_some() {
            return Some(Collector::Epitaph);
        }
        let Target::Pipe(pipe) = pattern.target() else { return None };
        Collector::ALL.into_iter().find(|collector| collector.program().as_bytes() == pipe.name())
    }

    /// Returns whether it is known where all of its cores lie: not of Windows, whose disks may not be there.
    fn has_one_store(self) -> bool {
        self != Collector::Wsl
    }

    /// Returns whether it keeps cores of whatever program, where a search finds them. Abrt leaves out those that no package
    /// brought, which a job's own are.
    pub(crate) fn keeps_any_program(self) -> bool {
        match self {
            Collector::Systemd | Collector::Apport | Collector::Epitaph => true,
            Collector::Abrt | Collector::Wsl => false,
        }
    }

    /// Returns the name of its program.
    pub fn program(self) -> &'static str {
        match self {
            Collector::Systemd => "systemd-coredump",
            Collector::Apport => "apport",
            Collector::Abrt => "abrt-hook-ccpp",
            Collector::Wsl => "wsl-capture-crash",
            Collector::Epitaph => "epitaph",
        }
    }

    /// Returns where it keeps cores.
    pub(crate) fn folders(self, host: &Host) -> Vec<StoreFolder> {
        match self {
            Collector::Systemd => vec![(host.path("/var/lib/systemd/coredump"), 0)],
            Collector::Apport => {
                vec![(host.path("/var/lib/apport/coredump"), 0), (host.path("/var/crash"), 0)]
            }
            Collector::Abrt => vec![(host.path("/var/spool/abrt"), 1)],
            Collector::Wsl => wsl_folders(host),
            Collector::Epitaph => own_folders(host),
        }
    }

    /// Returns the folders of all collectors that may have kept a core on `host`. Those of Windows are asked only where
    /// the pattern leads there: a look at its disks takes long.
    pub(crate) fn all_folders(host: &Host) -> impl Iterator<Item = StoreFolder> {
        let present = Collector::of(host);
        let may_be_there =
            move |collector: &Collector| *collector != Collector::Wsl || present == Some(*collector);
        Collector::ALL.into_iter().filter(may_be_there).flat_map(|collector| collector.folders(host))
    }

    /// Returns the process whose core a file or folder of this name in the store is, where the name says that.
    fn pid_in_name(self, name: &Path) -> Option<u32> {
        let name = name.file_name()?;
        match self {
            // `ccpp-DATE-TIME-PID`; with `.new` behind that while it is being written.
            Collector::Abrt => name.to_str()?.strip_prefix("ccpp-")?.rsplit_once('-')?.1.parse().ok(),
            Collector::Systemd | Collector::Apport | Collector::Wsl => Some(StoreName::of(name)?.pid),
            // `TIME-NANOSECONDS-PID.core`, `.core.zst`, `.json`
            Collector::Epitaph => {
                let (id, part) = name.to_str()?.split_once('.')?;
                id.rsplit_once('-').filter(|_| part.starts_with("core"))?.1.parse().ok()
            }
        }
    }
}

/// Returns whether every core goes to a place that can be known: the folder of an absolute path, or the store of a collector
/// that has one.
pub fn sends_to_one_place(pattern: &CorePattern) -> bool {
    match pattern.file() {
        Some(file) => file.is_absolute(),
        None => Collector::of_pattern(pattern).is_some_and(Collector::has_one_store),
    }
}

/// Returns the folders of our own handler's spool that this user can read: of root, everybody's.
fn own_folders(host: &Host) -> Vec<StoreFolder> {
    let own = CorePattern::of(host).ok().and_then(|pattern| OwnPattern::of(&pattern));
    let Some(spool) = own.map(|own| Spool::at(host.path(own.spool))) else { return Vec::new() };
    let user = rustix::process::geteuid();
    if !user.is_root() {
        return vec![(spool.of_user(user.as_raw()), 0)];
    }
    let entries = std::fs::read_dir(spool.path()).into_iter().flatten().flatten();
    entries.map(|entry| (entry.path(), 0)).filter(|(path, _)| path.is_dir()).collect()
}

/// Returns `%TEMP%\wsl-crashes` of each user of the Windows around a WSL.
fn wsl_folders(host: &Host) -> Vec<StoreFolder> {
    let users = std::fs::read_dir(host.path("/mnt/c/Users")).into_iter().flatten().flatten();
    let folders =
        users.take(MOST_WINDOWS_USERS).map(|user| user.path().join("AppData/Local/Temp/wsl-crashes"));
    folders.filter(|folder| folder.is_dir()).map(|folder| (folder, 0)).collect()
}

/// Asks the collector that the core pattern leads to why it kept no core of one of the processes `dead`, which died
/// after `since`; without any, of the last of this job that it was given.
pub fn why_not_kept(host: &Host, dead: &[u32], since: SystemTime) -> Option<NoCore> {
    match Collector::of(host)? {
        Collector::Systemd => journal::why_not_kept(&ask::journal(host, since)?, dead),
        Collector::Apport => apport::why_not_kept(&ask::apport_log(host)?, dead),
        Collector::Abrt | Collector::Wsl | Collector::Epitaph => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::tests::fake;
    use crate::pattern::Rules;

    fn collector(pattern: &str) -> Option<Collector> {
        let (_root, host) = fake(&[("kernel/core_pattern", pattern)]);
        Collector::of(&host)
    }

    #[test]
    fn a_pattern_leads_to_its_collector_in_whatever_folder() {
        for (pattern, expected) in [
            ("|/lib/systemd/systemd-coredump %P %u %g %s %t %c %h", Some(Collector::Systemd)),
            ("|/nix/store/x-systemd-251/lib/systemd/systemd-coredump %P", Some(Collector::Systemd)),
            ("|/usr/share/apport/apport -p%p -s%s -c%c -d%d -P%P -u%u -g%g -- %E", Some(Collector::Apport)),
            ("|/usr/libexec/abrt-hook-ccpp %s %c %p %u %g %t %P %I %h %e", Some(Collector::Abrt)),
            ("|/wsl-capture-crash %t %E %p %s", Some(Collector::Wsl)),
            ("|/usr/libexec/epitaph handler run v=1 P=%P", Some(Collector::Epitaph)),
            ("|/usr/bin/handler %p", None),
            ("|", None),
            ("core.%p", None),
            ("@/run/systemd/coredump", None),
        ] {
            assert_eq!(collector(pattern), expected, "{pattern}");
        }
    }

    #[test]
    fn some_patterns_send_all_cores_to_one_place() {
        for (pattern, expected) in [
            ("/cores/core.%p", true),
            ("core.%p", false),
            ("", false),
            ("|/lib/systemd/systemd-coredump %P", true),
            ("|/usr/share/apport/apport -p%p", true),
            ("|/opt/epitaph handler run v=1 P=%P", true),
            ("|/wsl-capture-crash %t %E %p %s", false),
            ("|/opt/handler %p", false),
            ("@/run/coredump.socket", false),
        ] {
            let parsed = CorePattern::parse(pattern, Rules::default());
            assert_eq!(sends_to_one_place(&parsed), expected, "{pattern}");
        }
    }

    #[test]
    fn names_in_the_stores_say_which_process_died() {
        let boot = "0123456789abcdef0123456789abcdef";
        let pid = |collector: Collector, name: &str| collector.pid_in_name(Path::new(name));
        assert_eq!(pid(Collector::Systemd, &format!("/x/core.a.0.{boot}.7.17.zst")), Some(7));
        assert_eq!(pid(Collector::Abrt, "/x/ccpp-2026-01-01-10:00:00.123456-7"), Some(7));
        assert_eq!(pid(Collector::Abrt, "/x/ccpp-2026-01-01-10:00:00.123456-7.new"), None);
        assert_eq!(pid(Collector::Wsl, "wsl-crash-1-7-_a-11.dmp"), Some(7));
        assert_eq!(pid(Collector::Apport, "_usr_bin_a.1000.crash"), None);
    }

    #[test]
    fn the_folders_of_windows_are_looked_at_only_there() {
        let folders = |pattern: &str| {
            let (root, host) = fake(&[("kernel/core_pattern", pattern)]);
            let crashes = root.path().join("mnt/c/Users/me/AppData/Local/Temp/wsl-crashes");
            std::fs::create_dir_all(&crashes).unwrap();
            Collector::all_folders(&host).any(|(folder, _)| folder == crashes)
        };
        assert!(folders("|/wsl-capture-crash %t %E %p %s"));
        assert!(!folders("core"));
    }
}
