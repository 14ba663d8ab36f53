//! Keeping crashes: seal them, list those that are not kept, then rewrite the reports. `collect` and `run` end here.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use epitaph_bundle::{
    BinarySource, BinaryToKeep, CoreInput, Identity, OutputFolder, Recipients, SealRequest, Sealed, Space,
    crash_id, holds_core, read_summaries, remove_sealed_original, sealed_core,
};
use epitaph_report::{Format, Options, render_kept};
use epitaph_summary::{Core, CoreContent, CrashSummary, Warning};
use epitaph_triage::{ModuleFile, Triaged};

use crate::args::{KeepArgs, KeepCore, Scrub};
use crate::checkout::repository;
use crate::ci::may_publish;
use crate::error::{Error, message};
use crate::kept::Kept;
use crate::reduce::{REDUCING, Smaller, ToKeep, to_keep};
use crate::retention::Retention;
use crate::told::Told;
use crate::{progress, terminal};

/// What warns of a crash that was kept without its core.
const CORE_NOT_STORED: &str = "core_not_stored";

/// How crashes are kept.
pub(crate) struct Keeping<'a> {
    /// What the user asks for.
    pub(crate) args: &'a KeepArgs,
    /// Who may read the cores; everybody, if there are none.
    pub(crate) recipients: &'a Recipients,
    /// Whether originals go once their copies are verified.
    pub(crate) remove: bool,
}

