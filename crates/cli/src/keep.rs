//! Keeping crashes: tell each story, then seal, then rewrite the reports. `collect` and `run` both end here.

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use epitaph_bundle::{
    BinarySource, BinaryToKeep, CoreInput, Identity, OpenedCore, OutputFolder, SealRequest, Sealed, Space,
    crash_id, open_core_file, read_summaries, remove_sealed_original,
};
use epitaph_capture::{Beyond, Candidate};
use epitaph_report::{Format, Options, not_kept, render, text};
use epitaph_summary::{Collection, Core, CoreContent, CrashSummary, Warning};
use epitaph_triage::{Observer, Silent, Triaged, test_in_output};

use crate::args::{KeepArgs, KeepCore, Scrub};
use crate::config;
use crate::environment;
use crate::error::{Error, message};
use crate::examine::Examiner;
use crate::reduce::{REDUCING, Smaller, ToKeep, to_keep};
use crate::retention::{self, Refusal, Retention};
use crate::{progress, terminal};

/// A crash whose story was told, and that is still to be kept.
pub(crate) struct Told {
    opened: OpenedCore,
    triaged: Triaged,
    collection: Collection,
    id: io::Result<String>,
}

/// What keeping came to.
#[derive(Debug)]
pub(crate) struct Kept {
    /// Crashes that are in the folder now and were not before.
    pub(crate) new: usize,
    /// Crashes that were there already.
    pub(crate) known: usize,
    /// Cores that could not be read, or crashes that could not be kept.
    pub(crate) failed: usize,
    /// The least that tells of the crashes that are not kept, because there are enough.
    pub(crate) left_out: Vec<CrashSummary>,
    retention: Retention,
}

impl Kept {
    /// Begins to keep crashes in a folder; what is in it counts.
    pub(crate) fn new(args: &KeepArgs, folder: Option<&OutputFolder>) -> Kept {
        let retention = Retention::new(&args.retention, folder);
        Kept { new: 0, known: 0, failed: 0, left_out: Vec::new(), retention }
    }

    /// Counts what is in the folder that crashes are to be kept in.
    pub(crate) fn count_what_is_in(&mut self, folder: &OutputFolder, args: &KeepArgs) {
        self.retention = Retention::new(&args.retention, Some(folder));
    }

    /// Lists cores that were found beyond those that can be read.
    pub(crate) fn leave_out(&mut self, beyond: Vec<Beyond>, collection: &Collection) {
        let summaries =
            beyond.into_iter().map(|core| retention::not_read(core, collection, Refusal::OpenFiles));
        self.left_out.extend(summaries);
    }
}

impl std::fmt::Display for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} new, {} known, {} failed", self.new, self.known, self.failed)?;
        match self.left_out.len() {
            0 => Ok(()),
            count => write!(f, ", {count} not kept"),
        }
    }
}

impl Told {
    /// The process that died, as its core says.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.triaged.summary.process.as_ref()?.pid
    }
}

/// Prints the crashing thread's story as soon as it is known.
struct TellFirst<'a, W: Write> {
    out: &'a mut W,
    options: &'a Options,
}

impl<W: Write> Observer for TellFirst<'_, W> {
    fn crashing_thread_done(&mut self, partial: &CrashSummary) {
        let _ = text::story(partial, self.options, &mut *self.out).and_then(|()| self.out.flush());
    }
}

