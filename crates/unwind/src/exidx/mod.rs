//! Unwinding by 32-bit ARM's exception tables: `.ARM.exidx` and `.ARM.extab`, which stand there in place of CFI.
//!
//! Source: Exception Handling ABI for the Arm Architecture (IHI 0038), sections 5 to 7 and 10. The tables describe
//! the stack as it is at a function's calls. In a prologue or an epilogue part of it isn't there yet, or not any
//! more, and nothing here knows of that: who asks for a function that was interrupted has to judge what comes of it.

mod instructions;
mod table;

pub(crate) use instructions::{FINISH, Failure, unwind};
pub(crate) use table::{Entry, ExceptionIndex, Unwinding};
