//! Whether the kernel would dump a living process: not one that asked for that (`PR_SET_DUMPABLE`), that changed its user,
//! or whose file may be executed but not read.
//!
//! What `/proc` has about such a process belongs to root (proc(5), "/proc/pid"). That tells nothing of root's own
//! processes. But who has no right to trace others is refused them even so, and that right can be laid down for a moment.

use std::io;
use std::os::fd::RawFd;
use std::os::unix::fs::MetadataExt as _;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

use super::facts::Status;

/// A file descriptor that no process has.
const NO_DESCRIPTOR: RawFd = RawFd::MAX;

/// Tells whether the kernel would dump a process to its user, as far as that shows: a thread of it that has its memory.
pub(super) fn is_dumpable(process: Pid) -> io::Result<bool> {
    // Not of the folder itself, which is always the user's (linux/fs/proc/base.c, `task_dump_owner`).
    let owner = std::fs::metadata(format!("/proc/{}/status", process.as_raw_pid()))?.uid();
    let status = Status::of(process)?;
    if owner != status.effective_user() {
        return Ok(false);
    }
    let is_like_us =
        status.has_ids_of(&Status::of(getpid())?) && user_namespace(process) == user_namespace(getpid());
    Ok(!(owner == 0 && is_like_us && without_rights(|| is_refused(process))))
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

/// Tells whether a process's files are refused (pidfd_getfd(2)), though our own are not.
fn is_refused(process: Pid) -> bool {
    let refused = |process: Pid| {
        pidfd_open(process, PidfdFlags::empty())
            .and_then(|process| pidfd_getfd(process, NO_DESCRIPTOR, PidfdGetfdFlags::empty()))
            .is_err_and(|error| error == Errno::PERM)
    };
    refused(process) && !refused(getpid())
}

fn user_namespace(process: Pid) -> Option<std::path::PathBuf> {
    std::fs::read_link(format!("/proc/{}/ns/user", process.as_raw_pid())).ok()
}

#[cfg(test)]
mod tests {
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
