//! Cores that systemd-coredump keeps in the journal (`Storage=journal` of coredump.conf(5)): there is no file of them until
//! they are taken out.

use std::io::{self, BufReader, BufWriter, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, SystemTime};

use rustix::process::{Pid, Signal, kill_process};

use super::export::{Texts, core_of};
use super::{Collector, ask, journal};
use crate::host::Host;
use crate::search::{Candidate, Search, SearchLimits};

/// Most cores that are taken out.
const MOST_CORES: usize = 16;
/// Most bytes of a core: systemd itself keeps up to 767 MiB there (`JournalSizeMax=`).
const MOST_BYTES: u64 = 1 << 30;
/// Longest time for one of them.
const LONGEST: Duration = Duration::from_secs(60);
/// The fields that are asked for: the others hold the environment of the process.
const FIELDS: &str = "--output-fields=COREDUMP,COREDUMP_PID,COREDUMP_UID,COREDUMP_COMM,COREDUMP_TIMESTAMP";
/// Digits of a boot's id.
const BOOT_ID: usize = 32;

/// Why a core stays in the journal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InJournalError {
    /// It can't be read from there, or not be written.
    #[error("the core of process {pid} cannot be taken out of the journal")]
    TakeOut {
        /// The process that died.
        pid: u32,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

/// Returns the processes, of `dead` or else of these users, whose cores systemd-coredump has put into the journal since a
/// time: none where the core pattern leads elsewhere.
pub fn in_journal(host: &Host, dead: &[u32], users: &[u32], since: SystemTime) -> Vec<u32> {
    if Collector::of(host) != Some(Collector::Systemd) {
        return Vec::new();
    }
    let log = ask::journal(host, since).unwrap_or_default();
    let mut processes = journal::in_journal(&log, dead, users);
    processes.truncate(MOST_CORES);
    processes
}

/// Takes the cores of these processes out of the journal, into files in `folder`, which nobody else writes to. They are
/// named as systemd-coredump names its own.
pub fn take_out_of_journal(
    host: &Host,
    processes: &[u32],
    since: SystemTime,
    folder: &Path,
) -> (Vec<Candidate>, Vec<InJournalError>) {
    let failed = processes.iter().filter_map(|pid| {
        let taken = take_out(host, *pid, since, folder);
        taken.err().map(|source| InJournalError::TakeOut { pid: *pid, source })
    });
    let failed = failed.collect();
    let limits = SearchLimits { settle: Duration::ZERO, ..SearchLimits::default() };
    (Search::new(host).folder(folder, 0).limits(limits).run().candidates, failed)
}

fn take_out(host: &Host, pid: u32, since: SystemTime, folder: &Path) -> io::Result<()> {
    let no_answer = || io::Error::other("journalctl gave none");
    let mut command = ask::journalctl(host, since).ok_or_else(no_answer)?;
    command.args(["--output=export", FIELDS]).arg(format!("COREDUMP_PID={pid}"));
    let mut file = tempfile::Builder::new().prefix(".tmp-").tempfile_in(folder)?;
    let texts = in_time(command, |answer| {
        let mut out = BufWriter::new(file.as_file_mut());
        let texts = core_of(&mut BufReader::new(answer), MOST_BYTES, &mut out)?;
        out.flush()?;
        Ok(texts)
    })?;
    let texts = texts.ok_or_else(no_answer)?;
    if let Some(died) = died(&texts) {
        // A file system that keeps no times loses only a convenience.
        let _ = file.as_file().set_modified(died);
    }
    file.persist(folder.join(name(&texts, pid))).map_err(|error| error.error)?;
    Ok(())
}

/// Lets a command be read that is killed when it takes too long.
fn in_time<T>(
    mut command: Command,
    read: impl FnOnce(std::process::ChildStdout) -> io::Result<T>,
) -> io::Result<T> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let answer = child.stdout.take().ok_or_else(|| io::Error::other("it has no standard output"))?;
    let process = Pid::from_child(&child);
    let result = std::thread::scope(|scope| {
        let (done, is_done) = mpsc::channel::<()>();
        scope.spawn(move || {
            if is_done.recv_timeout(LONGEST) == Err(RecvTimeoutError::Timeout) {
                // It is waited for only after this thread, so that its id is still its own.
                let _ = kill_process(process, Signal::KILL);
            }
        });
        let result = read(answer);
        drop(done);
        result
    });
    // It has ended, or nothing more is wanted of it.
    let _ = child.kill();
    let _ = child.wait();
    result
}

/// Reads when the process died: microseconds since 1970.
fn died(texts: &Texts) -> Option<SystemTime> {
    let time = texts.get("COREDUMP_TIMESTAMP")?.parse().ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_micros(time))
}

