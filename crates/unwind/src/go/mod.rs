//! Go: frames by the runtime's own table, and the ways between a thread's stacks.
//!
//! A goroutine has a stack of its own, and its thread another (`g0`), to which the runtime and C code switch. The
//! functions that switch have no frame size that would lead back; what they saved does.

mod goroutines;
mod layout;
mod rows;
mod runtime;
mod switch;

pub use goroutines::{Goroutine, Goroutines, goroutines};
pub(crate) use rows::GoRows;
pub(crate) use runtime::Runtime;
pub(crate) use switch::{Left, leave, take_back_injected};