/// Reads the cores and tells their stories, before anything is copied: a log that ends early has told them all. Of those
/// that are not kept, because there are enough, it tells how many there are.
///
/// That nobody reads on (`epitaph collect | head`) is no reason not to keep the crashes, so what can't be printed is
/// passed over.
pub(crate) fn tell(
    candidates: Vec<Candidate>,
    args: &KeepArgs,
    collection: &Collection,
    out: &mut impl Write,
    kept: &mut Kept,
) -> Vec<Told> {
    let examiner = Examiner::new(&args.search, config::rules_or_warning(&args.config)).all_files();
    let options = Options { color: true, width: terminal::width(), ..Options::default() };
    let mut told: Vec<Told> = Vec::new();
    for candidate in candidates {
        if let Some(refusal) = kept.retention.time_is_over() {
            kept.left_out.push(retention::not_read(candidate.close(), collection, refusal));
            continue;
        }
        let opened = match open_core_file(&candidate.path, candidate.file) {
            Ok(opened) => opened,
            Err(error) => {
                Error::from(error).print_as_warning();
                kept.failed += 1;
                continue;
            }
        };
        let gap = if told.is_empty() { "" } else { "\n" };
        let tell_first = !kept.retention.may_refuse();
        let triaged = if tell_first {
            let _ = write!(out, "{gap}");
            examiner.examine(&opened, None, &mut TellFirst { out, options: &options })
        } else {
            examiner.examine(&opened, None, &mut Silent)
        };
        let was_read = triaged.is_ok();
        let mut triaged = match triaged {
            Ok(triaged) => triaged,
            // What can't be read here may be readable elsewhere: the core is kept all the same.
            Err(error) => {
                error.print_as_warning();
                kept.failed += 1;
                unread(&opened, &error)
            }
        };
        let stored = triaged.summary.collection.clone().unwrap_or_default();
        let collection = Collection {
            source: Some(candidate.source),
            name_fields: candidate.name_fields,
            collector: stored.collector,
            collector_facts: stored.collector_facts,
            ..collection.clone()
        };
        let id = id_of(&opened, &triaged.summary);
        if let Some(refusal) = kept.retention.judge(&triaged.summary, id.as_deref().ok()) {
            triaged.summary.id = id.ok();
            kept.left_out.push(retention::not_kept(triaged.summary, collection, refusal));
            continue;
        }
        if was_read {
            if !tell_first {
                let _ = write!(out, "{gap}");
                let _ = text::story(&triaged.summary, &options, out);
            }
            let _ = text::rest(&triaged.summary, &options, out);
        }
        // There may be many cores, and they are kept one after the other.
        opened.release();
        told.push(Told { opened, triaged, collection, id });
    }
    // What a job writes is of all its processes: of which one that died, only the number of deaths tells.
    if let [only] = told.as_mut_slice()
        && only.triaged.summary.test.is_none()
        && kept.left_out.is_empty()
    {
        only.triaged.summary.test = test_in_output(&collection.output_tail);
    }
    if !kept.left_out.is_empty() {
        let _ = writeln!(out);
        let _ = not_kept::text(&kept.left_out, out);
    }
    let _ = out.flush();
    told
}

/// Makes the name of a crash.
fn id_of(opened: &OpenedCore, summary: &CrashSummary) -> io::Result<String> {
    let process = summary.process.as_ref();
    let identity = Identity::on_this_host(&*opened.source, process.and_then(|process| process.pid))?;
    let executable = process
        .and_then(|process| process.executable.as_deref().or(process.name.as_deref()))
        .map(PathBuf::from)
        .and_then(|path| Some(path.file_name()?.to_owned()))
        .unwrap_or_else(|| "unknown".into());
    let signal =
        summary.signal.as_ref().and_then(|signal| signal.name.clone()).unwrap_or_else(|| "none".into());
    Ok(crash_id(opened.died().unwrap_or_else(SystemTime::now), &executable, &signal, &identity))
}

/// Says of a core no more than that it is there, and why nothing else is known.
fn unread(opened: &OpenedCore, error: &Error) -> Triaged {
    let masks = environment::masks();
    let mut summary = CrashSummary::new(env!("CARGO_PKG_VERSION"));
    summary.core = Some(Core {
        path: Some(masks.apply(&opened.path.to_string_lossy())),
        size: Some(opened.size),
        size_on_disk: opened.size_on_disk,
        ..Core::default()
    });
    summary.warnings.push(Warning::new("core_not_read", masks.apply(&error.to_string())));
    Triaged { summary, files: Vec::new(), read_for_cause: Vec::new() }
}

