//! One core, from its file to its summary.

use std::cmp::Reverse;
use std::ffi::OsStr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use epitaph_bundle::{Binaries, OpenedCore, read_summaries};
use epitaph_elf::{BuildId, CoreFile, Locate, Memory, Process, Remains};
use epitaph_store::Debuginfod;
use epitaph_summary::{self as summary, Collection, Confidence, Core, CrashSummary, Rules, Warning};
use epitaph_symbols::{CameWithCore, FetchMissing, FileSearch, SearchOptions};
use epitaph_triage::{Observer, Options, Triaged, Variables, triage};

use crate::args::SearchArgs;
use crate::debuginfod::{self, Remote, UntilThreadsAreDone};
use crate::environment;
use crate::error::{Error, message, of_core};
use crate::sources::SourceRoot;
use crate::terminal;

/// What to do where this program itself is at fault.
const A_BUG: &str = "this is a bug of epitaph: please report it with the message above";
/// The code of the warning that memory was asked for which had passed by.
pub(crate) const NOT_KEPT: &str = "core_not_kept";

/// Lets the search for files ask the folders that a core came in, the nearest first.
struct CameWith(Vec<Binaries>);

impl CameWith {
    fn new(core: &Path, tree: Option<&Path>) -> CameWith {
        let nearest = Binaries::beside(core);
        let tree = tree.and_then(|tree| std::path::absolute(tree).ok()).filter(|tree| tree != nearest.root());
        CameWith([nearest].into_iter().chain(tree.map(|tree| Binaries::in_tree(&tree))).collect())
    }

    fn first(&self, ask: impl Fn(&Binaries) -> Vec<PathBuf>) -> Vec<PathBuf> {
        self.0.iter().map(ask).find(|found| !found.is_empty()).unwrap_or_default()
    }
}

impl CameWithCore for CameWith {
    fn by_build_id(&self, id: &BuildId) -> Vec<PathBuf> {
        self.first(|binaries| binaries.by_build_id(id))
    }

    fn debug_by_build_id(&self, id: &BuildId) -> Vec<PathBuf> {
        self.first(|binaries| binaries.debug_by_build_id(id))
    }

    fn by_name(&self, name: &OsStr) -> Vec<PathBuf> {
        self.first(|binaries| binaries.by_name(name))
    }

    fn supplementary_by_build_id(&self, id: &BuildId) -> Vec<PathBuf> {
        self.first(|binaries| binaries.supplementary_by_build_id(id))
    }

    /// Many files have one name: the nearest folder's may be all of other units.
    fn split_by_name(&self, name: &OsStr) -> Vec<PathBuf> {
        self.0.iter().flat_map(|binaries| binaries.split_by_name(name)).collect()
    }
}

/// How cores are examined.
pub(crate) struct Examiner<'a> {
    search: &'a SearchArgs,
    debuginfod: Option<Debuginfod>,
    sources: Option<SourceRoot>,
    options: Options,
}

impl<'a> Examiner<'a> {
    pub(crate) fn new(search: &'a SearchArgs, rules: Arc<Rules>) -> Examiner<'a> {
        let debuginfod = debuginfod::configured(&search.debuginfod);
        Examiner {
            search,
            debuginfod,
            sources: sources(search),
            options: Options { rules, masks: environment::masks(), ..Options::default() },
        }
    }

    /// Walks only the crashing thread.
    pub(crate) fn crashed_thread_only(mut self, only: bool) -> Examiner<'a> {
        self.options.crashed_thread_only = only;
        self
    }

