//! What `/proc` says of a process and its threads, read as bytes: names may hold anything.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt as _;

use epitaph_elf::LiveInfo;
use rustix::process::Pid;

use super::rules::DEFAULT_FILTER;

/// Where a stat file has the flags, counted from the state.
const FLAGS: usize = 6;
/// Places of ids in a status file.
const REAL: usize = 0;
const EFFECTIVE: usize = 1;
/// Most bytes of a command line that are read: a core holds 79.
const MOST_ARGUMENTS: usize = 80;

/// Reads a small file about a process.
pub(crate) fn read(process: Pid, name: &str) -> io::Result<Vec<u8>> {
    std::fs::read(format!("/proc/{}/{name}", process.as_raw_pid()))
}

/// Reads names and ids of a process; its command line, which is in its memory, by a thread that still has that.
pub(super) fn info(process: Pid, with_memory: Pid) -> io::Result<LiveInfo> {
    let broken = || io::Error::new(io::ErrorKind::InvalidData, "its stat file makes no sense");
    let stat = read(process, "stat")?;
    let (name, fields) = split_stat(&stat).ok_or_else(broken)?;
    // proc_pid_stat(5), counted from the state.
    let number = |index: usize| fields.get(index).and_then(|field| field.parse::<i64>().ok()).unwrap_or(0);
    let status = Status::of(process)?;
    let mut args = read(with_memory, "cmdline").unwrap_or_default();
    args.truncate(MOST_ARGUMENTS);
    Ok(LiveInfo {
        pid: process.as_raw_pid().cast_unsigned(),
        ppid: number(1) as u32,
        group: number(2) as u32,
        session: number(3) as u32,
        flags: number(FLAGS) as u64,
        nice: number(16) as i8,
        state: fields.first().and_then(|state| state.bytes().next()).unwrap_or(b'R'),
        uid: status.id("Uid", REAL),
        gid: status.id("Gid", REAL),
        name: OsString::from_vec(name.to_vec()),
        args,
    })
}

/// Splits a stat file into the name and the fields that follow it; the name may hold parentheses.
fn split_stat(stat: &[u8]) -> Option<(&[u8], Vec<&str>)> {
    let open = stat.iter().position(|byte| *byte == b'(')?;
    let close = stat.iter().rposition(|byte| *byte == b')')?;
    let name = stat.get(open + 1..close)?;
    let rest = std::str::from_utf8(stat.get(close + 1..)?).ok()?;
    Some((name, rest.split_whitespace().collect()))
}

/// Returns the parent of a process, as `/proc` has it.
pub(crate) fn parent(process: Pid) -> Option<i32> {
    let stat = read(process, "stat").ok()?;
    split_stat(&stat)?.1.get(1)?.parse().ok()
}

/// Returns what the kernel marks a thread with (`PF_…` of linux/sched.h, field 9 of proc_pid_stat(5)).
pub(crate) fn flags(thread: Pid) -> Option<u64> {
    let stat = read(thread, "stat").ok()?;
    split_stat(&stat)?.1.get(FLAGS)?.parse().ok()
}

/// Reads the name of a thread.
pub(super) fn thread_name(thread: Pid) -> OsString {
    let mut name = read(thread, "comm").unwrap_or_default();
    if name.last() == Some(&b'\n') {
        name.pop();
    }
    OsString::from_vec(name)
}

/// Reads what of a process is dumped.
pub(super) fn filter(process: Pid) -> u32 {
    let filter = read(process, "coredump_filter").ok().and_then(|text| String::from_utf8(text).ok());
    filter.and_then(|text| u32::from_str_radix(text.trim(), 16).ok()).unwrap_or(DEFAULT_FILTER)
}

/// The status file of a process or thread.
#[derive(Debug)]
pub(crate) struct Status {
    text: String,
}

impl Status {
    /// Reads the status of a process, or of any of its threads.
    pub(crate) fn of(thread: Pid) -> io::Result<Status> {
        // Only names can be other than ASCII, and the kernel escapes their newlines.
        Ok(Status { text: String::from_utf8_lossy(&read(thread, "status")?).into_owned() })
    }

    fn value(&self, key: &str) -> Option<&str> {
        let value = |line: &'_ str| -> Option<usize> {
            line.strip_prefix(key)?.strip_prefix(':').map(|value| line.len() - value.len())
        };
        self.text.lines().find_map(|line| line.get(value(line)?..)).map(str::trim)
    }

    /// Returns the process that a thread is of.
    pub(crate) fn process(&self) -> Option<Pid> {
        Pid::from_raw(self.value("Tgid")?.parse().ok()?)
    }

    /// Returns a set of signals (`SigPnd`, `SigBlk`, `SigIgn`, `SigCgt`), a bit each.
    pub(crate) fn signals(&self, key: &str) -> u64 {
        self.value(key).and_then(|set| u64::from_str_radix(set, 16).ok()).unwrap_or(0)
    }

    /// Returns the user that the process acts as.
    pub(super) fn effective_user(&self) -> u32 {
        self.id("Uid", EFFECTIVE)
    }

    /// Tells whether it has all ids of users and groups that another one has.
    pub(super) fn has_ids_of(&self, other: &Status) -> bool {
        ["Uid", "Gid"].iter().all(|ids| self.value(ids).is_some() && self.value(ids) == other.value(ids))
    }

    /// Tells whether it may do nothing that another one may not (capabilities(7)).
    pub(super) fn has_no_more_rights_than(&self, other: &Status) -> bool {
        let permitted = |status: &Status| u64::from_str_radix(status.value("CapPrm")?, 16).ok();
        permitted(self).zip(permitted(other)).is_some_and(|(own, others)| own & !others == 0)
    }

    /// Returns one of the ids of a user or group, by its place.
    fn id(&self, key: &str, place: usize) -> u32 {
        let id = self.value(key).and_then(|ids| ids.split_whitespace().nth(place));
        id.and_then(|id| id.parse().ok()).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_parentheses() {
        let (name, fields) = split_stat(b"17 (a) R (\xff) S 1 2 3\n").unwrap();
        assert_eq!((name, &fields[..]), (&b"a) R (\xff"[..], &["S", "1", "2", "3"][..]));
        assert!(split_stat(b"17 a").is_none() && split_stat(b") (").is_none());
    }

    #[test]
    fn this_process_is_known() {
        let own = rustix::process::getpid();
        let info = info(own, own).unwrap();
        assert_eq!(info.pid, std::process::id());
        assert_eq!(info.uid, rustix::process::getuid().as_raw());
        assert_eq!(Some(info.ppid as i32), parent(own));
        assert!(!info.args.is_empty() && !info.name.is_empty());
        assert_eq!(Status::of(own).unwrap().process(), Some(own));
    }
}
