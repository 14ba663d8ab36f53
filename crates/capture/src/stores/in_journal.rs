//! Cores that systemd-coredump keeps in the journal (`Storage=journal` of coredump.conf(5)): there is no file of them until
//! they are taken out.

use std::io::{self, BufReader, BufWriter, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime};

use rustix::process::{Pid, Signal, kill_process};

use super::export::{Texts, core_of};
use super::journal::InJournal;
use super::{Collector, ask, journal};
use crate::host::Host;
use crate::search::{Candidate, Search, SearchLimits};

/// Bounds on what is taken out, of all cores together.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    cores: usize,
    bytes: u64,
    time: Duration,
}

/// systemd itself keeps cores of up to 767 MiB there (`JournalSizeMax=`); where they go to may be memory.
const BOUNDS: Bounds = Bounds { cores: 16, bytes: 1 << 30, time: Duration::from_secs(60) };
/// What stands for the journal in a path.
const PLACE: &str = "journal:";
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

/// What was taken out of the journal.
#[derive(Debug, Default)]
pub struct TakenOut {
    /// The cores, oldest first.
    pub cores: Vec<Candidate>,
    /// Why some others stay there.
    pub failed: Vec<InJournalError>,
    /// How many more stay there, because there are too many, or they are too large or take too long.
    pub left: usize,
}

/// Returns the cores, of the processes `dead` or else of these users', that systemd-coredump has put into the journal since
/// a time, oldest first: none where the core pattern leads elsewhere.
pub fn in_journal(host: &Host, dead: &[u32], users: &[u32], since: SystemTime) -> Vec<InJournal> {
    if Collector::of(host) != Some(Collector::Systemd) {
        return Vec::new();
    }
    journal::in_journal(&ask::journal(host, since).unwrap_or_default(), dead, users)
}

/// Takes these cores out of the journal, into files in `folder`, which nobody else writes to. Their paths are where they
/// came from: `journal:`, and the name that systemd-coredump would have given a file; theirs are soon gone. There is room for 16 cores, 1 GiB and a minute; the last ones come first, since the
/// older one is, the less likely it is of this job.
pub fn take_out_of_journal(host: &Host, cores: &[InJournal], since: SystemTime, folder: &Path) -> TakenOut {
    take_out_within(BOUNDS, host, cores, since, folder)
}

fn take_out_within(
    bounds: Bounds,
    host: &Host,
    cores: &[InJournal],
    since: SystemTime,
    folder: &Path,
) -> TakenOut {
    let until = Instant::now() + bounds.time;
    let mut taken = TakenOut::default();
    let (mut count, mut bytes) = (0, bounds.bytes);
    for core in cores.iter().rev() {
        let time = until.saturating_duration_since(Instant::now());
        if count == bounds.cores || time.is_zero() {
            taken.left += 1;
            continue;
        }
        match take_out(host, core, since, folder, Bounds { cores: 1, bytes, time }) {
            Ok(size) => {
                count += 1;
                bytes = bytes.saturating_sub(size);
            }
            // Alone it would have had room.
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge && bytes < bounds.bytes => {
                taken.left += 1;
            }
            Err(source) => taken.failed.push(InJournalError::TakeOut { pid: core.pid, source }),
        }
    }
    let limits = SearchLimits { settle: Duration::ZERO, ..SearchLimits::default() };
    taken.cores = Search::new(host).folder(folder, 0).limits(limits).run().candidates;
    for core in &mut taken.cores {
        let name = core.path.file_name().unwrap_or_default().to_owned();
        core.path = Path::new(PLACE).join(name);
    }
    taken
}