    /// Names at most this many frames from a thread's inner end.
    pub(crate) fn frames(mut self, frames: usize) -> Examiner<'a> {
        self.options.inner_frames = frames;
        self
    }

    /// Reads variables of the frames.
    pub(crate) fn variables(mut self, variables: Variables) -> Examiner<'a> {
        self.options.variables = variables;
        self
    }

    /// Finds every module's file, to keep them all.
    pub(crate) fn all_files(mut self) -> Examiner<'a> {
        self.options.all_files = true;
        self
    }

    /// Reads a core and tells its story. A core that was found in a `tree` of files, such as a pulled job, may have its
    /// binaries anywhere in there.
    pub(crate) fn examine(
        &self,
        opened: &OpenedCore,
        tree: Option<&Path>,
        observer: &mut dyn Observer,
    ) -> Result<Triaged, Error> {
        let core = CoreFile::open(opened.source.clone()).map_err(|error| of_core(&opened.path, error))?;
        let came_with = CameWith::new(&opened.path, tree);
        let files = FileSearch::new(SearchOptions {
            executable: self.search.exe.clone(),
            sysroot: self.search.sysroot.clone(),
            debug_dirs: self.search.debug_dir.clone(),
            allow_mismatch: self.search.allow_mismatch,
            core_time: opened.modified,
            beside: opened.path.parent().map(Path::to_owned),
            came_with: Some(&came_with),
        });
        let told = opened.store.clone().unwrap_or_default();
        let options = Options {
            time: opened.died().and_then(rfc3339),
            sources: self.sources.as_ref().map(|root| Arc::new(root.for_death_at(opened.died())) as _),
            process: told.process,
            signal: told.signal,
            collection: opened.store.as_ref().map(|store| Collection {
                collector: Some(store.collector.to_owned()),
                collector_facts: told.others,
                ..Collection::default()
            }),
            core: Core {
                path: Some(opened.path.to_string_lossy().into_owned()),
                size: Some(opened.size),
                size_on_disk: opened.size_on_disk,
                ..Core::default()
            },
            ..self.options.clone()
        };
        let mut triaged = self.triage(core.process(), &core, files, &options, observer).ok_or_else(|| {
            message(format!("{}: reading this core failed", opened.path.display()), Some(A_BUG))
        })?;
        if opened.refused_reads() > 0 {
            let text = format!(
                "{}: some of the memory that was asked for had passed by and was not kept; a core in a file, not \
                 compressed, is read at random",
                opened.path.display()
            );
            triaged.summary.warnings.push(Warning::new(NOT_KEPT, options.masks.apply(&text)));
        }
        if let Some(damage) = opened.damage_so_far() {
            let text = format!("{}: {damage}", opened.path.display());
            triaged.summary.warnings.insert(0, Warning::new("core_damaged", text));
        }
        Ok(triaged)
    }

    /// Tells the story of a process without a core; `told` is what else is known of it, and `died` the latest time at which
    /// it can have died.
    pub(crate) fn examine_remains(
        &self,
        remains: &Remains,
        told: summary::Process,
        died: Option<SystemTime>,
        observer: &mut dyn Observer,
    ) -> Result<Triaged, Error> {
        let files = FileSearch::new(SearchOptions {
            sysroot: self.search.sysroot.clone(),
            debug_dirs: self.search.debug_dir.clone(),
            core_time: died,
            ..SearchOptions::default()
        });
        let options = Options {
            time: died.and_then(rfc3339),
            sources: self.sources.as_ref().map(|root| Arc::new(root.for_death_at(died)) as _),
            process: told,
            ..self.options.clone()
        };
        let failed = || message("reading what the kernel logged failed", Some(A_BUG));
        self.triage(&remains.process(), remains, files, &options, observer).ok_or_else(failed)
    }

    /// Runs the triage, and asks servers for the files that aren't here; `None` where it failed, which is a bug.
    fn triage(
        &self,
        process: &Process,
        memory: &(dyn Memory + Sync),
        files: FileSearch<'_>,
        options: &Options,
        observer: &mut dyn Observer,
    ) -> Option<Triaged> {
        let remote =
            self.debuginfod.as_ref().map(|debuginfod| Remote::new(debuginfod, &self.search.debuginfod));
        let files: Box<dyn Locate> = match &remote {
            Some(remote) => Box::new(FetchMissing::new(files, remote)),
            None => Box::new(files),
        };
        // A fault of ours that a crafted core finds must cost neither this core nor the others: it is told, and kept.
        let mut observer = UntilThreadsAreDone { remote: remote.as_ref(), observer };
        let triage = || triage(process, memory, &*files, options, &mut observer);
        let mut triaged = catch_unwind(AssertUnwindSafe(triage)).ok()?;
        for problem in remote.iter().flat_map(Remote::problems) {
            triaged.summary.warnings.push(Warning::new("debuginfod", options.masks.apply(&problem)));
        }
        Some(triaged)
    }
}

