//! The names that collectors give to the cores that they keep.
//!
//! None of them is documented; they follow the collectors' sources and what they leave: systemd 252 to 257,
//! `src/coredump/coredump-submit.c` (`make_filename`); apport, `apport/fileutils.py` (`get_core_path`); and WSL, which
//! writes `%TEMP%\wsl-crashes\wsl-crash-TIME-PID-PATH-SIGNAL.dmp`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, SystemTime};

use super::{StoreFacts, text};

/// What compressed files of systemd-coredump end in.
const SUFFIXES: [&str; 3] = [".zst", ".lz4", ".xz"];
/// Digits of a boot id, without and with its dashes.
const PLAIN_BOOT_ID: usize = 32;
const DASHED_BOOT_ID: usize = 36;

/// What the name of a core in a collector's store says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreName {
    /// Who made the name: `systemd-coredump`, `apport`, `wsl`.
    pub collector: &'static str,
    /// The thread's name (`comm`), where the name has it.
    pub comm: Option<String>,
    /// The real user of the process.
    pub uid: Option<u32>,
    /// The process, as the host numbers it.
    pub pid: u32,
    /// The boot that it died in, without dashes.
    pub boot_id: Option<String>,
    /// When it died.
    pub time: Option<SystemTime>,
    /// The number of the signal that ended it.
    pub signal: Option<i32>,
}

impl StoreName {
    /// Takes a file's name apart; `None` of any other name.
    pub fn of(name: &OsStr) -> Option<StoreName> {
        let name = std::str::from_utf8(name.as_bytes()).ok()?;
        of_systemd_or_apport(name).or_else(|| of_wsl(name))
    }
}

/// `core.COMM.UID.BOOTID.PID.TIME` with the time in microseconds since 1970, or in apport's names with the time when the
/// process was started, in clock ticks since the boot.
fn of_systemd_or_apport(name: &str) -> Option<StoreName> {
    let plain = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix));
    let mut parts = plain.unwrap_or(name).strip_prefix("core.")?.rsplitn(5, '.');
    let (time, pid) = (parts.next()?, parts.next()?);
    let (boot_id, uid, comm) = (parts.next()?, parts.next()?, parts.next()?);
    let is_systemds = boot_id.len() == PLAIN_BOOT_ID;
    let may_be_apports = boot_id.len() == DASHED_BOOT_ID && plain.is_none();
    let digits = boot_id.replace('-', "");
    if !(is_systemds || may_be_apports)
        || digits.len() != PLAIN_BOOT_ID
        || !digits.bytes().all(|digit| digit.is_ascii_hexdigit())
    {
        return None;
    }
    let count: u64 = time.parse().ok()?;
    let died = SystemTime::UNIX_EPOCH.checked_add(Duration::from_micros(count));
    Some(StoreName {
        collector: if is_systemds { "systemd-coredump" } else { "apport" },
        // Apport has the program's path there, and what was a slash or a dot is lost.
        comm: if is_systemds { text(&unescape(comm.as_bytes())) } else { None },
        uid: Some(uid.parse().ok()?),
        pid: pid.parse().ok()?,
        boot_id: Some(digits),
        time: if is_systemds { Some(died?) } else { None },
        signal: None,
    })
}

/// `wsl-crash-TIME-PID-PATH-SIGNAL.dmp`, with the time in seconds since 1970 and underscores for slashes.
fn of_wsl(name: &str) -> Option<StoreName> {
    let (head, signal) = name.strip_prefix("wsl-crash-")?.strip_suffix(".dmp")?.rsplit_once('-')?;
    let mut parts = head.splitn(3, '-');
    let (time, pid, _path) = (parts.next()?, parts.next()?, parts.next()?);
    Some(StoreName {
        collector: "wsl",
        comm: None,
        uid: None,
        pid: pid.parse().ok()?,
        boot_id: None,
        time: Some(SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(time.parse().ok()?))?),
        signal: Some(signal.parse().ok()?),
    })
}

impl From<StoreName> for StoreFacts {
    fn from(name: StoreName) -> StoreFacts {
        let mut facts = StoreFacts::of(name.collector);
        facts.process.pid = Some(name.pid);
        facts.process.uid = name.uid;
        facts.process.name = name.comm;
        facts.signal = name.signal;
        facts.time = name.time;
        facts.keep("boot_id", name.boot_id);
        facts
    }
}

/// Undoes systemd's `xescape`: `\x2e` stands for a dot.
fn unescape(mut bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    while let Some((first, rest)) = bytes.split_first() {
        let escaped = bytes.strip_prefix(b"\\x").and_then(|hex| hex.split_at_checked(2));
        let byte = escaped.and_then(|(hex, after)| {
            Some((u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()?, after))
        });
        let (byte, after) = byte.unwrap_or((*first, rest));
        out.push(byte);
        bytes = after;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOT: &str = "0123456789abcdef0123456789abcdef";
    const DASHED: &str = "01234567-89ab-cdef-0123-456789abcdef";

    fn named(name: &str) -> Option<StoreName> {
        StoreName::of(OsStr::new(name))
    }

    #[test]
    fn systemds_names_tell_who_died_and_when() {
        for suffix in ["", ".zst", ".lz4", ".xz"] {
            let name = named(&format!("core.my\\x2eprog.1000.{BOOT}.4711.1700000000123456{suffix}")).unwrap();
            assert_eq!(name.collector, "systemd-coredump");
            assert_eq!(name.comm.as_deref(), Some("my.prog"));
            assert_eq!((name.uid, name.pid), (Some(1000), 4711));
            let died = SystemTime::UNIX_EPOCH + Duration::from_micros(1_700_000_000_123_456);
            assert_eq!(name.time, Some(died));
            assert_eq!(StoreFacts::from(name).others["boot_id"], BOOT);
        }
    }

    #[test]
    fn apports_names_tell_who_died() {
        let name = named(&format!("core._home_me_a_out.1000.{DASHED}.64871.30416479")).unwrap();
        assert_eq!((name.collector, name.pid, name.uid), ("apport", 64871, Some(1000)));
        assert_eq!((name.comm, name.time), (None, None), "the path is spoilt, and the time is the start's");
        assert_eq!(name.boot_id.as_deref(), Some(BOOT));
    }

    #[test]
    fn wsls_names_tell_the_signal() {
        let name = named("wsl-crash-1788256353-129893-_usr_bin_a-b-11.dmp").unwrap();
        assert_eq!((name.collector, name.pid, name.signal), ("wsl", 129_893, Some(11)));
        assert_eq!(name.time, Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_788_256_353)));
    }

    #[test]
    fn other_names_are_other_names() {
        for name in [
            "core.4711",
            "core.parser.4711",
            "core",
            &format!("core.x.1000.{BOOT}.4711"),
            &format!("core.x.1000.{}.4711.17", &BOOT[1..]),
            &format!("core.x.-1.{BOOT}.4711.17"),
            &format!("core.x.0.{BOOT}.4711.18446744073709551616"),
            &format!("core.x.0.{BOOT}.4711.17.gz"),
            &format!("core.x.0.{DASHED}.4711.17.zst"),
            "wsl-crash-1-2-x.dmp",
            "wsl-crash-1-2-x-11.txt",
            "wsl-crash-99999999999999999999-2-x-11.dmp",
        ] {
            assert_eq!(named(name), None, "{name}");
        }
    }

    #[test]
    fn only_whole_escapes_are_undone() {
        assert_eq!(unescape(br"a\x2fb\x2\xzz\x"), br"a/b\x2\xzz\x");
    }
}
