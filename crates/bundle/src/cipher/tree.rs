//! Decrypting the cores that lie in a folder.

use std::path::{Path, PathBuf};

use epitaph_elf::ReadAt;
use walkdir::WalkDir;

use super::copy::{is_encrypted, write_decrypted};
use super::{CipherError, Decrypted, ENCRYPTED_SUFFIX, Identities};
use crate::open::{UNFINISHED, is_core};
use crate::regular::{Links, open_regular};

/// How deep a tree is searched.
const DEEPEST: usize = 64;

/// What became of the encrypted files in a folder.
#[derive(Debug, Default)]
pub struct DecryptedTree {
    /// Cores that were decrypted, by this call or an earlier one.
    pub cores: usize,
    /// Files that can't be decrypted.
    pub failed: Vec<CipherError>,
}

/// Decrypts every core that age encrypted in a folder, at any depth, to a file beside it, without the `.age` at the end of
/// its name. One that is there already and of the right size stays; what is no core stays as it is. Symbolic links are not
/// followed.
pub fn decrypt_cores(folder: &Path, identities: &Identities) -> DecryptedTree {
    let mut tree = DecryptedTree::default();
    let walk = WalkDir::new(folder).max_depth(DEEPEST).same_file_system(true).sort_by_file_name();
    for entry in walk.into_iter().filter_entry(|entry| entry.file_name() != UNFINISHED).flatten() {
        let target = entry.file_type().is_file().then(|| target_of(entry.path())).flatten();
        match target.map(|target| decrypt_core(entry.path(), &target, identities)) {
            None | Some(Ok(false)) => {}
            Some(Ok(true)) => tree.cores += 1,
            Some(Err(error)) => tree.failed.push(error),
        }
    }
    tree
}

/// Returns where a file lies once it is decrypted; `None` for one whose name isn't that of an encrypted one.
fn target_of(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?.strip_suffix(ENCRYPTED_SUFFIX).filter(|name| !name.is_empty())?;
    Some(path.with_file_name(name))
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
    let size = inside.size().map_err(unreadable)?;
    let there = target.symlink_metadata();
    if !there.is_ok_and(|there| there.is_file() && there.len() == size) {
        write_decrypted(path, &inside, target)?;
    }
    Ok(true)
}
