//! What should be known of a transfer or a listing that went on regardless.

/// Something a person should know about a transfer that went on regardless.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The file or manifest it is about.
    pub path: String,
    /// What was seen, as a fragment.
    pub message: String,
}
