//! Crashes on other architectures: programs that a cross compiler builds and that run under qemu's user emulation.
//!
//! qemu itself writes the guest's core for most architectures ([`Runner::Qemu`]). It differs from a kernel's: no
//! `NT_FILE`, no `NT_SIGINFO` but for the signal's number, and no executable page that a file backs. For riscv64 it
//! writes none, and the core is written here, from what qemu's gdb stub says of registers and memory
//! ([`Runner::Stub`]): it holds the stack, the executable's own segments and the pages that registers and stack point to.
//!
//! ```no_run
//! use epitaph_testkit::cross::{CrossCrash, recipe, target};
//!
//! # fn a_test() {
//! let Some(crash) = CrossCrash::of_or_skip(target("aarch64"), recipe("bare")) else { return };
//! assert!(crash.core.exists());
//! # }
//! ```

mod recipes;
mod run;
mod stub;
mod stub_core;
mod targets;

pub use recipes::{FIXTURES, RECIPES, Recipe, STEPS, recipe, sources_folder};
pub use run::{CrossCrash, Guest};
pub use stub::{Stopped, Stub};
pub use targets::{Runner, TARGETS, Target, target};
