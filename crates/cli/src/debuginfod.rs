//! debuginfod behind the search for files: `symbols` says which file is wanted and checks what comes, `store` gets it.

use std::io::{IsTerminal, stderr};
use std::path::{Path, PathBuf};

use epitaph_store::{
    Debuginfod, DebuginfodFile, DebuginfodOptions, DebuginfodWanted, LookUpLimits, LookUps, Progress,
    StoreError,
};
use epitaph_symbols::{Fetch, FetchKind, FetchWanted};

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
}

impl<'a> Remote<'a> {
    pub(crate) fn new(debuginfod: &'a Debuginfod, args: &DebuginfodArgs) -> Remote<'a> {
        let limits = LookUpLimits { time: args.debuginfod_budget, count: args.debuginfod_lookups };
        // elfutils' variable asks for progress where there is no terminal as well.
        let in_lines = variable("DEBUGINFOD_PROGRESS").is_some() && !stderr().is_terminal();
        let progress: Box<dyn Progress> = if in_lines { Box::new(Lines) } else { Box::new(Transfers::new()) };
        Remote { look_ups: debuginfod.look_ups(limits), progress }
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
        let (file, name) = match wanted.kind {
            FetchKind::Image => (DebuginfodFile::Executable, wanted.name.to_owned()),
            FetchKind::Debug => (DebuginfodFile::Debuginfo, format!("{} (debug)", wanted.name)),
        };
        let build_id = wanted.build_id.to_string();
        let wanted = DebuginfodWanted { build_id: &build_id, file, name: &name };
        self.look_ups.find(&wanted, check, &*self.progress)
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
