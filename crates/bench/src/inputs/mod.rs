//! The cores that are measured: made here by rules, and kept in `target/bench/inputs` for the next time.

mod make;
mod room;
mod rules;

pub use make::Workshop;
pub use room::Room;
pub use rules::{busy, debug_info, deep, heap_4g, heap_172m, modules, small, small_with_libc_debug, sparse};

use std::path::PathBuf;

/// How an input is made: a program that dies.
#[derive(Clone, Debug)]
pub struct Input {
    /// Its name, which is that of its folder too.
    pub name: String,
    /// Shell commands that build `exe` in an empty folder; `$TESTDATA` is the repository's folder of that name.
    pub rule: String,
    /// The arguments with which `exe` dies.
    pub arguments: Vec<String>,
    /// What it takes of the machine.
    pub room: Room,
    /// Something that has to be installed, and is not asked for by the rule: a file, and who provides it.
    pub needs: Option<Needed>,
}

/// A file that has to be there.
#[derive(Clone, Debug)]
pub struct Needed {
    /// The file, if it is there.
    pub file: Option<PathBuf>,
    /// What to say where it is not.
    pub otherwise: &'static str,
}

/// An input that is made.
#[derive(Clone, Debug)]
pub struct Made {
    /// The program.
    pub exe: PathBuf,
    /// The core that it left.
    pub core: PathBuf,
    /// The core's size in bytes, holes included.
    pub size: u64,
}
