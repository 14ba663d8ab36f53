//! `epitaph run`: run the job's command, and collect what it leaves.

use std::ffi::OsString;
use std::path::Path;

use epitaph_bundle::{OutputFolder, Reserve, open_core_file};
use epitaph_capture::{
    Candidate, CaptureMode, CorePattern, Exit as Ended, Found, Host, NoCore, RunCommand, RunOptions,
    RunOutcome, Search, SearchLimits, Situation, Timeout, Trace, explain, raise_open_files, risks,
    survive_file_size_limit,
};
use epitaph_elf::{CoreFile, ProcessInfo};
use epitaph_summary::Collection;

use crate::args::{Capture, RunArgs, StartStoppedArgs};
use crate::commands::collect::{collection, tell_skipped, tell_trouble};
use crate::error::Error;
use crate::exit::Exit;
use crate::keep::{Kept, keep, refresh, tell};
use crate::reduce::whole_below;
use crate::spool::{Spool, candidates};
use crate::{environment, output_tail, terminal};

/// The status of a command that took too long, as timeout(1) has it.
const TIMED_OUT: i32 = 124;

/// Runs a command and gives its status. Whatever goes wrong on our side is told and changes nothing for the job.
pub(crate) fn run(args: &RunArgs) -> Exit {
    let Some(command) = command(&args.command) else { return Exit::Usage };
    let mode = mode(args.capture);
    let needs_spool = mode == CaptureMode::Ptrace || args.timeout.is_some();
    let spool = if needs_spool { Spool::new().map_err(|error| error.print_as_warning()).ok() } else { None };
    // The command may fill the disk.
    let reserve = Reserve::near(&args.keep.out);
    let outcome = match epitaph_capture::run(&command, &options(args, mode, spool.as_ref())) {
        Ok(outcome) => outcome,
        Err(error) => {
            let (status, hint) = (error.status(), error.hint());
            Error::new(error, hint).print();
            return Exit::Command(status);
        }
    };
    tell_outcome(args, &outcome);
    let mut kept = Kept::new(&args.keep, None);
    let crashes = collect(args, mode, &outcome, reserve, &mut kept).unwrap_or_else(|error| {
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
    RunOptions {
        raise_core_limit: mode == CaptureMode::File,
        keep_stderr: args.output_tail.is_some(),
        ask_runtimes: !args.no_runtime_options,
        trace,
        timeout,
    }
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

/// Tells whether a core can be of this command: it lies in the command's own folder, or its process was of our session.
/// Elsewhere, in `/tmp` say, others crash as well.
fn whose(candidate: &Candidate, outcome: &RunOutcome) -> Whose {
    let process = process(candidate);
    // A process that hung and was dumped may have crashed later on.
    let is_dumped = outcome.dumps.cores.iter().any(|dumped| {
        let crashed = process.as_ref().is_some_and(|process| dumped.pid == process.pid);
        dumped.signal.is_some() && crashed || is_same_file(&dumped.core, &candidate.path)
    });
    match process {
        _ if is_dumped => Whose::Dumped,
        Some(process) if process.session == outcome.session => Whose::Ours,
        None => Whose::Ours,
        Some(_) if candidate.path.starts_with(&outcome.cwd) => Whose::Ours,
        Some(_) => Whose::Another,
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
    reserve: Reserve,
    kept: &mut Kept,
) -> Result<usize, Error> {
    let _ = survive_file_size_limit();
    let folder = OutputFolder::open_with(&args.keep.out, reserve).map_err(|error| {
        kept.failed += 1;
        Error::from(error).print_as_warning();
    });
    let host = Host::real();
    let seems_dead = !outcome.timed_out && matches!(outcome.exit, Ended::Signal(_) | Ended::Code(129..));
    let found =
        if mode == CaptureMode::None { Found::default() } else { search(&host, args, outcome, seems_dead) };
    let mut candidates = candidates(&outcome.dumps);
    kept.failed += outcome.dumps.cores.len() - candidates.len();
    let cores = found.candidates.len() + found.beyond.len() + candidates.len();
    if cores > 0 || seems_dead {
        tell_trouble(&found);
    } else {
        tell_skipped(&found);
    }
    let why = match mode {
        CaptureMode::File if seems_dead => {
            Some(explain(&Situation::of(&host).after_run(outcome).after_search(&found)))
        }
        CaptureMode::Ptrace if outcome.untraced.is_none() && outcome.exit.is_crash() => Some(not_dumped()),
        _ => None,
    };
    candidates.extend(found.candidates);
    let collection = Collection {
        command: Some("run".to_owned()),
        exit_status: Some(status(outcome)),
        output_tail: outcome
            .stderr
            .as_ref()
            .zip(args.output_tail)
            .map(|(tail, most)| output_tail::lines(tail, most, &environment::masks()))
            .unwrap_or_default(),
        ..collection(&host)
    };
    if let (Ok(folder), 1..) = (&folder, cores) {
        kept.count_what_is_in(folder, &args.keep);
    }
    kept.leave_out(found.beyond, &collection);
    let told = tell(candidates, &args.keep, &collection, &mut terminal::stderr(), kept);
    // The cores may be those of others: of the command itself, its process id is known.
    let untold = if outcome.exit.is_crash() {
        !told.iter().any(|crash| crash.pid() == Some(outcome.pid))
    } else {
        cores == 0
    };
    if let Some(why) = why.filter(|_| untold) {
        terminal::warning(&format!("the command died without a core: {} ({})", why.sentence, why.code));
        terminal::hint(&why.advice);
    }
    if let Ok(folder) = &folder {
        if told.is_empty() && kept.left_out.is_empty() {
            if !folder.has_reports() {
                refresh(folder)?;
            }
        } else {
            keep(folder, told, &args.keep, false, kept);
        }
    }
    if cores == 0 {
        return Ok(0);
    }
    if mode == CaptureMode::File {
        for risk in risks(&Situation::of(&host).after_run(outcome)) {
            terminal::warning(&format!("{} ({})", risk.sentence, risk.code));
            terminal::hint(&risk.advice);
        }
    }
    terminal::note(&kept.to_string());
    Ok(cores)
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
fn search(host: &Host, args: &RunArgs, outcome: &RunOutcome, seems_dead: bool) -> Found {
    let mut found = search_places(host, args, outcome, seems_dead);
    let mut others = 0;
    found.candidates.retain(|candidate| {
        let whose = whose(candidate, outcome);
        others += usize::from(whose == Whose::Another);
        whose == Whose::Ours
    });
    if others > 0 {
        terminal::note(&format!("{others} cores of other sessions were left alone"));
    }
    // Those that are not open can't be asked for their session.
    found.beyond.retain(|core| core.path.starts_with(&outcome.cwd));
    found
}

/// Looks for cores where they may be. Where the core pattern sends them to one place, only a command that seems to have died
/// without one there is worth a look at all the others.
fn search_places(host: &Host, args: &RunArgs, outcome: &RunOutcome, seems_dead: bool) -> Found {
    let limits = SearchLimits { time: args.search_budget, ..SearchLimits::default() };
    let search = Search::new(host).newer_than(outcome.started);
    let search = search.limits(limits.with_open_files(raise_open_files()));
    if CorePattern::of(host).is_ok_and(|pattern| pattern.sends_to_one_place()) {
        let found = search.clone().destination().run();
        if !(seems_dead && found.candidates.is_empty()) {
            return found;
        }
    }
    search.tree(&outcome.cwd).usual_places(None).run()
}
