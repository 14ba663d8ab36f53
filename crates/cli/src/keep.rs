//! Keeping crashes: tell each story, then seal, then rewrite the reports. `collect` and `run` both end here.

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use epitaph_bundle::{
    BinarySource, BinaryToKeep, CoreInput, Identity, OpenedCore, OutputFolder, SealRequest, Sealed, crash_id,
    open_core_file, read_summaries, remove_sealed_original,
};
use epitaph_capture::Candidate;
use epitaph_report::{Format, Options, render, text};
use epitaph_summary::{Collection, Core, CoreContent, CrashSummary, Warning};
use epitaph_triage::{ModuleFile, Observer, Triaged};

use crate::args::{KeepArgs, KeepCore, Scrub};
use crate::config;
use crate::environment;
use crate::error::{Error, message};
use crate::examine::Examiner;
use crate::reduce::{REDUCING, ToKeep, to_keep};
use crate::{progress, terminal};

/// A crash whose story was told, and that is still to be kept.
pub(crate) struct Told {
    opened: OpenedCore,
    triaged: Triaged,
    collection: Collection,
    identity: io::Result<Identity>,
}

/// What keeping came to.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// Crashes that are in the folder now and were not before.
    pub(crate) new: usize,
    /// Crashes that were there already.
    pub(crate) known: usize,
    /// Cores that could not be read, or crashes that could not be kept.
    pub(crate) failed: usize,
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

/// Reads the cores and tells their stories, before anything is copied: a log that ends early has told them all.
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
    let mut copies = Copies::default();
    for candidate in candidates {
        if !told.is_empty() {
            let _ = writeln!(out);
        }
        let opened = match open_core_file(&candidate.path, candidate.file) {
            Ok(opened) => opened,
            Err(error) => {
                Error::from(error).print_as_warning();
                kept.failed += 1;
                continue;
            }
        };
        if let Some(first) = copies.is_one(&opened) {
            terminal::note(&format!("{} is the same core as {}", opened.path.display(), first.display()));
            opened.release();
            continue;
        }
        let mut observer = TellFirst { out, options: &options };
        let triaged = examiner.examine(&opened, None, &mut observer);
        let triaged = match triaged {
            Ok(triaged) => {
                let _ = text::rest(&triaged.summary, &options, out);
                triaged
            }
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
        let pid = triaged.summary.process.as_ref().and_then(|process| process.pid);
        let identity = Identity::on_this_host(&*opened.source, pid);
        // There may be many cores, and they are kept one after the other.
        opened.release();
        told.push(Told { opened, triaged, collection, identity });
    }
    let _ = out.flush();
    told
}

/// The cores that were opened so far: a collector may keep one twice, by itself and in a report.
#[derive(Default)]
struct Copies(Vec<(Identity, PathBuf)>);

impl Copies {
    /// Returns the path of the same core, if it was opened before; or else remembers this one.
    fn is_one(&mut self, opened: &OpenedCore) -> Option<PathBuf> {
        let identity = Identity::on_this_host(&*opened.source, None).ok()?;
        if let Some((_, path)) = self.0.iter().find(|(known, _)| *known == identity) {
            return Some(path.clone());
        }
        self.0.push((identity, opened.path.clone()));
        None
    }
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

/// Seals the crashes into the folder, and rewrites its reports.
pub(crate) fn keep(folder: &OutputFolder, told: Vec<Told>, args: &KeepArgs, remove: bool, kept: &mut Kept) {
    if args.core == KeepCore::Full && args.scrub != Scrub::Always && !told.is_empty() && environment::in_ci()
    {
        terminal::warning(
            "the whole cores are kept, and a core holds the environment of its process, secrets included",
        );
    }
    for crash in told {
        let path = crash.opened.path.clone();
        // A fault of ours that a crafted core finds must cost neither this crash nor the others.
        let sealed = catch_unwind(AssertUnwindSafe(|| seal(folder, crash, args)));
        match sealed.unwrap_or_else(|_| {
            Err(message("a bug of epitaph", Some("please report it with the message above")))
        }) {
            Ok(sealed) => {
                let (id, how) = match &sealed {
                    Sealed::Stored(stored) => {
                        kept.new += 1;
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
    if let Err(error) = refresh(folder) {
        kept.failed += 1;
        error.print();
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
                Some((name.to_owned(), bytes))
            })
            .collect()
    })?;
    terminal::warnings(&crashes.warnings);
    Ok(())
}

fn seal(folder: &OutputFolder, crash: Told, args: &KeepArgs) -> Result<Sealed, Error> {
    let Told { opened, triaged, collection, identity } = crash;
    let Triaged { mut summary, files, read_for_cause } = triaged;
    summary.collection = Some(collection);
    let id = id_of(&summary, opened.died(), &identity?);
    let core = to_keep(&opened, args, read_for_cause, &mut summary);
    let bar = progress::bytes("keeping", core.size(&opened));
    let mut request = SealRequest::new(&id, summary).with_progress(|done, _| bar.set_position(done));
    if args.core != KeepCore::None {
        request = request.with_binaries(binaries(files)).with_max_core_bytes(args.max_core_size);
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

/// Names a crash.
pub(crate) fn id_of(summary: &CrashSummary, died: Option<SystemTime>, identity: &Identity) -> String {
    let process = summary.process.as_ref();
    let executable = process
        .and_then(|process| process.executable.as_deref().or(process.name.as_deref()))
        .map(PathBuf::from)
        .and_then(|path| Some(path.file_name()?.to_owned()))
        .unwrap_or_else(|| "unknown".into());
    let signal =
        summary.signal.as_ref().and_then(|signal| signal.name.clone()).unwrap_or_else(|| "none".into());
    crash_id(died.unwrap_or_else(SystemTime::now), &executable, &signal, identity)
}

/// Returns the files that explain a crash, to be kept.
pub(crate) fn binaries(files: Vec<ModuleFile>) -> Vec<BinaryToKeep> {
    let binary = |file: ModuleFile| BinaryToKeep {
        module: file.module,
        source: BinarySource::Path(file.path),
        build_id: file.build_id,
        part: file.part,
    };
    files.into_iter().map(binary).collect()
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
    let is_of_sealing =
        |warning: &&Warning| warning.code.ends_with("_not_stored") || REDUCING.contains(&&*warning.code);
    summary.warnings.iter().filter(is_of_sealing).cloned().collect()
}

fn remove_original(path: &Path, sealed: &Sealed) {
    match remove_sealed_original(path, sealed) {
        Ok(()) => terminal::note(&format!("{} was removed: its copy is complete", path.display())),
        Err(error) => Error::from(error).print_as_warning(),
    }
}
