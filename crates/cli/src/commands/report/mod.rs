//! `epitaph report`: render crashes in a format.

mod merge;

use epitaph_bundle::Problems;
use epitaph_report::annotations::{self, Reader};
use epitaph_report::{Format, Options, render, render_against};
use epitaph_store::Selection;
use epitaph_summary::group::{Digest, GroupReport, Grouping, Source, THRESHOLD};
use epitaph_summary::{CrashSummary, sign};

use crate::args::{ReportArgs, ReportFormat, Threads};
use crate::checkout::repository;
use crate::crashes::summaries_at;
use crate::error::{Error, message};
use crate::examine::Examiner;
use crate::exit::Exit;
use crate::summaries::gather;
use crate::{config, keys, output, terminal};

/// Renders every crash at the given paths into one document.
pub(crate) fn run(args: &ReportArgs) -> Result<Exit, Error> {
    let examiner = Examiner::new(&args.search, config::rules(&args.config)?)
        .crashed_thread_only(args.threads == Threads::Crashed);
    let identities = keys::identities(&args.identity)?;
    let (mut summaries, failed) = summaries_at(&args.paths, &examiner, &identities);
    let options = Options {
        color: args.output.is_none(),
        width: if args.output.is_none() { terminal::width() } else { None },
        threads: match args.threads {
            Threads::All => epitaph_report::Threads::All,
            Threads::Crashed => epitaph_report::Threads::Crashed,
        },
        repository: repository(args.search.source_root.as_deref()),
        ..Options::default()
    };
    if let Some(report) = &args.merge {
        merge::run(report, args.output.as_deref(), &summaries, &options)?;
        return Ok(if failed { Exit::Failed } else { Exit::Done });
    }
    let groups = compared(args, &mut summaries)?;
    let document = document(args.format, &summaries, groups.as_ref(), &options)?;
    output::write(args.output.as_deref(), &document)?;
    Ok(if failed { Exit::Failed } else { Exit::Done })
}

/// Groups the crashes against the baseline, if one was given: their signatures are made anew where they are by other rules
/// than the project's.
fn compared(args: &ReportArgs, summaries: &mut [CrashSummary]) -> Result<Option<GroupReport>, Error> {
    if args.baseline.is_empty() {
        return Ok(None);
    }
    if matches!(
        args.format,
        ReportFormat::Text | ReportFormat::Json | ReportFormat::Jsonl | ReportFormat::Markdown
    ) {
        let hint = "`epitaph group --baseline` tells it in this format";
        return Err(message("the stories in this format don't tell what is new", Some(hint)));
    }
    let rules = config::rules(&args.config)?;
    let mut problems = Problems::default();
    let mut baseline = Grouping::default();
    for path in &args.baseline {
        gather(path, &Selection::default(), &rules, &mut problems, &mut baseline)?;
    }
    terminal::warnings(&problems.warnings());
    let mut grouping = Grouping::default();
    for summary in summaries {
        let signed = Digest::of(summary).is_some_and(|digest| digest.is_signed_by(&rules));
        if !signed {
            summary.signature = sign(summary, &rules);
        }
        let digest = if signed { Digest::of(summary) } else { Digest::signed(summary.clone(), &rules) };
        if let Some(mut digest) = digest {
            digest.note_ignored(&rules);
            grouping.add(digest, &Source::default());
        }
    }
    let report = grouping.report(Some(&baseline), THRESHOLD, env!("CARGO_PKG_VERSION"));
    terminal::warnings(&report.warnings);
    Ok(Some(report))
}

fn document(
    format: ReportFormat,
    summaries: &[CrashSummary],
    groups: Option<&GroupReport>,
    options: &Options,
) -> std::io::Result<Vec<u8>> {
    let mut out = Vec::new();
    let format = match format {
        ReportFormat::Github | ReportFormat::Azure => {
            let reader = if format == ReportFormat::Github { Reader::GitHub } else { Reader::Azure };
            let repository = options.repository.as_deref();
            match groups {
                Some(groups) => annotations::render_against(summaries, groups, reader, repository, &mut out)?,
                None => annotations::render(summaries, reader, repository, &mut out)?,
            }
            return Ok(out);
        }
        ReportFormat::Text => Format::Text,
        ReportFormat::Json => Format::Json,
        ReportFormat::Jsonl => Format::Jsonl,
        ReportFormat::Markdown => Format::Markdown,
        ReportFormat::Junit => Format::Junit,
        ReportFormat::Html => Format::Html,
        ReportFormat::Sarif => Format::Sarif,
        ReportFormat::Gitlab => Format::Gitlab,
    };
    match groups {
        Some(groups) => render_against(summaries, groups, format, options, &mut out)?,
        None => render(summaries, format, options, &mut out)?,
    }
    Ok(out)
}
