//! Why a process died: from what a core and its files hold to a sentence with its evidence.
//!
//! [`explain`] looks at a [`Scene`]: the process, its memory, its modules, and the crashing thread as it was walked and
//! named. It takes steps in the order of their precedence; the first that recognizes something gives the
//! cause, and what later ones add is told beside it. It needs no variables' debug information, asks for no file and never
//! fails: a step that can't tell says nothing. It is *not* the place where crashes are compared: that is the signature's.
//!
//! Corrupt heaps and stacks are the normal case here: every pointer that is followed is checked and every read bounded, and
//! a cause says how sure it is.
//!
//! ```no_run
//! use epitaph_elf::{CoreFile, LoadedModules, Locate, Module};
//! use epitaph_explain::{Scene, explain, waits};
//! use epitaph_summary::CrashSummary;
//!
//! fn tell(core: &CoreFile, files: &dyn Locate, summary: &CrashSummary) {
//!     let process = core.process();
//!     let loaded = LoadedModules::new(Module::all(process, core), process.arch, files);
//!     let waits = waits(process, core, &loaded);
//!     let explained = explain(&Scene::new(process, core, &loaded, summary, &waits));
//!     println!("{:?}; deadlocks: {:?}", explained.cause, waits.rings);
//! }
//! ```

mod failure;
mod fault;
mod hunt;
mod instruction;
mod names;
mod peek;
mod regions;
mod remnant;
mod runtime;
mod scene;
mod sentence;
mod steps;
pub mod syscalls;
mod waits;
mod words;

use epitaph_summary::{Cause, Region};

pub use fault::Fault;
pub use scene::Scene;
pub use waits::{Call, Holder, Ring, ThreadState, Wait, WaitKind, Waits, waits};

/// What is known of why a process died.
#[derive(Clone, Debug, Default)]
pub struct Explanation {
    /// The cause; absent where nothing ended the process and nothing is to be told.
    pub cause: Option<Cause>,
    /// What else may have been the cause, the likeliest first.
    pub others: Vec<Cause>,
    /// The faults whose handlers the crashing thread was in, innermost first.
    pub handled: Vec<Fault>,
    /// The part of the address space that the causes speak of, by address: their accesses have indices into it.
    pub regions: Vec<Region>,
}

/// Finds out why a process died.
pub fn explain(scene: &Scene<'_>) -> Explanation {
    let mut found = steps::all(scene);
    let failure = scene.failure.as_ref();
    let places = failure.iter().flat_map(|failure| [Some(failure.pc), failure.sp, failure.address]).flatten();
    let regions = scene.space.place(places, found.iter_mut().filter_map(|cause| cause.access.as_mut()));
    let mut causes = found.into_iter();
    Explanation { cause: causes.next(), others: causes.collect(), handled: scene.handled.clone(), regions }
}
