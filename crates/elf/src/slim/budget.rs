//! What the bytes of a slim core are kept for.

/// Why bytes are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    Modules,
    Threads,
    Cause,
    Stacks,
    Data,
    Small,
    Pointed,
}

/// Bytes of memory in a slim core, by the first rule that asked for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeptBytes {
    /// What says which files were mapped: their headers, the dynamic linker's list, the vDSO.
    pub modules: u64,
    /// The threads library's records, and thread-local variables beside them.
    pub threads: u64,
    /// What the caller asked for: what tells why the process died.
    pub cause: u64,
    /// Stacks, from the stack pointer on.
    pub stacks: u64,
    /// Data of programs and libraries.
    pub data: u64,
    /// Small mappings without a file.
    pub small: u64,
    /// What registers and stacks point to.
    pub pointed: u64,
}

impl KeptBytes {
    /// All of them together.
    pub fn total(&self) -> u64 {
        self.modules + self.threads + self.cause + self.stacks + self.data + self.small + self.pointed
    }

    pub(super) fn add(&mut self, why: Reason, bytes: u64) {
        let sum = match why {
            Reason::Modules => &mut self.modules,
            Reason::Threads => &mut self.threads,
            Reason::Cause => &mut self.cause,
            Reason::Stacks => &mut self.stacks,
            Reason::Data => &mut self.data,
            Reason::Small => &mut self.small,
            Reason::Pointed => &mut self.pointed,
        };
        *sum += bytes;
    }
}
