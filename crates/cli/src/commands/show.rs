//! `epitaph show`: tell what died.

use std::io::Write;
use std::path::Path;

use epitaph_bundle::{CoreInTree, Identities, OpenLimits, read_summaries};
use epitaph_capture::{CodeSearch, SearchLimits};
use epitaph_report::{Format, Options, render, text};
use epitaph_summary::CrashSummary;
use epitaph_triage::{Observer, Silent};

use crate::args::{SearchArgs, ShowArgs, Threads, Variables};
use crate::environment::in_ci;
use crate::error::Error;
use crate::examine::{Examiner, with_kept};
use crate::exit::Exit;
use crate::{config, coreless, input, keys, terminal};

/// Shows every crash at the given paths; what can't be read is told, and the others are shown.
pub(crate) fn run(args: &ShowArgs) -> Result<Exit, Error> {
    let mut shown = Shown::new(args)?;
    let mut failed = false;
    if let Some(log) = &args.kernel_log {
        shown.show_log(log, &args.search)?;
    }
    for path in &args.paths {
        match input::crashes_at(path) {
            Ok(crashes) => {
                for crash in crashes {
                    if let Err(error) = shown.show(&crash, input::tree(path)) {
                        if error.is_broken_pipe() {
                            return Err(error);
                        }
                        error.print();
                        failed = true;
                    }
                }
            }
            Err(error) => {
                error.print();
                failed = true;
            }
        }
    }
    Ok(if failed { Exit::Failed } else { Exit::Done })
}

/// Shows crashes one after the other.
struct Shown<'a> {
    examiner: Examiner<'a>,
    identities: Identities,
    options: Options,
    json: bool,
    count: usize,
}

impl<'a> Shown<'a> {
    fn new(args: &'a ShowArgs) -> Result<Shown<'a>, Error> {
        let crashed_only = args.threads == Threads::Crashed;
        let threads =
            if crashed_only { epitaph_report::Threads::Crashed } else { epitaph_report::Threads::All };
        // Values are private: a log in which everybody reads them gets them only if it is asked for.
        let usual = if in_ci() { Variables::None } else { Variables::Args };
        let variables = match args.variables.unwrap_or(usual) {
            Variables::None => epitaph_triage::Variables::None,
            Variables::Args => epitaph_triage::Variables::Arguments,
            Variables::All => epitaph_triage::Variables::All,
        };
        let examiner = Examiner::new(&args.search, config::rules(&args.config)?);
        Ok(Shown {
            examiner: examiner.crashed_thread_only(crashed_only).frames(args.frames).variables(variables),
            options: Options {
                color: true,
                width: terminal::width(),
                threads,
                // Who wants all frames wants to see them.
                fold: args.frames > 0,
                ..Options::default()
            },
            identities: keys::identities(&args.identity)?,
            json: args.json,
            count: 0,
        })
    }

    fn show(&mut self, crash: &CoreInTree, tree: Option<&Path>) -> Result<(), Error> {
        if let Some(core) = &crash.core {
            let done = input::open(core, tree, &OpenLimits::default(), &self.identities).and_then(|opened| {
                // Where a summary was kept, which of the two tells more is known only at the end.
                if self.json || crash.summary.is_some() {
                    Ok((self.examiner.examine(&opened, tree, &mut Silent)?.summary, false))
                } else {
                    self.separate()?;
                    let mut first = StoryFirst { options: &self.options, result: Ok(()) };
                    let summary = self.examiner.examine(&opened, tree, &mut first)?.summary;
                    first.result?;
                    Ok((summary, true))
                }
            });
            match (done, &crash.summary) {
                (Ok((summary, story_told)), None) => return self.print(&summary, story_told),
                (Ok((summary, _)), Some(kept)) => return self.print(&with_kept(summary, kept), false),
                (Err(error), None) => return Err(error),
                (Err(error), Some(_)) => error.print_as_warning(),
            }
        }
        let Some(kept) = &crash.summary else { return Ok(()) };
        let crashes = read_summaries(kept)?;
        terminal::warnings(&crashes.warnings);
        crashes.summaries.iter().try_for_each(|summary| self.print(summary, false))
    }

    /// Shows what the kernel logged of crashes.
    fn show_log(&mut self, log: &Path, search: &SearchArgs) -> Result<(), Error> {
        let crashes = coreless::in_log(log)?;
        let host = coreless::host(search);
        let places = coreless::places(search, std::env::current_dir().ok());
        let mut code = CodeSearch::new(&host, places, SearchLimits::default().time);
        for mut crash in crashes {
            code.find(&mut crash);
            let triaged = coreless::examine(&self.examiner, search, &crash, None, None)?;
            self.print(&triaged.summary, false)?;
        }
        Ok(())
    }

    /// Sets one crash apart from the next.
    fn separate(&mut self) -> Result<(), Error> {
        self.count += 1;
        if self.count > 1 && !self.json {
            writeln!(terminal::stdout(), "\n{}\n", "=".repeat(72))?;
        }
        Ok(())
    }

    fn print(&mut self, summary: &CrashSummary, story_told: bool) -> Result<(), Error> {
        if !story_told {
            self.separate()?;
        }
        let mut out = terminal::stdout();
        if self.json {
            render(std::slice::from_ref(summary), Format::Jsonl, &self.options, &mut out)?;
        } else {
            if !story_told {
                text::story(summary, &self.options, &mut out)?;
            }
            text::rest(summary, &self.options, &mut out)?;
        }
        out.flush()?;
        Ok(())
    }
}

/// Prints the crashing thread's story before the other threads are named.
struct StoryFirst<'a> {
    options: &'a Options,
    result: std::io::Result<()>,
}

impl Observer for StoryFirst<'_> {
    fn crashing_thread_done(&mut self, partial: &CrashSummary) {
        let mut out = terminal::stdout();
        self.result = text::story(partial, self.options, &mut out).and_then(|()| out.flush());
    }
}
