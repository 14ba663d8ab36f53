//! `epitaph run`: run the job's command, and collect what it leaves.

mod aftermath;
mod search;

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};

use epitaph_bundle::Reserve;
use epitaph_capture::{
    CaptureMode, Host, KernelLog, RunCommand, RunOptions, RunOutcome, Situation, Stage, Timeout, Trace,
    survive_file_size_limit, why_untraced,
};

use crate::args::{Capture, RunArgs, StartStoppedArgs};
use crate::error::{Error, message};
use crate::exit::Exit;
use crate::kept::Kept;
use crate::keys;
use crate::reduce::whole_below;
use crate::spool::Spool;
use crate::terminal;
use aftermath::{Before, collect};

/// The status of a command that took too long, as timeout(1) has it.
const TIMED_OUT: i32 = 124;
/// The status where epitaph failed before the command was started, as env(1) has it.
const NOT_STARTED: i32 = 125;

/// Runs a command and gives its status. Whatever goes wrong on our side is told and changes nothing for the job.
pub(crate) fn run(args: &RunArgs) -> Exit {
    let Some(command) = command(&args.command) else { return Exit::Usage };
    let recipients = match keys::recipients(&args.keep.encrypt) {
        Ok(recipients) => recipients,
        Err(error) => {
            error.print();
            return Exit::Command(NOT_STARTED);
        }
    };
    // First of all: what is written from here on may be more than `ulimit -f` allows. That can't be refused.
    let _ = survive_file_size_limit();
    let mode = mode(args.capture);
    let dumps_hangs = mode != CaptureMode::None && args.timeout().is_some();
    let needs_spool = mode == CaptureMode::Ptrace || dumps_hangs;
    let spool = needs_spool
        .then(|| Spool::new(&args.keep.out).map_err(|error| error.print_as_warning()).ok())
        .flatten();
    // Without a place for cores of ours, the kernel's are all that is left to hope for.
    let mode = if mode == CaptureMode::Ptrace && spool.is_none() { CaptureMode::File } else { mode };
    // What the kernel logs from here on may be of this command.
    let log = KernelLog::from_now_on(&Host::real());
    // The command may fill the disk: soon where there is little, else in a while.
    let mut reserve = None;
    let hold = |stage: Stage| match stage {
        Stage::Started => reserve = Reserve::where_scarce(&args.keep.out),
        Stage::Lasting => {
            reserve.get_or_insert_with(|| Reserve::near(&args.keep.out));
        }
    };
    let outcome = match epitaph_capture::run_and(&command, &options(args, mode, spool.as_ref()), hold) {
        Ok(outcome) => outcome,
        Err(error) => {
            let (status, hint) = (error.status(), error.hint());
            Error::new(error, hint).print();
            if let Some(spool) = spool {
                spool.close(&[]);
            }
            return Exit::Command(status);
        }
    };
    tell_outcome(args, &outcome);
    let mut kept = Kept::new(&args.keep);
    let before = Before { log, reserve: reserve.unwrap_or_default(), recipients };
    // A fault of ours that a crafted core finds must not become the command's status.
    let collected = catch_unwind(AssertUnwindSafe(|| collect(args, mode, &outcome, before, &mut kept)));
    let crashes = collected.unwrap_or_else(|_| Err(bug())).unwrap_or_else(|error| {
        error.print_as_warning();
        kept.failed += 1;
        0
    });
    if let Some(spool) = spool {
        spool.close(&kept.safe);
    }
    let status = status(&outcome);
    if status == 0 && crashes > 0 && args.keep.fail_on_crash { Exit::Crashes } else { Exit::Command(status) }
}

/// Stops this process, and becomes a command once it is continued; gives the status that env(1) has for what can't be
/// executed.
pub(crate) fn start_stopped(args: &StartStoppedArgs) -> Exit {
    let Some(command) = command(&args.command) else { return Exit::Usage };
    let error = epitaph_capture::start_stopped(args.tracer, &command);
    let (status, hint) = (error.status(), error.hint());
    Error::new(error, hint).print();
    Exit::Command(status)
}

fn bug() -> Error {
    message(
        "a bug of epitaph: the crashes were not collected",
        Some("please report it with the message above"),
    )
}

fn command(words: &[OsString]) -> Option<RunCommand> {
    let (program, arguments) = words.split_first()?;
    Some(RunCommand::new(program, arguments))
}

fn mode(capture: Capture) -> CaptureMode {
    match capture {
        Capture::Auto => {
            let host = Host::real();
            let cwd = std::env::current_dir().ok();
            CaptureMode::best(&host, &Situation::in_brief(&host), cwd.as_deref())
        }
        Capture::File => CaptureMode::File,
        Capture::Ptrace => CaptureMode::Ptrace,
        Capture::None => CaptureMode::None,
    }
}

/// How the command is run. Where it is traced, the kernel is left to write a core as well only if it would anyway.
fn options(args: &RunArgs, mode: CaptureMode, spool: Option<&Spool>) -> RunOptions {
    let folder = spool.map(|spool| spool.path().to_owned());
    let to_be_traced = folder.clone().filter(|_| mode == CaptureMode::Ptrace);
    let trace =
        to_be_traced.map(|folder| Trace { starter: starter(), folder, full_below: whole_below(&args.keep) });
    let timeout = args.timeout().map(|after| Timeout { after, folder });
    RunOptions {
        raise_core_limit: mode == CaptureMode::File,
        keep_stderr: args.output_tail.is_some(),
        ask_runtimes: args.runtime_options,
        trace,
        timeout,
        most_cores: most_dumps(args.keep.retention.cores),
    }
}

/// The most processes that are dumped, where so many crashes are kept in the folder, or any number. They are more where that
/// is few: crashes may be the same, and what is beyond is to be found beside the folder.
fn most_dumps(most_kept: usize) -> Option<usize> {
    const AT_LEAST: usize = 64;
    (most_kept > 0).then(|| most_kept.max(AT_LEAST))
}

/// This very program, whatever has become of its file, as what stops itself.
fn starter() -> Vec<OsString> {
    let tracer = std::process::id().to_string();
    vec!["/proc/self/exe".into(), "start-stopped".into(), tracer.into(), "--".into()]
}

/// The command's status, or timeout(1)'s.
fn status(outcome: &RunOutcome) -> i32 {
    if outcome.timed_out { TIMED_OUT } else { outcome.exit.status() }
}

/// Tells what went differently than the command could expect.
fn tell_outcome(args: &RunArgs, outcome: &RunOutcome) {
    if let Some(refused) = &outcome.untraced {
        terminal::warning(&format!("the command could not be traced, so no cores were written: {refused}"));
        terminal::hint(
            why_untraced(&Host::real())
                .unwrap_or("where the system lets nobody trace, only --capture file can give cores"),
        );
    }
    if !outcome.set_back.is_zero() {
        terminal::note(&format!(
            "the clock was set back by {:.1} s while the command ran: which cores are its own, their processes tell",
            outcome.set_back.as_secs_f64()
        ));
    }
    if let Some(timeout) = args.timeout().filter(|_| outcome.timed_out) {
        let count = outcome.dumps.cores.iter().filter(|dumped| dumped.signal.is_none()).count();
        terminal::warning(&format!(
            "the command took longer than {} s and was ended; {count} of its processes were dumped before",
            timeout.as_secs_f64()
        ));
    }
}
