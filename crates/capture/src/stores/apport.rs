//! What apport logs of a core that it did not keep (`/var/log/apport.log`).
//!
//! A line is `LEVEL: apport (pid PID) TIME: MESSAGE`, with the process id of apport, one per crash. The first message
//! names the process that died: `called for pid 4711, signal 11, …`, in later releases `called for global pid 4711, …`
//! (apport, `data/apport`).

use crate::text::quoted;
use crate::why::NoCore;

/// Beginnings of messages that refuse nothing.
const NO_REASONS: [&str; 10] = [
    "called for ",
    "executable: ",
    "script: ",
    "debug: ",
    "gdbus call",
    "ignoring implausibly big core limit",
    "writing core dump to ",
    "wrote report ",
    "Exiting early",
    "happens for shutting down session",
];

/// Says why apport kept no core of one of the processes `dead`, or without any, of the last that it was called for.
pub(super) fn why_not_kept(log: &str, dead: &[u32]) -> Option<NoCore> {
    let lines: Vec<(&str, &str)> = log.lines().filter_map(split).collect();
    let (at, apport, pid) = lines.iter().enumerate().rev().find_map(|(at, (apport, message))| {
        let pid = called_for(message)?;
        (dead.is_empty() || dead.contains(&pid)).then_some((at, *apport, pid))
    })?;
    let own = lines.iter().skip(at).filter(|(logger, _)| *logger == apport).map(|(_, message)| *message);
    // Apport's process ids are used again.
    let own = own.enumerate().take_while(|(index, message)| *index == 0 || called_for(message).is_none());
    let reasons: Vec<&str> = own
        .map(|(_, message)| message)
        .filter(|message| !NO_REASONS.iter().any(|start| message.starts_with(start)))
        .filter(|message| !crashed_in_container(message) || called_for(message) == Some(pid))
        .collect();
    let reason = reasons.last()?;
    let advice = match () {
        () if reason.contains("does not belong to a package") => {
            "put `ulimit -c unlimited` into the very step that crashes: apport then keeps a core in \
             /var/lib/apport/coredump; or start its command with `epitaph run --`"
        }
        () if reason.contains("already running") => {
            "apport handles one crash at a time: let crashes not happen at once, or send cores to files"
        }
        () if reason.contains("already exists and unseen") || reason.contains("already crashed") => {
            "remove the old report from /var/crash, or send cores to files"
        }
        () if reason.contains("container") => {
            "send cores to files before the container starts: echo '/tmp/core.%p' | sudo tee \
             /proc/sys/kernel/core_pattern"
        }
        () => {
            "see /var/log/apport.log, or send cores to files: echo '/tmp/core.%p' | sudo tee /proc/sys/kernel/core_pattern"
        }
    };
    Some(NoCore {
        code: "store_apport_refused",
        sentence: format!("apport kept no core of process {pid}: {}", quoted(reason.as_bytes())),
        advice: advice.to_owned(),
    })
}

/// Splits a line into the id of the apport that wrote it, and what it says.
fn split(line: &str) -> Option<(&str, &str)> {
    let (apport, rest) = line.split_once(": apport (pid ")?.1.split_once(") ")?;
    // The time has colons too, but no space behind them.
    Some((apport, rest.split_once(": ")?.1.trim_end()))
}

/// Returns the process that a message says apport was called for.
fn called_for(message: &str) -> Option<u32> {
    let rest = match message.strip_prefix("called for ") {
        Some(rest) => rest.strip_prefix("global ").unwrap_or(rest).strip_prefix("pid ")?,
        None if crashed_in_container(message) => message.strip_prefix("host pid ")?,
        None => return None,
    };
    let end = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
    rest.get(..end)?.parse().ok()
}

