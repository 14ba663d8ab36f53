//! `epitaph run`: run the job's command, and collect what it leaves.

use epitaph_bundle::{OutputFolder, Reserve, open_core_file};
use epitaph_capture::{
    Candidate, CorePattern, Exit as Ended, Found, Host, RunCommand, RunOptions, RunOutcome, Search,
    SearchLimits, Situation, explain, raise_open_files, risks, survive_file_size_limit,
};
use epitaph_elf::CoreFile;
use epitaph_summary::Collection;

use crate::args::RunArgs;
use crate::commands::collect::{collection, tell_skipped, tell_trouble};
use crate::error::Error;
use crate::exit::Exit;
use crate::keep::{Kept, keep, refresh, tell};
use crate::{environment, output_tail, terminal};

/// Runs a command and gives its status. Whatever goes wrong on our side is told and changes nothing for the job.
pub(crate) fn run(args: &RunArgs) -> Exit {
    let Some((program, arguments)) = args.command.split_first() else { return Exit::Usage };
    let command = RunCommand::new(program, arguments);
    let options = RunOptions {
        keep_stderr: args.output_tail.is_some(),
        ask_runtimes: !args.no_runtime_options,
        ..RunOptions::default()
    };
    // The command may fill the disk.
    let reserve = Reserve::near(&args.keep.out);
    let outcome = match epitaph_capture::run(&command, &options) {
        Ok(outcome) => outcome,
        Err(error) => {
            let (status, hint) = (error.status(), error.hint());
            Error::new(error, hint).print();
            return Exit::Command(status);
        }
    };
    let crashes = collect(args, &outcome, reserve).unwrap_or_else(|error| {
        error.print_as_warning();
        0
    });
    let status = outcome.exit.status();
    if status == 0 && crashes > 0 && args.keep.fail_on_crash { Exit::Crashes } else { Exit::Command(status) }
}

/// Tells whether a core can be of this command: it lies in the command's own folder, or its process was of our session.
/// Elsewhere, in `/tmp` say, others crash as well.
fn is_ours(candidate: &Candidate, outcome: &RunOutcome) -> bool {
    candidate.path.starts_with(&outcome.cwd)
        || session(candidate).is_none_or(|session| session == outcome.session)
}

/// Reads the session of the process that left a core.
fn session(candidate: &Candidate) -> Option<u32> {
    let opened = open_core_file(&candidate.path, candidate.file.try_clone().ok()?).ok()?;
    let core = CoreFile::open(opened.source).ok()?;
    core.process().info.as_ref().map(|info| info.session)
}

/// Looks for cores where they may be. Where the core pattern sends them to one place, only a command that seems to have died
/// without one there is worth a look at all the others.
fn search(host: &Host, args: &RunArgs, outcome: &RunOutcome, seems_dead: bool) -> Found {
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

/// Collects the cores that the command left; returns how many there are. Everything goes to stderr: stdout is the
/// command's.
fn collect(args: &RunArgs, outcome: &RunOutcome, reserve: Reserve) -> Result<usize, Error> {
    let _ = survive_file_size_limit();
    let folder = OutputFolder::open_with(&args.keep.out, reserve)
        .map_err(|error| Error::from(error).print_as_warning());
    let host = Host::real();
    let seems_dead = matches!(outcome.exit, Ended::Signal(_) | Ended::Code(129..));
    let mut found = search(&host, args, outcome, seems_dead);
    let all = found.candidates.len();
    found.candidates.retain(|candidate| is_ours(candidate, outcome));
    if found.candidates.len() < all {
        let others = all - found.candidates.len();
        terminal::note(&format!("{others} cores of other sessions were left alone"));
    }
    // Those that are not open can't be asked for their session.
    found.beyond.retain(|core| core.path.starts_with(&outcome.cwd));
    let cores = found.candidates.len() + found.beyond.len();
    if cores > 0 || seems_dead {
        tell_trouble(&found);
    } else {
        tell_skipped(&found);
    }
    let why = seems_dead.then(|| explain(&Situation::of(&host).after_run(outcome).after_search(&found)));
    let mut kept = Kept::new(&args.keep, folder.as_ref().ok().filter(|_| cores > 0));
    let collection = Collection {
        command: Some("run".to_owned()),
        exit_status: Some(outcome.exit.status()),
        output_tail: outcome
            .stderr
            .as_ref()
            .zip(args.output_tail)
            .map(|(tail, most)| output_tail::lines(tail, most, &environment::masks()))
            .unwrap_or_default(),
        ..collection(&host)
    };
    kept.leave_out(found.beyond, &collection);
    let told = tell(found.candidates, &args.keep, &collection, &mut terminal::stderr(), &mut kept);
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
            keep(folder, told, &args.keep, false, &mut kept);
        }
    }
    if cores == 0 {
        return Ok(0);
    }
    for risk in risks(&Situation::of(&host).after_run(outcome)) {
        terminal::warning(&format!("{} ({})", risk.sentence, risk.code));
        terminal::hint(&risk.advice);
    }
    terminal::note(&kept.to_string());
    Ok(cores)
}
