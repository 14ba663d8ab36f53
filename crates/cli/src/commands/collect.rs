//! `epitaph collect`: the step that runs after a job has failed.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::SystemTime;

use epitaph_bundle::OutputFolder;
use epitaph_capture::{
    Found, Host, NoCore, Patience, Reason, Search, SearchLimits, Situation, explain, raise_open_files, risks,
    survive_file_size_limit, why_not_kept,
};

use crate::announce::Runner;
use crate::args::CollectArgs;
use crate::canary;
use crate::collection;
use crate::collectors::{self, FromJournal};
use crate::coreless;
use crate::earlier;
use crate::environment::variable;
use crate::error::Error;
use crate::exit::Exit;
use crate::keep::{Keeping, keep, refresh};
use crate::kept::Kept;
use crate::keys;
use crate::order;
use crate::searched;
use crate::terminal;
use crate::told::tell;

/// Finds the cores, tells their stories, and keeps them. It never makes a failed job worse: trouble is told, and the
/// exit code is 0 unless `--strict` or `--fail-on-crash` ask for another.
pub(crate) fn run(args: &CollectArgs) -> Exit {
    let recipients = match keys::recipients(&args.keep.encrypt) {
        Ok(recipients) => recipients,
        Err(error) => {
            error.print();
            return Exit::Usage;
        }
    };
    // Where this fails, a core that is too large for `ulimit -f` ends us: nothing else is lost.
    let _ = survive_file_size_limit();
    // First of all: the steps that store this folder must find it, whatever happens next.
    let folder = OutputFolder::open(&args.keep.out).map_err(|error| Error::from(error).print());
    let mut kept = Kept::new(&args.keep);
    kept.failed += usize::from(folder.is_err());
    let host = Host::real();
    let oldest = oldest(args);
    if args.paths.is_empty() {
        collectors::wait(&host, &[], oldest.unwrap_or_else(SystemTime::now), Patience::default());
    }
    let mut found = search(&host, args, oldest).run();
    let journal = take_out_of_journal(&host, args, oldest);
    found.candidates.extend(journal.cores);
    kept.failed += journal.failed;
    searched::tell_trouble(&found);
    kept.failed += not_had(&found, args);
    let cores = found.candidates.len() + found.beyond.len() + found.beyond_more;
    let earlier = match &folder {
        Ok(folder) if args.paths.is_empty() => earlier::of_this_job(folder, &args.keep, oldest),
        _ => Vec::new(),
    };

    if let (Ok(folder), 1..) = (&folder, cores) {
        kept.count_what_is_in(folder, &args.keep);
    }
    let mut out = terminal::stdout();
    let runner = Runner::here(args.keep.ci, true);
    runner.stop_commands(&mut out);
    let collection = collection::here(&host, &args.keep);
    let Found { candidates, beyond, .. } = &mut found;
    kept.leave_out(std::mem::take(beyond), &collection);
    let own = args.paths.is_empty().then(here);
    order::sort(candidates, kept.retention.room_for_crashes(), |core| {
        own.as_ref().is_none_or(|own| core.starts_with(own))
    });
    let told = tell(std::mem::take(candidates), &args.keep, &collection, &mut out, &mut kept);
    let crashes = cores - kept.passed_over;
    if crashes == 0 {
        // That nobody reads on is no reason to stop.
        let _ = if earlier.is_empty() {
            no_cores(&why_none(&host, &found, args, oldest), &mut out)
        } else {
            earlier::tell(&earlier, &args.keep.out, &mut out)
        };
    }
    let logged = match oldest.filter(|_| crashes == 0 && earlier.is_empty() && args.paths.is_empty()) {
        Some(oldest) => coreless::beneath(&host, &args.keep.search, &here(), oldest),
        None => Vec::new(),
    };
    let logged =
        coreless::tell_and_keep(logged, folder.as_ref().ok(), &args.keep, &collection, &mut out, &mut kept);
    let crashes = crashes + logged;
    runner.resume_commands(&mut out);
    drop(out);
    if let Ok(folder) = &folder {
        if told.is_empty() && kept.left_out.is_empty() {
            refresh(folder).unwrap_or_else(|error| error.print_as_warning());
        } else {
            let keeping = Keeping { args: &args.keep, recipients: &recipients, remove: args.remove };
            keep(folder, told, &keeping, &mut kept);
        }
        for risk in if cores > 0 { risks(&Situation::of(&host)) } else { Vec::new() } {
            terminal::warning(&format!("{} ({})", risk.sentence, risk.code));
            terminal::hint(&risk.advice);
        }
        terminal::note(&format!("{kept}; the folder to store is {}", folder.path().display()));
    }
    runner.announce(&kept, &mut terminal::stdout());
    drop(journal.folder);
    match () {
        () if args.strict && kept.failed + kept.without_core > 0 => Exit::Failed,
        () if args.keep.fail_on_crash && crashes > 0 => Exit::Crashes,
        () => Exit::Done,
    }
}

