//! The log of the running kernel.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::{Duration, SystemTime};

use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};

use super::refused::{RefusedCore, refused_cores};
use super::{KernelCrash, kernel_crashes};
use crate::host::Host;

/// Where the kernel gives its log, a record a read (linux/Documentation/ABI/testing/dev-kmsg).
const KMSG: &str = "/dev/kmsg";
/// The longest record (`PRINTK_MESSAGE_MAX` and what is written before it).
const LONGEST_RECORD: usize = 8192;
/// Most bytes of a log that are read: the kernel keeps less, unless it was told otherwise at its start.
const MOST: usize = 16 << 20;

/// The kernel's clock and the system's may differ by this much.
const GRACE: Duration = Duration::from_secs(2);

/// The running kernel's log, from some message on.
#[derive(Debug)]
pub struct KernelLog(File);

impl KernelLog {
    /// Opens the log at the next message; `None` where it can't be read: in a container, or where only root may
    /// (`kernel.dmesg_restrict`).
    pub fn from_now_on(host: &Host) -> Option<KernelLog> {
        let mut log = KernelLog::whole(host)?;
        log.0.seek(SeekFrom::End(0)).ok()?;
        Some(log)
    }

    fn whole(host: &Host) -> Option<KernelLog> {
        let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY;
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(flags.bits().cast_signed());
        options.open(host.path(KMSG)).ok().map(KernelLog)
    }

    /// Finds the deaths that were logged so far.
    pub fn crashes(self) -> Vec<KernelCrash> {
        kernel_crashes(&self.read())
    }

    fn read(mut self) -> String {
        let mut log = Vec::new();
        let mut record = vec![0; LONGEST_RECORD];
        while log.len() < MOST {
            match self.0.read(&mut record) {
                Ok(0) => break,
                Ok(length) => log.extend_from_slice(record.get(..length).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Records that were overwritten before they were read.
                Err(error) if error.raw_os_error() == Some(Errno::PIPE.raw_os_error()) => {}
                Err(_) => break,
            }
        }
        String::from_utf8_lossy(&log).into_owned()
    }
}

/// Finds the deaths that the running kernel has logged after `since`, each with when it was.
pub fn kernel_crashes_since(host: &Host, since: SystemTime) -> Vec<(SystemTime, KernelCrash)> {
    let Some(log) = KernelLog::whole(host) else { return Vec::new() };
    let time = times();
    let died = |crash: KernelCrash| {
        let died = time(crash.since_boot?)?;
        (died + GRACE >= since).then_some((died, crash))
    };
    log.crashes().into_iter().filter_map(died).collect()
}

/// Finds the cores that the running kernel says it did not write after `since`, and why.
pub fn refused_cores_since(host: &Host, since: SystemTime) -> Vec<RefusedCore> {
    let Some(log) = KernelLog::whole(host) else { return Vec::new() };
    let time = times();
    let is_later = |logged: Duration| time(logged).is_some_and(|time| time + GRACE >= since);
    let refused = refused_cores(&log.read()).into_iter();
    refused.filter_map(|(logged, refused)| is_later(logged).then_some(refused)).collect()
}

/// Returns when something was logged, by the log's own clock: that stands still while the machine sleeps, as
/// `CLOCK_MONOTONIC` does (`local_clock`).
fn times() -> impl Fn(Duration) -> Option<SystemTime> {
    let up = clock_gettime(ClockId::Monotonic);
    let up = Duration::new(u64::try_from(up.tv_sec).unwrap_or(0), u32::try_from(up.tv_nsec).unwrap_or(0));
    let now = SystemTime::now();
    move |logged| now.checked_sub(up.checked_sub(logged).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_logged_before_the_mark_is_not_read() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path());
        assert!(KernelLog::from_now_on(&host).is_none());
        std::fs::create_dir(root.path().join("dev")).unwrap();
        std::fs::write(host.path(KMSG), "6,1,2,-;before\n").unwrap();
        let log = KernelLog::from_now_on(&host).unwrap();
        let mut file = OpenOptions::new().append(true).open(host.path(KMSG)).unwrap();
        std::io::Write::write_all(&mut file, b"6,1,2,-;after\n").unwrap();
        assert_eq!(log.read(), "6,1,2,-;after\n");
    }

    #[test]
    fn deaths_of_before_are_others() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path());
        std::fs::create_dir(root.path().join("dev")).unwrap();
        let up = u64::try_from(clock_gettime(ClockId::Monotonic).tv_sec).unwrap() * 1_000_000;
        let line = |tid: u32, micros: u64| {
            format!("6,{tid},{micros},-;a[{tid}]: segfault at 0 ip 559f625d6311 sp 7fffb3e2fda8 error 4\n")
        };
        // One at the boot, one just now.
        std::fs::write(host.path(KMSG), line(1, 0) + &line(2, up)).unwrap();
        let since = |age: u64| {
            let crashes = kernel_crashes_since(&host, SystemTime::now() - Duration::from_secs(age));
            crashes.iter().map(|(_, crash)| crash.remains.tid).collect::<Vec<_>>()
        };
        assert_eq!(since(up / 1_000_000 + 60), [1, 2]);
        assert_eq!(since(if up > 20_000_000 { 10 } else { 0 }).last(), Some(&2));
        if up > 20_000_000 {
            assert_eq!(since(10), [2]);
        }
    }
}
