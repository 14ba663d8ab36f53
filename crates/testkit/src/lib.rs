//! What the tests of epitaph stand on: made-up cores, real crashes, and gdb's opinion of them.
//!
//! - [`core`] writes core files byte by byte, whole or damaged on purpose. Every layout in it is written down
//!   anew from the kernel's and the ABI's own documents, so that a mistake of the parser under test can't be
//!   repeated here.
//! - [`crash`] builds the programs of `testdata/programs`, lets the real kernel kill them, and finds the core.
//! - [`causes`] builds the programs of `testdata/causes`, of each of which it is known why it dies, and makes more up.
//! - [`cross`] does the same for other architectures, with cross compilers and qemu's user emulation.
//! - [`debuggers`] prints what debuggers say of a core.
//! - [`scratch`] is a folder for what a test builds by itself.
//! - [`server`] is an HTTP server that behaves as badly as a test wants.
//! - [`servers`] starts the web servers and object stores of others.
//! - [`gdb`] asks gdb for the backtrace of a core, as data, and compares two backtraces.
//! - [`step`] runs a program an instruction at a time, and keeps count of its calls.
//! - [`variables`] builds the programs of `testdata/variables`, whose arguments and locals are known.
//! - [`tools`] and [`skip`] say what this machine can't do, so that no test is left out silently.
//!
//! It is *not* a parser and depends on no other crate of epitaph. It is used by tests only: where a fixture
//! can't be made it panics with the reason, which is how a test fails.
//!
//! ```
//! use epitaph_testkit::core::{CoreBuilder, Damage, Segment, Siginfo, Thread};
//!
//! let core = CoreBuilder::new()
//!     .thread(Thread::new(4711).signal(11).register("rip", 0x401136).register("rsp", 0x7ffd_1000))
//!     .siginfo(Siginfo::fault(11, 1, 0x0))
//!     .segment(Segment::data(0x7ffd_1000, vec![0; 64]))
//!     .build();
//! assert_eq!(&core.to_vec()[..4], b"\x7fELF");
//! let hostile = core.damaged(Damage::ProgramHeadersBeyondEnd);
//! assert_eq!(hostile.len(), core.to_vec().len());
//! ```
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "only tests use this crate, and a fixture that can't be made has to stop its test there and then"
)]

pub mod causes;
mod chance;
pub mod core;
pub mod crash;
pub mod cross;
pub mod debuggers;
pub mod gdb;
pub mod scratch;
pub mod server;
pub mod servers;
pub mod skip;
pub mod step;
pub mod sweep;
pub mod tools;
pub mod variables;
