//! `epitaph group`: which crashes are the same, which are alike, and which are new.

use std::path::PathBuf;

use epitaph_bundle::Problems;
use epitaph_report::annotations::{self, Reader};
use epitaph_report::{GroupFormat, Options, render_groups};
use epitaph_summary::group::{GroupReport, Grouping};

use crate::args::{self, GroupArgs};
use crate::checkout::repository;
use crate::config::rules;
use crate::error::{Error, message};
use crate::exit::Exit;
use crate::summaries::gather;
use crate::{output, terminal};

/// Groups the crashes at the given paths and compares them with those of the baseline.
pub(crate) fn run(args: &GroupArgs) -> Result<Exit, Error> {
    let mut problems = Problems::default();
    let rules = rules(&args.config)?;
    let read = |paths: &[PathBuf], problems: &mut Problems| {
        let mut grouping = Grouping::default();
        for path in paths {
            gather(path, &args.select.selection(), &rules, problems, &mut grouping)?;
        }
        Ok::<_, Error>(grouping)
    };
    let baseline = if args.baseline.is_empty() { None } else { Some(read(&args.baseline, &mut problems)?) };
    let known_problems = problems.count();
    let crashes = read(&args.paths, &mut problems)?;
    let (count, known) = (crashes.crashes(), baseline.as_ref().map(Grouping::crashes));
    let mut report = crashes.report(baseline.as_ref(), args.threshold, env!("CARGO_PKG_VERSION"));
    terminal::warnings(&report.warnings);
    let unread = problems.warnings();
    terminal::warnings(&unread);
    report.warnings.extend(unread);
    // What can't be read of the baseline makes crashes new; what can't be read of the others hides some.
    let hidden = problems.count() > known_problems;
    if count == 0 && (hidden || known.unwrap_or_default() == 0 && problems.count() > 0) {
        let hint =
            "give what `epitaph collect` or `epitaph pull` wrote, or the output of `epitaph show --json`";
        return Err(message("no summary could be read", Some(hint)));
    }
    if known == Some(0) {
        terminal::note("the baseline has no crashes: all are new");
    }

    let options = Options {
        color: args.output.is_none(),
        width: if args.output.is_none() { terminal::width() } else { None },
        repository: repository(None),
        ..Options::default()
    };
    let document = document(args, &report, &options)?;
    output::write(args.output.as_deref(), &document)?;
    let new = report.baseline.is_some_and(|counts| counts.new > 0);
    Ok(match () {
        () if args.fail_on_new && new => Exit::Crashes,
        () if hidden => Exit::Failed,
        () => Exit::Done,
    })
}

fn document(args: &GroupArgs, report: &GroupReport, options: &Options) -> std::io::Result<Vec<u8>> {
    let mut out = Vec::new();
    let format = match args.format {
        _ if args.json => GroupFormat::Json,
        args::GroupFormat::Text => GroupFormat::Text,
        args::GroupFormat::Json => GroupFormat::Json,
        args::GroupFormat::Jsonl => GroupFormat::Jsonl,
        args::GroupFormat::Markdown => GroupFormat::Markdown,
        args::GroupFormat::Junit => GroupFormat::Junit,
        args::GroupFormat::Html => GroupFormat::Html,
        args::GroupFormat::Sarif => GroupFormat::Sarif,
        args::GroupFormat::Gitlab => GroupFormat::Gitlab,
        args::GroupFormat::Github | args::GroupFormat::Azure => {
            let is_github = args.format == args::GroupFormat::Github;
            let reader = if is_github { Reader::GitHub } else { Reader::Azure };
            annotations::render_groups(report, reader, options.repository.as_deref(), &mut out)?;
            return Ok(out);
        }
    };
    render_groups(report, format, options, &mut out)?;
    Ok(out)
}
