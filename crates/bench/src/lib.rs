//! How fast, in how much memory, and how both grow: measured, against the other tools, on cores made here.
//!
//! - [`inputs`] builds programs from `testdata/bench` by rules, lets them crash, and keeps the cores for the next time.
//! - [`tools`] knows how each tool is asked for the backtraces in a core.
//! - [`cases`] says who competes on which core, and what is promised of epitaph there.
//! - [`run`] measures one process; [`rounds`] lets the tools take turns, so that a busy minute of the machine hits all.
//! - [`growth`] measures epitaph alone on ever larger cores, and how its cost follows.
//! - [`overhead`] measures what `epitaph run` adds to a command.
//! - [`session`] does what was asked for; [`report`] prints it as Markdown and as JSON.
//!
//! It is *not* part of the product: nothing depends on it, `make bench` runs it.
//!
//! ```
//! use epitaph_bench::growth::exponent;
//!
//! // Ten times the threads took eleven times as long: as good as linear.
//! let exponent = exponent(&[(100.0, 1.0), (1000.0, 11.0)]).expect("two points");
//! assert!((1.0..1.1).contains(&exponent));
//! ```

pub mod args;
pub mod cases;
mod error;
pub mod growth;
pub mod inputs;
mod launch;
pub mod machine;
pub mod overhead;
pub mod report;
pub mod rounds;
pub mod run;
mod sample;
pub mod session;
pub mod tools;

pub use error::BenchError;
pub use launch::launch;
pub use sample::{Figures, Sample};
