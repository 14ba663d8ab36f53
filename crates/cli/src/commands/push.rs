//! `epitaph push`: copy files into a store.

use epitaph_store::{PushOptions, Store, StoreOptions};

use crate::args::PushArgs;
use crate::ci;
use crate::environment::{push_state, store_options};
use crate::error::{Error, message};
use crate::exit::Exit;
use crate::leaving;
use crate::progress::Transfers;
use crate::terminal;

/// Copies the paths into the store.
pub(crate) fn run(args: &PushArgs) -> Result<Exit, Error> {
    let options =
        StoreOptions { state: push_state(args.state.as_deref()), ..store_options(Some(args.jobs))? };
    let store = Store::open_with(&args.url, &options)?;
    let mut job = ci::stored_as(args.ci);
    if let Some(name) = &args.job {
        job.job.clone_from(name);
    }
    let options = PushOptions { destination: args.destination.clone(), job };
    leaving::warn_of_raw_cores(&args.paths, &args.url);
    let pushed = store.push(&args.paths, &options, &Transfers::new())?;
    for skipped in &pushed.skipped {
        terminal::warning(&format!("{} was left out: {}", skipped.path, skipped.reason));
    }
    for warned in &pushed.warnings {
        terminal::warning(&format!("{}: {}", warned.path, warned.message));
    }
    let failed = !pushed.failed.is_empty();
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
