//! `epitaph push`: copy files into a store.

use std::sync::Arc;

use epitaph_store::{Encrypt, PushOptions, Store, StoreOptions};

use crate::args::PushArgs;
use crate::ci;
use crate::environment::{push_state, store_options};
use crate::error::{Error, message};
use crate::exit::Exit;
use crate::keys;
use crate::leaving;
use crate::progress::Transfers;
use crate::sealed::SealedCores;
use crate::terminal;

/// Copies the paths into the store.
pub(crate) fn run(args: &PushArgs) -> Result<Exit, Error> {
    let recipients = match keys::recipients(&args.encrypt) {
        Ok(recipients) => recipients,
        Err(error) => {
            error.print();
            return Ok(Exit::Usage);
        }
    };
    let state = push_state(args.state.as_deref());
    let sealed = if recipients.is_empty() {
        None
    } else {
        Some(Arc::new(SealedCores::new(recipients, state.as_deref())?))
    };
    let encrypt = sealed.clone().map(|sealed| sealed as Arc<dyn Encrypt>);
    let options = StoreOptions { state, encrypt, ..store_options(Some(args.jobs), args.oidc)? };
    let store = Store::open_with(&args.url, &options)?;
    let mut job = ci::stored_as(args.ci);
    if let Some(name) = &args.job {
        job.job.clone_from(name);
    }
    let options = PushOptions { destination: args.destination.clone(), job };
    if sealed.is_none() {
        leaving::warn_of_raw_cores(&args.paths, &args.url);
    }
    let pushed = store.push(&args.paths, &options, &Transfers::new())?;
    for skipped in &pushed.skipped {
        terminal::warning(&format!("{} was left out: {}", skipped.path, skipped.reason));
    }
    for warned in &pushed.warnings {
        terminal::warning(&format!("{}: {}", warned.path, warned.message));
    }
    let failed = !pushed.failed.is_empty();
    if let Some(sealed) = sealed.filter(|_| !failed) {
        sealed.remove();
    }
    for failure in pushed.failed {
        Error::from(failure.error).context(failure.path).print();
    }
    if pushed.manifest_key.is_some() {
        terminal::note(&format!(
            "{} artifacts ({}) are in {} as job {} of {}",
            pushed.artifacts.len(),
            terminal::bytes(pushed.bytes),
            store.url(),
            options.job.job,
            options.job.repo,
        ));
    } else if !failed {
        return Err(message("there was nothing to push", Some("the folders given are empty")));
    }
    Ok(if failed { Exit::Failed } else { Exit::Done })
}
