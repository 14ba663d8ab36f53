//! Files that only some may read: age files (<https://age-encryption.org/v1>), which the stock `age` command writes and
//! reads as well.
//!
//! - [`Recipients`] are who may read, by their public keys; [`Identities`] are the private keys of who reads.
//! - [`Decrypted`] is random access to what such a file holds: 64 KiB are decrypted at a time, where they are read, and
//!   nothing of it is written to a disk.
//! - [`encrypt_file`] makes an encrypted file of another; [`decrypt_cores`] makes cores of encrypted ones.

mod copy;
mod decrypted;
mod error;
mod keys;
mod tree;

pub(crate) use copy::encrypt;
pub use copy::encrypt_file;
pub(crate) use decrypted::Decrypted;
pub use error::CipherError;
pub use keys::{Identities, Recipients};
pub use tree::{DecryptedCores, decrypt_cores};

/// First bytes of an age file (age-encryption.org/v1, "Version line").
pub(crate) const MAGIC: &[u8] = b"age-encryption.org/v1\n";
/// First bytes of one that is written as text (the same, "ASCII armor").
pub(crate) const ARMORED: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";
/// What the name of an encrypted file ends in.
pub const ENCRYPTED_SUFFIX: &str = ".age";

#[cfg(test)]
mod tests;
