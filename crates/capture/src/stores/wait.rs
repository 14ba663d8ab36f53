//! Waits for a collector that is still writing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use procfs::process::{ProcState, Process};
use rustix::time::{ClockId, clock_gettime};

use super::Collector;
use crate::handler::LONGEST_LIFE;
use crate::host::Host;

/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(50);
/// Files' times may lag behind the clock.
const GRACE: Duration = Duration::from_secs(2);
/// Most entries of a store that are looked at, and most processes.
const MOST_ENTRIES: usize = 100_000;
/// The longest name of a process that the kernel keeps (`TASK_COMM_LEN` without its NUL).
const LONGEST_COMM: usize = 15;

/// How long a collector is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// As long as none of its processes is at work: some collectors start a moment after the death.
    pub idle: Duration,
    /// As long as one is.
    pub busy: Duration,
}

impl Default for Patience {
    /// systemd ends its collector after five minutes (`RuntimeMaxSec` of `systemd-coredump@.service`).
    fn default() -> Patience {
        Patience { idle: Duration::from_secs(2), busy: Duration::from_secs(5 * 60) }
    }
}

/// How a wait for a collector ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waited {
    /// Who was waited for.
    pub collector: Collector,
    /// How long.
    pub took: Duration,
    /// Whether it was still at work then.
    pub unfinished: bool,
}

/// Waits until the collector that the core pattern leads to has kept the cores of the processes `dead`, which died after
/// `since`, and is at work no more; `None` where cores lead elsewhere.
///
/// Where it keeps none of a process, that is only known by the time that passes.
pub fn wait_for_dumps(host: &Host, dead: &[u32], since: SystemTime, patience: Patience) -> Option<Waited> {
    let collector = Collector::of(host)?;
    let started = Instant::now();
    let since = since.checked_sub(GRACE).unwrap_or(since);
    loop {
        let took = started.elapsed();
        // Asked in this order: what ends its work in between has kept its core before that.
        let busy = is_at_work(host, collector, since);
        let limit = if busy { patience.busy } else { patience.idle };
        if (!busy && has_kept_all(host, collector, dead, since)) || took >= limit {
            return Some(Waited { collector, took, unfinished: busy });
        }
        std::thread::sleep(PAUSE);
    }
}

/// Tells whether a process of the collector is at work that was started after `since`: one that is longer, is so for a
/// crash of somebody else.
fn is_at_work(host: &Host, collector: Collector, since: SystemTime) -> bool {
    // Ours has the name of this very program: what it has begun tells more.
    if collector == Collector::Epitaph {
        return has_begun(host, collector, since);
    }
    let name = collector.program();
    let name = name.get(..LONGEST_COMM).unwrap_or(name);
    let entries = std::fs::read_dir(host.path("/proc")).into_iter().flatten().flatten();
    entries.take(MOST_ENTRIES).any(|entry| {
        entry.file_name().to_str().is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
            && is_named(&entry.path(), name)
            && lives_since(entry.path(), since)
    })
}

/// Tells whether a process has this name. That is asked of all there are, so no more is read.
fn is_named(process: &Path, name: &str) -> bool {
    let read = std::fs::read(process.join("comm"));
    read.is_ok_and(|comm| comm.strip_suffix(b"\n").unwrap_or(&comm) == name.as_bytes())
}

/// Tells whether a process lives and was started after `since`.
fn lives_since(process: PathBuf, since: SystemTime) -> bool {
    let Ok(stat) = Process::new_with_root(process).and_then(|process| process.stat()) else { return false };
    if matches!(stat.state(), Ok(ProcState::Zombie | ProcState::Dead) | Err(_)) {
        return false;
    }
    // proc_pid_stat(5): in ticks since the boot, by a clock that goes on while the machine sleeps.
    let now = clock_gettime(ClockId::Boottime);
    let now = Duration::new(now.tv_sec.try_into().unwrap_or(0), now.tv_nsec.try_into().unwrap_or(0));
    let start = Duration::from_secs_f64(stat.starttime as f64 / procfs::ticks_per_second() as f64);
    let age = now.saturating_sub(start);
    SystemTime::now().checked_sub(age).is_none_or(|started| started >= since)
}

