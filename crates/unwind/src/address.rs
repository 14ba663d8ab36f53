//! An address in code, and the −1 rule.

/// Where a frame is in its function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CodeAddress {
    /// The instruction itself: the innermost frame's, or one that a signal interrupted.
    Exact(u64),
    /// The instruction after a call. The call may be the last instruction of its function (`abort()` never comes
    /// back, so compilers put nothing after it), and then this is already another function's first byte.
    Return(u64),
}

impl CodeAddress {
    /// Returns the address itself: the program counter as a debugger shows it.
    pub fn pc(self) -> u64 {
        match self {
            CodeAddress::Exact(pc) | CodeAddress::Return(pc) => pc,
        }
    }

    /// Returns the address to look up, for CFI and for names alike: within the call, for a return address.
    pub fn lookup(self) -> u64 {
        match self {
            CodeAddress::Exact(pc) => pc,
            CodeAddress::Return(pc) => pc.saturating_sub(1),
        }
    }
}
