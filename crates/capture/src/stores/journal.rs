//! What systemd-coredump logs of a core that it did not keep.
//!
//! Its fields are in systemd.journal-fields(7) and `src/coredump/coredump.c`, its messages only in the latter (systemd
//! 252 to 257). One process of systemd-coredump handles one crash, and what it logs has its `_PID`, unless it ends so
//! soon that journald cannot ask for that.

use std::path::Path;

use serde_json::{Map, Value};

use crate::text::quoted;
use crate::why::NoCore;

/// Most entries that are read.
const MOST_ENTRIES: usize = 10_000;
/// The longest message that is quoted, in characters.
const LONGEST_MESSAGE: usize = 200;

/// A core that is in the journal itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InJournal {
    /// The process that died.
    pub pid: u32,
    /// Where its entry is (`__CURSOR` of systemd.journal-fields(7)): process ids come back.
    pub(super) cursor: Option<String>,
}

/// What systemd-coredump logged of one crash.
#[derive(Debug)]
struct Handled {
    /// The process that died.
    pid: u32,
    user: Option<u32>,
    /// The process of systemd-coredump, where an entry says so.
    logger: Option<String>,
    /// Whether it came to the entry that it logs at its end.
    done: bool,
    /// The file that it kept the core in.
    file: Option<String>,
    /// Whether it kept the core in the journal itself.
    in_journal: bool,
    /// Where the entry is that it logs at its end.
    cursor: Option<String>,
    /// What else it said.
    messages: Vec<String>,
}

/// Says why there is no core of one of the processes `dead`, or without any, of the last process of this user that
/// systemd-coredump was called for.
pub(super) fn why_not_kept(log: &str, dead: &[u32]) -> Option<NoCore> {
    let user = rustix::process::geteuid().as_raw();
    let is_meant = |handled: &Handled| match dead {
        [] => handled.user == Some(user),
        dead => dead.contains(&handled.pid),
    };
    read(log).iter().rev().find(|handled| is_meant(handled)).map(explain)
}

/// Lists the cores of processes, of `dead` or else of these users, that are in the journal itself, oldest first.
pub(super) fn in_journal(log: &str, dead: &[u32], users: &[u32]) -> Vec<InJournal> {
    let is_meant = |handled: &&Handled| match dead {
        [] => handled.user.is_some_and(|user| users.contains(&user)),
        dead => dead.contains(&handled.pid),
    };
    let meant = read(log).into_iter().filter(|handled| handled.in_journal && is_meant(&handled));
    meant.map(|handled| InJournal { pid: handled.pid, cursor: handled.cursor }).collect()
}

fn read(log: &str) -> Vec<Handled> {
    let mut all: Vec<Handled> = Vec::new();
    for line in log.lines().take(MOST_ENTRIES) {
        let Ok(Value::Object(entry)) = serde_json::from_str(line) else { continue };
        let logger = text(&entry, "_PID").map(str::to_owned);
        let message = text(&entry, "MESSAGE").unwrap_or_default();
        let pid =
            text(&entry, "COREDUMP_PID").and_then(|pid| pid.parse().ok()).or_else(|| process_in(message));
        let is_same = |handled: &&mut Handled| match pid {
            Some(pid) => handled.pid == pid && !handled.done,
            None => logger.is_some() && handled.logger == logger,
        };
        match (all.iter_mut().rev().find(is_same), pid) {
            (Some(handled), _) => handled.take(&entry, logger, message),
            (None, Some(pid)) => {
                let mut handled = Handled {
                    pid,
                    user: None,
                    logger: None,
                    done: false,
                    file: None,
                    in_journal: false,
                    cursor: None,
                    messages: Vec::new(),
                };
                handled.take(&entry, logger, message);
                all.push(handled);
            }
            (None, None) => {}
        }
    }
    all
}

