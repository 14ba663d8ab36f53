//! Ends that are none by a core signal: sanitizers, runtimes, kills.

use epitaph_elf::signals::SIGKILL;

use super::{Row, Situation, words};
use crate::run::{Exit, dumps_core};
use crate::text::quoted_path;
use crate::why::situation::{CommandFacts, OwnReport};

/// What a process ends with when a sanitizer has reported an error: of addresses, leaks, threads, memory.
const SANITIZER_EXITS: [i32; 4] = [1, 23, 66, 77];
/// What a Rust program ends with after a panic.
const RUST_PANIC: i32 = 101;
/// What a Go program ends with after a panic.
const GO_PANIC: i32 = 2;

/// The codes of ends by a runtime that reported an error and left no core.
pub(in crate::why) const RUNTIMES_ENDS: [&str; 5] =
    ["java_report", "minidump", "sanitizer_exit", "rust_panic", "go_panic"];

pub(super) const ROWS: &[Row] = &[
    Row::reason("java_report", |situation| {
        let Some(OwnReport::Java(path)) = own_report(situation) else { return None };
        words(
            format!("a Java virtual machine wrote a report of its own: {}", quoted_path(path)),
            "read that report; for a core beside it, raise the limit (ulimit -c unlimited) and do not give \
             -XX:-CreateCoredumpOnCrash",
        )
    }),
    Row::reason("minidump", |situation| {
        let Some(OwnReport::Minidump(path)) = own_report(situation) else { return None };
        words(
            format!("the program's own crash reporter wrote a minidump and ended it: {}", quoted_path(path)),
            "keep the minidump, or turn the crash reporter off where a core is wanted",
        )
    }),
    Row::reason("sanitizer_exit", |situation| {
        let command = command(situation)?;
        let by_status = matches!(command.exit, Exit::Code(code) if SANITIZER_EXITS.contains(&code));
        (command.last_words.sanitizer || (command.program.sanitized && by_status)).then_some(())?;
        words(
            "a sanitizer reported an error and ended the program itself, without a signal",
            "let it abort, with a core: `epitaph run --runtime-options`, or ASAN_OPTIONS=abort_on_error=1:disable_coredump=0, \
             and the same in UBSAN_OPTIONS, TSAN_OPTIONS, MSAN_OPTIONS",
        )
    }),
    Row::reason("rust_panic", |situation| {
        let command = command(situation)?;
        words(
            panicked(command, "Rust", command.last_words.rust, command.exit == Exit::Code(RUST_PANIC))?,
            "where a core is wanted, let panics abort: panic = \"abort\" in the Cargo profile",
        )
    }),
    Row::reason("go_panic", |situation| {
        let command = command(situation)?;
        let by_status = command.program.go && command.exit == Exit::Code(GO_PANIC);
        words(
            panicked(command, "Go", command.last_words.go, by_status)?,
            "where a core is wanted, let panics abort: `epitaph run --runtime-options`, or GOTRACEBACK=crash",
        )
    }),
    Row::reason("oom_killed", |situation| {
        is_killed(command(situation)?).then_some(())?;
        let kills = Some(situation.oom_kills).filter(|kills| *kills > 0)?;
        words(
            format!(
                "the command was killed (SIGKILL), which leaves no core, and memory ran out in this control group \
                 ({kills} kills)"
            ),
            "give the job more memory, or let it use less",
        )
    }),
    Row::reason("killed", |situation| {
        is_killed(command(situation)?).then_some(())?;
        words(
            "the command was killed (SIGKILL), which leaves no core and cuts one that is being written",
            "look for a time limit, a stopped container or too little memory (dmesg); end hangs by an abort, which \
             leaves a core: timeout -s ABRT",
        )
    }),
    Row::reason("signal_without_core", |situation| {
        let Exit::Signal(signal) = command(situation)?.exit else { return None };
        (!dumps_core(signal)).then_some(())?;
        words(
            format!("the command was ended by signal {signal}, which leaves no core by design"),
            "SIGQUIT, SIGABRT and other core signals leave one; SIGTERM, SIGHUP, SIGINT and SIGPIPE do not",
        )
    }),
];

/// Returns the command, where no process of it was seen to crash.
fn command(situation: &Situation) -> Option<&CommandFacts> {
    situation.command.as_ref().filter(|command| command.crashed.is_empty())
}

/// Returns the report of a runtime, where the kernel doesn't say that it wrote a core as well.
fn own_report(situation: &Situation) -> Option<&OwnReport> {
    let command = situation.command.as_ref()?;
    command.own_report.as_ref().filter(|_| !command.crashed.iter().any(|crashed| crashed.core_dumped))
}

/// Says that a program of some language panicked, where its last words or its status do.
fn panicked(command: &CommandFacts, language: &str, by_words: bool, by_status: bool) -> Option<String> {
    let Exit::Code(status) = command.exit else { return None };
    let panic = match (by_words, by_status) {
        (true, _) => format!("the command wrote of a {language} panic and ended with status {status}"),
        (false, true) => {
            format!("the command ended with status {status}, as {language} programs do after a panic")
        }
        (false, false) => return None,
    };
    Some(format!("{panic}, which is no crash to the kernel"))
}

fn is_killed(command: &CommandFacts) -> bool {
    command.exit.probable_signal() == Some(SIGKILL)
}
