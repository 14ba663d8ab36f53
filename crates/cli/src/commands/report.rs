//! `epitaph report`: render crashes in a format.

use std::io::Write;
use std::path::{Path, PathBuf};

use epitaph_bundle::{CoreInTree, Identities, OpenLimits, read_summaries};
use epitaph_report::annotations::{self, Reader};
use epitaph_report::{Format, Options, render};
use epitaph_summary::CrashSummary;
use epitaph_triage::Silent;

use crate::args::{ReportArgs, ReportFormat, Threads};
use crate::environment::variable;
use crate::error::Error;
use crate::examine::Examiner;
use crate::exit::Exit;
use crate::{config, input, keys, terminal};

/// Renders every crash at the given paths into one document.
pub(crate) fn run(args: &ReportArgs) -> Result<Exit, Error> {
    let examiner = Examiner::new(&args.search, config::rules(&args.config)?)
        .crashed_thread_only(args.threads == Threads::Crashed);
    let identities = keys::identities(&args.identity)?;
    let mut summaries = Vec::new();
    let mut failed = false;
    for path in &args.paths {
        let crashes = input::crashes_at(path).unwrap_or_else(|error| {
            error.print();
            failed = true;
            Vec::new()
        });
        for crash in crashes {
            match summaries_of(&crash, input::tree(path), &examiner, &identities) {
                Ok(found) => summaries.extend(found),
                Err(error) => {
                    error.print();
                    failed = true;
                }
            }
        }
    }
    let options = Options {
        color: args.output.is_none(),
        width: if args.output.is_none() { terminal::width() } else { None },
        threads: match args.threads {
            Threads::All => epitaph_report::Threads::All,
            Threads::Crashed => epitaph_report::Threads::Crashed,
        },
        ..Options::default()
    };
    let mut document = Vec::new();
    match args.format {
        ReportFormat::Github => annotate(&summaries, Reader::GitHub, "GITHUB_WORKSPACE", &mut document)?,
        ReportFormat::Azure => annotate(&summaries, Reader::Azure, "BUILD_SOURCESDIRECTORY", &mut document)?,
        ReportFormat::Text => render(&summaries, Format::Text, &options, &mut document)?,
        ReportFormat::Json => render(&summaries, Format::Json, &options, &mut document)?,
        ReportFormat::Jsonl => render(&summaries, Format::Jsonl, &options, &mut document)?,
        ReportFormat::Markdown => render(&summaries, Format::Markdown, &options, &mut document)?,
        ReportFormat::Junit => render(&summaries, Format::Junit, &options, &mut document)?,
        ReportFormat::Html => render(&summaries, Format::Html, &options, &mut document)?,
    }
    match &args.output {
        Some(path) => std::fs::write(path, &document)
            .map_err(|error| Error::from(error).context(format!("cannot write {}", path.display())))?,
        None => {
            let mut out = terminal::stdout();
            out.write_all(&document)?;
            out.flush()?;
        }
    }
    Ok(if failed { Exit::Failed } else { Exit::Done })
}

/// Returns a crash's summary as it was kept, or else the one that its core gives.
fn summaries_of(
    crash: &CoreInTree,
    tree: Option<&Path>,
    examiner: &Examiner<'_>,
    identities: &Identities,
) -> Result<Vec<CrashSummary>, Error> {
    if let Some(summary) = &crash.summary {
        let crashes = read_summaries(summary)?;
        terminal::warnings(&crashes.warnings);
        if !crashes.summaries.is_empty() {
            return Ok(crashes.summaries);
        }
    }
    match &crash.core {
        Some(core) => {
            let opened = input::open(core, tree, &OpenLimits::default(), identities)?;
            Ok(vec![examiner.examine(&opened, tree, &mut Silent)?.summary])
        }
        None => Ok(Vec::new()),
    }
}

/// Writes the commands that tell a CI system of the crashes; the variable names the folder of its checkout.
fn annotate(
    summaries: &[CrashSummary],
    reader: Reader,
    checkout: &str,
    out: &mut Vec<u8>,
) -> std::io::Result<()> {
    let repository = variable(checkout).map(PathBuf::from).or_else(|| std::env::current_dir().ok());
    annotations::render(summaries, reader, repository.as_deref(), out)
}