/// Returns the time before which a core is not this job's, where one is set.
fn oldest(args: &CollectArgs) -> Option<SystemTime> {
    SystemTime::now().checked_sub(args.max_age).filter(|_| !args.max_age.is_zero())
}

fn here() -> PathBuf {
    std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."))
}

fn search(host: &Host, args: &CollectArgs, oldest: Option<SystemTime>) -> Search {
    let search = Search::new(host).limits(SearchLimits::default().with_open_files(raise_open_files()));
    if !args.paths.is_empty() {
        return given(args).fold(search, Search::given);
    }
    let home = variable("HOME").map(PathBuf::from);
    let search = search.tree(here()).usual_places(home.as_deref()).of_users(collectors::our_users());
    // What an earlier job left on this machine is not this job's.
    match oldest {
        Some(oldest) => search.newer_than(oldest),
        None => search,
    }
}

/// Takes cores out of the journal, unless the user said where to search; whatever files of cores there are, they may be of
/// others.
fn take_out_of_journal(host: &Host, args: &CollectArgs, oldest: Option<SystemTime>) -> FromJournal {
    if !args.paths.is_empty() {
        return FromJournal::default();
    }
    collectors::from_journal(host, &[], oldest.unwrap_or(SystemTime::UNIX_EPOCH), &args.keep.out)
}

/// Returns the reason why no core was found. Where nothing on the host is one, a canary proves whether a crash in this
/// folder leaves a core; not where the user said where to search, since those folders may be of anywhere.
fn why_none(host: &Host, found: &Found, args: &CollectArgs, oldest: Option<SystemTime>) -> NoCore {
    let since = oldest.filter(|_| args.paths.is_empty());
    let said = since.and_then(|since| why_not_kept(host, &[], since));
    let situation = Situation::of(host).after_search(found).after_asking(said);
    let why = explain(&situation);
    if !why.is_unexplained() || !args.paths.is_empty() {
        return why;
    }
    let (Ok(canary), Ok(here)) = (canary::of_this_program(), std::env::current_dir()) else { return why };
    match canary.send(host, &here) {
        Ok(flight) => explain(&situation.standing_in(host, &here).after_canary(&flight.fate)),
        Err(_) => why,
    }
}

/// Returns the paths that were given, made absolute, so that what the summaries say of a core's place can be understood
/// elsewhere.
fn given(args: &CollectArgs) -> impl Iterator<Item = PathBuf> {
    args.paths.iter().map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone()))
}

/// Returns how many of the files that were not taken are a failure: cores that can't be had, and whatever was given.
fn not_had(found: &Found, args: &CollectArgs) -> usize {
    let is_loss = |reason: &Reason| {
        matches!(reason, Reason::Empty | Reason::BrokenElf | Reason::Unreadable(_) | Reason::ForeignOwner(_))
    };
    let lost = found
        .rejected
        .iter()
        .filter(|rejected| is_loss(&rejected.reason) || given(args).any(|path| path == rejected.path));
    lost.count()
}

/// Says why there is no core, which is never silent.
fn no_cores(why: &NoCore, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "No core was found: {} ({}).", terminal::clean(&why.sentence), why.code)?;
    writeln!(out, "What to do: {}.", terminal::clean(&why.advice))?;
    out.flush()
}
