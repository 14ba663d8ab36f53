//! Who is on the other end of a connection, where the kernel gives cores to a socket: no arguments tell of the crash.
//!
//! The kernel connects in the name of the process that dies (linux/fs/coredump.c, `coredump_sock_connect`), which waits
//! meanwhile: what `/proc` says of it can be read at leisure. Nobody but the kernel may connect: a process that doesn't
//! dump core is refused, whoever it is.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerPidfd;
use procfs::FromRead as _;
use procfs::process::Limits;
use rustix::fs::{AtFlags, statat};
use rustix::net::sockopt::socket_peercred;

use super::error::HandlerError;
use super::notice::Notice;
use super::proc_files::{folder, name, read, stands_for, stat_field, threads};
use crate::limits::CoreLimit;
use crate::text::field;

/// What a thread does, among the fields of `stat`.
const FLAGS: usize = 9;
/// The flag of the thread that dumps core, which is the one that got the signal (`PF_DUMPCORE`, linux/sched.h).
const DUMPS_CORE: u64 = 0x200;
/// How the process ends, as wait(2) tells it, among the fields of `stat`. Known as soon as the dump begins.
const EXIT_CODE: usize = 52;
/// The part of that which is the signal.
const SIGNAL: u64 = 0x7f;

/// The process that dies.
#[derive(Debug)]
pub(super) struct Caller {
    /// What the kernel would have told of it.
    pub(super) notice: Notice,
    /// The descriptor of the very process, whose number the notice has.
    _descriptor: OwnedFd,
}

impl Caller {
    /// Looks who it is; anybody but a process that dumps core is an error.
    pub(super) fn of(connection: &OwnedFd, spool: &Path) -> Result<Caller, HandlerError> {
        let refused = |source| HandlerError::Caller { what: "cannot be looked at", source };
        let descriptor = getsockopt(connection, PeerPidfd).map_err(|errno| refused(errno.into()))?;
        let credentials = socket_peercred(connection).map_err(|errno| refused(errno.into()))?;
        let pid = credentials.pid.as_raw_nonzero().get().cast_unsigned();
        let notice = look(Path::new("/proc"), pid, descriptor.as_raw_fd().cast_unsigned(), spool);
        let notice = notice
            .map_err(|source| HandlerError::Caller { what: "is no process that dumps core", source })?;
        Ok(Caller { notice, _descriptor: descriptor })
    }
}

fn look(proc: &Path, pid: u32, descriptor: u32, spool: &Path) -> io::Result<Notice> {
    let missing = |what: &'static str| move || io::Error::new(io::ErrorKind::InvalidData, what);
    let folder = folder(proc, pid)?;
    let status = String::from_utf8_lossy(&read(&folder, "status")?).into_owned();
    if field(&status, "CoreDumping:") != Some("1") {
        return Err(io::Error::other("it lives, and no core is dumped"));
    }
    let id = |name: &str, number: usize| field(&status, name)?.split_whitespace().nth(number)?.parse().ok();
    let uid = id("Uid:", 0).ok_or_else(missing("its user is unknown"))?;
    let gid = id("Gid:", 0).ok_or_else(missing("its group is unknown"))?;
    let effective: u32 = id("Uid:", 1).ok_or_else(missing("its effective user is unknown"))?;
    let limits = Limits::from_read(read(&folder, "limits")?.as_slice()).map_err(io::Error::other)?;
    let exit_code =
        stat_field(&read(&folder, "stat")?, EXIT_CODE).ok_or_else(missing("its signal is unknown"))?;
    let tid = dumping_thread(&folder, pid);
    // The files of a process whose memory its user may not read belong to root (proc(5)).
    let owner = statat(&folder, "stat", AtFlags::SYMLINK_NOFOLLOW)?.st_uid;
    let notice = Notice {
        pid,
        tid,
        uid,
        gid,
        signal: u32::try_from(exit_code & SIGNAL).unwrap_or_default(),
        time: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
        core_limit: CoreLimit::from(&limits).soft.unwrap_or(u64::MAX),
        dumpable: if owner == effective { 1 } else { 2 },
        pidfd: Some(descriptor),
        name: name(&folder, tid)?,
        spool: spool.to_owned(),
    };
    // It was there before all this, and still is: its number was nobody else's meanwhile.
    if !stands_for(proc, descriptor, pid)? {
        return Err(io::Error::other("it is gone"));
    }
    Ok(notice)
}

