//! The data model of one crash: what every other crate fills, keeps, moves or renders.
//!
//! A [`CrashSummary`] is what epitaph knows about one dead process, ready to be stored as JSON. This crate
//! owns its types, its JSON schema and the masks that keep secrets out of it. It is *not* a place for work:
//! it opens no file, reads no core and renders nothing.
//!
//! Rules of the format (`epitaph-crash/1`), for writers and readers alike:
//!
//! - every field but `schema` and `tool` may be absent, and a reader ignores fields that it doesn't know;
//! - fields are only ever added; a change of meaning is a new schema;
//! - 64-bit numbers that are addresses or offsets are hex strings (JSON numbers lose bits above 2^53);
//! - frames are flat, logical and innermost first, so `jq '.threads[].frames[].function'` is a backtrace.
//!
//! ```
//! use epitaph_summary::{CrashSummary, Hex, Signal};
//!
//! let mut summary = CrashSummary::new("0.1.0");
//! summary.signal =
//!     Some(Signal { number: Some(11), name: Some("SIGSEGV".into()), fault_address: Some(Hex(0)), ..Signal::default() });
//! let json = serde_json::to_string(&summary).unwrap();
//! assert!(json.contains(r#""fault_address":"0x0""#));
//! assert_eq!(serde_json::from_str::<CrashSummary>(&json).unwrap(), summary);
//! ```

mod cause;
mod ci;
mod collection;
mod core_file;
mod digest;
pub mod group;
mod hex;
mod mask;
mod model;
mod module;
mod names;
#[cfg(test)]
mod reference;
mod region;
mod rules;
mod schema;
mod signal;
mod signature;
mod test_case;
mod thread;

pub use cause::{
    Access, AccessKind, Assertion, Cause, Confidence, Exception, Instruction, MessageSource, Panic,
};
pub use ci::{CiJob, CiProvider};
pub use collection::{Collection, CoreSource, SearchedPlace};
pub use core_file::{Completeness, Core, CoreContent, CoreEncryption, Slim};
pub use hex::Hex;
pub use mask::Masks;
pub use model::{CrashSummary, Process, SCHEMA, System, Tool, Warning};
pub use module::{FileOrigin, FileState, Module};
pub use names::normalize;
pub use region::{Region, RegionKind};
pub use rules::{Functions, Ignore, Pattern, Place, Places, Rules, Settings, SettingsError, Verdict};
pub use schema::json_schema;
pub use signal::{Signal, SignalOrigin};
pub use signature::{Basis, SIGNED_INNER_FRAMES, SIGNED_OUTER_FRAMES, Signature, needs_all_threads, sign};
pub use test_case::TestCase;
pub use thread::{
    Frame, FrameRule, Goroutine, Language, Repeat, SourceLine, Stop, SymbolSource, Syscall, Thread, Trust,
    Variable, VariableState, WaitsOn,
};
