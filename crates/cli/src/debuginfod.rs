//! debuginfod behind the search for files: `symbols` says which file is wanted and checks what comes, `store` gets it.

use std::io::{IsTerminal, stderr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use epitaph_store::{
    Debuginfod, DebuginfodFile, DebuginfodOptions, DebuginfodWanted, LookUpLimits, LookUps, Progress,
    StoreError,
};
use epitaph_summary::CrashSummary;
use epitaph_symbols::{Fetch, FetchKind, FetchWanted};
use epitaph_triage::Observer;

use crate::args::DebuginfodArgs;
use crate::environment::variable;
use crate::error::with_causes;
use crate::progress::Transfers;
use crate::terminal;

/// The servers that the options and the environment name; `None` where there are none, and nothing is ever asked.
pub(crate) fn configured(args: &DebuginfodArgs) -> Option<Debuginfod> {
    let mut options = DebuginfodOptions::from_variables(|name| std::env::var_os(name));
    let given: Vec<String> = args.debuginfod.iter().filter(|url| !url.is_empty()).cloned().collect();
    if !given.is_empty() {
        options.servers = given;
    }
    (!args.no_debuginfod && !options.servers.is_empty()).then(|| Debuginfod::new(options))
}

/// Fetches the files of one core.
pub(crate) struct Remote<'a> {
    look_ups: LookUps<'a>,
    progress: Box<dyn Progress>,
    done: AtomicBool,
}

impl<'a> Remote<'a> {
    pub(crate) fn new(debuginfod: &'a Debuginfod, args: &DebuginfodArgs) -> Remote<'a> {
        let limits = LookUpLimits { time: args.debuginfod_budget, count: args.debuginfod_lookups };
        // elfutils' variable asks for progress where there is no terminal as well.
        let in_lines = variable("DEBUGINFOD_PROGRESS").is_some() && !stderr().is_terminal();
        let progress: Box<dyn Progress> = if in_lines { Box::new(Lines) } else { Box::new(Transfers::new()) };
        Remote { look_ups: debuginfod.look_ups(limits), progress, done: AtomicBool::new(false) }
    }

    /// Says what went wrong so far.
    pub(crate) fn problems(&self) -> impl Iterator<Item = String> {
        self.look_ups.warnings().into_iter().map(|warning| format!("{}: {}", warning.path, warning.message))
    }
}

impl Fetch for Remote<'_> {
    fn fetch(
        &self,
        wanted: &FetchWanted<'_>,
        check: &mut dyn FnMut(&Path) -> Result<(), String>,
    ) -> Option<PathBuf> {
        if self.done.load(Ordering::Relaxed) {
            return None;
        }
        let (file, name) = match wanted.kind {
            FetchKind::Image => (DebuginfodFile::Executable, wanted.name.to_owned()),
            FetchKind::Debug => (DebuginfodFile::Debuginfo, format!("{} (debug)", wanted.name)),
        };
        let build_id = wanted.build_id.to_string();
        let wanted = DebuginfodWanted { build_id: &build_id, file, name: &name };
        self.look_ups.find(&wanted, check, &*self.progress)
    }
}

/// Fetches nothing any more when the threads are done: files that only go along with the core, such as those of
/// libraries that no stack leads through, are kept where they are here, and not downloaded for it.
pub(crate) struct UntilThreadsAreDone<'a> {
    pub(crate) remote: Option<&'a Remote<'a>>,
    pub(crate) observer: &'a mut dyn Observer,
}

impl Observer for UntilThreadsAreDone<'_> {
    fn crashing_thread_done(&mut self, partial: &CrashSummary) {
        self.observer.crashing_thread_done(partial);
    }

    fn threads_done(&mut self) {
        if let Some(remote) = self.remote {
            remote.done.store(true, Ordering::Relaxed);
        }
        self.observer.threads_done();
    }
}

/// Progress as lines.
struct Lines;

impl Progress for Lines {
    fn started(&self, path: &str, size: Option<u64>) {
        let size = size.map(|size| format!(" ({})", terminal::bytes(size))).unwrap_or_default();
        terminal::note(&format!("downloading {path}{size}"));
    }

    fn finished(&self, path: &str) {
        terminal::note(&format!("downloaded {path}"));
    }

    fn failed(&self, path: &str, error: &StoreError) {
        terminal::note(&format!("{path} was not downloaded: {}", with_causes(error)));
    }
}