/// Tells whether there are files in the store that are not finished. What nobody has written to since `since`, or for longer
/// than a handler lives, is left of one that was killed, or of the crash of somebody else.
fn has_begun(host: &Host, collector: Collector, since: SystemTime) -> bool {
    let born = SystemTime::now().checked_sub(Duration::from_secs(LONGEST_LIFE));
    let since = born.map_or(since, |born| born.max(since));
    collector.folders(host).into_iter().any(|(folder, _)| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().take(MOST_ENTRIES);
        let mut partial = entries
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "partial"));
        partial.any(|path| is_written_after(&path, since))
    })
}

/// Tells whether the store has a core of each of the processes, written after `since`.
fn has_kept_all(host: &Host, collector: Collector, dead: &[u32], since: SystemTime) -> bool {
    let mut missing: BTreeSet<u32> = dead.iter().copied().collect();
    for (folder, _) in collector.folders(host) {
        if missing.is_empty() {
            return true;
        }
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        for entry in entries.take(MOST_ENTRIES).map(|entry| entry.path()) {
            // A report of apport has no process in its name: whose it is, is seen when it is opened.
            let is_report =
                collector == Collector::Apport && entry.extension().is_some_and(|it| it == "crash");
            let pid = collector.pid_in_name(&entry);
            if (is_report || pid.is_some_and(|pid| missing.contains(&pid))) && is_written_after(&entry, since)
            {
                match pid {
                    Some(pid) => missing.remove(&pid),
                    None => missing.pop_first().is_some(),
                };
            }
        }
    }
    missing.is_empty()
}

