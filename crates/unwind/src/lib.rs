//! Registers, memory and call frame information in; frames out, each with how it was found, and why the walk ended.
//!
//! The unwinder recovers *all* registers of every frame by the CFI of its module (`.eh_frame`, `.debug_frame`) and
//! passes through signal trampolines. Where there is no CFI, it reads the function's machine code, knows what a call to
//! NULL or to a wild address left behind, follows frame pointers, and looks for the call that led to the frame. It adds
//! the frames that tail calls left out. It knows Go: its table of frame sizes, the ways between a goroutine's stack and its
//! thread's, and the goroutines that wait. It is *not* a symbolizer (frames have addresses and no names), and it never
//! fails: a stack that can't be walked further is a shorter stack with a reason.
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
mod by_address;
mod cfi;
mod code;
mod exidx;
mod expression;
mod fallback;
mod frame;
mod functions;
mod go;
mod index;
mod kept;
mod machine;
mod repeats;
mod row;
mod scan;
mod section;
mod step;
mod tail;
mod walk;
mod without_cfi;

pub use address::CodeAddress;
pub use frame::{Frame, Stop, Trust, Unwound};
pub use go::{Goroutine, Goroutines, goroutines};
pub use kept::Keep;
pub use repeats::Repeat;
pub use walk::{Limits, Unwinder};
