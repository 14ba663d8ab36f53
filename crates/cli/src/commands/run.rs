//! `epitaph run`: run the job's command, and collect what it leaves.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use epitaph_bundle::{OutputFolder, open_core_file};
use epitaph_capture::{
    Candidate, CaptureMode, Exit as Ended, Found, Host, KernelLog, NoCore, Patience, RunCommand, RunOptions,
    RunOutcome, Search, Situation, Timeout, Trace, explain, risks, survive_file_size_limit, why_not_kept,
};
use epitaph_elf::{CoreFile, ProcessInfo};
use epitaph_summary::{Collection, CoreSource};

use crate::args::{Capture, RunArgs, StartStoppedArgs};
use crate::collectors;
use crate::commands::collect::{collection, tell_trouble};
use crate::coreless;
use crate::error::Error;
use crate::exit::Exit;
use crate::keep::{Kept, keep, refresh, tell};
use crate::reduce::whole_below;
use crate::spool::{Spool, candidates};
use crate::terminal;

/// The status of a command that took too long, as timeout(1) has it.
const TIMED_OUT: i32 = 124;
/// How long a collector is waited for after a command that nothing of is known to have crashed: a crash may be hidden from
/// us by its own parent, and the collector may be at work for somebody else.
const JUST_A_LOOK: Patience = Patience { idle: Duration::ZERO, busy: Duration::from_secs(10) };

/// Runs a command and gives its status. Whatever goes wrong on our side is told and changes nothing for the job.
pub(crate) fn run(args: &RunArgs) -> Exit {
    let Some(command) = command(&args.command) else { return Exit::Usage };
    let mode = mode(args.capture);
    let needs_spool = mode == CaptureMode::Ptrace || args.timeout.is_some();
    let spool = if needs_spool { Spool::new().map_err(|error| error.print_as_warning()).ok() } else { None };
    // What the kernel logs from here on may be of this command.
    let log = KernelLog::from_now_on(&Host::real());
    let outcome = match epitaph_capture::run(&command, &options(args, mode, spool.as_ref())) {
        Ok(outcome) => outcome,
        Err(error) => {
            let (status, hint) = (error.status(), error.hint());
            Error::new(error, hint).print();
            return Exit::Command(status);
        }
    };
    tell_outcome(args, &outcome);
    let mut kept = Kept::default();
    let crashes = collect(args, mode, &outcome, log, &mut kept).unwrap_or_else(|error| {
        error.print_as_warning();
        kept.failed += 1;
        0
    });
    if let Some(spool) = spool {
        spool.close(kept.failed == 0);
    }
    let status = status(&outcome);
    if status == 0 && crashes > 0 && args.keep.fail_on_crash { Exit::Crashes } else { Exit::Command(status) }
}

/// Stops this process, and becomes a command once it is continued; gives the status that env(1) has for what can't be
/// executed.
pub(crate) fn start_stopped(args: &StartStoppedArgs) -> Exit {
    let Some(command) = command(&args.command) else { return Exit::Usage };
    let error = epitaph_capture::start_stopped(&command);
    let (status, hint) = (error.status(), error.hint());
    Error::new(error, hint).print();
    Exit::Command(status)
}

fn command(words: &[OsString]) -> Option<RunCommand> {
    let (program, arguments) = words.split_first()?;
    Some(RunCommand::new(program, arguments))
}

fn mode(capture: Capture) -> CaptureMode {
    match capture {
        Capture::Auto => CaptureMode::best(&Situation::of(&Host::real())),
        Capture::File => CaptureMode::File,
        Capture::Ptrace => CaptureMode::Ptrace,
        Capture::None => CaptureMode::None,
    }
}

