//! A push whose files are kept in a spool until it is done.

use std::path::{Path, PathBuf};

use epitaph_store::{PushOptions, Pushed, Spool, Spooled, Store, StoreError};

use crate::error::Error;
use crate::progress::Transfers;
use crate::terminal;

/// Keeps the files, then sends them; what could not be sent stays in the spool. Where they can't be kept, they are sent
/// nevertheless.
pub(super) fn push(
    store: &Store,
    folder: &Path,
    quota: u64,
    paths: &[PathBuf],
    options: &PushOptions,
) -> Result<Pushed, Error> {
    let spool = Spool::open(folder, quota);
    let spooled = spool.and_then(|spool| store.spool(&spool, paths, options));
    let mut spooled = match spooled {
        Ok(spooled) => spooled,
        Err(error) if is_of_the_spool(&error) => {
            Error::from(error).context("this push is not spooled").print_as_warning();
            return Ok(store.push(paths, options, &Transfers::new())?);
        }
        Err(error) => return Err(error.into()),
    };
    let pushed = store.push_spooled(&mut spooled, &Transfers::new());
    if pushed.is_err() || spooled.left() > 0 {
        tell_what_waits(&spooled, folder);
    }
    Ok(pushed?)
}

/// Tells whether only the spool is at fault, without which a push can be tried as well.
fn is_of_the_spool(error: &StoreError) -> bool {
    matches!(error, StoreError::UnsafeSpool { .. } | StoreError::SpoolFull { .. } | StoreError::Io { .. })
}

fn tell_what_waits(spooled: &Spooled, folder: &Path) {
    terminal::note(&format!("{} files of this push are kept in {}", spooled.left(), folder.display()));
    terminal::hint(&format!(
        "`epitaph push --resume --spool {} {}` sends them, also from another job",
        folder.display(),
        spooled.url()
    ));
}
