//! Taking secrets out of the bytes of a core on their way to somewhere else.

/// Overwrites what must not leave the machine, in bytes that are about to.
///
/// Who writes cores knows where bytes come from, and nothing of what is secret; who knows the secrets implements this.
/// A secret is overwritten in place: nothing moves, so addresses and sizes stay what they were.
pub trait Redact: Send + Sync {
    /// Overwrites secrets in `bytes`, which are the process's memory from `address` on.
    ///
    /// The bytes may be cut anywhere: of a secret that begins before them or goes on behind them, the part that is
    /// in them is overwritten too.
    fn memory(&self, address: u64, bytes: &mut [u8]);

    /// Overwrites secrets in `bytes`, which are the core's notes (command line, mapped files), or a part of them.
    fn notes(&self, bytes: &mut [u8]);
}