impl Handled {
    fn take(&mut self, entry: &Map<String, Value>, logger: Option<String>, message: &str) {
        self.logger = self.logger.take().or(logger);
        self.user = self.user.or_else(|| text(entry, "COREDUMP_UID")?.parse().ok());
        // Since systemd 254 the first entry says that it has begun, and has the fields too.
        if message.ends_with("processing...") {
            return;
        }
        if entry.contains_key("COREDUMP_PID") {
            self.done = true;
            self.file = text(entry, "COREDUMP_FILENAME").map(str::to_owned);
            // Its value is too large for this form, which says null then.
            self.in_journal = entry.contains_key("COREDUMP");
            self.cursor = text(entry, "__CURSOR").map(str::to_owned);
        } else {
            let first_line = message.lines().next().unwrap_or_default();
            self.messages.push(first_line.chars().take(LONGEST_MESSAGE).collect());
        }
    }
}

/// Finds the process in a message: `Resource limits disable core dumping for process 4711 (comm).`
fn process_in(message: &str) -> Option<u32> {
    let (_, rest) = message.split_once("process ").or_else(|| message.split_once("Process "))?;
    rest.split_once(" (")?.0.parse().ok()
}

/// Returns a field's text; a field that occurs twice, is too large, or no text, has none.
fn text<'a>(entry: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    entry.get(name)?.as_str()
}

