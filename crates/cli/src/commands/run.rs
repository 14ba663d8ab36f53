//! `epitaph run`: run the job's command, and collect what it leaves.

use std::time::Duration;

use epitaph_bundle::{OutputFolder, open_core_file};
use epitaph_capture::{
    Candidate, Exit as Ended, Host, KernelLog, Patience, RunCommand, RunOptions, RunOutcome, Search,
    Situation, explain, risks, survive_file_size_limit, why_not_kept,
};
use epitaph_elf::CoreFile;
use epitaph_summary::{Collection, CoreSource};

use crate::args::RunArgs;
use crate::collectors;
use crate::commands::collect::{collection, tell_trouble};
use crate::coreless;
use crate::error::Error;
use crate::exit::Exit;
use crate::keep::{Kept, keep, refresh, tell};
use crate::terminal;

/// How long a collector is waited for after a command that nothing of is known to have crashed: a crash may be hidden from
/// us by its own parent, and the collector may be at work for somebody else.
const JUST_A_LOOK: Patience = Patience { idle: Duration::ZERO, busy: Duration::from_secs(10) };

/// Runs a command and gives its status. Whatever goes wrong on our side is told and changes nothing for the job.
pub(crate) fn run(args: &RunArgs) -> Exit {
    let Some((program, arguments)) = args.command.split_first() else { return Exit::Usage };
    let command = RunCommand::new(program, arguments);
    // What the kernel logs from here on may be of this command.
    let log = KernelLog::from_now_on(&Host::real());
    let outcome = match epitaph_capture::run(&command, &RunOptions::default()) {
        Ok(outcome) => outcome,
        Err(error) => {
            let (status, hint) = (error.status(), error.hint());
            Error::new(error, hint).print();
            return Exit::Command(status);
        }
    };
    let crashes = collect(args, &outcome, log).unwrap_or_else(|error| {
        error.print_as_warning();
        0
    });
    let status = outcome.exit.status();
    if status == 0 && crashes > 0 && args.keep.fail_on_crash { Exit::Crashes } else { Exit::Command(status) }
}

/// Tells whether a core can be of this command: it lies in the command's own folder, or its process was of our session,
/// or was seen to crash. Elsewhere, in `/tmp` say, others crash as well, and a collector keeps the cores of everybody.
fn is_ours(candidate: &Candidate, outcome: &RunOutcome) -> bool {
    candidate.path.starts_with(&outcome.cwd)
        || match session(candidate) {
            Some(session) => session == outcome.session,
            None => candidate.source != CoreSource::Store,
        }
        || candidate.named_pid().is_some_and(|pid| outcome.crashed().any(|crashed| crashed.pid == pid))
}

/// Reads the session of the process that left a core.
fn session(candidate: &Candidate) -> Option<u32> {
    let opened = open_core_file(&candidate.path, candidate.file.try_clone().ok()?).ok()?;
    let core = CoreFile::open(opened.source).ok()?;
    core.process().info.as_ref().map(|info| info.session)
}

/// Collects the cores that the command left; returns how many there are. Everything goes to stderr: stdout is the
/// command's.
fn collect(args: &RunArgs, outcome: &RunOutcome, log: Option<KernelLog>) -> Result<usize, Error> {
    let _ = survive_file_size_limit();
    let folder = OutputFolder::open(&args.keep.out).map_err(|error| Error::from(error).print_as_warning());
    let host = Host::real();
    let dead: Vec<u32> = outcome.crashed().map(|crashed| crashed.pid).collect();
    let seems_dead = matches!(outcome.exit, Ended::Signal(_) | Ended::Code(129..));
    let patience = if seems_dead || !dead.is_empty() { Patience::default() } else { JUST_A_LOOK };
    collectors::wait(&host, &dead, outcome.started, patience);
    let mut found =
        Search::new(&host).tree(&outcome.cwd).usual_places(None).newer_than(outcome.started).run();
    let all = found.candidates.len();
    found.candidates.retain(|candidate| is_ours(candidate, outcome));
    if found.candidates.len() < all {
        let others = all - found.candidates.len();
        terminal::note(&format!("{others} cores of other sessions were left alone"));
    }
    let cores = found.candidates.len();
    if cores > 0 || seems_dead {
        tell_trouble(&found);
    }
    let situation = seems_dead.then(|| Situation::of(&host).after_run(outcome).after_search(&found));
    let mut kept = Kept::default();
    let collection = Collection {
        command: Some("run".to_owned()),
        exit_status: Some(outcome.exit.status()),
        ..collection(&host)
    };
    let told = tell(found.candidates, &args.keep, &collection, &mut terminal::stderr(), &mut kept);
    // The cores may be those of others: of the command itself, its process id is known.
    let untold = if outcome.exit.is_crash() {
        !told.iter().any(|crash| crash.pid() == Some(outcome.pid))
    } else {
        cores == 0
    };
    if let Some(situation) = situation.filter(|_| untold) {
        let why = explain(&situation.after_asking(why_not_kept(&host, &dead, outcome.started)));
        terminal::warning(&format!("the command died without a core: {} ({})", why.sentence, why.code));
        terminal::hint(&why.advice);
    }
    let logged = match log.filter(|_| untold && seems_dead) {
        Some(log) => coreless::of_command(&host, log, &args.keep.search, outcome),
        None => Vec::new(),
    };
    let out = &mut terminal::stderr();
    let logged =
        coreless::tell_and_keep(logged, folder.as_ref().ok(), &args.keep, &collection, out, &mut kept);
    let crashes = cores + logged;
    if let Ok(folder) = &folder {
        if told.is_empty() {
            refresh(folder)?;
        } else {
            keep(folder, told, &args.keep, false, &mut kept);
        }
    }
    if crashes == 0 {
        return Ok(0);
    }
    for risk in risks(&Situation::of(&host).after_run(outcome)) {
        terminal::warning(&format!("{} ({})", risk.sentence, risk.code));
        terminal::hint(&risk.advice);
    }
    terminal::note(&format!("{} new, {} known, {} failed", kept.new, kept.known, kept.failed));
    Ok(crashes)
}