/// How the command is run. Where it is traced, the kernel is left to write a core as well only if it would anyway.
fn options(args: &RunArgs, mode: CaptureMode, spool: Option<&Spool>) -> RunOptions {
    let starter =
        std::env::current_exe().map(|this| vec![this.into_os_string(), "start-stopped".into(), "--".into()]);
    let folder = spool.map(|spool| spool.path().to_owned());
    let trace = match (mode, starter, &folder) {
        (CaptureMode::Ptrace, Ok(starter), Some(folder)) => {
            Some(Trace { starter, folder: folder.clone(), full_below: whole_below(&args.keep) })
        }
        _ => None,
    };
    let timeout = args.timeout.zip(folder).map(|(after, folder)| Timeout { after, folder });
    RunOptions { raise_core_limit: mode == CaptureMode::File, trace, timeout }
}

/// The command's status, or timeout(1)'s.
fn status(outcome: &RunOutcome) -> i32 {
    if outcome.timed_out { TIMED_OUT } else { outcome.exit.status() }
}

/// Tells what went differently than the command could expect.
fn tell_outcome(args: &RunArgs, outcome: &RunOutcome) {
    if let Some(refused) = &outcome.untraced {
        terminal::warning(&format!("the command could not be traced, so no cores were written: {refused}"));
        terminal::hint("where the system lets nobody trace, only --capture file can give cores");
    }
    if let Some(timeout) = args.timeout.filter(|_| outcome.timed_out) {
        let count = outcome.dumps.cores.iter().filter(|dumped| dumped.signal.is_none()).count();
        terminal::warning(&format!(
            "the command took longer than {} s and was ended; {count} of its processes were dumped before",
            timeout.as_secs_f64()
        ));
    }
}

/// Whose a core is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// Of this command, or possibly so.
    Ours,
    /// Of a process that was dumped, and so has its core already.
    Dumped,
    /// Of somebody else.
    Another,
}

/// Tells whether a core can be of this command: it lies in the command's own folder, or its process was of our session,
/// or was seen to crash. Elsewhere, in `/tmp` say, others crash as well, and a collector keeps the cores of everybody.
fn whose(candidate: &Candidate, outcome: &RunOutcome) -> Whose {
    let process = process(candidate);
    // A process that hung and was dumped may have crashed later on.
    let is_dumped = outcome.dumps.cores.iter().any(|dumped| {
        let crashed = process.as_ref().is_some_and(|process| dumped.pid == process.pid);
        dumped.signal.is_some() && crashed || is_same_file(&dumped.core, &candidate.path)
    });
    let seen = |pid| outcome.crashed().any(|crashed| crashed.pid == pid);
    match process {
        _ if is_dumped => Whose::Dumped,
        _ if candidate.path.starts_with(&outcome.cwd) => Whose::Ours,
        Some(process) if process.session == outcome.session => Whose::Ours,
        _ if candidate.named_pid().is_some_and(seen) => Whose::Ours,
        None if candidate.source != CoreSource::Store => Whose::Ours,
        _ => Whose::Another,
    }
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    one.canonicalize().is_ok_and(|one| other.canonicalize().is_ok_and(|other| one == other))
}

/// Reads who the process was that left a core.
fn process(candidate: &Candidate) -> Option<ProcessInfo> {
    let opened = open_core_file(&candidate.path, candidate.file.try_clone().ok()?).ok()?;
    let core = CoreFile::open(opened.source).ok()?;
    core.process().info.clone()
}

