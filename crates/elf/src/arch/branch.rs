//! What machine code says of where it goes on.

/// Where a call or a jump leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// To this address.
    Direct(u64),
    /// To where the word at this address points.
    Slot(u64),
}

/// A jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jump {
    /// Where it leads.
    pub target: Target,
    /// Address of the first byte after it.
    pub end: u64,
}