/// Opens the folder that holds the sources; says so where one that was asked for isn't there.
fn sources(search: &SearchArgs) -> Option<SourceRoot> {
    let Some(root) = &search.source_root else { return SourceRoot::here() };
    match SourceRoot::new(root) {
        Ok(root) => Some(root),
        Err(error) => {
            terminal::warning(&format!("no source lines are shown: {}: {error}", root.display()));
            None
        }
    }
}

/// Reads the summary that was kept with a core, and adds to a fresh one what only the old one can know: where the
/// core came from, names that need files which did not come along, source lines, and the test.
pub(crate) fn with_kept(fresh: CrashSummary, kept: &Path) -> CrashSummary {
    let Some(kept) = read_summaries(kept).ok().and_then(|crashes| crashes.summaries.into_iter().next())
    else {
        return fresh;
    };
    let named = |summary: &CrashSummary| {
        let frames = summary.threads.iter().flat_map(|thread| &thread.frames);
        frames.filter(|frame| frame.function.is_some()).count()
    };
    if named(&kept) > named(&fresh) {
        return kept;
    }
    let mut fresh = with_surer_cause(fresh, &kept);
    for (thread, kept) in fresh.threads.iter_mut().zip(kept.threads) {
        for (frame, kept) in thread.frames.iter_mut().zip(kept.frames) {
            let is_same = (frame.pc, &frame.file, frame.line) == (kept.pc, &kept.file, kept.line);
            if frame.source.is_empty() && is_same {
                frame.source = kept.source;
            }
        }
    }
    CrashSummary {
        id: kept.id,
        time: kept.time,
        core: kept.core,
        collection: kept.collection,
        // A slim core may lack the memory that named it, and a scrubbed one has no variables.
        test: fresh.test.or(kept.test),
        ..fresh
    }
}

/// Takes the cause, and what depends on it, from the summary that was made of the whole core, where that one was surer.
fn with_surer_cause(fresh: CrashSummary, kept: &CrashSummary) -> CrashSummary {
    let sureness = |summary: &CrashSummary| {
        let confidence = summary.cause.as_ref().map(|cause| cause.confidence.unwrap_or(Confidence::Unknown));
        // None is less than any degree, and the surest degree is the least.
        confidence.map(Reverse)
    };
    if sureness(kept) <= sureness(&fresh) {
        return fresh;
    }
    CrashSummary {
        cause: kept.cause.clone(),
        other_causes: kept.other_causes.clone(),
        regions: kept.regions.clone(),
        deadlocks: kept.deadlocks.clone(),
        signature: kept.signature.clone(),
        ..fresh
    }
}

/// Says a time in UTC, to the second.
pub(crate) fn rfc3339(time: SystemTime) -> Option<String> {
    let time = jiff::Timestamp::try_from(time).ok()?;
    Some(time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use epitaph_summary::Cause;

    fn summary(cause: Option<(&str, Confidence)>) -> CrashSummary {
        let cause = cause.map(|(class, confidence)| Cause::new(class, confidence, class));
        CrashSummary { cause, ..CrashSummary::new("0") }
    }

    #[test]
    fn the_surer_cause_counts_and_of_two_the_fresh_one() {
        let (high, medium, low) = (Confidence::High, Confidence::Medium, Confidence::Low);
        for (fresh, kept, expected) in [
            (Some(("fresh", low)), Some(("kept", high)), "kept"),
            (Some(("fresh", medium)), Some(("kept", high)), "kept"),
            (None, Some(("kept", low)), "kept"),
            (Some(("fresh", high)), Some(("kept", high)), "fresh"),
            (Some(("fresh", high)), Some(("kept", low)), "fresh"),
            (Some(("fresh", low)), None, "fresh"),
            (Some(("fresh", low)), Some(("kept", Confidence::Unknown)), "fresh"),
        ] {
            let counts = with_surer_cause(summary(fresh), &summary(kept)).cause.unwrap();
            assert_eq!(counts.class, expected, "{fresh:?} {kept:?}");
        }
    }
}
