//! Registers, memory and call frame information in; frames out, each with how it was found, and why the walk ended.
//!
//! The unwinder recovers *all* registers of every frame by the CFI of its module (`.eh_frame`, `.debug_frame`),
//! passes through signal trampolines, and knows what to do where there is no CFI: after a call to NULL or to a
//! wild address, in a PLT stub, and along frame pointers. It adds the frames that tail calls left out. It knows Go:
//! its table of frame sizes, the ways between a goroutine's stack and its thread's, and the goroutines that wait. It is
//! *not* a symbolizer (frames have addresses and no names), and it never fails: a stack that can't be walked further is
//! a shorter stack with a reason.
//!
//! ```
//! use epitaph_unwind::CodeAddress;
//!
//! // A return address may be the first byte of another function: it is looked up one byte earlier.
//! assert_eq!(CodeAddress::Return(0x1000).lookup(), 0xfff);
//! // A faulting instruction is where it is.
//! assert_eq!(CodeAddress::Exact(0x1000).lookup(), 0x1000);
//! ```

mod address;
mod cfi;
mod code;
mod expression;
mod fallback;
mod frame;
mod go;
mod index;
mod row;
mod section;
mod tail;
mod walk;

pub use address::CodeAddress;
pub use frame::{Frame, Stop, Trust, Unwound};
pub use go::{Goroutine, Goroutines, goroutines};
pub use walk::{Limits, Unwinder};
