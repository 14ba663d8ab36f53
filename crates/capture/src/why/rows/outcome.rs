//! What the search and the command themselves say, where nothing forbids a core.

use super::{NoCore, Row, Situation, words};
use crate::canary::Fate;
use crate::run::{Exit, dumps_core};

/// The code of the row that always holds.
pub(crate) const NOTHING_FOUND: &str = "nothing_found";

pub(super) const ROWS: &[Row] = &[
    Row::reason("core_not_found", |situation| {
        let crashed = situation.command.as_ref()?.crashed.iter().find(|crashed| crashed.core_dumped)?;
        words(
            format!(
                "the kernel says that it wrote a core of process {}, but none lies in {}",
                crashed.pid,
                count(situation.searched, "searched folder", "searched folders")
            ),
            "name the folder where the program ran as an argument; a core in a container's own folders \
             stays there",
        )
    }),
    Row::reason("dump_refused", |situation| {
        let crashed = situation.command.as_ref()?.crashed.first()?;
        words(
            format!(
                "process {} was ended by signal {}, and the kernel wrote no core",
                crashed.pid,
                signal(crashed.exit)
            ),
            "it refuses cores of set-user-ID programs, of files that may be executed but not read, of \
             processes that turned them off (prctl, sanitizers, ulimit), and where it cannot create the file; see dmesg",
        )
    }),
    Row::reason("search_cut", |situation| {
        let limit = situation.limits_hit.first()?;
        words(
            format!("none was found before the search was cut short: {limit}"),
            "name the folder where the program ran as an argument",
        )
    }),
    Row::reason("child_crashed", |situation| {
        let command = situation.command.as_ref()?;
        let signal = command.exit.probable_signal().filter(|signal| dumps_core(*signal))?;
        words(
            format!(
                "a program that the command started was ended by signal {signal} (status {}), and its core is not in \
                 {}",
                command.exit.status(),
                count(situation.searched, "searched folder", "searched folders")
            ),
            "name the folder where that program ran as an argument",
        )
    }),
    Row::reason("tracer_kept_signal", |situation| {
        let (command, tracer) = (situation.command.as_ref()?, situation.inherited.tracer?);
        (command.exit != Exit::Code(0)).then_some(())?;
        words(
            format!(
                "no process was seen to crash, and process {tracer} traces this one: it may have kept the signal"
            ),
            "run the job without the debugger or tracer",
        )
    }),
    Row::reason("nothing_crashed", |situation| {
        let command = situation.command.as_ref()?;
        let ending = match command.exit {
            Exit::Code(code) => format!("ended with status {code}"),
            Exit::Signal(signal) => format!("was ended by signal {signal}"),
        };
        words(
            format!("the command {ending}, and no process of it was seen to crash"),
            "where an error is expected to leave a core, turn it into an abort: panic=abort (Rust), \
             GOTRACEBACK=crash (Go), ASAN_OPTIONS=abort_on_error=1:disable_coredump=0 (sanitizers)",
        )
    }),
    Row::reason("only_older_cores", |situation| {
        (situation.older > 0).then_some(())?;
        words(
            format!(
                "{} there, but written before the job began",
                count(situation.older, "core is", "cores are")
            ),
            "give a core's path as an argument to take it all the same",
        )
    }),
];

/// The row that always holds.
pub(crate) fn nothing_found(situation: &Situation) -> NoCore {
    let proof = match situation.canary {
        Some(Fate::Core { .. }) => "a program that crashed here on purpose left one",
        _ => "nothing on this host forbids one",
    };
    NoCore {
        code: NOTHING_FOUND,
        sentence: format!(
            "no core lies in {}, though {proof}",
            count(situation.searched, "searched folder", "searched folders")
        ),
        advice: "name the folder where the program ran as an argument; a program that was ended by no core \
                 signal (SIGSEGV, SIGABRT, …) leaves none"
            .to_owned(),
    }
}

fn signal(exit: Exit) -> i32 {
    match exit {
        Exit::Code(status) | Exit::Signal(status) => status,
    }
}

fn count(number: usize, one: &str, many: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        _ => format!("{number} {many}"),
    }
}
