//! The files of a process in `/proc`, read through its folder: that can't come to mean another process.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Dir, Mode, OFlags, openat};

use crate::text::field;

/// The most bytes of a file that are read.
const LONGEST: u64 = 1 << 20;

/// Opens the folder of a process.
pub(super) fn folder(proc: &Path, pid: u32) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::open(proc.join(pid.to_string()), flags, Mode::empty())?)
}

pub(super) fn open(folder: &OwnedFd, name: &str) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(openat(folder, name, flags, Mode::empty())?)
}

pub(super) fn read(folder: &OwnedFd, name: &str) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::from(open(folder, name)?).take(LONGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Returns the numbers of the threads.
pub(super) fn threads(folder: &OwnedFd) -> io::Result<impl Iterator<Item = u32> + use<>> {
    let entries = Dir::read_from(open(folder, "task")?)?;
    Ok(entries.filter_map(Result::ok).filter_map(|entry| entry.file_name().to_str().ok()?.parse().ok()))
}

/// Returns the name of a thread.
pub(super) fn name(folder: &OwnedFd, tid: u32) -> io::Result<Vec<u8>> {
    let mut name = read(folder, &format!("task/{tid}/comm"))?;
    name.pop_if(|byte| *byte == b'\n');
    Ok(name)
}

/// Returns a field of `stat` behind the name, by its number in proc_pid_stat(5): 3 and more. The name, in parentheses,
/// may hold anything but is the last that does.
pub(super) fn stat_field(stat: &[u8], number: usize) -> Option<u64> {
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = str::from_utf8(stat.get(end + 1..)?).ok()?;
    rest.split_whitespace().nth(number.checked_sub(3)?)?.parse().ok()
}

/// Tells whether a descriptor of this process's stands for the process with that number. It stands for none as soon as
/// the process is gone (−1).
pub(super) fn stands_for(proc: &Path, descriptor: u32, pid: u32) -> io::Result<bool> {
    let info = std::fs::read_to_string(proc.join("self/fdinfo").join(descriptor.to_string()))?;
    Ok(field(&info, "Pid:") == Some(&pid.to_string()))
}
