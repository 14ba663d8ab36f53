//! What a command left: its cores, or why there are none.

use std::time::{Duration, SystemTime};

use epitaph_bundle::{OutputFolder, Recipients, Reserve};
use epitaph_capture::{
    CaptureMode, Dumps, Exit as Ended, Found, Host, KernelLog, NoCore, Patience, RunOutcome, Situation, Tail,
    explain, refused_cores_since, risks, why_not_kept,
};
use epitaph_summary::Collection;
use tempfile::TempDir;

use super::search::{Expected, leave_others, search};
use super::status;
use crate::announce::Runner;
use crate::args::{Capture, RunArgs};
use crate::collection;
use crate::collectors;
use crate::coreless;
use crate::error::Error;
use crate::keep::{Keeping, keep, refresh};
use crate::kept::Kept;
use crate::searched::{tell_skipped, tell_trouble};
use crate::spool::candidates;
use crate::told::tell;
use crate::{environment, output_tail, terminal};

/// How long a collector is waited for after a command that nothing of is known to have crashed: a crash may be hidden from
/// us by its own parent, and the collector may be at work for somebody else.
const JUST_A_LOOK: Patience = Patience { idle: Duration::ZERO, busy: Duration::from_secs(10) };

/// What was prepared before the command ran.
pub(super) struct Before {
    /// Where the kernel's log ended.
    pub(super) log: Option<KernelLog>,
    /// Space on the disk that the command may fill.
    pub(super) reserve: Reserve,
    /// Who may read the cores, if not everybody.
    pub(super) recipients: Recipients,
}

/// Collects the cores that the command left, and those that were written of it; returns how many crashes there are.
/// Everything goes to stderr: stdout is the command's.
pub(super) fn collect(
    args: &RunArgs,
    mode: CaptureMode,
    outcome: &RunOutcome,
    before: Before,
    kept: &mut Kept,
) -> Result<usize, Error> {
    let host = Host::real();
    let aftermath = Aftermath::of(args, mode, outcome, &host);
    // Most commands leave nothing, and are to cost next to nothing.
    let found = (aftermath.is_well() && OutputFolder::is_ready(&args.keep.out)).then(|| aftermath.find());
    if let Some(found) = found.as_ref().filter(|found| found.candidates.is_empty() && found.beyond.is_empty())
    {
        tell_skipped(found);
        return Ok(0);
    }
    let folder = OutputFolder::open_with(&args.keep.out, before.reserve).map_err(|error| {
        kept.failed += 1;
        Error::from(error).print_as_warning();
    });
    let mut found = found.unwrap_or_else(|| aftermath.find());
    let _journal = aftermath.take_out_of_journal(&mut found, kept);
    let mut candidates = candidates(&outcome.dumps);
    kept.failed += outcome.dumps.cores.len() - candidates.len();
    let cores = found.candidates.len() + found.beyond.len() + candidates.len();
    if cores > 0 || aftermath.died() {
        tell_trouble(&found);
    } else {
        tell_skipped(&found);
    }
    let situation = aftermath.situation(&found);
    candidates.extend(found.candidates);
    let older = candidates.iter().filter(|core| is_older(core.modified, outcome.started)).count();
    let collection = aftermath.collection();
    if let (Ok(folder), 1..) = (&folder, cores) {
        kept.count_what_is_in(folder, &args.keep);
    }
    kept.leave_out(found.beyond, &collection);
    let out = &mut terminal::stderr();
    // Of a command that left nothing, nothing is told.
    let runner = Runner::here(args.keep.ci, cores > 0 || aftermath.seems_dead);
    runner.stop_commands(out);
    let told = tell(candidates, &args.keep, &collection, out, kept);
    // The cores may be those of others: of the command itself, its process id is known.
    let untold = if outcome.exit.is_crash() {
        !told.iter().any(|crash| crash.pid() == Some(outcome.pid))
    } else {
        cores == 0
    };
    if untold && let Some(why) = aftermath.why(situation) {
        let who = if aftermath.seems_dead { "the command" } else { "a process of the command" };
        terminal::warning(&format!("{who} died without a core: {} ({})", why.sentence, why.code));
        terminal::hint(&why.advice);
        let leads_elsewhere = why.code.starts_with("pattern_") || why.code == "limit_hard_zero";
        if leads_elsewhere && mode == CaptureMode::File && args.capture == Capture::Auto {
            terminal::hint(
                "or let epitaph write the core itself: --capture ptrace (sudo gets no rights then)",
            );
        }
    }
    let logged = match before.log.filter(|_| untold && aftermath.died() && mode != CaptureMode::None) {
        Some(log) => coreless::of_command(&host, log, args, outcome),
        None => Vec::new(),
    };
    let logged = coreless::tell_and_keep(logged, folder.as_ref().ok(), &args.keep, &collection, out, kept);
    runner.resume_commands(out);
    if let Ok(folder) = &folder {
        if !told.is_empty() || !kept.left_out.is_empty() {
            let keeping = Keeping { args: &args.keep, recipients: &before.recipients, remove: false };
            keep(folder, told, &keeping, kept);
        } else if logged > 0 || !folder.has_reports() {
            refresh(folder)?;
        }
    }
    if cores + logged > 0 {
        aftermath.tell_risks();
        terminal::note(&kept.to_string());
    }
    runner.announce(kept, out);
    // What the folder had already may be of an earlier command, where files' times don't tell.
    let crashes = (cores + logged).saturating_sub(kept.passed_over + older.min(kept.known));
    Ok(crashes.max(aftermath.dead.len()))
}