fn explain(handled: &Handled) -> NoCore {
    let pid = handled.pid;
    let said = |part: &str| handled.messages.iter().find(|message| message.contains(part));
    let (code, sentence, advice) = match handled {
        _ if said("Resource limits disable core dumping").is_some() => (
            "store_limit",
            format!("systemd-coredump kept no core of process {pid}, whose core size limit is below a page"),
            "put `ulimit -c unlimited` into the very step that crashes, or start its command with `epitaph run --`"
                .to_owned(),
        ),
        Handled { file: Some(file), .. } if Path::new(file).try_exists().unwrap_or(true) => (
            "store_unreadable",
            format!("systemd-coredump kept the core of process {pid} as {}, which was not taken", quoted(file.as_bytes())),
            "run epitaph as root or as the user whose process died, or give that path as an argument".to_owned(),
        ),
        Handled { file: Some(file), .. } => (
            "store_removed",
            format!("systemd-coredump kept the core of process {pid} as {}, which is gone", quoted(file.as_bytes())),
            "collect sooner, or raise MaxUse= and lower KeepFree= in coredump.conf(5), by which old cores are removed"
                .to_owned(),
        ),
        Handled { in_journal: true, .. } => (
            "store_in_journal",
            format!("systemd-coredump keeps the core of process {pid} in the journal (Storage=journal)"),
            format!(
                "epitaph takes it out where it may read the journal: be root or in the group systemd-journal; or \
                 coredumpctl dump {pid} -o core.{pid}, then epitaph collect core.{pid}"
            ),
        ),
        Handled { done: false, .. } => (
            "store_unfinished",
            match handled.messages.last() {
                Some(message) => format!(
                    "systemd-coredump was given the core of process {pid} and did not finish: {}",
                    quoted(message.as_bytes())
                ),
                None => format!(
                    "systemd-coredump was given the core of process {pid} and did not finish: it has five minutes, \
                     or it died"
                ),
            },
            "see journalctl -t systemd-coredump; a large core takes long to compress: Compress=no in coredump.conf(5), or \
             a longer RuntimeMaxSec= of systemd-coredump@.service"
                .to_owned(),
        ),
        _ => match handled.messages.last() {
            Some(message) => (
                "store_refused",
                format!("systemd-coredump kept no core of process {pid}: {}", quoted(message.as_bytes())),
                "see coredump.conf(5): ProcessSizeMax=, ExternalSizeMax=, KeepFree=; and the disk of /var/lib/systemd"
                    .to_owned(),
            ),
            None => (
                "store_disabled",
                format!("systemd-coredump logged the crash of process {pid} and kept no core (Storage=none)"),
                "set Storage=external in coredump.conf(5)".to_owned(),
            ),
        },
    };
    NoCore { code, sentence, advice }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `journalctl --output=json` (systemd 252) tells of crashes that systemd-coredump was really given, without the
    /// fields that nobody reads here; the last three are as systemd writes them since 254.
    const LOG: &str = r#"
{"_PID":"8822","COREDUMP_PID":"8818","COREDUMP_UID":"0","COREDUMP_FILENAME":"/nowhere/core.sleep.0.62169e326ea2470aa2c9f7ec18ab8c7f.8818.1795445421000000.zst","MESSAGE":"Process 8818 (sleep) of user 0 dumped core.\n\nStack trace of thread 8818:"}
{"MESSAGE":"Resource limits disable core dumping for process 8833 (sleep)."}
{"_PID":"8837","COREDUMP_PID":"8833","COREDUMP_UID":"0","MESSAGE":"Process 8833 (sleep) of user 0 terminated abnormally without generating a coredump."}
{"_PID":"8853","COREDUMP_PID":"8848","COREDUMP_UID":"0","COREDUMP":null,"MESSAGE":"Process 8848 (sleep) of user 0 dumped core."}
{"_PID":"8861","COREDUMP_PID":"8857","COREDUMP_UID":"0","MESSAGE":"Process 8857 (sleep) of user 0 dumped core.\n\nStack trace of thread 8857:"}
{"_PID":"8900","COREDUMP_PID":"8899","COREDUMP_UID":"4294967294","MESSAGE":"Process 8899 (sleep) of user 4294967294 terminated abnormally with signal 11/SEGV, processing..."}
{"_PID":"8910","COREDUMP_PID":"8909","COREDUMP_UID":"4294967294","MESSAGE":"Process 8909 (sleep) of user 4294967294 terminated abnormally with signal 11/SEGV, processing..."}
{"_PID":"8910","MESSAGE":"Failed to write core file: No space left on device"}
"#;

    fn why(dead: &[u32]) -> (&'static str, String) {
        let why = why_not_kept(LOG, dead).unwrap();
        (why.code, why.sentence)
    }

    #[test]
    fn each_fate_has_its_reason() {
        for (pid, code, part) in [
            (8818, "store_removed", ".8818.1795445421000000.zst`, which is gone"),
            (8833, "store_limit", "whose core size limit is below a page"),
            (8848, "store_in_journal", "Storage=journal"),
            (8857, "store_disabled", "Storage=none"),
            (8899, "store_unfinished", "five minutes"),
            (8909, "store_unfinished", "`Failed to write core file: No space left on device`"),
        ] {
            let (told, sentence) = why(&[pid]);
            assert_eq!(told, code, "{sentence}");
            assert!(sentence.contains(&format!("process {pid}")) && sentence.contains(part), "{sentence}");
        }
        assert_eq!(why_not_kept(LOG, &[5]), None);
        assert_eq!(why(&[5, 8833]).0, "store_limit");
    }

    #[test]
    fn a_file_that_is_there_cannot_be_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().display();
        let log = format!(r#"{{"_PID":"1","COREDUMP_PID":"7","COREDUMP_FILENAME":"{path}","MESSAGE":"x"}}"#);
        assert_eq!(why_not_kept(&log, &[7]).unwrap().code, "store_unreadable");
    }

    #[test]
    fn without_a_process_the_last_of_this_user_counts() {
        let user = rustix::process::geteuid().as_raw();
        let entry = |user: u32, pid: u32| {
            format!(r#"{{"_PID":"{pid}1","COREDUMP_PID":"{pid}","COREDUMP_UID":"{user}","MESSAGE":"x"}}"#)
        };
        let log = [entry(user, 7), entry(user, 8), entry(user + 1, 9)].join("\n");
        assert!(why_not_kept(&log, &[]).unwrap().sentence.contains("process 8"));
    }

    #[test]
    fn what_is_no_entry_is_passed_over() {
        for log in ["", "{", "[]", "{}\nnull\n", r#"{"_PID":1,"COREDUMP_PID":["7","8"],"MESSAGE":[1,2]}"#] {
            assert_eq!(why_not_kept(log, &[7]), None, "{log}");
        }
        let long = "x".repeat(9 * LONGEST_MESSAGE);
        let log = format!(r#"{{"MESSAGE":"for process 7 (a) {long}"}}"#);
        assert!(why_not_kept(&log, &[7]).unwrap().sentence.len() < 2 * LONGEST_MESSAGE);
    }
}