/// Seals the crashes into the folder, lists those that are not kept, and rewrites its reports.
pub(crate) fn keep(folder: &OutputFolder, told: Vec<Told>, args: &KeepArgs, remove: bool, kept: &mut Kept) {
    if args.core == KeepCore::Full && args.scrub != Scrub::Always && !told.is_empty() && environment::in_ci()
    {
        terminal::warning(
            "the whole cores are kept, and a core holds the environment of its process, secrets included",
        );
    }
    if let Some(space) = folder.space().filter(Space::is_tight) {
        terminal::warning(&format!("little room is left in {}: {space}", folder.path().display()));
    }
    for crash in told {
        let path = crash.opened.path.clone();
        // A fault of ours that a crafted core finds must cost neither this crash nor the others.
        let sealed = catch_unwind(AssertUnwindSafe(|| seal(folder, crash, args, &kept.retention)));
        match sealed.unwrap_or_else(|_| {
            Err(message("a bug of epitaph", Some("please report it with the message above")))
        }) {
            Ok(sealed) => {
                let (id, how) = match &sealed {
                    Sealed::Stored(stored) => {
                        kept.new += 1;
                        kept.retention.stored(stored.core.as_ref().map_or(0, |core| core.size));
                        terminal::warnings(&stored.warnings);
                        terminal::warnings(&not_stored(&stored.summary));
                        (stored.summary.id.clone().unwrap_or_default(), how_kept(&stored.summary))
                    }
                    Sealed::AlreadyThere { id } => {
                        kept.known += 1;
                        if args.core == KeepCore::Full {
                            tell_if_reduced(&folder.path().join("crashes").join(id));
                        }
                        (id.clone(), String::new())
                    }
                };
                let place = folder.path().join("crashes").join(&id);
                let what = if place.join("core.zst").is_file() { "" } else { "the summary of " };
                terminal::note(&format!("{what}{} is kept as {}{how}", path.display(), place.display()));
                if remove {
                    remove_original(&path, &sealed);
                }
            }
            Err(error) => {
                kept.failed += 1;
                error.context(format!("cannot keep {}, which stays where it is", path.display())).print();
            }
        }
    }
    list_not_kept(folder, &kept.left_out);
    if let Err(error) = refresh(folder) {
        kept.failed += 1;
        error.print();
    }
}

/// Lists crashes that are not kept, in the folder that has no room for them.
fn list_not_kept(folder: &OutputFolder, left_out: &[CrashSummary]) {
    if left_out.is_empty() && !folder.not_kept_path().exists() {
        return;
    }
    match folder.list_not_kept(left_out.to_vec()) {
        Ok(0) => {}
        Ok(more) => terminal::warning(&format!("{more} more crashes are not even listed: the list is full")),
        Err(error) => Error::from(error).print_as_warning(),
    }
    if !left_out.is_empty() {
        terminal::note(&format!("what is not kept is listed in {}", folder.not_kept_path().display()));
        terminal::hint(
            "--max-cores and --max-per-signature say how much is kept; collect those cores into another folder",
        );
    }
}

/// Rewrites the reports over all crashes of the folder.
pub(crate) fn refresh(folder: &OutputFolder) -> Result<(), Error> {
    let crashes = folder.refresh(|summaries| {
        let reports = [
            ("summary.md", Format::Markdown),
            ("crashes.jsonl", Format::Jsonl),
            ("junit/epitaph.xml", Format::Junit),
        ];
        reports
            .into_iter()
            .filter_map(|(name, format)| {
                let mut bytes = Vec::new();
                render(summaries, format, &Options::default(), &mut bytes).ok()?;
                if format == Format::Markdown {
                    not_kept::markdown(&folder.not_kept(), &mut bytes).ok()?;
                }
                Some((name.to_owned(), bytes))
            })
            .collect()
    })?;
    terminal::warnings(&crashes.warnings);
    Ok(())
}

