//! Asks collectors' own tools and logs, within bounds, and only where they are there.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, SystemTime};

use crate::host::Host;

/// Where `journalctl` is; never looked up in `PATH`, which is the job's.
const JOURNALCTL: [&str; 2] = ["/usr/bin/journalctl", "/run/current-system/sw/bin/journalctl"];
/// The fields that are asked for: others hold the environment of the process, and its core.
const FIELDS: &str = "--output-fields=_PID,MESSAGE,COREDUMP,COREDUMP_PID,COREDUMP_UID,COREDUMP_FILENAME";
/// Longest time that it may take: journals of years are searched by an index.
const LONGEST: Duration = Duration::from_secs(10);
/// Most bytes that are read of an answer, and from the end of a log.
const MOST: u64 = 4 << 20;
/// Where apport writes what it does.
const APPORT_LOG: &str = "/var/log/apport.log";

/// Returns what the journal has of systemd-coredump since a time, an entry a line (`journalctl --output=json`); `None`
/// where there is no journal, or it doesn't answer.
pub(super) fn journal(host: &Host, since: SystemTime) -> Option<String> {
    answer(journalctl(host, Begin::At(since))?.args(["--output=json", FIELDS]))
}

/// The first entry that the journal is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Begin<'a> {
    /// The first one since a time.
    At(SystemTime),
    /// This very one.
    Cursor(&'a str),
}

/// Prepares to ask the journal for what systemd-coredump has logged; `None` where nobody can be asked.
pub(super) fn journalctl(host: &Host, begin: Begin<'_>) -> Option<Command> {
    let program = JOURNALCTL.iter().map(|path| host.path(path)).find(|path| path.is_file())?;
    let mut command = Command::new(program);
    command.args(["--no-pager", "--quiet", "SYSLOG_IDENTIFIER=systemd-coredump"]);
    // journalctl(1) takes one of them.
    command.arg(match begin {
        Begin::At(time) => {
            let seconds = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
            format!("--since=@{seconds}")
        }
        Begin::Cursor(cursor) => format!("--cursor={cursor}"),
    });
    Some(command)
}

/// Returns the end of what apport wrote.
pub(super) fn apport_log(host: &Host) -> Option<String> {
    let mut file = File::open(host.path(APPORT_LOG)).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let size = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(MOST))).ok()?;
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Runs a command and returns what it prints, unless it fails or takes too long.
fn answer(command: &mut Command) -> Option<String> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    let stdout = child.stdout.take()?;
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = stdout.take(MOST).read_to_end(&mut bytes);
        let _ = send.send(read.map(|_| bytes));
    });
    let bytes = receive.recv_timeout(LONGEST).ok().and_then(Result::ok);
    // It has ended, printed too much, or takes too long: whichever it is, nothing more is wanted of it.
    let _ = child.kill();
    let _ = child.wait();
    bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_that_are_not_there_are_not_asked() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path());
        assert_eq!(journal(&host, SystemTime::now()), None);
        assert_eq!(apport_log(&host), None);
    }

    #[test]
    fn a_tool_is_asked_for_what_happened_since() {
        use std::os::unix::fs::PermissionsExt as _;
        let _one_at_a_time = crate::run::tests::alone();
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path());
        let tool = host.path("/usr/bin/journalctl");
        std::fs::create_dir_all(tool.parent().unwrap()).unwrap();
        std::fs::write(&tool, "#!/bin/sh\necho \"$@\"\n").unwrap();
        std::fs::set_permissions(&tool, std::fs::Permissions::from_mode(0o755)).unwrap();
        let since = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let asked = journal(&host, since).unwrap();
        assert!(asked.contains("--output=json") && asked.contains("--since=@1700000000"), "{asked}");
    }
}