/// Collects the cores that the command left, and those that were written of it; returns how many there are. Everything
/// goes to stderr: stdout is the command's.
fn collect(
    args: &RunArgs,
    mode: CaptureMode,
    outcome: &RunOutcome,
    log: Option<KernelLog>,
    kept: &mut Kept,
) -> Result<usize, Error> {
    let _ = survive_file_size_limit();
    let folder = OutputFolder::open(&args.keep.out).map_err(|error| {
        kept.failed += 1;
        Error::from(error).print_as_warning();
    });
    let host = Host::real();
    let dead: Vec<u32> = outcome.crashed().map(|crashed| crashed.pid).collect();
    let seems_dead = !outcome.timed_out && matches!(outcome.exit, Ended::Signal(_) | Ended::Code(129..));
    if mode == CaptureMode::File {
        let patience = if seems_dead || !dead.is_empty() { Patience::default() } else { JUST_A_LOOK };
        collectors::wait(&host, &dead, outcome.started, patience);
    }
    let found = if mode == CaptureMode::None { Found::default() } else { search(&host, outcome) };
    let mut candidates = candidates(&outcome.dumps);
    kept.failed += outcome.dumps.cores.len() - candidates.len();
    let cores = found.candidates.len() + candidates.len();
    if cores > 0 || seems_dead {
        tell_trouble(&found);
    }
    let traced = mode == CaptureMode::Ptrace && outcome.untraced.is_none();
    let explained = seems_dead && !traced && mode != CaptureMode::None;
    let situation = explained.then(|| Situation::of(&host).after_run(outcome).after_search(&found));
    candidates.extend(found.candidates);
    let collection = Collection {
        command: Some("run".to_owned()),
        exit_status: Some(status(outcome)),
        ..collection(&host)
    };
    let told = tell(candidates, &args.keep, &collection, &mut terminal::stderr(), kept);
    // The cores may be those of others: of the command itself, its process id is known.
    let untold = if outcome.exit.is_crash() {
        !told.iter().any(|crash| crash.pid() == Some(outcome.pid))
    } else {
        cores == 0
    };
    let why = match situation {
        _ if !untold => None,
        Some(situation) => {
            Some(explain(&situation.after_asking(why_not_kept(&host, &dead, outcome.started))))
        }
        None if traced && outcome.exit.is_crash() => Some(not_dumped()),
        None => None,
    };
    if let Some(why) = why {
        terminal::warning(&format!("the command died without a core: {} ({})", why.sentence, why.code));
        terminal::hint(&why.advice);
    }
    let logged = match log.filter(|_| untold && seems_dead) {
        Some(log) => coreless::of_command(&host, log, &args.keep.search, outcome),
        None => Vec::new(),
    };
    let out = &mut terminal::stderr();
    let logged = coreless::tell_and_keep(logged, folder.as_ref().ok(), &args.keep, &collection, out, kept);
    let crashes = cores + logged;
    if let Ok(folder) = &folder {
        if told.is_empty() {
            refresh(folder)?;
        } else {
            keep(folder, told, &args.keep, false, kept);
        }
    }
    if crashes == 0 {
        return Ok(0);
    }
    if mode == CaptureMode::File {
        for risk in risks(&Situation::of(&host).after_run(outcome)) {
            terminal::warning(&format!("{} ({})", risk.sentence, risk.code));
            terminal::hint(&risk.advice);
        }
    }
    terminal::note(&format!("{} new, {} known, {} failed", kept.new, kept.known, kept.failed));
    Ok(crashes)
}

/// Says why a command that was traced left no core.
fn not_dumped() -> NoCore {
    NoCore {
        code: "traced_not_dumped",
        sentence:
            "it was traced, but did not stop before it died: a filter of system calls (seccomp) killed \
                   it, or it is a debugger or has LeakSanitizer in it, and was let alone"
                .to_owned(),
        advice: "see the messages above, or use --capture file where the kernel may write cores".to_owned(),
    }
}

/// Searches for the cores that the command left.
fn search(host: &Host, outcome: &RunOutcome) -> Found {
    let mut found = Search::new(host).tree(&outcome.cwd).usual_places(None).newer_than(outcome.started).run();
    let mut others = 0;
    found.candidates.retain(|candidate| {
        let whose = whose(candidate, outcome);
        others += usize::from(whose == Whose::Another);
        whose == Whose::Ours
    });
    if others > 0 {
        terminal::note(&format!("{others} cores of other sessions were left alone"));
    }
    found
}
