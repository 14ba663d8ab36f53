//! Whether the kernel would dump a living process: not one that asked for that (`PR_SET_DUMPABLE`), that changed its user,
//! or whose file may be executed but not read.
//!
//! The files that `/proc` has about such a process belong to root (proc(5), "/proc/pid"); only its folder doesn't
//! (linux/fs/proc/base.c, `task_dump_owner`). That tells nothing of root's own processes. But who has no right to trace
//! others may not read them even so, and that right can be laid down for a moment.

use std::io;
use std::os::unix::fs::MetadataExt as _;

use rustix::io::Errno;
use rustix::process::{Pid, getpid};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

use super::facts::Status;
use crate::ptrace::may_read;

/// Tells whether the kernel would dump a process to its user, as far as that shows by a thread that still has its memory.
pub(super) fn is_dumpable(thread: Pid) -> io::Result<bool> {
    let owner = std::fs::metadata(format!("/proc/{}/stat", thread.as_raw_pid()))?.uid();
    let status = Status::of(thread)?;
    if owner != status.effective_user() {
        return Ok(false);
    }
    let own = Status::of(getpid())?;
    // Else it is refused for other reasons.
    let is_like_us = status.has_ids_of(&own)
        && status.has_no_more_rights_than(&own)
        && user_namespace(thread) == user_namespace(getpid());
    Ok(!(owner == 0 && is_like_us && without_rights(|| is_refused(thread))))
}

/// Asks something without the right to trace others; false where it can't be asked so.
fn without_rights(ask: impl FnOnce() -> bool) -> bool {
    // Of this thread alone.
    let Ok(rights) = capabilities(None) else { return false };
    let mut fewer = rights;
    fewer.effective.remove(CapabilitySet::SYS_PTRACE);
    if set_capabilities(None, fewer).is_err() {
        return false;
    }
    let answer = ask();
    // What is permitted can be taken up again.
    let _ = set_capabilities(None, rights);
    answer
}

/// Tells whether a thread may not be read, though our own may. Only reading says it: to trace, Yama may want rights whatever
/// the process asked for (`kernel.yama.ptrace_scope` 2).
fn is_refused(thread: Pid) -> bool {
    let refused = |thread| {
        may_read(thread).is_err_and(|error| error.raw_os_error() == Some(Errno::PERM.raw_os_error()))
    };
    refused(thread) && !refused(getpid())
}

fn user_namespace(process: Pid) -> Option<std::path::PathBuf> {
    std::fs::read_link(format!("/proc/{}/ns/user", process.as_raw_pid())).ok()
}

#[cfg(test)]
mod tests {
    use rustix::thread::gettid;

    use super::*;

    /// Processes that turned their dumps off are in the end-to-end tests: it takes a program that does.
    #[test]
    fn plain_processes_can_be_dumped() {
        let _one_at_a_time = crate::run::tests::alone();
        assert!(is_dumpable(getpid()).unwrap());
        let mut plain = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let answer = is_dumpable(Pid::from_child(&plain));
        plain.kill().unwrap();
        plain.wait().unwrap();
        assert!(answer.unwrap());
        let other = std::thread::scope(|scope| scope.spawn(|| is_dumpable(gettid())).join());
        assert!(other.unwrap().unwrap(), "by a thread that is not the process's first");
        assert!(is_dumpable(Pid::from_child(&plain)).is_err(), "it is gone");
    }

    #[test]
    fn rights_are_laid_down_for_a_moment_only() {
        let rights = || capabilities(None).unwrap().effective;
        let before = rights();
        assert!(!without_rights(|| rights().contains(CapabilitySet::SYS_PTRACE)));
        assert_eq!(rights(), before);
    }
}
