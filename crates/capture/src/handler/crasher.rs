//! What `/proc` says of the process that crashed, read while it waits, and proof that it is that process.
//!
//! A process that dies in the middle of its dump frees its number, and another may get it: cores of root's processes
//! were given away like that (CVE-2025-4598, CVE-2025-5054). So its folder is opened once, which can't come to mean
//! another process, and is then compared with what the kernel gave: the descriptor of the very process, or where there
//! is none, the state of dumping core and the time that it started, before and after.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, readlinkat, statat};
use serde::Serialize;

use super::notice::Notice;
use super::proc_files::{folder, name, open, read, stands_for, stat_field, threads};
use crate::text::field;

/// The small files that are copied. Neither the environment, which holds secrets, nor the command line.
const FILES: [&str; 6] = ["status", "limits", "cgroup", "mountinfo", "maps", "uid_map"];
/// The links that are copied.
const LINKS: [&str; 5] = ["exe", "cwd", "root", "ns/mnt", "ns/pid"];
/// The most threads whose names are copied.
const MOST_THREADS: usize = 4096;
/// When a process started, among the fields of `stat`.
const START_TIME: usize = 22;
/// The tag of the entry of the auxiliary vector that says that a program got rights that its user doesn't have
/// (`AT_SECURE`, getauxval(3)).
const AT_SECURE: u64 = 23;

/// What is known of a crash besides its core. It is kept beside it.
#[derive(Debug, Default, Serialize)]
pub(super) struct Facts {
    pub(super) schema: &'static str,
    pub(super) pid: u32,
    pub(super) tid: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) signal: u32,
    pub(super) time: u64,
    pub(super) core_limit: u64,
    pub(super) dumpable: u32,
    /// The name of the thread.
    pub(super) name: String,
    /// How it was made sure that `/proc` was that of the process; `None` where it wasn't.
    pub(super) proven_by: Option<&'static str>,
    /// The files of `/proc/PID`, by name.
    pub(super) files: BTreeMap<&'static str, String>,
    /// The links there, by name.
    pub(super) links: BTreeMap<&'static str, String>,
    /// The executable's file: its device and inode.
    pub(super) executable: Option<(u64, u64)>,
    /// The names of the threads, by their numbers.
    pub(super) threads: BTreeMap<u32, String>,
    /// What could not be had, and why.
    pub(super) warnings: Vec<String>,
}

impl Facts {
    /// What the kernel told.
    fn of(notice: &Notice) -> Facts {
        Facts {
            schema: "epitaph-handler/1",
            pid: notice.pid,
            tid: notice.tid,
            uid: notice.uid,
            gid: notice.gid,
            signal: notice.signal,
            time: notice.time,
            core_limit: notice.core_limit,
            dumpable: notice.dumpable,
            name: String::from_utf8_lossy(&notice.name).into_owned(),
            ..Facts::default()
        }
    }
}

/// The process that crashed.
#[derive(Debug)]
pub(super) struct Crasher {
    pub(super) facts: Facts,
    /// Its memory, where that is certain.
    pub(super) memory: Option<File>,
    /// Whether its user may have its core: it never had more rights than that user.
    pub(super) for_its_user: bool,
}

impl Crasher {
    /// Looks at the process, and never fails: what can't be had, or proven, stands in the warnings.
    pub(super) fn look(proc: &Path, notice: &Notice) -> Crasher {
        let mut facts = Facts::of(notice);
        match Looked::at(proc, notice, &mut facts) {
            Ok(Looked { memory, had_other_rights }) => {
                let memory = memory.map_err(|error| facts.warnings.push(format!("mem: {error}"))).ok();
                Crasher { facts, memory, for_its_user: notice.dumpable == 1 && !had_other_rights }
            }
            Err(error) => {
                let warnings = vec![format!("/proc/{}: {error}", notice.pid)];
                // What was read may be another process's.
                let facts = Facts { warnings, ..Facts::of(notice) };
                Crasher { facts, memory: None, for_its_user: false }
            }
        }
    }
}

/// What one look gave that isn't a fact to be kept.
struct Looked {
    memory: io::Result<File>,
    had_other_rights: bool,
}

