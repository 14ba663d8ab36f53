//! Why keys are refused, and files not encrypted or decrypted.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why a key is refused, or a file not encrypted or decrypted. No message holds a key.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CipherError {
    /// It is no public key of age.
    #[error("{place}: no public key of age")]
    NotARecipient {
        /// Where it was given.
        place: String,
    },
    /// It is a private key, where a public one is asked for.
    #[error("{place}: a private key of age")]
    Private {
        /// Where it was given.
        place: String,
    },
    /// A file of keys has none.
    #[error("{}: no key is in it", path.display())]
    NoKeys {
        /// The file.
        path: PathBuf,
    },
    /// A file holds something else than private keys.
    #[error("{}: not a file of private keys of age", path.display())]
    NotIdentities {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, without its text.
        source: io::Error,
    },
    /// A file was encrypted for others.
    #[error("{}: none of the given keys decrypts it", path.display())]
    ForOthers {
        /// The file.
        path: PathBuf,
    },
    /// An encrypted file is damaged or cut.
    #[error("{}: the encrypted file is damaged or cut", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the decoder said.
        source: io::Error,
    },
    /// A file can't be read.
    #[error("{}: cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something else has the name that a decrypted file would get.
    #[error("{}: not decrypted: something else is there as {}", path.display(), target.display())]
    Taken {
        /// The encrypted file.
        path: PathBuf,
        /// What has its name.
        target: PathBuf,
    },
    /// A file can't be written.
    #[error("{}: cannot be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl CipherError {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            CipherError::NotARecipient { .. } => {
                "public keys begin with age1 (`age-keygen -y KEYFILE` prints it); @FILE names a file of them, one a line. SSH \
                 keys and plugins are not supported"
            }
            CipherError::Private { .. } => {
                "give the public key that belongs to it, which begins with age1 (`age-keygen -y KEYFILE` prints it); take the \
                 private key for known by others"
            }
            CipherError::NoKeys { .. } => "name a file with one key a line",
            CipherError::NotIdentities { .. } => {
                "name the file that `age-keygen -o FILE` wrote; decrypt it first if it has a passphrase"
            }
            CipherError::ForOthers { .. } => {
                "name the file with the private key of one that it was encrypted for"
            }
            CipherError::Damaged { .. } => "fetch or copy the file again",
            CipherError::Taken { .. } => {
                "move it away, and run the same command again; or let `epitaph show --identity FILE` read the encrypted file"
            }
            CipherError::Read { .. } | CipherError::Write { .. } => return None,
        };
        Some(hint.to_owned())
    }
}
