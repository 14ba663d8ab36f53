//! What a crash is called.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::time::SystemTime;

use epitaph_elf::ReadAt;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::digest::hex;
use crate::names::safe_name;

/// Bytes of a core's start, and of its end, that tell one crash from another.
const SAMPLE: u64 = 64 * 1024;
/// Hex digits of an id that identify the crash; what stands before them is for people.
const FINGERPRINT_DIGITS: usize = 16;
/// Longest part that the executable's name takes.
const LONGEST_EXECUTABLE: usize = 40;
/// Longest part that the signal's name takes.
const LONGEST_SIGNAL: usize = 16;
/// The longest id that is taken.
pub(crate) const LONGEST_ID: usize = 100;

/// What makes one crash on one machine that crash and no other.
///
/// It must be the same for everyone who collects the crash (`run`, then `collect`, perhaps of a copy of the core), so
/// it holds only what the core and the machine say, never where or when the core was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    host: Vec<u8>,
    boot: String,
    pid: Option<u32>,
    core: [u8; 32],
}

impl Identity {
    /// Returns the identity of a crash on this machine: host name, boot ID, `pid` and a digest of the core.
    ///
    /// The digest is over the core's size and its first and last 64 KiB. The first hold the notes (registers, times,
    /// randomized addresses); the last usually hold the end of the main stack, where the kernel put the 16 random
    /// bytes of `AT_RANDOM`. So two crashes of one program differ even where address randomization is off.
    pub fn on_this_host(core: &dyn ReadAt, pid: Option<u32>) -> io::Result<Identity> {
        // A host that hides its name or boot ID is told apart by the core alone.
        let host = nix::unistd::gethostname().map(|name| name.as_bytes().to_vec()).unwrap_or_default();
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Ok(Identity { host, boot: boot.trim().to_owned(), pid, core: sample(core)? })
    }

    fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        // Each field is preceded by its length, so that no two lists of fields have the same bytes.
        let pid = self.pid.map(u32::to_le_bytes);
        let pid = pid.as_ref().map_or(&[][..], |pid| pid.as_slice());
        for field in [b"epitaph-crash-id/1", self.host.as_slice(), self.boot.as_bytes(), pid, &self.core] {
            hash.update((field.len() as u64).to_le_bytes());
            hash.update(field);
        }
        let mut digits = hex(&hash.finalize());
        digits.truncate(FINGERPRINT_DIGITS);
        digits
    }
}

fn sample(core: &dyn ReadAt) -> io::Result<[u8; 32]> {
    let size = core.size()?;
    let mut hash = Sha256::new();
    hash.update(size.to_le_bytes());
    let tail = size.saturating_sub(SAMPLE).max(SAMPLE);
    for start in [0, tail] {
        let len = size.saturating_sub(start).min(SAMPLE);
        let mut buf = vec![0; len as usize];
        read_fully(core, start, &mut buf)?;
        hash.update(&buf);
    }
    Ok(hash.finalize().into())
}

fn read_fully(core: &dyn ReadAt, start: u64, buf: &mut [u8]) -> io::Result<()> {
    let mut done = 0;
    while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match core.read_at(start + done as u64, rest) {
            Ok(0) => break, // the file shrank: what is missing stays zero
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Makes the name of a crash: `<time>-<executable>-<signal>-<16 hex digits>`, e.g.
/// `20261122T101501Z-parser-sigsegv-1f2e3d4c5b6a7988`.
///
/// `time` is when the process died, to a second in UTC; `executable` a file name, `signal` as in `SIGSEGV`. The name
/// holds only `[A-Za-z0-9._-]` and at most 100 bytes, whatever it is made of. The digits alone identify the crash:
/// a copy of a core has another time stamp but the same digits, and [`crate::OutputFolder::seal`] goes by them.
pub fn crash_id(time: SystemTime, executable: &OsStr, signal: &str, identity: &Identity) -> String {
    let time = Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH).strftime("%Y%m%dT%H%M%SZ");
    let executable = safe_name(executable.as_bytes(), LONGEST_EXECUTABLE);
    let signal = safe_name(signal.to_ascii_lowercase().as_bytes(), LONGEST_SIGNAL);
    safe_name(format!("{time}-{executable}-{signal}-{}", identity.fingerprint()).as_bytes(), LONGEST_ID)
}

/// Returns the part of an id that identifies the crash, whatever its time stamp, if it is an id of our making.
pub fn fingerprint_of(id: &str) -> Option<&str> {
    let (_, digits) = id.rsplit_once('-')?;
    (digits.len() == FINGERPRINT_DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .then_some(digits)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::names::is_safe_name;

    fn identity(core: &[u8], pid: u32) -> Identity {
        Identity::on_this_host(&core, Some(pid)).unwrap()
    }

    #[test]
    fn an_id_says_when_what_and_how() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_342_501);
        let id = crash_id(time, "parser".as_ref(), "SIGSEGV", &identity(b"x", 1));
        assert_eq!(id.len(), "20261122T101501Z-parser-sigsegv-1f2e3d4c5b6a7988".len());
        assert!(id.starts_with("20261122T101501Z-parser-sigsegv-"), "{id}");
        assert_eq!(fingerprint_of(&id).map(str::len), Some(16));
    }

    #[test]
    fn hostile_parts_make_a_harmless_id() {
        let bytes = [b'/', b'\n', 0xff, b'!'].repeat(80);
        let executable = OsStr::from_bytes(&bytes);
        for time in [SystemTime::UNIX_EPOCH - Duration::from_secs(1 << 40), SystemTime::now()] {
            let id = crash_id(time, executable, "SIG/../42é", &identity(b"x", 1));
            assert!(is_safe_name(&id, LONGEST_ID), "{id}");
            assert!(fingerprint_of(&id).is_some(), "{id}");
        }
    }

    #[test]
    fn the_same_core_is_the_same_crash_and_any_other_is_another() {
        let mut core = vec![7; 300_000];
        let first = identity(&core, 9).fingerprint();
        assert_eq!(identity(&core.clone(), 9).fingerprint(), first);
        assert_ne!(identity(&core, 10).fingerprint(), first);
        core.push(7);
        assert_ne!(identity(&core, 9).fingerprint(), first, "one byte longer");
        core.pop();
        core[299_999] = 8;
        assert_ne!(identity(&core, 9).fingerprint(), first, "another last byte");
        core[299_999] = 7;
        core[0] = 8;
        assert_ne!(identity(&core, 9).fingerprint(), first, "another first byte");
    }

    #[test]
    fn only_ids_of_our_making_have_a_fingerprint() {
        for other in ["", "crash", "a-b", "x-1f2e3d4c5b6a798", "x-1f2e3d4c5b6a798g"] {
            assert_eq!(fingerprint_of(other), None, "{other}");
        }
    }
}
