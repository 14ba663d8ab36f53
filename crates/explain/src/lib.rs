//! Why a process died: from what a core and its files hold to a sentence with its evidence.
//!
//! [`explain`] looks at a [`Scene`]: the process, its memory, its modules, and the crashing thread as it was walked and
//! named. It takes steps in the order of their precedence; the first that recognizes something gives the
//! cause, and what later ones add is told beside it. It needs no variables' debug information, asks for no file and never
//! fails: a step that can't tell says nothing. It is *not* the place where crashes are compared: that is the signature's.
//!
//! Corrupt heaps and stacks are the normal case here: every pointer that is followed is checked and every read bounded, and
//! a cause says how sure it is.

mod fault;
mod instruction;
mod scene;
mod steps;
mod syscalls;

use epitaph_summary::{Cause, Region};

pub use fault::Fault;
pub use scene::Scene;

/// What is known of why a process died.
#[derive(Clone, Debug, Default)]
pub struct Explanation {
    /// The cause; absent where nothing ended the process and nothing is to be told.
    pub cause: Option<Cause>,
    /// What else may have been the cause, the likeliest first.
    pub others: Vec<Cause>,
    /// The part of the address space that the causes speak of, by address: their accesses have indices into it.
    pub regions: Vec<Region>,
}

/// Finds out why a process died.
pub fn explain(scene: &Scene<'_>) -> Explanation {
    let mut causes = steps::all(scene).into_iter();
    Explanation { cause: causes.next(), others: causes.collect(), regions: Vec::new() }
}