fn seal(folder: &OutputFolder, crash: Told, args: &KeepArgs, retention: &Retention) -> Result<Sealed, Error> {
    let Told { opened, triaged, collection, id } = crash;
    let Triaged { mut summary, files, read_for_cause } = triaged;
    summary.collection = Some(collection);
    let id = id?;
    let binaries = files
        .into_iter()
        .map(|file| BinaryToKeep {
            module: file.module,
            source: BinarySource::Path(file.path),
            build_id: file.build_id,
            part: file.part,
        })
        .collect();
    let room = retention.time_is_over().map_or_else(|| retention.room(), Err);
    let core = match room {
        Ok(_) => to_keep(&opened, args, &read_for_cause, &mut summary),
        Err(refusal) => {
            summary.warnings.push(refusal.of_a_core(&opened.path));
            ToKeep::Nothing
        }
    };
    let bar = progress::bytes("keeping", core.size(&opened));
    let mut request = SealRequest::new(&id, summary).with_progress(|done, _| bar.set_position(done));
    if args.core != KeepCore::None {
        let most = args.max_core_size.min(room.unwrap_or(0));
        let mut smaller = Smaller::than_wanted(&opened, args, &read_for_cause);
        request = request.with_binaries(binaries).with_max_core_bytes(most);
        request = request.or_smaller(move || smaller.next());
    }
    match &core {
        ToKeep::Nothing => {}
        ToKeep::Raw => request = request.with_core(CoreInput::from(&opened)),
        ToKeep::Reduced(made) => {
            let core = CoreInput::from(&opened).reduced(&*made.source, made.size, &made.reduction);
            request = request.with_core(core);
        }
    }
    let sealed = folder.seal(request);
    bar.finish_and_clear();
    Ok(sealed?)
}

/// Says of a stored core that is not the whole one how it differs.
fn how_kept(summary: &CrashSummary) -> String {
    let Some(core) = summary.core.as_ref().filter(|core| core.file.is_some()) else { return String::new() };
    let mut parts = Vec::new();
    if let Some(original) = core.slim.as_ref().and_then(|slim| slim.original_size) {
        parts.push(format!("slim: what debuggers need of {}", terminal::bytes(original)));
    }
    if core.scrubbed == Some(true) {
        parts.push("secrets overwritten".to_owned());
    }
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

/// Says that a crash which is in the folder already has less than its whole core, though that is asked for now.
fn tell_if_reduced(place: &Path) {
    let kept = read_summaries(&place.join("summary.json"))
        .ok()
        .and_then(|crashes| crashes.summaries.into_iter().next());
    let is_reduced = |core: Core| core.content == Some(CoreContent::Slim) || core.scrubbed == Some(true);
    if kept.and_then(|summary| summary.core).is_some_and(is_reduced) {
        terminal::warning(&format!("{}: kept before, and not whole: it stays as it is", place.display()));
        terminal::hint("remove that folder, or name another one with --out, and collect again");
    }
}

/// The warnings of a summary that say what sealing left out or could not do: the others were told with the story.
fn not_stored(summary: &CrashSummary) -> Vec<Warning> {
    let is_of_sealing = |warning: &&Warning| {
        warning.code.ends_with("_not_stored")
            || warning.code == "core_kept_small"
            || REDUCING.contains(&&*warning.code)
    };
    summary.warnings.iter().filter(is_of_sealing).cloned().collect()
}

fn remove_original(path: &Path, sealed: &Sealed) {
    match remove_sealed_original(path, sealed) {
        Ok(()) => terminal::note(&format!("{} was removed: its copy is complete", path.display())),
        Err(error) => Error::from(error).print_as_warning(),
    }
}