/// Takes one out; returns how many bytes it has.
fn take_out(
    host: &Host,
    core: &InJournal,
    since: SystemTime,
    folder: &Path,
    bounds: Bounds,
) -> io::Result<u64> {
    let no_answer = || io::Error::other("journalctl gave none");
    let begin = core.cursor.as_deref().map_or(ask::Begin::At(since), ask::Begin::Cursor);
    let mut command = ask::journalctl(host, begin).ok_or_else(no_answer)?;
    command.args(["--output=export", FIELDS]).arg(format!("COREDUMP_PID={}", core.pid));
    let mut file = tempfile::Builder::new().prefix(".tmp-").tempfile_in(folder)?;
    let texts = in_time(command, bounds.time, |answer| {
        let mut out = BufWriter::new(file.as_file_mut());
        let texts = core_of(&mut BufReader::new(answer), bounds.bytes, &mut out)?;
        out.flush()?;
        Ok(texts)
    })?;
    let texts = texts.ok_or_else(no_answer)?;
    let size = file.as_file().metadata()?.len();
    if let Some(died) = died(&texts) {
        // A file system that keeps no times loses only a convenience.
        let _ = file.as_file().set_modified(died);
    }
    file.persist_noclobber(folder.join(name(&texts, core.pid))).map_err(|error| error.error)?;
    Ok(size)
}

