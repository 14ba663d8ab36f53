//! Summaries from wherever a user says that they are: files, folders, stores, standard input.

use std::io::{self, Cursor};
use std::path::Path;
use std::sync::Arc;

use epitaph_bundle::{OpenSource, Problem, Problems, SummarySource, read_digests, summary_files};
use epitaph_store::{Artifact, Run, Selection, Store};
use epitaph_summary::Rules;
use epitaph_summary::group::{Grouping, Source};

use crate::args::OidcArgs;
use crate::environment::store_options;
use crate::error::{Error, with_causes};
use crate::input;
use crate::terminal;

/// The most of an artifact that is read, in bytes.
const LARGEST_ARTIFACT: u64 = 64 << 20;

/// Reads all summaries at a path or URL into `grouping`.
pub(crate) fn gather(
    path: &Path,
    selection: &Selection,
    rules: &Rules,
    problems: &mut Problems,
    grouping: &mut Grouping,
) -> Result<(), Error> {
    let mut take = |digest, source: &Source| grouping.add(digest, source);
    if input::is_stream(path) {
        read_digests(std::iter::once(Ok(Stream(path))), rules, problems, &mut take);
    } else if let Some(url) = store_url(path) {
        let stored = stored(url, selection)?;
        read_digests(stored.into_iter().map(Ok::<_, Problem>), rules, problems, &mut take);
    } else {
        read_digests(summary_files(path)?, rules, problems, &mut take);
    }
    Ok(())
}

/// Returns a path as a store's URL, if it is one: by its scheme, or a folder that is laid out as a store.
fn store_url(path: &Path) -> Option<&str> {
    let text = path.to_str()?;
    let is_store = || path.join("runs").is_dir() && path.join("blobs").is_dir();
    (text.contains("://") || is_store()).then_some(text)
}

/// Lists the summaries in a store.
fn stored(url: &str, selection: &Selection) -> Result<Vec<StoredSummary>, Error> {
    let store = Arc::new(Store::open_with(url, &store_options(url, None, OidcArgs::default())?)?);
    let listing = store.ls(selection)?;
    for warned in &listing.warnings {
        terminal::warning(&format!("{}: {}", warned.path, warned.message));
    }
    let mut stored = Vec::new();
    for run in listing.runs {
        let job: Arc<str> = job(&run).into();
        stored.extend(run.artifacts.into_iter().filter(Artifact::is_summary).map(|artifact| StoredSummary {
            store: Arc::clone(&store),
            job: Arc::clone(&job),
            artifact,
        }));
    }
    Ok(stored)
}

/// What a job is called: `acme/app 1234`.
fn job(run: &Run) -> String {
    format!("{} {}", run.repo, run.job)
}

/// A stream that the user named: standard input, or a pipe.
struct Stream<'a>(&'a Path);

impl SummarySource for Stream<'_> {
    fn source(&self) -> Source {
        Source { path: input::stream_name(self.0), job: None }
    }

    fn is_named(&self) -> bool {
        true
    }

    fn is_stream(&self) -> bool {
        true
    }

    fn open(&self) -> io::Result<OpenSource<'_>> {
        Ok(OpenSource { content: Box::new(input::open_stream(self.0)?), size: None })
    }
}

/// A summary in a store.
struct StoredSummary {
    store: Arc<Store>,
    job: Arc<str>,
    artifact: Artifact,
}

impl SummarySource for StoredSummary {
    fn source(&self) -> Source {
        let Artifact { node, path, .. } = &self.artifact;
        Source { path: format!("{}: {node}/{path}", self.job), job: Some(self.job.to_string()) }
    }

    fn is_named(&self) -> bool {
        true
    }

    fn is_stream(&self) -> bool {
        false
    }

    fn open(&self) -> io::Result<OpenSource<'_>> {
        let content = self.store.read(&self.artifact, LARGEST_ARTIFACT);
        let content = content.map_err(|error| io::Error::other(with_causes(&error)))?;
        let size = Some(content.len() as u64);
        Ok(OpenSource { content: Box::new(Cursor::new(content)), size })
    }
}
