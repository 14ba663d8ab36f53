//! Public keys, of those who may read, and private ones, of those who do.

use std::fmt;
use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use age::x25519::Recipient;

use super::CipherError;
use crate::regular::{Links, open_regular};

/// What private keys of age begin with (age-encryption.org/v1, "The X25519 recipient type").
const PRIVATE: &str = "AGE-SECRET-KEY-";
/// A file of public keys is shorter, in bytes.
const LONGEST: u64 = 1 << 20;

/// Who may read: public keys of age (`age1…`).
#[derive(Clone, Debug, Default)]
pub struct Recipients(Vec<Recipient>);

impl Recipients {
    /// Adds one public key; errors call it `place`.
    pub fn add(&mut self, key: &str, place: &str) -> Result<(), CipherError> {
        let key = key.trim();
        if let Ok(recipient) = key.parse() {
            self.0.push(recipient);
            return Ok(());
        }
        let place = place.to_owned();
        Err(if key.to_ascii_uppercase().starts_with(PRIVATE) {
            CipherError::Private { place }
        } else {
            CipherError::NotARecipient { place }
        })
    }

    /// Adds those in a file, one a line, as `age -R` reads them: lines that are empty or begin with `#` say nothing.
    pub fn add_file(&mut self, path: &Path) -> Result<(), CipherError> {
        let unreadable = |source| CipherError::Read { path: path.to_owned(), source };
        let (file, _) =
            open_regular(path, Links::Follow).map_err(|error| unreadable(std::io::Error::from(error)))?;
        let mut text = String::new();
        file.take(LONGEST).read_to_string(&mut text).map_err(unreadable)?;
        let before = self.0.len();
        for (number, line) in text.lines().enumerate() {
            if !line.trim().is_empty() && !line.starts_with('#') {
                self.add(line, &format!("{}, line {}", path.display(), number + 1))?;
            }
        }
        if self.0.len() == before {
            return Err(CipherError::NoKeys { path: path.to_owned() });
        }
        Ok(())
    }

    /// Tells whether there are none, so that nothing is to be encrypted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys as text, sorted, each once.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        names.sort();
        names.dedup();
        names
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &dyn age::Recipient> {
        self.0.iter().map(|key| key as &dyn age::Recipient)
    }
}

/// Who reads: private keys of age. They can't be printed.
#[derive(Clone, Default)]
pub struct Identities(Vec<Arc<dyn age::Identity + Send + Sync>>);

impl Identities {
    /// Adds those in a file, as `age -i` reads them and `age-keygen` writes them.
    pub fn add_file(&mut self, path: &Path) -> Result<(), CipherError> {
        let unreadable = |source| CipherError::Read { path: path.to_owned(), source };
        let (file, _) =
            open_regular(path, Links::Follow).map_err(|error| unreadable(std::io::Error::from(error)))?;
        let not_keys = |source| CipherError::NotIdentities { path: path.to_owned(), source };
        let keys = age::IdentityFile::from_buffer(BufReader::new(file)).map_err(not_keys)?;
        let keys = keys.into_identities().map_err(|error| not_keys(std::io::Error::other(error)))?;
        if keys.is_empty() {
            return Err(CipherError::NoKeys { path: path.to_owned() });
        }
        self.0.extend(keys.into_iter().map(Arc::from));
        Ok(())
    }

    /// Tells whether there are none, so that nothing can be decrypted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &dyn age::Identity> {
        self.0.iter().map(|key| &**key as &dyn age::Identity)
    }
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identities({})", self.0.len())
    }
}