impl Looked {
    fn at(proc: &Path, notice: &Notice, facts: &mut Facts) -> io::Result<Looked> {
        let folder = folder(proc, notice.pid)?;
        let before = Proof::of(proc, &folder, notice)?;
        for name in FILES {
            match read(&folder, name) {
                Ok(bytes) => drop(facts.files.insert(name, String::from_utf8_lossy(&bytes).into_owned())),
                Err(error) => facts.warnings.push(format!("{name}: {error}")),
            }
        }
        for name in LINKS {
            match readlinkat(&folder, name, Vec::new()) {
                Ok(link) => drop(facts.links.insert(name, link.to_string_lossy().into_owned())),
                Err(error) => facts.warnings.push(format!("{name}: {error}")),
            }
        }
        facts.executable =
            statat(&folder, "exe", AtFlags::empty()).ok().map(|file| (file.st_dev, file.st_ino));
        facts.threads = thread_names(&folder);
        let auxv = read(&folder, "auxv").unwrap_or_default();
        let status = facts.files.get("status").map(String::as_str).unwrap_or_default();
        let had_other_rights = is_secure(&auxv) || !is_one_user(status);
        let memory = open(&folder, "mem").map(File::from);
        if Proof::of(proc, &folder, notice)? != before {
            return Err(io::Error::other("another process has taken its number"));
        }
        facts.proven_by = Some(before.name());
        Ok(Looked { memory, had_other_rights })
    }
}

/// What shows that a folder of `/proc` is that of the process that crashed.
#[derive(Debug, PartialEq, Eq)]
enum Proof {
    /// The kernel's descriptor of it has its number.
    Descriptor,
    /// It dumps core, and started at this time (in clock ticks since boot, proc_pid_stat(5)).
    Dumping { started: u64 },
}

impl Proof {
    fn of(proc: &Path, folder: &OwnedFd, notice: &Notice) -> io::Result<Proof> {
        if let Some(number) = notice.pidfd {
            // As soon as the process is gone, the folder's files are as well.
            if stands_for(proc, number, notice.pid)? {
                return Ok(Proof::Descriptor);
            }
            return Err(io::Error::other(
                "the kernel's descriptor is that of another process, or it is gone",
            ));
        }
        let status = String::from_utf8_lossy(&read(folder, "status")?).into_owned();
        if field(&status, "CoreDumping:") != Some("1") {
            return Err(io::Error::other("the process there does not dump core"));
        }
        let stat = read(folder, "stat")?;
        let started =
            stat_field(&stat, START_TIME).ok_or_else(|| io::Error::other("its start can't be read"))?;
        Ok(Proof::Dumping { started })
    }

    fn name(&self) -> &'static str {
        match self {
            Proof::Descriptor => "pidfd",
            Proof::Dumping { .. } => "start time",
        }
    }
}

/// Returns the names of the threads.
fn thread_names(folder: &OwnedFd) -> BTreeMap<u32, String> {
    let Ok(threads) = threads(folder) else { return BTreeMap::new() };
    let name = |tid| Some((tid, String::from_utf8_lossy(&name(folder, tid).ok()?).into_owned()));
    threads.take(MOST_THREADS).filter_map(name).collect()
}

/// Tells whether real, effective, saved and file system IDs are one, for user and group.
fn is_one_user(status: &str) -> bool {
    ["Uid:", "Gid:"].into_iter().all(|name| {
        let mut ids = field(status, name).unwrap_or_default().split_whitespace();
        let first = ids.next();
        first.is_some() && ids.all(|id| Some(id) == first)
    })
}

