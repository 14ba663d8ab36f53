//! The log of the running kernel.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt as _;

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::host::Host;

/// Where the kernel gives its log, a record a read (linux/Documentation/ABI/testing/dev-kmsg).
const KMSG: &str = "/dev/kmsg";
/// The longest record (`PRINTK_MESSAGE_MAX` and what is written before it).
const LONGEST_RECORD: usize = 8192;
/// Most bytes of a log that are read: the kernel keeps less, unless it was told otherwise at its start.
const MOST: usize = 16 << 20;

/// Reads the running kernel's log; `None` where it can't be read: in a container, or where only root may
/// (`kernel.dmesg_restrict`).
pub fn kernel_log(host: &Host) -> Option<String> {
    let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY;
    let mut file =
        OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(host.path(KMSG)).ok()?;
    let mut log = Vec::new();
    let mut record = vec![0; LONGEST_RECORD];
    while log.len() < MOST {
        match file.read(&mut record) {
            Ok(0) => break,
            Ok(length) => log.extend_from_slice(record.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Records that were overwritten before they were read.
            Err(error) if error.raw_os_error() == Some(Errno::PIPE.raw_os_error()) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(_) if log.is_empty() => return None,
            Err(_) => break,
        }
    }
    Some(String::from_utf8_lossy(&log).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_no_log() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path());
        assert_eq!(kernel_log(&host), None);
        std::fs::create_dir(root.path().join("dev")).unwrap();
        std::fs::write(host.path(KMSG), "6,1,2,-;hello\n").unwrap();
        assert_eq!(kernel_log(&host).as_deref(), Some("6,1,2,-;hello\n"));
    }
}
