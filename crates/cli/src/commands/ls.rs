//! `epitaph ls`: list what is in a store.

use std::io::Write;

use epitaph_store::{Run, Store};
use serde_json::json;

use crate::args::LsArgs;
use crate::environment::store_options;
use crate::error::Error;
use crate::exit::Exit;
use crate::terminal;

/// Lists the jobs of a store with their artifacts, the newest first.
pub(crate) fn run(args: &LsArgs) -> Result<Exit, Error> {
    let url = &args.source.url;
    let store = Store::open_with(url, &store_options(url, None, args.oidc)?)?;
    let listing = store.ls(&args.select.selection())?;
    for warned in &listing.warnings {
        terminal::warning(&format!("{}: {}", warned.path, warned.message));
    }
    let mut out = terminal::stdout();
    for run in &listing.runs {
        if args.json { as_json(run, &mut out)? } else { as_text(run, &mut out)? }
    }
    out.flush()?;
    Ok(Exit::Done)
}

fn as_text(run: &Run, out: &mut impl Write) -> Result<(), Error> {
    let created = run.created.as_deref().map(|created| format!("  {created}")).unwrap_or_default();
    writeln!(
        out,
        "{}  {}  job {}{created}",
        terminal::clean(&run.provider),
        terminal::clean(&run.repo),
        terminal::clean(&run.job)
    )?;
    for artifact in &run.artifacts {
        let size = artifact.size.map_or_else(|| "?".to_owned(), terminal::bytes);
        writeln!(
            out,
            "  {:>12}  {}/{}",
            size,
            terminal::clean(&artifact.node),
            terminal::clean(&artifact.path)
        )?;
    }
    Ok(())
}

fn as_json(run: &Run, out: &mut impl Write) -> Result<(), Error> {
    for artifact in &run.artifacts {
        let line = json!({
            "provider": run.provider, "repo": run.repo, "job": run.job, "created": run.created,
            "node": artifact.node, "path": artifact.path, "size": artifact.size, "sha256": artifact.sha256,
        });
        writeln!(out, "{line}")?;
    }
    Ok(())
}