/// Seals the crashes into the folder, lists those that are not kept, and rewrites its reports.
pub(crate) fn keep(folder: &OutputFolder, told: Vec<Told>, keeping: &Keeping<'_>, kept: &mut Kept) {
    let &Keeping { args, recipients, remove } = keeping;
    let is_whole = args.core == KeepCore::Full && args.scrub != Scrub::Always;
    if is_whole && recipients.is_empty() && !told.is_empty() && may_publish(args) {
        terminal::warning(
            "the whole cores are kept, and a core holds the environment of its process, secrets included",
        );
    }
    if let Some(space) = folder.space().filter(Space::is_tight) {
        terminal::warning(&format!("little room is left in {}: {space}", folder.path().display()));
    }
    for crash in told {
        let path = crash.opened.path.clone();
        let summary = crash.triaged.summary.clone();
        // A fault of ours that a crafted core finds must cost neither this crash nor the others.
        let is_room = kept.retention.time_is_over().is_none() && kept.retention.room().is_ok();
        let sealed = catch_unwind(AssertUnwindSafe(|| seal(folder, crash, keeping, &kept.retention)));
        match sealed.unwrap_or_else(|_| {
            Err(message("a bug of epitaph", Some("please report it with the message above")))
        }) {
            Ok(sealed) => {
                if !needs_original(&sealed) {
                    kept.safe.push(path.clone());
                }
                let (id, how) = match &sealed {
                    Sealed::Stored(stored) => {
                        kept.new += 1;
                        let is_limited = stored.is_beyond_limit || !is_room;
                        kept.without_core +=
                            usize::from(!is_limited && has(&stored.summary, CORE_NOT_STORED));
                        kept.retention.stored(stored.core.as_ref().map_or(0, |core| core.size));
                        terminal::warnings(&stored.warnings);
                        terminal::warnings(&not_stored(&stored.summary));
                        kept.told.push(stored.summary.clone());
                        (stored.summary.id.clone().unwrap_or_default(), how_kept(&stored.summary))
                    }
                    Sealed::AlreadyThere { id } => {
                        kept.known += 1;
                        let place = folder.path().join("crashes").join(id);
                        if args.core == KeepCore::Full {
                            tell_if_reduced(&place);
                        }
                        if !recipients.is_empty() {
                            tell_if_readable(&place);
                        }
                        (id.clone(), String::new())
                    }
                };
                let place = folder.path().join("crashes").join(&id);
                let what = if sealed_core(&place).is_some() { "" } else { "the summary of " };
                terminal::note(&format!("{what}{} is kept as {}{how}", path.display(), place.display()));
                if let Some(link) = link_to_core(&sealed) {
                    terminal::note(&format!("once it is stored, it is at {link}"));
                }
                // What came out of the journal is no file to remove.
                if remove && path.try_exists().unwrap_or(true) {
                    remove_original(&path, &sealed);
                }
            }
            Err(error) => {
                kept.failed += 1;
                kept.told.push(summary);
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

/// Tells whether less of a core was stored than was asked for, so that its original is still needed.
fn needs_original(sealed: &Sealed) -> bool {
    let Sealed::Stored(stored) = sealed else { return false };
    has(&stored.summary, CORE_NOT_STORED) || has(&stored.summary, "core_kept_small")
}

/// Tells whether a summary has a warning of this code.
fn has(summary: &CrashSummary, code: &str) -> bool {
    summary.warnings.iter().any(|warning| warning.code == code)
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
        terminal::hint("collect those cores into another folder, or with other limits");
    }
}

/// Rewrites the reports over all crashes of the folder.
pub(crate) fn refresh(folder: &OutputFolder) -> Result<(), Error> {
    let crashes = folder.refresh(|summaries| {
        let reports = [
            ("summary.md", Format::Markdown),
            ("crashes.jsonl", Format::Jsonl),
            ("junit/epitaph.xml", Format::Junit),
            ("index.html", Format::Html),
        ];
        let not_kept = folder.not_kept();
        let options = Options { repository: repository(None), ..Options::default() };
        reports
            .into_iter()
            .filter_map(|(name, format)| {
                let mut bytes = Vec::new();
                render_kept(summaries, &not_kept, format, &options, &mut bytes).ok()?;
                Some((name.to_owned(), bytes))
            })
            .collect()
    })?;
    terminal::warnings(&crashes.warnings);
    Ok(())
}

fn seal(
    folder: &OutputFolder,
    crash: Told,
    keeping: &Keeping<'_>,
    retention: &Retention,
) -> Result<Sealed, Error> {
    let &Keeping { args, recipients, .. } = keeping;
    let Told { opened, triaged, collection, id } = crash;
    let Triaged { mut summary, files, read_for_cause } = triaged;
    summary.collection = Some(collection);
    let id = id?;
    let room = retention.time_is_over().map_or_else(|| retention.room(), Err);
    let core = match room {
        Ok(_) => to_keep(&opened, args, &read_for_cause, &mut summary),
        Err(refusal) => {
            summary.warnings.push(refusal.of_a_core(&opened.path));
            ToKeep::Nothing
        }
    };
    let bar = progress::bytes("keeping", core.size(&opened));
    let mut request = SealRequest::new(&id, summary)
        .encrypted_for(recipients)
        .with_progress(|done, _| bar.set_position(done));
    if args.core != KeepCore::None {
        let most = args.max_core_size.min(room.unwrap_or(0));
        let mut smaller = Smaller::than_wanted(&opened, args, &read_for_cause);
        request = request.with_binaries(binaries(files)).with_max_binary_bytes(args.max_core_size);
        request = request.with_max_core_bytes(most);
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

/// Returns where a core will be found, once the CI system has stored the folder.
fn link_to_core(sealed: &Sealed) -> Option<String> {
    let Sealed::Stored(stored) = sealed else { return None };
    let job = stored.summary.collection.as_ref()?.ci.as_ref()?;
    job.link(stored.summary.core.as_ref()?.file.as_deref()?)
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
    if core.encryption.is_some() {
        parts.push("encrypted".to_owned());
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

/// Says that a crash which is in the folder already has a core that everybody can read, though it is to be encrypted now.
fn tell_if_readable(place: &Path) {
    if sealed_core(place)
        .is_some_and(|core| File::open(core).is_ok_and(|file| holds_core(&file).unwrap_or(true)))
    {
        terminal::warning(&format!("{}: kept before, and not encrypted: it stays as it is", place.display()));
        terminal::hint("remove that folder, or name another one with --out, and collect again");
    }
}

/// The warnings of a summary that say what sealing left out or could not do: the others were told with the story.
pub(crate) fn not_stored(summary: &CrashSummary) -> Vec<Warning> {
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