fn crashed_in_container(message: &str) -> bool {
    message.starts_with("host pid ") && message.contains(" crashed in a ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As apport of Ubuntu 22.04 and of 24.04 writes.
    const LOG: &str = "\
ERROR: apport (pid 17768) Thu Apr 27 03:08:58 2023: called for pid 17767, signal 11, core limit 0, dump mode 1
ERROR: apport (pid 17768) Thu Apr 27 03:08:58 2023: executable: /a.out (command line \"./a.out\")
ERROR: apport (pid 17768) Thu Apr 27 03:08:58 2023: executable does not belong to a package, ignoring
INFO: apport (pid 109) 2026-07-24 11:58:36,091: called for global pid 108, signal 6, core limit 0, dump mode 1
INFO: apport (pid 111) 2026-07-24 11:58:36,092: called for global pid 110, signal 6, core limit 0, dump mode 1
ERROR: apport (pid 111) 2026-07-24 11:58:36,093: another apport instance is already running, aborting
ERROR: apport (pid 109) 2026-07-24 11:58:36,093: report /var/crash/_usr_sbin_cupsd.0.crash already exists and unseen, skipping to avoid disk usage DoS
ERROR: apport (pid 64872) Sun Aug 18 17:28:39 2024: called for pid 64871, signal 11, core limit 18446744073709551615, dump mode 1
ERROR: apport (pid 64872) Sun Aug 18 17:28:39 2024: ignoring implausibly big core limit, treating as unlimited
ERROR: apport (pid 64872) Sun Aug 18 17:28:39 2024: executable: /home/a.out (command line \"./a.out\")
ERROR: apport (pid 64872) Sun Aug 18 17:28:39 2024: writing core dump to core._home_a_out.1000.f51f0527-4e10-4be1-b463-4f8019c6299a.64871.30416479 (limit: -1)
ERROR: apport (pid 70) Sun Aug 18 17:28:40 2024: host pid 69 crashed in a container without apport support
";

    #[test]
    fn the_reason_is_that_of_the_process_asked_for() {
        for (pid, reason) in [
            (17767, Some("`executable does not belong to a package, ignoring`")),
            (108, Some("already exists and unseen")),
            (110, Some("another apport instance is already running")),
            (64871, None),
            (69, Some("in a container without apport support")),
            (5, None),
        ] {
            let why = why_not_kept(LOG, &[pid]);
            match (reason, why) {
                (Some(reason), Some(why)) => {
                    assert!(why.sentence.starts_with(&format!("apport kept no core of process {pid}: ")));
                    assert!(why.sentence.contains(reason), "{}", why.sentence);
                }
                (None, None) => {}
                (expected, got) => panic!("{pid}: {expected:?}, but {got:?}"),
            }
        }
        assert!(why_not_kept(LOG, &[5, 110]).unwrap().sentence.contains("process 110"));
        assert!(why_not_kept(LOG, &[]).unwrap().sentence.contains("process 69"));
    }

    #[test]
    fn an_id_of_apport_that_comes_again_is_another_crash() {
        let again = format!(
            "{LOG}{}",
            "\
ERROR: apport (pid 17768) Thu Apr 27 04:00:00 2023: called for pid 5, signal 11, core limit 0, dump mode 1
ERROR: apport (pid 17768) Thu Apr 27 04:00:00 2023: this executable already crashed 2 times, ignoring
"
        );
        assert!(why_not_kept(&again, &[17767]).unwrap().sentence.contains("does not belong"));
        assert!(why_not_kept(&again, &[5]).unwrap().sentence.contains("already crashed 2 times"));
    }

    #[test]
    fn crafted_lines_are_quoted_and_do_no_harm() {
        let log = "ERROR: apport (pid 1) x: called for pid 7, s\nERROR: apport (pid 1) x: a\u{1b}[0m\n(pid\n: apport (pid ) : ";
        assert_eq!(
            why_not_kept(log, &[7]).unwrap().sentence,
            "apport kept no core of process 7: `a\\u{1b}[0m`"
        );
    }
}
