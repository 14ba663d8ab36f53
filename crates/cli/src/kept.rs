//! What keeping came to.

use std::path::PathBuf;

use epitaph_bundle::OutputFolder;
use epitaph_capture::Beyond;
use epitaph_summary::{Collection, CrashSummary};

use crate::args::KeepArgs;
use crate::retention::{self, Refusal, Retention};

/// What keeping came to.
#[derive(Debug)]
pub(crate) struct Kept {
    /// Crashes that are in the folder now and were not before.
    pub(crate) new: usize,
    /// Crashes that were there already.
    pub(crate) known: usize,
    /// Cores that tell of no crash of their own: copies of others, and those of `doctor`'s canaries.
    pub(crate) passed_over: usize,
    /// Cores that could not be read, or crashes that could not be kept.
    pub(crate) failed: usize,
    /// Crashes that are new in the folder, but for their core: it could not be stored, though there was to be room for it.
    pub(crate) without_core: usize,
    /// The least that tells of the crashes that are not kept, because there are enough.
    pub(crate) left_out: Vec<CrashSummary>,
    /// Cores of which the folder has all that was asked for: their originals are needed no more.
    pub(crate) safe: Vec<PathBuf>,
    /// The crashes that were not known before, to be told to the CI system.
    pub(crate) told: Vec<CrashSummary>,
    /// How much more may be kept.
    pub(crate) retention: Retention,
    /// Whether what the folder had before is counted in that.
    is_counted: bool,
}

impl Kept {
    /// Begins with nothing, in a folder that is taken for empty.
    pub(crate) fn new(args: &KeepArgs) -> Kept {
        let retention = Retention::new(&args.retention, None);
        Kept {
            new: 0,
            known: 0,
            passed_over: 0,
            failed: 0,
            without_core: 0,
            left_out: Vec::new(),
            safe: Vec::new(),
            told: Vec::new(),
            retention,
            is_counted: false,
        }
    }

    /// Counts what is in the folder that crashes are to be kept in; the time for keeping them begins now. Once is enough:
    /// by then, what was judged since is not all in the folder.
    pub(crate) fn count_what_is_in(&mut self, folder: &OutputFolder, args: &KeepArgs) {
        if !self.is_counted {
            self.retention = Retention::new(&args.retention, Some(folder));
            self.is_counted = true;
        }
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