fn is_written_after(path: &Path, since: SystemTime) -> bool {
    let written = std::fs::symlink_metadata(path).and_then(|metadata| metadata.modified());
    written.is_ok_and(|written| written >= since)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::tests::fake;

    const PATTERN: &str = "|/usr/lib/systemd/systemd-coredump %P %u %g %s %t %c %h";
    const BOOT: &str = "0123456789abcdef0123456789abcdef";
    const QUICK: Patience = Patience { idle: Duration::from_millis(300), busy: Duration::from_millis(900) };

    fn host() -> (tempfile::TempDir, Host) {
        let (root, host) = fake(&[("kernel/core_pattern", PATTERN)]);
        std::fs::create_dir_all(host.path("/var/lib/systemd/coredump")).unwrap();
        (root, host)
    }

    fn keep(host: &Host, pid: u32) {
        let name = format!("/var/lib/systemd/coredump/core.a.0.{BOOT}.{pid}.1700000000000000.zst");
        std::fs::write(host.path(name), "").unwrap();
    }

    /// Makes the process `pid` of a fake host one of systemd-coredump.
    fn at_work(host: &Host, pid: u32, age: u64) {
        let process = host.path(format!("/proc/{pid}"));
        std::fs::create_dir_all(&process).unwrap();
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
        let (_, rest) = stat.rsplit_once(')').unwrap();
        // A fake process is as old as this machine's clock says (field 22, of which 2 stand before `rest`).
        let now = clock_gettime(ClockId::Boottime).tv_sec as u64 - age;
        let mut fields: Vec<String> = rest.split_whitespace().map(str::to_owned).collect();
        fields[19] = (now * procfs::ticks_per_second()).to_string();
        std::fs::write(process.join("comm"), "systemd-coredum\n").unwrap();
        let stat = format!("{pid} (systemd-coredum) {}\n", fields.join(" "));
        std::fs::write(process.join("stat"), stat).unwrap();
    }

    fn wait(host: &Host, dead: &[u32]) -> Waited {
        wait_for_dumps(host, dead, SystemTime::now(), QUICK).unwrap()
    }

    #[test]
    fn nobody_waits_where_cores_lead_elsewhere_or_nothing_is_expected() {
        let (_root, elsewhere) = fake(&[("kernel/core_pattern", "core")]);
        assert_eq!(wait_for_dumps(&elsewhere, &[7], SystemTime::now(), QUICK), None);
        let (_root, host) = host();
        assert!(wait(&host, &[]).took < QUICK.idle);
    }

    #[test]
    fn a_core_that_comes_late_is_waited_for() {
        let (_root, host) = host();
        keep(&host, 7);
        assert!(wait(&host, &[7]).took < QUICK.idle);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(100));
                keep(&host, 8);
            });
            let waited = wait(&host, &[7, 8]);
            assert!(
                !waited.unfinished && (Duration::from_millis(90)..QUICK.idle).contains(&waited.took),
                "{waited:?}"
            );
        });
    }

    #[test]
    fn a_core_that_never_comes_is_given_up() {
        let (_root, host) = host();
        keep(&host, 7);
        let waited = wait(&host, &[7, 9]);
        assert!(!waited.unfinished && waited.took >= QUICK.idle && waited.took < QUICK.busy, "{waited:?}");
        // An old core of a process of the same number is another one.
        let later = SystemTime::now() + Duration::from_secs(60);
        assert!(wait_for_dumps(&host, &[7], later, QUICK).unwrap().took >= QUICK.idle);
    }

    #[test]
    fn a_collector_at_work_is_waited_for_longer_and_not_for_ever() {
        let (_root, host) = host();
        at_work(&host, 4711, 0);
        let waited = wait(&host, &[]);
        assert!(waited.unfinished && waited.took >= QUICK.busy, "{waited:?}");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(QUICK.idle * 2);
                keep(&host, 7);
                std::fs::remove_dir_all(host.path("/proc/4711")).unwrap();
            });
            let waited = wait(&host, &[7]);
            assert!(!waited.unfinished && waited.took >= QUICK.idle, "{waited:?}");
        });
    }

    #[test]
    fn a_collector_that_was_at_work_before_is_so_for_somebody_else() {
        let (_root, host) = host();
        at_work(&host, 4711, 3600);
        assert!(wait(&host, &[]).took < QUICK.idle);
        // What is left of a handler that was killed.
        let (_root, host) = fake(&[("kernel/core_pattern", "|/opt/epitaph handler run v=1 D=/cores P=%P")]);
        let folder = host.path(format!("/cores/{}", rustix::process::geteuid().as_raw()));
        std::fs::create_dir_all(&folder).unwrap();
        let partial = std::fs::File::create(folder.join("1700000000-000000001-7.core.zst.partial")).unwrap();
        partial.set_modified(SystemTime::now() - Duration::from_secs(60)).unwrap();
        let waited = wait(&host, &[]);
        assert!(!waited.unfinished && waited.took < QUICK.idle, "{waited:?}");
        // Nor does `collect`, which asks for the cores of a day, wait for one that was killed a while ago.
        let yesterday = SystemTime::now() - Duration::from_secs(86_400);
        let of_a_day = || wait_for_dumps(&host, &[], yesterday, QUICK).unwrap();
        assert!(of_a_day().unfinished, "a minute ago: it may be at work");
        partial.set_modified(SystemTime::now() - Duration::from_secs(LONGEST_LIFE + 1)).unwrap();
        let waited = of_a_day();
        assert!(!waited.unfinished && waited.took < QUICK.idle, "{waited:?}");
    }

    #[test]
    fn our_own_handler_is_at_work_as_long_as_something_is_not_sealed() {
        let (_root, host) = fake(&[("kernel/core_pattern", "|/opt/epitaph handler run v=1 D=/cores P=%P")]);
        let folder = host.path(format!("/cores/{}", rustix::process::geteuid().as_raw()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("1700000000-000000001-7.core"), "").unwrap();
        std::fs::write(folder.join("1700000000-000000001-7.core.zst.partial"), "").unwrap();
        assert!(wait(&host, &[7]).unfinished);
        std::fs::remove_file(folder.join("1700000000-000000001-7.core.zst.partial")).unwrap();
        let waited = wait(&host, &[7]);
        assert!(!waited.unfinished && waited.took < QUICK.idle, "{waited:?}");
    }

    #[test]
    fn a_report_of_apport_is_a_core_of_one_of_the_dead() {
        let (root, host) = fake(&[("kernel/core_pattern", "|/usr/share/apport/apport -p%p")]);
        std::fs::create_dir_all(root.path().join("var/crash")).unwrap();
        assert!(wait(&host, &[7]).took >= QUICK.idle);
        std::fs::write(host.path("/var/crash/_usr_bin_a.0.crash"), "ProblemType: Crash\n").unwrap();
        assert!(wait(&host, &[7]).took < QUICK.idle);
    }
}
