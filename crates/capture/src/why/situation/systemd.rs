//! What systemd-coredump does with the cores that it is given.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::host::Host;

/// Where coredump.conf and the folder of its drop-ins lie, the strongest first (coredump.conf(5)).
const FOLDERS: [&str; 4] = ["/etc/systemd", "/run/systemd", "/usr/local/lib/systemd", "/usr/lib/systemd"];
/// The socket that the handler passes a core on to.
const SOCKET: &str = "/run/systemd/coredump";
/// The socket of the journal, where each core gets its entry.
const JOURNAL: &str = "/run/systemd/journal/socket";
/// Settings that make cores smaller than they were, or make them vanish.
const SIZES: [&str; 5] = ["ProcessSizeMax", "ExternalSizeMax", "JournalSizeMax", "MaxUse", "KeepFree"];

/// What systemd-coredump does with the cores that it is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Systemd {
    /// Whether the socket is missing that the handler passes cores on to.
    pub socket_missing: bool,
    /// Whether the journal is missing that lists the cores.
    pub journal_missing: bool,
    /// Whether its settings say that no core is kept.
    pub keeps_none: bool,
    /// Settings that limit the size of one core or of all, as `Key=Value`.
    pub limits: Vec<String>,
    /// Whether abrt is here, which takes its own copy of each core.
    pub abrt: bool,
}

impl Systemd {
    /// Looks at what is installed and running on `host`.
    pub(super) fn of(host: &Host) -> Systemd {
        let settings = settings(host);
        let is =
            |key: &str, value: &str| settings.get(key).is_some_and(|set| set.eq_ignore_ascii_case(value));
        let limits = SIZES.iter().filter_map(|key| Some(format!("{key}={}", settings.get(*key)?)));
        Systemd {
            socket_missing: !host.path(SOCKET).exists(),
            journal_missing: !host.path(JOURNAL).exists(),
            keeps_none: is("Storage", "none") || is("ProcessSizeMax", "0") || is("ExternalSizeMax", "0"),
            limits: limits.collect(),
            abrt: host.path("/var/spool/abrt").is_dir(),
        }
    }
}

/// Returns what coredump.conf and its drop-ins say.
fn settings(host: &Host) -> BTreeMap<String, String> {
    let mut settings = BTreeMap::new();
    let main = FOLDERS
        .iter()
        .find_map(|folder| std::fs::read_to_string(host.path(folder).join("coredump.conf")).ok());
    read(&main.unwrap_or_default(), &mut settings);
    for file in drop_ins(host).values() {
        read(&std::fs::read_to_string(file).unwrap_or_default(), &mut settings);
    }
    settings
}

/// Returns the drop-ins in the order of their names; of two that have one name, that in the stronger folder.
fn drop_ins(host: &Host) -> BTreeMap<OsString, PathBuf> {
    let folders = FOLDERS.iter().rev().map(|folder| host.path(folder).join("coredump.conf.d"));
    let files = folders.filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
    files
        .map(|entry| (entry.file_name(), entry.path()))
        .filter(|(_, path)| path.extension().is_some_and(|extension| extension == "conf"))
        .collect()
}

/// Adds the assignments of a file's `[Coredump]` section; an empty one takes the setting back.
fn read(text: &str, settings: &mut BTreeMap<String, String>) {
    let mut ours = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            ours = line == "[Coredump]";
        } else if let Some((key, value)) =
            line.split_once('=').filter(|_| ours && !line.starts_with(['#', ';']))
        {
            match value.trim() {
                "" => settings.remove(key.trim()),
                value => settings.insert(key.trim().to_owned(), value.to_owned()),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::tests::fake;

    fn put(host: &Host, path: &str, content: &str) {
        std::fs::create_dir_all(host.path(path).parent().unwrap()).unwrap();
        std::fs::write(host.path(path), content).unwrap();
    }

    #[test]
    fn drop_ins_change_what_the_main_file_says() {
        let (_root, host) = fake(&[]);
        put(&host, "/usr/lib/systemd/coredump.conf", "[Coredump]\nMaxUse=9G\n");
        put(
            &host,
            "/etc/systemd/coredump.conf",
            "[Coredump]\n#Storage=none\nProcessSizeMax=2G\n[Other]\nMaxUse=1\n",
        );
        assert_eq!(Systemd::of(&host).limits, ["ProcessSizeMax=2G"]);
        assert!(!Systemd::of(&host).keeps_none);
        put(&host, "/usr/lib/systemd/coredump.conf.d/50-ci.conf", "[Coredump]\nStorage=none\n");
        assert!(Systemd::of(&host).keeps_none);
        put(&host, "/etc/systemd/coredump.conf.d/50-ci.conf", "[Coredump]\nProcessSizeMax=\n");
        assert_eq!(Systemd::of(&host).limits, [""; 0]);
        assert!(!Systemd::of(&host).keeps_none, "the stronger file of that name hides the other");
    }
}
