//! What lies on a desk, made ready to be shown: cores, summaries, heaps of downloads.
//!
//! An output folder and a store have pages already. Anything else is read as `show` reads it, and its page and summaries are
//! written into a temporary folder, which goes when the server ends.

use std::path::Path;

use epitaph_report::{Format, Options, render};
use epitaph_summary::CrashSummary;
use tempfile::TempDir;

use crate::args::ServeArgs;
use crate::crashes::summaries_at;
use crate::error::{Error, message};
use crate::examine::Examiner;
use crate::{config, keys, terminal};

/// A page of what was found, in a folder of its own.
pub(crate) struct Desk {
    location: String,
    /// Removed when this is dropped.
    _folder: TempDir,
}

impl Desk {
    /// The folder.
    pub(crate) fn location(&self) -> &str {
        &self.location
    }
}

/// Reads the crashes at a location; `None` if it can be shown as it is.
pub(crate) fn prepare(location: &str, args: &ServeArgs) -> Result<Option<Desk>, Error> {
    let path = Path::new(location);
    if !is_heap(path) {
        return Ok(None);
    }
    let examiner = Examiner::new(&args.search, config::rules(&args.config)?);
    let (summaries, _) = summaries_at(&[path.to_owned()], &examiner, &keys::identities(&args.identity)?);
    if summaries.is_empty() {
        let hint = "give a store, a core, or a folder that `epitaph collect` or `epitaph pull` wrote";
        // A folder of something else is shown as what it is.
        return if path.is_dir() { Ok(None) } else { Err(message("there is no crash to show", Some(hint))) };
    }
    let folder = tempfile::Builder::new().prefix("epitaph-desk-").tempdir()?;
    write(folder.path(), &summaries)?;
    let location = folder.path().to_string_lossy().into_owned();
    terminal::note(&format!("the page of {location} goes with this server"));
    Ok(Some(Desk { location, _folder: folder }))
}

/// Tells whether a path is a file, or a folder that is neither a store nor what `collect` or `pull` have written.
fn is_heap(path: &Path) -> bool {
    let has = |name: &str| path.join(name).exists();
    path.is_file() || path.is_dir() && !["runs", "blobs", "index.html", "manifest.json"].into_iter().any(has)
}

/// Writes the page, and the summaries as an output folder has them.
fn write(folder: &Path, summaries: &[CrashSummary]) -> Result<(), Error> {
    let mut document = Vec::new();
    for (format, name) in [(Format::Html, "index.html"), (Format::Jsonl, "crashes.jsonl")] {
        document.clear();
        render(summaries, format, &Options::default(), &mut document)?;
        std::fs::write(folder.join(name), &document)?;
    }
    for (number, summary) in (1..).zip(summaries) {
        let own = folder.join("crashes").join(number.to_string());
        std::fs::create_dir_all(&own)?;
        document.clear();
        render(std::slice::from_ref(summary), Format::Json, &Options::default(), &mut document)?;
        std::fs::write(own.join("summary.json"), &document)?;
    }
    Ok(())
}
