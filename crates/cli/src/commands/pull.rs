//! `epitaph pull`: copy a job's artifacts to this machine.

use std::path::Path;

use epitaph_bundle::{Identities, decrypt_cores};
use epitaph_store::{Store, pulled_files};

use crate::args::PullArgs;
use crate::environment::store_options;
use crate::error::Error;
use crate::exit::Exit;
use crate::keys;
use crate::progress::Transfers;
use crate::terminal;

/// How many failures are told one by one: where the token expired, all files that are left have failed.
const MOST_TOLD: usize = 20;

/// Copies the artifacts of one job into a folder.
pub(crate) fn run(args: &PullArgs) -> Result<Exit, Error> {
    // Before anything is copied: keys that are wrong are told at once.
    let identities = keys::identities(&args.identity)?;
    let url = &args.source.url;
    let mut options = store_options(url, Some(args.transfer.jobs), args.oidc)?;
    args.transfer.patience.apply(&mut options.network);
    let store = Store::open_with(url, &options)?;
    let pulled = store.pull(&args.dir, &args.select.selection(), &Transfers::new())?;
    for warned in &pulled.warnings {
        terminal::warning(&format!("{}: {}", warned.path, warned.message));
    }
    let failed = pulled.failed.len();
    for failure in pulled.failed.into_iter().take(MOST_TOLD) {
        Error::from(failure.error).context(failure.path).print();
    }
    if failed > MOST_TOLD {
        terminal::warning(&format!("{} more files failed", failed - MOST_TOLD));
    }
    terminal::note(&format!(
        "job {} of {}: {} files copied ({}), {} were there already, {failed} failed",
        pulled.job,
        pulled.repo,
        pulled.fetched,
        terminal::bytes(pulled.bytes),
        pulled.present,
    ));
    let decrypted = decrypt(&args.dir, &identities)?;
    if failed > 0 {
        terminal::hint("run the same command again: what is complete is not copied again");
        return Ok(Exit::Failed);
    }
    terminal::note(&format!("`epitaph show {}` tells what died", args.dir.display()));
    Ok(if decrypted { Exit::Done } else { Exit::Failed })
}

/// Decrypts the cores that pulls wrote into the folder, if there are keys for that; tells whether all could be. What else
/// is there is none of ours.
fn decrypt(dir: &Path, identities: &Identities) -> Result<bool, Error> {
    if identities.is_empty() {
        return Ok(true);
    }
    let decrypted = decrypt_cores(&pulled_files(dir)?, identities);
    let all = decrypted.failed.is_empty();
    for error in decrypted.failed {
        Error::from(error).print();
    }
    for error in decrypted.for_others {
        Error::from(error).print_as_warning();
    }
    if decrypted.cores > 0 {
        let cores = decrypted.cores;
        terminal::note(&format!("{cores} cores were decrypted, each beside its encrypted file"));
    }
    Ok(all)
}
