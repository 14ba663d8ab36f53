//! What else a job leaves that died without a core: reports of runtimes, text, the count of kills.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use memchr::memmem;

use crate::host::Host;

/// The most entries of a folder that are looked at.
const MOST_ENTRIES: usize = 4096;

/// A report that a runtime wrote instead of a core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnReport {
    /// A Java virtual machine's (`hs_err_pid*.log`).
    Java(PathBuf),
    /// A minidump, as Breakpad and Crashpad write them.
    Minidump(PathBuf),
}

/// Returns the first report in `folder` that was written since `since`.
pub(super) fn own_report(folder: &Path, since: SystemTime) -> Option<OwnReport> {
    let entries = std::fs::read_dir(folder).ok()?.take(MOST_ENTRIES).flatten();
    entries
        .filter(|entry| {
            entry.metadata().is_ok_and(|file| file.is_file() && file.modified().is_ok_and(|at| at >= since))
        })
        .find_map(|entry| {
            let name = entry.file_name();
            let is = |start: &[u8], end: &[u8]| {
                name.as_bytes().starts_with(start) && name.as_bytes().ends_with(end)
            };
            match () {
                () if is(b"hs_err_pid", b".log") => Some(OwnReport::Java(entry.path())),
                () if Path::new(&name).extension() == Some(OsStr::new("dmp")) => {
                    Some(OwnReport::Minidump(entry.path()))
                }
                () => None,
            }
        })
}

/// What a program says of its own end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LastWords {
    /// A sanitizer reported an error.
    pub sanitizer: bool,
    /// A Rust thread panicked.
    pub rust: bool,
    /// A goroutine panicked.
    pub go: bool,
}

impl LastWords {
    /// Looks for what runtimes write on standard error.
    pub(super) fn of(output: &[u8]) -> LastWords {
        let says = |text: &str| memmem::find(output, text.as_bytes()).is_some();
        LastWords {
            sanitizer: says("Sanitizer: ") || says(": runtime error: "),
            rust: says("' panicked at ") || says(") panicked at "),
            go: says("goroutine ") && (says("panic: ") || says("fatal error: ")),
        }
    }
}

/// Returns how many processes of this process's control group the kernel killed for want of memory, of version 2
/// (`memory.events`) or 1 (`memory.oom_control`).
pub(super) fn oom_kills(host: &Host) -> Option<u64> {
    let groups = std::fs::read_to_string(host.path("/proc/self/cgroup")).ok()?;
    let path = |wanted: &str| {
        groups.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            let controllers = fields.next()?;
            let path = fields.next()?.trim_start_matches('/');
            (controllers.split(',').any(|name| name == wanted)).then_some(path)
        })
    };
    let files = [
        path("").map(|path| Path::new("/sys/fs/cgroup").join(path).join("memory.events")),
        path("memory").map(|path| Path::new("/sys/fs/cgroup/memory").join(path).join("memory.oom_control")),
    ];
    files.into_iter().flatten().find_map(|file| {
        let text = std::fs::read_to_string(host.path(file)).ok()?;
        text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::tests::fake;

    #[test]
    fn reports_of_runtimes_are_seen_if_they_are_new() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let before = SystemTime::now() - std::time::Duration::from_secs(5);
        std::fs::write(path("hs_err_pid7.txt"), "").unwrap();
        assert_eq!(own_report(folder.path(), before), None);
        std::fs::write(path("a.dmp"), "").unwrap();
        assert_eq!(own_report(folder.path(), before), Some(OwnReport::Minidump(path("a.dmp"))));
        assert_eq!(own_report(folder.path(), before + std::time::Duration::from_secs(60)), None);
        std::fs::remove_file(path("a.dmp")).unwrap();
        std::fs::write(path("hs_err_pid7.log"), "").unwrap();
        assert_eq!(own_report(folder.path(), before), Some(OwnReport::Java(path("hs_err_pid7.log"))));
    }

    #[test]
    fn runtimes_are_known_by_their_words() {
        assert!(LastWords::of(b"==7==ERROR: AddressSanitizer: heap-use-after-free on address").sanitizer);
        assert!(LastWords::of(b"a.c:3:5: runtime error: signed integer overflow").sanitizer);
        assert!(LastWords::of(b"thread 'main' panicked at src/main.rs:2:5:").rust);
        assert!(LastWords::of(b"thread 'main' (17) panicked at src/main.rs:2:5:").rust);
        assert!(LastWords::of(b"panic: oh\n\ngoroutine 1 [running]:\n").go);
        assert_eq!(LastWords::of(b"FAILED tests/test_a.py::test_sanitizer"), LastWords::default());
    }

    #[test]
    fn kills_are_counted_in_both_versions_of_control_groups() {
        for (groups, file, text) in [
            ("0::/job\n", "/sys/fs/cgroup/job/memory.events", "low 0\noom 3\noom_kill 2\noom_group_kill 0\n"),
            (
                "5:cpu,memory:/j/k\n1:name=systemd:/\n",
                "/sys/fs/cgroup/memory/j/k/memory.oom_control",
                "under_oom 0\noom_kill 2\n",
            ),
        ] {
            let (_root, host) = fake(&[]);
            for (path, content) in [("/proc/self/cgroup", groups), (file, text)] {
                std::fs::create_dir_all(host.path(path).parent().unwrap()).unwrap();
                std::fs::write(host.path(path), content).unwrap();
            }
            assert_eq!(oom_kills(&host), Some(2), "{groups}");
        }
        let (_root, host) = fake(&[]);
        assert_eq!(oom_kills(&host), None);
    }
}
