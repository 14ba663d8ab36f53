//! Finds the files of modules, and names addresses: functions, files, lines and inlined frames.
//!
//! Two jobs that belong together, because both are about one module's files: [`FileSearch`] finds and verifies
//! them (it is the [`epitaph_elf::Locate`] of a folder world), and [`Symbolizer`] turns addresses into source
//! frames, for the whole set of a module's addresses at once: it looks for the compilation units that hold them
//! and reads only those. This crate is *not* an unwinder, and it doesn't go to the network: what no folder has,
//! [`FetchMissing`] asks of a [`Fetch`] that somebody else provides, and checks what comes.
//!
//! ```
//! use epitaph_symbols::demangle;
//!
//! assert_eq!(demangle("_ZN4shop5checkEi").as_deref(), Some("shop::check"));
//! // A name that only looks like a mangled type is a name: `f` is not `float`.
//! assert_eq!(demangle("f"), None);
//! ```

mod bare_names;
mod code_units;
mod companions;
mod debug_info;
mod demangle;
mod die_names;
mod dwarf;
mod entries;
mod extent;
mod fetch;
mod frames;
mod functions;
mod go;
mod line_program;
mod lines;
mod problem;
mod root;
mod scan;
mod scopes;
mod search;
mod shape;
mod skim;
mod source_frame;
mod split;
mod supplementary;
mod symbolizer;
mod symtab;
#[cfg(test)]
mod synth;
mod sysroot;
mod types;
mod unit;
mod units;
mod verify;

pub use code_units::{CodeUnit, CodeUnits, FunctionsAt};
pub use demangle::demangle;
pub use dwarf::Slice;
pub use entries::Home;
pub use fetch::{Fetch, FetchKind, FetchMissing, FetchWanted};
pub use problem::Problem;
pub use search::{CameWithCore, FileSearch, SearchOptions};
pub use source_frame::{SourceFrame, SymbolSource};
pub use symbolizer::Symbolizer;
