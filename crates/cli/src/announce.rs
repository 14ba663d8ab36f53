//! Telling GitHub Actions of the crashes, in a job of it: the job summary, an error for each kind of crash, and a log whose
//! crash text can't be taken for commands.
//!
//! `--ci none` turns it off. On a terminal nothing of it appears, whatever the environment says.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use epitaph_report::annotations::{self, Reader};
use epitaph_report::{Format, Options, not_kept, render};
use epitaph_summary::CiProvider;

use crate::args::CiArgs;
use crate::ci;
use crate::environment::variable;
use crate::error::Error;
use crate::kept::Kept;
use crate::terminal;

/// What GitHub takes of a step's summary, in bytes: of a longer one it shows nothing.
const LONGEST_SUMMARY: u64 = 1 << 20;

/// A report in less than this would say nothing.
const LEAST_ROOM: u64 = 2 << 10;

/// The runner of GitHub Actions that reads what is printed, if there is one; without one, nothing is printed.
#[derive(Debug)]
pub(crate) struct Runner(Option<Job>);

/// What the runner tells its job.
#[derive(Debug)]
struct Job {
    /// Resumes commands after they were stopped. No crash can know it.
    token: Option<String>,
    /// The file that the step's summary is written to.
    summary: Option<PathBuf>,
    /// Where the repository is checked out.
    workspace: Option<PathBuf>,
}

impl Runner {
    /// Finds the runner of this job, where there is anything to tell.
    pub(crate) fn here(args: CiArgs, has_to_tell: bool) -> Runner {
        let is_github = ci::provider(args) == Some(CiProvider::GitHub);
        let is_terminal = io::stdout().is_terminal() || io::stderr().is_terminal();
        Runner((has_to_tell && is_github && !is_terminal).then(|| Job {
            token: random().ok(),
            summary: variable("GITHUB_STEP_SUMMARY").map(PathBuf::from),
            workspace: variable("GITHUB_WORKSPACE").map(PathBuf::from),
        }))
    }

    /// Lets the runner take nothing that follows for a command.
    pub(crate) fn stop_commands(&self, out: &mut impl Write) {
        if let Some(token) = self.token() {
            // What can't be printed can't be misunderstood either.
            let _ = writeln!(out, "::stop-commands::{token}");
        }
    }

    /// Lets the runner take commands again.
    pub(crate) fn resume_commands(&self, out: &mut impl Write) {
        if let Some(token) = self.token() {
            let _ = writeln!(out, "::{token}::").and_then(|()| out.flush());
        }
    }

    fn token(&self) -> Option<&str> {
        self.0.as_ref()?.token.as_deref()
    }

    /// Tells of the crashes that were not known before, on the stream whose commands were stopped and resumed: of two
    /// streams the runner keeps no order.
    pub(crate) fn announce(&self, kept: &Kept, out: &mut impl Write) {
        let Some(job) = self.0.as_ref().filter(|_| !kept.told.is_empty() || !kept.left_out.is_empty()) else {
            return;
        };
        let workspace = job.workspace.as_deref();
        let _ = annotations::render(&kept.told, Reader::GitHub, workspace, out).and_then(|()| out.flush());
        if let Some(Err(error)) = job.summary.as_ref().map(|path| append(path, kept)) {
            Error::from(error).context("cannot write the job summary").print_as_warning();
        }
    }
}

/// Appends the report to the step's summary, as far as there is room beside what other commands of the step wrote.
fn append(path: &Path, kept: &Kept) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    let there = file.metadata()?.len();
    let room = LONGEST_SUMMARY.saturating_sub(there);
    if room < LEAST_ROOM {
        terminal::warning("the job summary is full: the report is only in the folder and the log");
        return Ok(());
    }
    // What is there need not end in a line break.
    let mut text = if there > 0 { b"\n\n".to_vec() } else { Vec::new() };
    let room = usize::try_from(room).unwrap_or(usize::MAX);
    let defaults = Options::default();
    let most = defaults.max_bytes.unwrap_or(room).min(room - text.len());
    if !kept.told.is_empty() {
        render(&kept.told, Format::Markdown, &Options { max_bytes: Some(most), ..defaults }, &mut text)?;
    }
    let mut rest = Vec::new();
    not_kept::markdown(&kept.left_out, &mut rest)?;
    if text.len() + rest.len() <= room {
        text.extend(rest);
    }
    file.write_all(&text)
}

/// Returns 32 hex digits that nobody can guess.
fn random() -> io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}
