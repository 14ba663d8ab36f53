//! What a walk gives.

use std::fmt;

use epitaph_elf::MemoryError;

use crate::address::CodeAddress;
use crate::repeats::Repeat;

/// One machine frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Where it is.
    pub address: CodeAddress,
    /// The canonical frame address: the stack pointer's value in the caller, where it is known.
    pub cfa: Option<u64>,
    /// How the frame was found.
    pub trust: Trust,
    /// Whether it is the code that a signal handler returns to, which nobody called.
    pub signal_trampoline: bool,
}

/// How a frame was found, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trust {
    /// The registers in the core.
    Context,
    /// Call frame information, or the sizes of frames that Go's table tells.
    Cfi,
    /// A tail call: the frame left nothing on the stack, because its function jumped on. The call before it leads to
    /// it, and it leads to the next one's function.
    TailCall,
    /// Registers that the kernel saved when it delivered a signal.
    Signal,
    /// The function's machine code: it was followed from its first instruction to the frame's, or from there to its
    /// return.
    Prologue,
    /// A return address after a call that leads to this very frame: at the top of the stack, where the call led to no
    /// code or to a stub, or the nearest one on the stack.
    CallTarget,
    /// The saved frame pointer: right wherever the code keeps one.
    FramePointer,
    /// A word on the stack that follows a call which may have led to this frame.
    CallScan,
    /// A word on the stack that points to code that can't be read: a guess.
    Scan,
}

/// Why a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// CFI says that this is the first frame, or its return address is 0.
    End,
    /// There is no CFI at this address, and no other way leads on.
    NoCfi {
        /// The frame's address.
        pc: u64,
    },
    /// The CFI at this address can't be evaluated: it is corrupt, or needs a register that isn't known.
    BadCfi {
        /// The frame's address.
        pc: u64,
    },
    /// The stack can't be read.
    Memory(MemoryError),
    /// The return address is in nothing executable: it was overwritten.
    BadReturnAddress {
        /// What stands where the return address should.
        found: u64,
    },
    /// The stack pointer doesn't grow from frame to frame.
    Loop {
        /// The frame's address.
        pc: u64,
    },
    /// The frame limit was reached.
    Limit,
    /// The thread's registers are not known.
    NoRegisters,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stop::End => f.write_str("end of the stack"),
            Stop::NoCfi { pc } => write!(f, "no unwind information at {pc:#x}"),
            Stop::BadCfi { pc } => write!(f, "the unwind information at {pc:#x} cannot be used"),
            Stop::Memory(error) => write!(f, "the stack cannot be read: {error}"),
            Stop::BadReturnAddress { found } => {
                write!(f, "the return address was overwritten: {found:#x} is not in any code")
            }
            Stop::Loop { pc } => write!(f, "the stack leads back to itself at {pc:#x}"),
            Stop::Limit => f.write_str("more frames than are walked"),
            Stop::NoRegisters => f.write_str("the thread's registers are unknown"),
        }
    }
}

/// A walked stack. A walk never fails: what was found stands, and says why it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unwound {
    /// Innermost first: all of them, or those that were to be kept.
    pub frames: Vec<Frame>,
    /// How many there are.
    pub total: usize,
    /// How many of `frames` stand before those that were not kept, if there are such.
    pub left_out_after: Option<usize>,
    /// The recursions, in their order, also of frames that were not kept.
    pub repeats: Vec<Repeat>,
    /// Why there is no further one.
    pub stop: Stop,
}

impl Unwound {
    /// A stack of which nothing was walked.
    pub fn without_frames(stop: Stop) -> Unwound {
        Unwound { frames: Vec::new(), total: 0, left_out_after: None, repeats: Vec::new(), stop }
    }
}
