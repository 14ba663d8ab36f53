//! All that an explanation may look at.

use epitaph_elf::{LoadedModules, Memory, Process};
use epitaph_summary::{CrashSummary, Frame, Thread};

use crate::failure::Failure;
use crate::fault::Fault;
use crate::regions::Space;
use crate::waits::Waits;

/// All that an explanation may look at.
#[derive(Clone)]
pub struct Scene<'a> {
    /// The process; its first thread is the one that took the signal.
    pub process: &'a Process,
    /// Its memory: what was dumped, and what its files hold unchanged.
    pub memory: &'a dyn Memory,
    /// Its modules.
    pub loaded: &'a LoadedModules<'a>,
    /// What is known so far: the process, the signal, and its first thread, walked and named.
    pub summary: &'a CrashSummary,
    /// What each thread waits for.
    pub waits: &'a Waits,
    /// The fault; `None` where no signal ended the process (a core of a living one).
    pub fault: Option<Fault>,
    /// The faults whose handlers the thread was in, innermost first.
    pub handled: Vec<Fault>,
    /// What was mapped where.
    pub(crate) space: Space<'a>,
    /// What failed, where the fault is of a kind that a processor raises.
    pub(crate) failure: Option<Failure>,
}

impl std::fmt::Debug for Scene<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scene").field("fault", &self.fault).finish_non_exhaustive()
    }
}

impl<'a> Scene<'a> {
    /// Sets the scene.
    pub fn new(
        process: &'a Process,
        memory: &'a dyn Memory,
        loaded: &'a LoadedModules<'a>,
        summary: &'a CrashSummary,
        waits: &'a Waits,
    ) -> Scene<'a> {
        let space = Space::new(process, memory, loaded);
        let (fault, handled) = Fault::all(process, memory, &space, summary);
        let failure = fault.as_ref().and_then(|fault| Failure::of(fault, process, memory, &space));
        Scene { process, memory, loaded, summary, waits, fault, handled, space, failure }
    }

    /// Returns the thread whose story is told.
    pub fn thread(&self) -> Option<&'a Thread> {
        self.summary.crashing_thread().or(self.summary.threads.first())
    }

    /// Returns the frames of that thread from the fault on, innermost first.
    pub fn frames(&self) -> &'a [Frame] {
        let from = self.fault.as_ref().map_or(0, |fault| fault.frame);
        self.thread().and_then(|thread| thread.frames.get(from..)).unwrap_or_default()
    }

    /// Returns the number of the fault's signal and its code, where it has one.
    pub(crate) fn signal(&self) -> Option<(i32, Option<i32>)> {
        self.fault.as_ref().map(|fault| (fault.signal.number, fault.signal.code))
    }
}
