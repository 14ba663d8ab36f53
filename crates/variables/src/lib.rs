//! Arguments and locals of frames, as text.
//!
//! Frames with their registers, memory and the debugging entries of the functions that they are in go in; names, types
//! and values come out, spelled as gdb spells them, with strings and containers of the C++ and Rust libraries as what
//! they hold. What a value lacks is told apart: the compiler kept it nowhere, the core doesn't hold it, or nobody can
//! say. This crate is *not* an unwinder and *not* a symbolizer: it is handed frames and reads the units that
//! `epitaph-symbols` found. Everything is bounded: entries, expressions, depth, length, and reads of memory.
//!
//! ```
//! use epitaph_variables::{Missing, Variable};
//!
//! let lost = Variable { name: "n".into(), missing: Some(Missing::OptimizedOut), ..Variable::default() };
//! assert_eq!(lost.text(), "<optimized out>");
//! ```

mod content;
mod context;
mod die;
mod entry_value;
mod inspector;
mod library;
mod location;
mod names;
mod print;
mod scope;
mod thread_local;
mod type_name;
mod types;
mod variable;

pub use context::MachineFrame;
pub use inspector::{Inspector, Scene, Wanted};
pub use variable::{Missing, Variable};
