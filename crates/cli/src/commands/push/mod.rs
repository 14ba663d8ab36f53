//! `epitaph push`: copy files into a store, and finish what earlier pushes could not.

mod agent;
mod resume;
mod spooled;

use std::path::PathBuf;
use std::sync::Arc;

use epitaph_bundle::ENCRYPTED_SUFFIX;
use epitaph_store::{Encrypt, PushOptions, Pushed, Spool, Store, StoreOptions};

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

use agent::Agent;

/// How many failures are told one by one: where a store is out of reach, all files have failed.
const MOST_TOLD: usize = 20;

/// Copies the paths into the store, after what waits in the spool if that is asked for.
pub(crate) fn run(args: &PushArgs) -> Result<Exit, Error> {
    let (paths, url) = match args.split() {
        Ok(split) => split,
        Err(error) => {
            // What can't be printed is nobody's to read.
            let _ = error.print();
            return Ok(Exit::Usage);
        }
    };
    let recipients = match keys::recipients(&args.encrypt) {
        Ok(recipients) => recipients,
        Err(error) => {
            error.print();
            return Ok(Exit::Usage);
        }
    };
    let mut exit = Exit::Done;
    if args.resume {
        match &args.spool {
            Some(folder) => exit = resume::run(&Spool::open(folder, args.spool_quota)?, url, args)?,
            None if paths.is_empty() => return Err(no_spool()),
            // What the journal knows is not sent again.
            None => {}
        }
    }
    let Some(url) = url.filter(|_| !paths.is_empty()) else { return Ok(exit) };
    if let Some(agent) = Agent::of(url) {
        let pushed = agent.push(paths, args)?;
        return Ok(if pushed == Exit::Done { exit } else { pushed });
    }
    let mut options = options_for(url, args)?;
    let sealed = if recipients.is_empty() {
        None
    } else {
        Some(Arc::new(SealedCores::new(recipients, options.state.as_deref())?))
    };
    options.encrypt = sealed.clone().map(|sealed| sealed as Arc<dyn Encrypt>);
    let pushed = push(args, paths, url, &options)?;
    // What failed is sent as the same bytes when it is pushed again.
    if let Some(sealed) = sealed.filter(|_| pushed == Exit::Done) {
        sealed.remove();
    }
    Ok(if pushed == Exit::Done { exit } else { pushed })
}

/// How the store at a URL is opened.
fn options_for(url: &str, args: &PushArgs) -> Result<StoreOptions, Error> {
    let state = push_state(args.state.as_deref().or(args.spool.as_deref()));
    let mut options = StoreOptions { state, ..store_options(url, Some(args.transfer.jobs), args.oidc)? };
    args.transfer.patience.apply(&mut options.network);
    Ok(options)
}

fn push(args: &PushArgs, paths: &[PathBuf], url: &str, options: &StoreOptions) -> Result<Exit, Error> {
    let store = Store::open_with(url, options)?;
    let is_encrypted = options.encrypt.is_some();
    let mut job = ci::stored_as(args.ci);
    if let Some(name) = &args.job {
        job.job.clone_from(name);
    }
    let options = PushOptions { destination: args.destination.clone(), job };
    if !is_encrypted {
        leaving::warn_of_raw_cores(paths, url);
    }
    let pushed = match &args.spool {
        Some(folder) => spooled::push(&store, folder, args.spool_quota, paths, &options)?,
        None => store.push(paths, &options, &Transfers::new())?,
    };
    let has = |end: &str| pushed.artifacts.iter().any(|artifact| artifact.path.ends_with(end));
    if is_encrypted && has("index.html") && has(&format!("core.zst{ENCRYPTED_SUFFIX}")) {
        terminal::note(
            "the page and summary.md name the cores as they were before they were encrypted: `collect` and `run` with \
             --encrypt make reports that name them as they are stored",
        );
    }
    let nothing = pushed.manifest_key.is_none() && pushed.failed.is_empty();
    let exit = tell(pushed, &store, &options);
    if nothing {
        return Err(message("there was nothing to push", Some("the folders given are empty")));
    }
    Ok(exit)
}

/// Tells what a push has done.
fn tell(pushed: Pushed, store: &Store, options: &PushOptions) -> Exit {
    for skipped in &pushed.skipped {
        terminal::warning(&format!("{} was left out: {}", skipped.path, skipped.reason));
    }
    for warned in &pushed.warnings {
        terminal::warning(&format!("{}: {}", warned.path, warned.message));
    }
    let failed = pushed.failed.len();
    for failure in pushed.failed.into_iter().take(MOST_TOLD) {
        Error::from(failure.error).context(failure.path).print();
    }
    if failed > MOST_TOLD {
        terminal::warning(&format!("{} more files failed", failed - MOST_TOLD));
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
    }
    if failed > 0 { Exit::Failed } else { Exit::Done }
}

fn no_spool() -> Error {
    let hint = "name it by --spool or EPITAPH_PUSH_SPOOL; a push that was not spooled goes on where it stopped when its \
                command is given again";
    message("no spool is named whose pushes could be finished", Some(hint))
}