/// Makes the name that systemd-coredump would have given a file of the core; a plain one where the journal doesn't say
/// enough.
fn name(texts: &Texts, pid: u32) -> String {
    let number = |name: &str| texts.get(name).and_then(|text| text.parse::<u64>().ok());
    let boot = texts
        .get("_BOOT_ID")
        .filter(|id| id.len() == BOOT_ID && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    match (texts.get("COREDUMP_COMM"), number("COREDUMP_UID"), boot, number("COREDUMP_TIMESTAMP")) {
        (Some(comm), Some(user), Some(boot), Some(time)) => {
            format!("core.{}.{user}.{boot}.{pid}.{time}", escaped(comm))
        }
        _ => format!("core.{pid}"),
    }
}

/// Escapes a process's name as systemd does in files' names.
fn escaped(comm: &str) -> String {
    const LONGEST: usize = 15; // `TASK_COMM_LEN` without its NUL
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-+:@".contains(&byte);
    let escape = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("\\x{byte:02x}") };
    comm.bytes().take(LONGEST).map(escape).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use epitaph_summary::CoreSource;

    use super::*;
    use crate::host::tests::fake;

    const BOOT: &str = "0123456789abcdef0123456789abcdef";

    fn texts(pairs: &[(&str, &str)]) -> Texts {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_the_journal_says_names_no_file_elsewhere() {
        let all = |comm: &str, user: &str, boot: &str, time: &str| {
            let texts = [
                ("COREDUMP_COMM", comm),
                ("COREDUMP_UID", user),
                ("_BOOT_ID", boot),
                ("COREDUMP_TIMESTAMP", time),
            ];
            name(&self::texts(&texts), 7)
        };
        assert_eq!(all("my.prog", "0", BOOT, "17"), format!("core.my\\x2eprog.0.{BOOT}.7.17"));
        assert_eq!(
            all("../../\n", "0", BOOT, "17"),
            format!("core.\\x2e\\x2e\\x2f\\x2e\\x2e\\x2f\\x0a.0.{BOOT}.7.17")
        );
        assert!(all(&"/".repeat(500), "0", BOOT, "17").len() < 255);
        for (user, boot, time) in [("x", BOOT, "17"), ("0", "../x", "17"), ("0", BOOT, "1/7")] {
            assert_eq!(all("a", user, boot, time), "core.7");
        }
        assert_eq!(name(&Texts::new(), 7), "core.7");
    }

    /// A journal whose `journalctl` answers with what a file holds.
    #[test]
    fn a_core_is_taken_out_of_what_journalctl_prints() {
        let _one_at_a_time = crate::run::tests::alone();
        let (root, host) =
            fake(&[("kernel/core_pattern", "|/lib/systemd/systemd-coredump %P %u %g %s %t %c %h\n")]);
        let core = epitaph_testkit::core::CoreBuilder::new()
            .thread(epitaph_testkit::core::Thread::new(4711).signal(11))
            .build()
            .to_vec();
        let mut export = format!(
            "_BOOT_ID={BOOT}\nCOREDUMP_PID=4711\nCOREDUMP_UID=0\nCOREDUMP_COMM=my.prog\n\
            COREDUMP_TIMESTAMP=1700000000123456\nCOREDUMP\n"
        )
        .into_bytes();
        export.extend((core.len() as u64).to_le_bytes());
        export.extend(&core);
        export.extend(b"\n\n");
        std::fs::write(root.path().join("export"), export).unwrap();
        let log = r#"{"_PID":"1","COREDUMP_PID":"4711","COREDUMP_UID":"0","COREDUMP":null,"MESSAGE":"dumped core"}"#;
        std::fs::write(root.path().join("json"), log).unwrap();
        let tool = root.path().join("usr/bin/journalctl");
        std::fs::create_dir_all(tool.parent().unwrap()).unwrap();
        let at = root.path().display();
        let script = format!(
            "#!/bin/sh\ncase \"$*\" in\n*=export*COREDUMP_PID=4711*) cat {at}/export;;\n\
            *=json*) cat {at}/json;;\nesac\n"
        );
        std::fs::write(&tool, script).unwrap();
        std::fs::set_permissions(&tool, std::fs::Permissions::from_mode(0o755)).unwrap();

        let since = SystemTime::UNIX_EPOCH;
        assert_eq!(in_journal(&host, &[], &[0], since), [4711]);
        assert_eq!(in_journal(&host, &[4711], &[], since), [4711]);
        assert!(
            in_journal(&host, &[1], &[0], since).is_empty() && in_journal(&host, &[], &[1], since).is_empty()
        );
        let folder = tempfile::tempdir().unwrap();
        let (cores, failed) = take_out_of_journal(&host, &[4711, 12], since, folder.path());
        assert_eq!(failed.len(), 1, "{failed:?}");
        assert_eq!(failed[0].to_string(), "the core of process 12 cannot be taken out of the journal");
        let [taken] = &cores[..] else { panic!("{cores:?}") };
        assert_eq!(std::fs::read(&taken.path).unwrap(), core);
        assert_eq!((taken.source, taken.verified), (CoreSource::Store, true));
        assert_eq!(taken.modified, SystemTime::UNIX_EPOCH + Duration::from_micros(1_700_000_000_123_456));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing half taken is left");
    }
}
