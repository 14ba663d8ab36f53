//! `epitaph gc`: remove from a store what is old.

use epitaph_store::{Store, StoreOptions};

use crate::args::GcArgs;
use crate::environment::{push_state, store_options};
use crate::error::Error;
use crate::exit::Exit;
use crate::terminal;

/// Removes old pushes, and what no push names any more.
pub(crate) fn run(args: &GcArgs) -> Result<Exit, Error> {
    let options = StoreOptions {
        state: push_state(args.state.as_deref()),
        ..store_options(&args.url, None, args.oidc)?
    };
    let store = Store::open_with(&args.url, &options)?;
    let collected = store.gc(args.older_than, args.dry_run)?;
    let verb = if args.dry_run { "would be removed" } else { "were removed" };
    terminal::note(&format!(
        "{} old pushes and {} files that no other push names ({}) {verb} from {}",
        collected.pushes,
        collected.files,
        terminal::bytes(collected.bytes),
        store.url(),
    ));
    if collected.unfinished > 0 {
        terminal::note(&format!("{} unfinished uploads were ended", collected.unfinished));
    }
    if collected.left > 0 {
        terminal::warning(&format!(
            "{} files stay, since the store was too slow to remove them safely",
            collected.left
        ));
        terminal::hint("run the same command again");
        return Ok(Exit::Failed);
    }
    Ok(Exit::Done)
}
