//! `epitaph group`: which crashes are the same, which are alike, and which are new.

use std::io::Write;
use std::path::PathBuf;

use epitaph_bundle::Problems;
use epitaph_report::{GroupFormat, Options, render_groups};
use epitaph_summary::group::Grouping;

use crate::args::{self, GroupArgs};
use crate::config::rules;
use crate::error::{Error, message};
use crate::exit::Exit;
use crate::summaries::gather;
use crate::terminal;

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
        ..Options::default()
    };
    let mut document = Vec::new();
    render_groups(&report, format(args), &options, &mut document)?;
    match &args.output {
        Some(path) => std::fs::write(path, &document)
            .map_err(|error| Error::from(error).context(format!("cannot write {}", path.display())))?,
        None => {
            let mut out = terminal::stdout();
            out.write_all(&document)?;
            out.flush()?;
        }
    }
    let new = report.baseline.is_some_and(|counts| counts.new > 0);
    Ok(match () {
        () if args.fail_on_new && new => Exit::Crashes,
        () if hidden => Exit::Failed,
        () => Exit::Done,
    })
}

fn format(args: &GroupArgs) -> GroupFormat {
    match args.format {
        _ if args.json => GroupFormat::Json,
        args::GroupFormat::Text => GroupFormat::Text,
        args::GroupFormat::Json => GroupFormat::Json,
        args::GroupFormat::Jsonl => GroupFormat::Jsonl,
        args::GroupFormat::Markdown => GroupFormat::Markdown,
    }
}
