//! Telling the stories of the cores that were found, before anything is kept.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use epitaph_bundle::{Identity, OpenedCore, open_core_file};
use epitaph_capture::{CANARY_NAME, Candidate};
use epitaph_elf::CoreFile;
use epitaph_report::{Options, not_kept, text};
use epitaph_summary::{Collection, Core, CrashSummary, Warning};
use epitaph_triage::{Observer, Silent, Triaged, test_in_output};

use crate::args::KeepArgs;
use crate::config;
use crate::environment;
use crate::error::Error;
use crate::examine::Examiner;
use crate::keep::id_of;
use crate::kept::Kept;
use crate::retention;
use crate::terminal;

/// A crash whose story was told, and that is still to be kept.
pub(crate) struct Told {
    pub(crate) opened: OpenedCore,
    pub(crate) triaged: Triaged,
    pub(crate) collection: Collection,
    pub(crate) id: io::Result<String>,
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
    // Most commands that are run leave none, and are not to wait for what is read for the others.
    if candidates.is_empty() && kept.left_out.is_empty() {
        return Vec::new();
    }
    let examiner = Examiner::new(&args.search, config::rules_or_warning(&args.config)).all_files();
    let options = Options { color: true, width: terminal::width(), ..Options::default() };
    let mut told: Vec<Told> = Vec::new();
    let mut copies = Copies::default();
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
        if let Some(first) = copies.is_one(&opened) {
            terminal::note(&format!("{} is the same core as {}", opened.path.display(), first.display()));
            kept.passed_over += 1;
            opened.release();
            continue;
        }
        if is_canarys(&opened) {
            terminal::note(&format!("{} is of `epitaph doctor`'s own crash", opened.path.display()));
            kept.passed_over += 1;
            opened.release();
            continue;
        }
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
        let pid = triaged.summary.process.as_ref().and_then(|process| process.pid);
        let identity = Identity::on_this_host(&*opened.source, pid);
        let id = identity.map(|identity| id_of(&triaged.summary, opened.died(), &identity));
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

/// Tells whether a core is that of a crash on purpose, which a collector keeps like any other.
fn is_canarys(opened: &OpenedCore) -> bool {
    let core = CoreFile::open(Arc::clone(&opened.source));
    core.is_ok_and(|core| core.process().info.as_ref().is_some_and(|info| info.name == CANARY_NAME))
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
