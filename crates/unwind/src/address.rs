//! An address in code, and the −1 rule.

/// Where a frame is in its function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CodeAddress {
    /// The instruction itself: the innermost frame's, or one that a signal interrupted.
    Exact(u64),
    /// The instruction after a breakpoint, which a processor has executed when it stops at it (x86's `int3`: Intel SDM
    /// volume 3, 6.5, calls that a trap). This may be another function's first byte, as after a call.
    Trap(u64),
    /// The instruction after a call. The call may be the last instruction of its function (`abort()` never comes
    /// back, so compilers put nothing after it), and then this is already another function's first byte.
    Return(u64),
}

impl CodeAddress {
    /// Returns the address itself: the program counter as a debugger shows it.
    pub fn pc(self) -> u64 {
        match self {
            CodeAddress::Exact(pc) | CodeAddress::Trap(pc) | CodeAddress::Return(pc) => pc,
        }
    }

    /// Tells whether code was interrupted here, and so may have been anywhere in its function, and not at a call.
    pub fn is_interrupted(self) -> bool {
        !matches!(self, CodeAddress::Return(_))
    }

    /// Returns the address to look up, for CFI and for names alike: within the call, for a return address, and within the
    /// breakpoint, for the one after it.
    pub fn lookup(self) -> u64 {
        match self {
            CodeAddress::Exact(pc) => pc,
            CodeAddress::Trap(pc) | CodeAddress::Return(pc) => pc.saturating_sub(1),
        }
    }
}
