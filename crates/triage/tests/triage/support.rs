//! Cores, where their files are looked for, and their triages.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use epitaph_elf::{CompanionWanted, CoreFile, DebugWanted, Locate, Located, Wanted};
use epitaph_summary::CrashSummary;
use epitaph_testkit::core::CoreBuilder;
use epitaph_triage::{Options, Silent, triage};

/// Finds nothing.
pub(crate) struct Nothing;

impl Locate for Nothing {
    fn image(&self, _: &Wanted<'_>) -> Located {
        Located::Missing { tried: Vec::new() }
    }

    fn debug(&self, _: &DebugWanted<'_>) -> Located {
        Located::Missing { tried: Vec::new() }
    }

    fn companion(&self, _: &CompanionWanted<'_>) -> Located {
        Located::Missing { tried: Vec::new() }
    }
}

pub(crate) fn open(path: &Path) -> CoreFile {
    CoreFile::open(Arc::new(File::open(path).unwrap())).unwrap()
}

pub(crate) fn core(bytes: Vec<u8>) -> CoreFile {
    CoreFile::open(Arc::new(bytes)).unwrap()
}

pub(crate) fn built(builder: &CoreBuilder) -> CoreFile {
    core(builder.build().to_vec())
}

/// Triages with the usual options.
pub(crate) fn summary(core: &CoreFile, files: &dyn Locate) -> CrashSummary {
    triage(core.process(), core, files, &Options::default(), &mut Silent).summary
}

/// The codes of a summary's warnings, in their order.
pub(crate) fn codes(summary: &CrashSummary) -> Vec<&str> {
    summary.warnings.iter().map(|warning| warning.code.as_str()).collect()
}