/// Returns the thread that dumps core; the first one where that can't be told.
fn dumping_thread(folder: &OwnedFd, pid: u32) -> u32 {
    let dumps = |tid: &u32| {
        let stat = read(folder, &format!("task/{tid}/stat")).unwrap_or_default();
        stat_field(&stat, FLAGS).is_some_and(|flags| flags & DUMPS_CORE != 0)
    };
    let others = threads(folder).into_iter().flatten();
    std::iter::once(pid).chain(others).find(dumps).unwrap_or(pid)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// A `/proc` with process 71, whose thread 72 dumps core, and this process's descriptor 3 of it.
    fn fake_proc() -> (tempfile::TempDir, PathBuf) {
        let root = tempfile::tempdir().unwrap();
        let me = rustix::process::geteuid().as_raw();
        for (name, text) in [
            ("self/fdinfo/3", "Pid:\t71\n".to_owned()),
            ("71/status", format!("Name:\ta\nUid:\t7\t{me}\t7\t7\nGid:\t8\t8\t8\t8\nCoreDumping:\t1\n")),
            ("71/stat", stat(71, 0x40_0000)),
            ("71/limits", limits("unlimited")),
            ("71/task/71/stat", stat(71, 0x40_0000)),
            ("71/task/72/stat", stat(72, 0x40_0200)),
            ("71/task/72/comm", "b) 1\n\n".to_owned()),
        ] {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let proc = root.path().to_owned();
        (root, proc)
    }

    fn stat(tid: u32, flags: u32) -> String {
        let between = "0 ".repeat(EXIT_CODE - FLAGS - 1);
        format!("{tid} (b) 1\n) S 1 1 1 0 -1 {flags} {between}11\n")
    }

    fn limits(soft: &str) -> String {
        let own = std::fs::read_to_string("/proc/self/limits").unwrap();
        let others = own.lines().filter(|line| !line.starts_with("Max core file size"));
        let core = format!("Max core file size        {soft}  unlimited  bytes");
        others.chain([core.as_str()]).collect::<Vec<_>>().join("\n")
    }

    fn look_at(proc: &Path) -> io::Result<Notice> {
        look(proc, 71, 3, Path::new("/spool"))
    }

    #[test]
    fn proc_says_what_the_kernel_would_have() {
        let (_root, proc) = fake_proc();
        let notice = look_at(&proc).unwrap();
        assert_eq!((notice.pid, notice.tid, notice.uid, notice.gid), (71, 72, 7, 8));
        assert_eq!((notice.signal, notice.core_limit, notice.dumpable), (11, u64::MAX, 1));
        assert_eq!((notice.pidfd, notice.name.as_slice()), (Some(3), &b"b) 1\n"[..]));
        std::fs::write(proc.join("71/limits"), limits("0")).unwrap();
        assert_eq!(look_at(&proc).unwrap().core_limit, 0);
    }

    #[test]
    fn files_of_somebody_else_say_that_its_memory_is_hidden() {
        let (_root, proc) = fake_proc();
        let status = std::fs::read_to_string(proc.join("71/status")).unwrap();
        let other = rustix::process::geteuid().as_raw() + 1;
        let me = other - 1;
        let changed = status.replace(&format!("\t{me}\t"), &format!("\t{other}\t"));
        std::fs::write(proc.join("71/status"), changed).unwrap();
        assert_eq!(look_at(&proc).unwrap().dumpable, 2);
    }

    #[test]
    fn who_lives_or_is_gone_is_refused() {
        let (_root, proc) = fake_proc();
        std::fs::write(proc.join("self/fdinfo/3"), "Pid:\t-1\n").unwrap();
        assert_eq!(look_at(&proc).unwrap_err().to_string(), "it is gone");
        let (_root, proc) = fake_proc();
        std::fs::write(proc.join("71/status"), "Uid:\t7\t7\t7\t7\nGid:\t7\t7\t7\t7\nCoreDumping:\t0\n")
            .unwrap();
        assert_eq!(look_at(&proc).unwrap_err().to_string(), "it lives, and no core is dumped");
        let (_root, proc) = fake_proc();
        std::fs::remove_file(proc.join("71/limits")).unwrap();
        assert!(look_at(&proc).is_err());
    }
}
