//! Cores that systemd-coredump kept: `core.COMM.UID.BOOTID.PID.TIME`, with extended attributes `user.coredump.*`.
//!
//! Both are documented nowhere; this follows `src/coredump/coredump-submit.c` (`make_filename`, `fix_xattr`) of
//! systemd 252 to 257. A file system may lack the attributes, and a copy may lack the name.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::{LONGEST_VALUE, StoreFacts, text};

/// What compressed files of its end in.
const SUFFIXES: [&str; 3] = [".zst", ".lz4", ".xz"];
/// Hexadecimal digits of a boot id.
const BOOT_ID: usize = 32;

/// Returns what systemd-coredump says of the core in `file`, if it kept it.
pub(super) fn facts(path: &Path, file: &File) -> Option<StoreFacts> {
    let named = path.file_name().and_then(by_name);
    let attribute = |name: &str| attribute(file, name);
    let pid = attribute("pid");
    let mut facts = named.or_else(|| pid.is_some().then(|| StoreFacts::of("systemd-coredump")))?;
    // The attributes say more than the name can: a path, and a name that was not escaped.
    let number = |name: &str| attribute(name)?.parse().ok();
    let process = &mut facts.process;
    process.pid = pid.and_then(|pid| pid.parse().ok()).or(process.pid);
    process.uid = number("uid").or(process.uid);
    process.gid = number("gid");
    process.name = attribute("comm").or(process.name.take());
    process.executable = attribute("exe").filter(|path| path.starts_with('/'));
    facts.signal = attribute("signal").and_then(|signal| signal.parse().ok());
    facts.time = attribute("timestamp").and_then(|time| since_epoch(&time)).or(facts.time);
    facts.keep("hostname", attribute("hostname"));
    facts.keep("rlimit", attribute("rlimit"));
    Some(facts)
}

/// Takes a file's name apart.
fn by_name(name: &OsStr) -> Option<StoreFacts> {
    let name = std::str::from_utf8(name.as_bytes()).ok()?;
    let name = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
    let mut parts = name.strip_prefix("core.")?.rsplitn(5, '.');
    let (time, pid) = (parts.next()?, parts.next()?);
    let (boot_id, uid, comm) = (parts.next()?, parts.next()?, parts.next()?);
    if boot_id.len() != BOOT_ID || !boot_id.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut facts = StoreFacts::of("systemd-coredump");
    facts.process.pid = Some(pid.parse().ok()?);
    facts.process.uid = Some(uid.parse().ok()?);
    facts.process.name = text(&unescape(comm.as_bytes()));
    facts.time = Some(since_epoch(time)?);
    facts.keep("boot_id", Some(boot_id.to_owned()));
    Some(facts)
}

/// Reads microseconds since 1970.
fn since_epoch(text: &str) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_micros(text.parse().ok()?))
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

fn attribute(file: &File, name: &str) -> Option<String> {
    let mut value = vec![0; LONGEST_VALUE];
    let len = rustix::fs::fgetxattr(file, format!("user.coredump.{name}"), value.as_mut_slice()).ok()?;
    text(value.get(..len)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOT: &str = "0123456789abcdef0123456789abcdef";

    fn named(name: &str) -> Option<StoreFacts> {
        by_name(OsStr::new(name))
    }

    #[test]
    fn a_name_tells_who_died_and_when() {
        for suffix in ["", ".zst", ".lz4", ".xz"] {
            let facts =
                named(&format!("core.my\\x2eprog.1000.{BOOT}.4711.1700000000123456{suffix}")).unwrap();
            assert_eq!(facts.collector, "systemd-coredump");
            assert_eq!(facts.process.name.as_deref(), Some("my.prog"));
            assert_eq!((facts.process.uid, facts.process.pid), (Some(1000), Some(4711)));
            assert_eq!(
                facts.time,
                Some(SystemTime::UNIX_EPOCH + Duration::from_micros(1_700_000_000_123_456))
            );
            assert_eq!(facts.others["boot_id"], BOOT);
        }
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
        ] {
            assert_eq!(named(name), None, "{name}");
        }
    }

    #[test]
    fn only_whole_escapes_are_undone() {
        assert_eq!(unescape(br"a\x2fb\x2\xzz\x"), br"a/b\x2\xzz\x");
    }
}
