//! Short digests of texts.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// Returns the first bytes of the SHA-256 of texts, one after the other, as hex digits, two a byte.
pub(crate) fn digest<'t>(texts: impl IntoIterator<Item = &'t str>, bytes: usize) -> String {
    let mut hasher = Sha256::new();
    for text in texts {
        hasher.update(text);
    }
    hasher.finalize().iter().take(bytes).fold(String::new(), |mut hex, byte| {
        // Writing to a string doesn't fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