/// Tells whether a core may have been written before the command was started. Files' times are those of the clock's last
/// tick, of which there are a hundred in a second at least.
fn is_older(written: SystemTime, started: SystemTime) -> bool {
    written + Duration::from_millis(20) < started
}

/// A command that has ended.
struct Aftermath<'a> {
    args: &'a RunArgs,
    mode: CaptureMode,
    outcome: &'a RunOutcome,
    host: &'a Host,
    /// The processes that were seen to crash.
    dead: Vec<u32>,
    /// Whether the command ended as one does that died, or whose shell passes that on.
    seems_dead: bool,
    /// Whether we were to write the cores.
    traced: bool,
}

impl<'a> Aftermath<'a> {
    fn of(args: &'a RunArgs, mode: CaptureMode, outcome: &'a RunOutcome, host: &'a Host) -> Aftermath<'a> {
        Aftermath {
            args,
            mode,
            outcome,
            host,
            dead: outcome.crashed().map(|crashed| crashed.pid).collect(),
            seems_dead: !outcome.timed_out && matches!(outcome.exit, Ended::Signal(_) | Ended::Code(129..)),
            traced: mode == CaptureMode::Ptrace && outcome.untraced.is_none(),
        }
    }

    /// Finds the cores that others wrote of it.
    fn find(&self) -> Found {
        if self.mode == CaptureMode::None {
            return Found::default();
        }
        if !self.traced {
            let patience = if self.died() { Patience::default() } else { JUST_A_LOOK };
            collectors::wait(self.host, &self.dead, self.outcome.started, patience);
        }
        search(self.host, self.args, self.outcome, Expected { died: self.died(), traced: self.traced })
    }

    /// Takes the cores of the command out of the journal, where it died; adds them to `found`, whatever is there already:
    /// that may be of others. Returns where they lie until that is dropped.
    fn take_out_of_journal(&self, found: &mut Found, kept: &mut Kept) -> Option<TempDir> {
        let is_wanted = self.mode != CaptureMode::None && !self.traced;
        if !(is_wanted && self.died()) {
            return None;
        }
        let out = &self.args.keep.out;
        let journal = collectors::from_journal(self.host, &self.dead, self.outcome.started, out);
        kept.failed += journal.failed;
        found.candidates.extend(journal.cores);
        leave_others(found, self.outcome);
        journal.folder
    }

    /// Whether the command seems to have died, or a process of it was seen to.
    fn died(&self) -> bool {
        self.seems_dead || !self.outcome.timed_out && !self.dead.is_empty()
    }

    /// Whether nothing is known of it that went wrong.
    fn is_well(&self) -> bool {
        let Dumps { cores, failed, more } = &self.outcome.dumps;
        let has_dumps = !cores.is_empty() || !failed.is_empty() || *more > 0;
        self.outcome.exit == Ended::Code(0) && !self.outcome.timed_out && !self.died() && !has_dumps
    }

    /// What may say why there is no core, where one could be expected.
    fn situation(&self, found: &Found) -> Option<Situation> {
        let failed = !self.outcome.timed_out && self.outcome.exit != Ended::Code(0);
        let expected = (failed || self.died()) && !self.traced && self.mode != CaptureMode::None;
        let tail = self.outcome.stderr.as_ref().map(Tail::lines).unwrap_or_default();
        expected
            .then(|| Situation::of(self.host).after_run(self.outcome).after_output(tail).after_search(found))
    }

    /// Says why there is no core, where one could be expected.
    fn why(&self, situation: Option<Situation>) -> Option<NoCore> {
        match situation {
            Some(situation) if self.died() => {
                let said = why_not_kept(self.host, &self.dead, self.outcome.started);
                let refused = refused_cores_since(self.host, self.outcome.started);
                let ours = refused.into_iter().find(|refused| self.dead.contains(&refused.pid));
                Some(explain(&situation.after_asking(said).after_kernel(ours)))
            }
            // Most commands that fail have not crashed.
            Some(situation) => Some(explain(&situation)).filter(NoCore::is_runtimes_end),
            None => (self.traced && self.outcome.exit.is_crash() && self.was_let_alone()).then(not_dumped),
        }
    }

    /// Whether nothing was tried to dump, rather than told why that failed.
    fn was_let_alone(&self) -> bool {
        self.outcome.dumps.failed.is_empty() && self.outcome.dumps.more == 0
    }

    fn collection(&self) -> Collection {
        let tail = self.outcome.stderr.as_ref().zip(self.args.output_tail);
        Collection {
            command: Some("run".to_owned()),
            exit_status: Some(status(self.outcome)),
            output_tail: tail
                .map(|(tail, most)| output_tail::lines(tail, most, &environment::masks()))
                .unwrap_or_default(),
            ..collection::here(self.host, &self.args.keep)
        }
    }

    /// Tells what may keep the next crash from leaving a core.
    fn tell_risks(&self) {
        if self.mode != CaptureMode::File {
            return;
        }
        for risk in risks(&Situation::of(self.host).after_run(self.outcome)) {
            terminal::warning(&format!("{} ({})", risk.sentence, risk.code));
            terminal::hint(&risk.advice);
        }
    }
}

/// Says why a command that was traced left no core.
fn not_dumped() -> NoCore {
    NoCore {
        code: "traced_not_dumped",
        sentence:
            "it was traced, but did not stop before it died: it is a debugger or has LeakSanitizer in it, and was let \
             alone"
                .to_owned(),
        advice: "see the messages above, or use --capture file where the kernel may write cores".to_owned(),
    }
}
