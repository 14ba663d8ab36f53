//! Cores that systemd-coredump kept: files that it names ([`StoreName`]), with extended attributes `user.coredump.*`.
//!
//! The attributes are documented nowhere; this follows `src/coredump/coredump-submit.c` (`fix_xattr`) of systemd 252 to
//! 257. A file system may lack them, and a copy may lack the name.

use std::fs::File;
use std::time::{Duration, SystemTime};

use super::{LONGEST_VALUE, StoreFacts, StoreName, text};

/// Returns what systemd-coredump says of the core in `file`, if it kept it; `named` is what the file's name says.
pub(super) fn facts(named: Option<&StoreName>, file: &File) -> Option<StoreFacts> {
    let named = named.filter(|name| name.collector == "systemd-coredump").cloned().map(StoreFacts::from);
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

/// Reads microseconds since 1970.
fn since_epoch(text: &str) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_micros(text.parse().ok()?))
}

fn attribute(file: &File, name: &str) -> Option<String> {
    let mut value = vec![0; LONGEST_VALUE];
    let len = rustix::fs::fgetxattr(file, format!("user.coredump.{name}"), value.as_mut_slice()).ok()?;
    text(value.get(..len)?)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use epitaph_testkit::skip::skipped;

    use super::*;

    #[test]
    fn attributes_say_more_than_the_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = File::create(folder.path().join("core")).unwrap();
        assert_eq!(facts(None, &file), None);
        let set = |name: &str, value: &str| {
            let flags = rustix::fs::XattrFlags::empty();
            rustix::fs::fsetxattr(&file, format!("user.coredump.{name}"), value.as_bytes(), flags)
        };
        if set("pid", "4711").is_err() {
            return skipped("the file system of temporary files has no extended attributes");
        }
        for (name, value) in [
            ("uid", "1000"),
            ("signal", "11"),
            ("comm", "my.prog"),
            ("exe", "/usr/bin/my.prog"),
            ("timestamp", "1700000000123456"),
            ("hostname", "build7"),
        ] {
            set(name, value).unwrap();
        }
        let name = "core.other.1.0123456789abcdef0123456789abcdef.2.1600000000000000.zst";
        for named in [None, StoreName::of(OsStr::new(name))] {
            let facts = facts(named.as_ref(), &file).unwrap();
            assert_eq!(facts.collector, "systemd-coredump");
            let process = facts.process;
            assert_eq!((process.pid, process.uid), (Some(4711), Some(1000)));
            assert_eq!(process.name.as_deref(), Some("my.prog"));
            assert_eq!(process.executable.as_deref(), Some("/usr/bin/my.prog"));
            assert_eq!(facts.signal, Some(11));
            assert_eq!(facts.time, since_epoch("1700000000123456"));
            assert_eq!(facts.others["hostname"], "build7");
        }
    }
}
