//! Cores in abrt's problem folders: `coredump` (or `coredump.gz`, …), and an item of the problem in each file beside it.
//!
//! The items are those of libreport's `problem_data.h`; a folder counts as a problem's where its `type` (or, of old,
//! `analyzer`) is `CCpp`.

use std::io::Read;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::{LONGEST_VALUE, StoreFacts, text};
use crate::regular::{Links, open_regular};

/// Items that are kept as they are.
const KEPT: [&str; 6] = ["reason", "hostname", "package", "component", "kernel", "os_release"];

/// Returns what abrt says of the core at `path`, if it lies in a problem's folder.
pub(super) fn facts(path: &Path) -> Option<StoreFacts> {
    let name = path.file_name()?.to_str()?;
    if name != "coredump" && !name.starts_with("coredump.") {
        return None;
    }
    let folder = path.parent()?;
    let item = |name: &str| item(folder, name);
    if !["type", "analyzer"].iter().any(|kind| item(kind).as_deref() == Some("CCpp")) {
        return None;
    }
    let number = |name: &str| item(name)?.parse().ok();
    let mut facts = StoreFacts::of("abrt");
    facts.process.pid = number("pid");
    facts.process.uid = number("uid");
    facts.process.executable = item("executable");
    facts.process.command_line = item("cmdline");
    facts.time = item("time")
        .and_then(|time| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(time.parse().ok()?)));
    for name in KEPT {
        facts.keep(name, item(name));
    }
    Some(facts)
}

fn item(folder: &Path, name: &str) -> Option<String> {
    let (file, _) = open_regular(&folder.join(name), Links::Refuse).ok()?;
    let mut bytes = Vec::new();
    file.take(LONGEST_VALUE as u64).read_to_end(&mut bytes).ok()?;
    text(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problems_items_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let items = [
            ("type", "CCpp"),
            ("pid", "4711\n"),
            ("uid", "1000"),
            ("executable", "/usr/bin/parser"),
            ("cmdline", "parser --in x"),
            ("time", "1700000000"),
            ("reason", "parser killed by SIGSEGV"),
        ];
        for (name, value) in items {
            std::fs::write(folder.path().join(name), value).unwrap();
        }
        for name in ["coredump", "coredump.zst"] {
            let facts = facts(&folder.path().join(name)).unwrap();
            assert_eq!(facts.collector, "abrt");
            assert_eq!((facts.process.pid, facts.process.uid), (Some(4711), Some(1000)));
            assert_eq!(facts.process.executable.as_deref(), Some("/usr/bin/parser"));
            assert_eq!(facts.process.command_line.as_deref(), Some("parser --in x"));
            assert_eq!(facts.time, Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)));
            assert_eq!(facts.others.len(), 1);
            assert_eq!(facts.others["reason"], "parser killed by SIGSEGV");
        }
        assert_eq!(facts(&folder.path().join("core")), None);
        std::fs::write(folder.path().join("type"), "Python3").unwrap();
        assert_eq!(facts(&folder.path().join("coredump")), None);
    }
}
