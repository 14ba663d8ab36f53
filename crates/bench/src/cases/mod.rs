//! Who competes on which core, and what is promised of epitaph there.

mod contestants;
mod goal;
mod table;

use serde::Serialize;

pub use contestants::contestants;
pub use goal::{Goal, Judged};
pub use table::cases;

use crate::inputs::Input;
use crate::rounds::Standing;
use crate::tools::Stacks;

/// Functions that every tool has to name at every input but a few: the one that crashes, and where the program began.
pub const NAMED: &[&str] = &["spoil", "main"];

/// A comparison.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name, for the command line.
    pub name: &'static str,
    /// What it is, for people.
    pub title: &'static str,
    /// The core.
    pub input: Input,
    /// What is done with it.
    pub work: Work,
    /// What must be in the output.
    pub says: &'static [&'static str],
    /// What is promised.
    pub goals: Vec<Goal>,
    /// Whether it takes minutes or gigabytes: left out of a quick comparison.
    pub heavy: bool,
}

/// What is done with a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    /// All threads' backtraces are printed.
    Read,
    /// The crashing thread's endless recursion is printed, from both ends.
    ReadRecursion,
    /// All threads' backtraces are printed of a core that comes through a pipe.
    ReadPiped,
    /// The whole core is compressed and kept.
    Seal,
    /// A small core is made.
    Slim,
    /// A small core is made of one that comes through a pipe.
    SlimPiped,
}

impl Work {
    fn stacks(self) -> Stacks {
        if self == Work::ReadRecursion { Stacks::BothEnds } else { Stacks::All }
    }
}

/// How a comparison ended.
#[derive(Debug, Serialize)]
pub struct Compared {
    /// The case's name.
    pub name: &'static str,
    /// What it is, for people.
    pub title: &'static str,
    /// What was done.
    pub work: Work,
    /// The core's size in bytes, holes included.
    pub core_size: u64,
    /// How each tool did, epitaph first.
    pub standings: Vec<Standing>,
    /// What was promised, and what was measured.
    pub goals: Vec<Judged>,
}