/// Tells whether the program got rights that its user doesn't have. Whether the words are of 4 or of 8 bytes is not
/// known here: it counts in either reading, and so does a vector that can't be read.
fn is_secure(auxv: &[u8]) -> bool {
    let (wide, _) = auxv.as_chunks::<8>();
    let (narrow, _) = auxv.as_chunks::<4>();
    let wide: Vec<u64> = wide.iter().map(|word| u64::from_ne_bytes(*word)).collect();
    let narrow: Vec<u64> = narrow.iter().map(|word| u64::from(u32::from_ne_bytes(*word))).collect();
    let secure = |words: &[u64]| {
        let (pairs, _) = words.as_chunks::<2>();
        let entry = pairs.iter().take_while(|[tag, _]| *tag != 0).find(|[tag, _]| *tag == AT_SECURE);
        entry.map(|[_, value]| *value != 0)
    };
    match (secure(&wide), secure(&narrow)) {
        (None, None) => true,
        (wide, narrow) => wide == Some(true) || narrow == Some(true),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::*;

    /// A `/proc` with process 71, which dumps core, and the handler's descriptor 3 of it.
    fn fake_proc() -> (tempfile::TempDir, PathBuf) {
        let root = tempfile::tempdir().unwrap();
        let proc = root.path().to_owned();
        let write = |name: &str, bytes: &[u8]| {
            let path = proc.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        };
        write("self/fdinfo/3", b"pos:\t0\nflags:\t02000002\nPid:\t71\nNSpid:\t71\n");
        write("71/status", b"Name:\ta\\nUid:\t0\nUid:\t7\t7\t7\t7\nGid:\t7\t7\t7\t7\nCoreDumping:\t1\n");
        write("71/stat", b"71 (a) b) D 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0\n");
        write("71/task/71/comm", b"main\n");
        write("71/task/72/comm", b"x) 1\n\n");
        write("71/mem", b"memory");
        write("71/auxv", &auxv(0));
        for name in ["limits", "cgroup", "mountinfo", "maps", "uid_map"] {
            write(&format!("71/{name}"), b"");
        }
        for name in LINKS {
            let path = proc.join("71").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            symlink("/bin/sh", path).unwrap();
        }
        (root, proc)
    }

    fn auxv(secure: u64) -> Vec<u8> {
        [6u64, 4096, AT_SECURE, secure, 0, 0].into_iter().flat_map(u64::to_ne_bytes).collect()
    }

    fn notice(text: &str) -> Notice {
        let text = format!("v=1 P=71 I=72 u=7 g=7 s=11 t=1800000000 c=0 {text} e=a");
        Notice::parse(&text.split(' ').map(OsString::from).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn a_process_that_waits_is_read() {
        let (_root, proc) = fake_proc();
        for (text, proven_by) in [("d=1 F=3", "pidfd"), ("d=1 F=", "start time")] {
            let crasher = Crasher::look(&proc, &notice(text));
            assert_eq!(crasher.facts.warnings, [""; 0]);
            assert_eq!(crasher.facts.proven_by, Some(proven_by));
            assert!(crasher.for_its_user && crasher.memory.is_some());
            assert_eq!(crasher.facts.links["exe"], "/bin/sh");
            assert_eq!(crasher.facts.threads[&72], "x) 1\n");
        }
    }

    #[test]
    fn another_process_under_the_number_gives_nothing() {
        let given_away = |proc: &Path, text: &str| {
            let crasher = Crasher::look(proc, &notice(text));
            assert_eq!(crasher.facts.proven_by, None);
            assert!(crasher.facts.files.is_empty() && crasher.facts.links.is_empty());
            assert_eq!(crasher.facts.warnings.len(), 1, "{:?}", crasher.facts.warnings);
            crasher.for_its_user || crasher.memory.is_some()
        };
        let (_root, proc) = fake_proc();
        for pid in ["-1", "72", "710"] {
            std::fs::write(proc.join("self/fdinfo/3"), format!("Pid:\t{pid}\n")).unwrap();
            assert!(!given_away(&proc, "d=1 F=3"), "{pid}");
        }
        std::fs::write(proc.join("71/status"), "Uid:\t7\t7\t7\t7\nCoreDumping:\t0\n").unwrap();
        assert!(!given_away(&proc, "d=1 F="));
        std::fs::remove_dir_all(proc.join("71")).unwrap();
        assert!(!given_away(&proc, "d=1 F="));
    }

    #[test]
    fn a_program_with_more_rights_is_roots_alone() {
        let (_root, proc) = fake_proc();
        let for_its_user = |text: &str| Crasher::look(&proc, &notice(text)).for_its_user;
        assert!(for_its_user("d=1 F=3"));
        assert!(!for_its_user("d=2 F=3"));
        assert!(!for_its_user("d=0 F=3"));
        std::fs::write(proc.join("71/auxv"), auxv(1)).unwrap();
        assert!(!for_its_user("d=1 F=3"));
        std::fs::write(proc.join("71/auxv"), b"").unwrap();
        assert!(!for_its_user("d=1 F=3"), "what can't be read is no proof");
        std::fs::write(proc.join("71/auxv"), auxv(0)).unwrap();
        for ids in
            ["Uid:\t7\t0\t7\t7\nGid:\t7\t7\t7\t7\n", "Uid:\t7\t7\t7\t7\nGid:\t7\t7\t8\t7\n", "Uid:\t7\n", ""]
        {
            std::fs::write(proc.join("71/status"), ids).unwrap();
            assert!(!for_its_user("d=1 F=3"), "{ids}");
        }
    }

    #[test]
    fn narrow_words_are_understood() {
        let narrow = |secure: u32| -> Vec<u8> {
            [6u32, 4096, 23, secure, 0, 0].into_iter().flat_map(u32::to_ne_bytes).collect()
        };
        assert!(is_secure(&narrow(1)));
        assert!(!is_secure(&narrow(0)));
    }
}