/// Lets a command be read that is killed when it takes too long.
fn in_time<T>(
    mut command: Command,
    longest: Duration,
    read: impl FnOnce(std::process::ChildStdout) -> io::Result<T>,
) -> io::Result<T> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let answer = child.stdout.take().ok_or_else(|| io::Error::other("it has no standard output"))?;
    let process = Pid::from_child(&child);
    let result = std::thread::scope(|scope| {
        let (done, is_done) = mpsc::channel::<()>();
        scope.spawn(move || {
            if is_done.recv_timeout(longest) == Err(RecvTimeoutError::Timeout) {
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
    use std::io::Read as _;
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

    /// A host with a journal whose `journalctl` answers by cursor with what files hold, and lists those entries.
    struct Journal {
        root: tempfile::TempDir,
        host: Host,
        log: String,
    }

    impl Journal {
        fn new() -> Journal {
            let (root, host) =
                fake(&[("kernel/core_pattern", "|/lib/systemd/systemd-coredump %P %u %g %s %t %c %h\n")]);
            let tool = root.path().join("usr/bin/journalctl");
            std::fs::create_dir_all(tool.parent().unwrap()).unwrap();
            let script = format!(
                "#!/bin/sh\ncd {}\nfor word; do case $word in --cursor=*) at=${{word#*=}};; *=json) exec cat json;; esac; \
                done\n[ ! -e \"$at.slow\" ] || exec sleep 60\n[ ! -e \"$at\" ] || cat \"$at\"\n",
                root.path().display()
            );
            std::fs::write(&tool, script).unwrap();
            std::fs::set_permissions(&tool, std::fs::Permissions::from_mode(0o755)).unwrap();
            Journal { root, host, log: String::new() }
        }

        /// Adds the core of a crash, with some bytes at its end, as systemd-coredump does.
        fn add(&mut self, cursor: &str, pid: u32, time: u64, bytes: usize) -> Vec<u8> {
            let thread = epitaph_testkit::core::Thread::new(pid).signal(11);
            let mut core = epitaph_testkit::core::CoreBuilder::new().thread(thread).build().to_vec();
            core.resize(core.len() + bytes, 0);
            let mut export = format!(
                "__CURSOR={cursor}\n_BOOT_ID={BOOT}\nCOREDUMP_PID={pid}\nCOREDUMP_UID=0\nCOREDUMP_COMM=my.prog\n\
                COREDUMP_TIMESTAMP={time}\nCOREDUMP\n"
            )
            .into_bytes();
            export.extend((core.len() as u64).to_le_bytes());
            export.extend(&core);
            export.extend(b"\n\n");
            std::fs::write(self.root.path().join(cursor), export).unwrap();
            let entry = format!(
                "{{\"__CURSOR\":\"{cursor}\",\"_PID\":\"1\",\"COREDUMP_PID\":\"{pid}\",\"COREDUMP_UID\":\"0\",\
                 \"COREDUMP\":null,\"MESSAGE\":\"dumped core\"}}\n"
            );
            self.log.push_str(&entry);
            std::fs::write(self.root.path().join("json"), &self.log).unwrap();
            core
        }

        fn cores(&self, dead: &[u32], users: &[u32]) -> Vec<InJournal> {
            in_journal(&self.host, dead, users, SystemTime::UNIX_EPOCH)
        }

        /// Takes out what there is of root's; the folder goes with the answer.
        fn take_out(&self, bounds: Bounds) -> (TakenOut, tempfile::TempDir) {
            let folder = tempfile::tempdir().unwrap();
            let cores = self.cores(&[], &[0]);
            let taken = take_out_within(bounds, &self.host, &cores, SystemTime::UNIX_EPOCH, folder.path());
            (taken, folder)
        }
    }

    fn bytes(core: &Candidate) -> Vec<u8> {
        let mut bytes = Vec::new();
        (&core.file).read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_core_is_taken_out_of_what_journalctl_prints() {
        let _one_at_a_time = crate::run::tests::alone();
        let mut journal = Journal::new();
        let core = journal.add("s=0;i=1", 4711, 1_700_000_000_123_456, 0);
        let pids = |dead: &[u32], users: &[u32]| -> Vec<u32> {
            journal.cores(dead, users).iter().map(|core| core.pid).collect()
        };
        assert_eq!((pids(&[], &[0]), pids(&[4711], &[])), (vec![4711], vec![4711]));
        assert!(pids(&[1], &[0]).is_empty() && pids(&[], &[1]).is_empty());
        let mut cores = journal.cores(&[], &[0]);
        cores.push(InJournal { pid: 12, cursor: Some("s=0;i=2".to_owned()) });
        let folder = tempfile::tempdir().unwrap();
        let taken = take_out_of_journal(&journal.host, &cores, SystemTime::UNIX_EPOCH, folder.path());
        let [error] = &taken.failed[..] else { panic!("{taken:?}") };
        assert_eq!(error.to_string(), "the core of process 12 cannot be taken out of the journal");
        let [only] = &taken.cores[..] else { panic!("{taken:?}") };
        assert_eq!(bytes(only), core);
        assert!(only.path.starts_with("journal:") && !only.path.exists(), "{only:?}");
        assert_eq!((only.source, only.verified, taken.left), (CoreSource::Store, true, 0));
        assert_eq!(only.modified, SystemTime::UNIX_EPOCH + Duration::from_micros(1_700_000_000_123_456));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing half taken is left");
    }

    #[test]
    fn two_cores_of_one_process_id_are_two() {
        let _one_at_a_time = crate::run::tests::alone();
        let mut journal = Journal::new();
        let expected = [journal.add("s=0;i=1", 7, 1_000_000, 1), journal.add("s=0;i=2", 7, 2_000_000, 2)];
        let (taken, _folder) = journal.take_out(BOUNDS);
        let had: Vec<Vec<u8>> = taken.cores.iter().map(bytes).collect();
        assert_eq!((had, taken.failed.len()), (expected.to_vec(), 0));
    }

    /// The last ones come first, and how many are left is told.
    #[test]
    fn all_cores_together_have_bounds() {
        let _one_at_a_time = crate::run::tests::alone();
        let mut journal = Journal::new();
        let sizes: Vec<u64> = (1..=4)
            .map(|pid| journal.add(&format!("s=0;i={pid}"), pid, u64::from(pid) * 1_000_000, 0).len() as u64)
            .collect();
        let pids = |bounds: Bounds| {
            let (taken, _folder) = journal.take_out(bounds);
            let pids: Vec<Option<u32>> = taken.cores.iter().map(Candidate::named_pid).collect();
            (pids, taken.left, taken.failed.len())
        };
        assert_eq!(pids(Bounds { cores: 3, ..BOUNDS }), (vec![Some(2), Some(3), Some(4)], 1, 0));
        let bytes = sizes[2] + sizes[3] + sizes[1] / 2;
        assert_eq!(pids(Bounds { bytes, ..BOUNDS }), (vec![Some(3), Some(4)], 2, 0));
        assert_eq!(pids(Bounds { bytes: 10, ..BOUNDS }), (vec![], 0, 4));
        std::fs::write(journal.root.path().join("s=0;i=2.slow"), "").unwrap();
        let started = Instant::now();
        let time = Duration::from_secs(2);
        assert_eq!(pids(Bounds { time, ..BOUNDS }), (vec![Some(3), Some(4)], 1, 1));
        assert!(started.elapsed() < Duration::from_secs(30));
    }
}
