//! Which cores are the command's.

use std::path::Path;

use epitaph_bundle::open_core_file;
use epitaph_capture::{
    Candidate, CorePattern, Exit as Ended, Found, Host, RunOutcome, Search, SearchLimits, raise_open_files,
    sends_to_one_place,
};
use epitaph_elf::{CoreFile, ProcessInfo};
use epitaph_summary::CoreSource;

use crate::args::RunArgs;
use crate::terminal;

/// What cores of the kernel's can be expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Expected {
    /// Whether something seems to have died.
    pub(super) died: bool,
    /// Whether what died was dumped by us.
    pub(super) traced: bool,
}

/// Searches for the cores that the command left.
pub(super) fn search(host: &Host, args: &RunArgs, outcome: &RunOutcome, expected: Expected) -> Found {
    let mut found = search_places(host, args, outcome, expected);
    leave_others(&mut found, outcome);
    // Those that are not open can't be asked for their session.
    let all = found.beyond.len();
    found.beyond.retain(|core| outcome.has_in_its_folder(&core.path));
    let unknown = all - found.beyond.len() + found.beyond_more;
    if unknown > 0 {
        terminal::note(&format!("{unknown} more cores, whose session is not known, were left alone"));
    }
    found
}

/// Leaves the cores alone that are not the command's.
pub(super) fn leave_others(found: &mut Found, outcome: &RunOutcome) {
    let mut others = 0;
    found.candidates.retain(|candidate| {
        let whose = whose(candidate, outcome);
        others += usize::from(whose == Whose::Another);
        whose == Whose::Ours
    });
    if others > 0 {
        terminal::note(&format!("{others} cores of other sessions were left alone"));
    }
}

/// Looks for cores where they may be.
///
/// Where the core pattern sends them to one place, only a command that seems to have died without one there is worth a look
/// at all the others. Otherwise they are wherever a crasher stood, and nobody tells of one that its own parent waited for: the
/// command's folder is searched then, but all places that there are only if the command failed or a crash was seen.
///
/// Where it makes no files, those of a command that was traced are nowhere but in stores.
fn search_places(host: &Host, args: &RunArgs, outcome: &RunOutcome, expected: Expected) -> Found {
    let is_well = outcome.exit == Ended::Code(0) && !outcome.timed_out && !expected.died;
    let limits = SearchLimits { time: args.search_budget, ..SearchLimits::default() };
    let search = Search::new(host).newer_than(outcome.started);
    let search = search.limits(limits.with_open_files(raise_open_files()));
    let pattern = CorePattern::of(host);
    if expected.traced && pattern.as_ref().is_ok_and(|pattern| pattern.file().is_none()) {
        return if is_well { Found::default() } else { search.destination().run() };
    }
    if pattern.is_ok_and(|pattern| sends_to_one_place(&pattern)) {
        let found = search.clone().destination().run();
        if !(expected.died && found.candidates.is_empty()) {
            return found;
        }
    }
    let search = match (outcome.own_folder(), &outcome.cwd) {
        (Some(folder), _) => search.tree(folder),
        // The whole system's is no tree to search for a command.
        (None, Some(root)) => search.folder(root, 1),
        (None, None) => search,
    };
    if is_well { search.changed_places().run() } else { search.usual_places(None).run() }
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
/// or was seen to crash. Elsewhere, in `/tmp` say, others crash as well, and a collector keeps the cores of everybody; and
/// where the clock was set back, earlier commands may have left cores in that folder which seem to be younger.
fn whose(candidate: &Candidate, outcome: &RunOutcome) -> Whose {
    let is_in_place = outcome.has_in_its_folder(&candidate.path) && !outcome.may_be_older(candidate.modified);
    if outcome.dumps.cores.is_empty() && is_in_place {
        return Whose::Ours;
    }
    let process = process(candidate);
    // A process that hung and was dumped may have crashed later on.
    let is_dumped = outcome.dumps.cores.iter().any(|dumped| {
        let crashed = process.as_ref().is_some_and(|process| dumped.pid == process.pid);
        dumped.signal.is_some() && crashed || is_same_file(&dumped.core, &candidate.path)
    });
    let seen = |pid| outcome.crashed().any(|crashed| crashed.pid == pid);
    match process {
        _ if is_dumped => Whose::Dumped,
        _ if is_in_place => Whose::Ours,
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
