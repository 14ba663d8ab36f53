//! Decrypting cores, each to a file beside it.

use std::path::{Path, PathBuf};

use super::copy::{is_encrypted, write_decrypted};
use super::{CipherError, Decrypted, ENCRYPTED_SUFFIX, Identities};
use crate::open::is_core;
use crate::regular::{Links, open_regular};

/// What the names of cores begin with: the kernel's own (core(5)), and ours.
const CORE_PREFIX: &str = "core";

/// What became of encrypted files.
#[derive(Debug, Default)]
pub struct DecryptedCores {
    /// Cores that were decrypted, by this call or an earlier one.
    pub cores: usize,
    /// Cores that can't be decrypted.
    pub failed: Vec<CipherError>,
    /// Files for others of which nobody knows what is in them: their names are not those of cores.
    pub for_others: Vec<CipherError>,
}

/// Decrypts those of `files` that age encrypted and that are cores, each to a file beside it, without the `.age` at the end
/// of its name. What has that name stays: it is the core already, or else an error. What is no core stays as it is. Symbolic
/// links are not followed.
pub fn decrypt_cores(files: &[PathBuf], identities: &Identities) -> DecryptedCores {
    let mut decrypted = DecryptedCores::default();
    for path in files {
        let target = target_of(path);
        match target.as_ref().map(|target| decrypt_core(path, target, identities)) {
            None | Some(Ok(false)) => {}
            Some(Ok(true)) => decrypted.cores += 1,
            Some(Err(error @ CipherError::ForOthers { .. })) if !is_named_like_a_core(path) => {
                decrypted.for_others.push(error);
            }
            Some(Err(error)) => decrypted.failed.push(error),
        }
    }
    decrypted
}

/// Returns where a file lies once it is decrypted; `None` for one whose name isn't that of an encrypted one.
fn target_of(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?.strip_suffix(ENCRYPTED_SUFFIX).filter(|name| !name.is_empty())?;
    Some(path.with_file_name(name))
}

fn is_named_like_a_core(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(CORE_PREFIX.as_bytes()))
}

/// Decrypts a file, if it is an encrypted core; tells whether it is.
fn decrypt_core(path: &Path, target: &Path, identities: &Identities) -> Result<bool, CipherError> {
    let unreadable = |source| CipherError::Read { path: path.to_owned(), source };
    let (file, _) = open_regular(path, Links::Refuse).map_err(|error| unreadable(error.into()))?;
    if !is_encrypted(&file).map_err(unreadable)? {
        return Ok(false);
    }
    let inside = Decrypted::open(path, file, identities)?;
    if !is_core(&inside).map_err(unreadable)? {
        return Ok(false);
    }
    write_decrypted(path, &inside, target)?;
    Ok(true)
}
