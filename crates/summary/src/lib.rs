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

mod collection;
mod hex;
mod mask;
mod model;
mod schema;

pub use collection::{Collection, CoreSource, SearchedPlace};
pub use hex::Hex;
pub use mask::Masks;
pub use model::{
    Completeness, Core, CoreContent, CrashSummary, FileOrigin, FileState, Frame, Goroutine, Module, Process,
    Repeat, SCHEMA, Signal, Slim, Stop, SymbolSource, System, Thread, Tool, Trust, Warning,
};
pub use schema::json_schema;
