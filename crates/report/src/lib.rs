//! Renders crash summaries for people and for CI systems, one module per format.
//!
//! [`render`] writes any number of [`CrashSummary`]s as [text](Format::Text) for a job's log, [JSON](Format::Json),
//! [JSON Lines](Format::Jsonl), [Markdown](Format::Markdown) for job summaries and pull requests,
//! [JUnit XML](Format::Junit) for test tabs, [SARIF](Format::Sarif) and [GitLab's findings](Format::Gitlab) beside the
//! lines of a change, or one [page](Format::Html) for browsers. It is a function of the summaries alone: it opens no file, reads no
//! core or environment, knows no time, and gives the same bytes for the same summaries. It is *not* the place
//! where a crash is explained: the cause, the blame and the masks are in the summary already.
//!
//! Two promises hold for every format:
//!
//! - any field of a summary may be absent, and what is known is still told;
//! - text that comes from the crash (names, paths, command lines, messages) is inert where it is shown: it
//!   can't drive a terminal, start a CI command, or break out of its place in Markdown, XML or HTML.
//!
//! [`text::story`] and [`text::rest`] are the two halves of the text format, for a caller that knows the crashing
//! thread before the others.
//!
//! ```
//! use epitaph_report::{Format, Options, render};
//! use epitaph_summary::{CrashSummary, Frame, Process, Signal, Thread};
//!
//! let mut summary = CrashSummary::new("0.1.0");
//! summary.process = Some(Process { executable: Some("/ci/build/parser".into()), ..Process::default() });
//! summary.signal = Some(Signal {
//!     name: Some("SIGSEGV".into()),
//!     description: Some("write to unmapped address 0x10".into()),
//!     ..Signal::default()
//! });
//! let frame = Frame {
//!     function: Some("lex".into()),
//!     file: Some("lexer.c".into()),
//!     line: Some(88),
//!     in_app: Some(true),
//!     ..Frame::default()
//! };
//! summary.threads = vec![Thread { tid: Some(4711), crashed: true, frames: vec![frame], ..Thread::default() }];
//!
//! let mut out = Vec::new();
//! render(&[summary], Format::Text, &Options::default(), &mut out)?;
//! let text = String::from_utf8(out).unwrap();
//! assert!(text.starts_with("parser died of SIGSEGV: write to unmapped address 0x10\n  in lex at lexer.c:88\n"));
//! assert!(text.contains("Thread 1 (tid 4711) crashed:\n>  #0  lex  lexer.c:88\n"));
//! # Ok::<(), std::io::Error>(())
//! ```

pub mod annotations;
mod brief;
mod entries;
mod escape;
mod facts;
mod finding;
mod fold;
mod format;
mod frames;
mod gitlab;
mod groups;
mod headline;
mod html;
mod json;
mod junit;
mod kinds;
mod line;
mod machinery;
mod markdown;
mod memory_map;
pub mod merge;
mod modules;
pub mod not_kept;
mod options;
mod place;
mod quantity;
mod sarif;
mod source;
mod stack;
pub mod text;
mod threads;
mod variables;
mod waits;
mod why;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod properties;

use std::io;

use epitaph_summary::CrashSummary;
use epitaph_summary::group::GroupReport;

pub use brief::{Brief, inert};
pub use format::{Format, UnknownFormat};
pub use groups::{GroupFormat, render_groups};
pub use options::{Options, Threads};

/// Writes `summaries` to `out` in `format`, in the given order (but for a page, where the newest is first).
///
/// No summary at all is rendered too: a sentence in text and Markdown, an empty suite in JUnit, nothing in JSON.
/// The only errors are those of `out` (and of a serializer, which can't fail on these types).
pub fn render(
    summaries: &[CrashSummary],
    format: Format,
    options: &Options,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    match format {
        Format::Text => text::render(summaries, options, out),
        Format::Json => json::render(summaries, out),
        Format::Jsonl => json::render_lines(summaries, out),
        Format::Markdown => markdown::render(summaries, options, out),
        Format::Junit | Format::Html | Format::Sarif | Format::Gitlab => {
            render_against(summaries, &kinds::grouped(summaries), format, options, out)
        }
    }
}

/// Writes what [`render`] does, and which crashes are the same, alike, new or known as `groups` says, the report of a
/// grouping of these crashes; what only its baseline has is told too. Text, JSON and Markdown of that are
/// [`render_groups`]'s: here they are the stories alone.
pub fn render_against(
    summaries: &[CrashSummary],
    groups: &GroupReport,
    format: Format,
    options: &Options,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let repository = options.repository.as_deref();
    match format {
        Format::Html => html::render(summaries, &[], groups, options, out),
        Format::Junit => junit::render(summaries, groups, options, out),
        Format::Sarif => sarif::render(summaries, groups, repository, out),
        Format::Gitlab => gitlab::render(summaries, groups, repository, out),
        Format::Text | Format::Json | Format::Jsonl | Format::Markdown => {
            render(summaries, format, options, out)
        }
    }
}

/// Writes what [`render`] does, and in the formats for people which crashes were `not_kept`: summaries of those whose cores
/// and stories an output folder had no room for.
pub fn render_kept(
    summaries: &[CrashSummary],
    not_kept: &[CrashSummary],
    format: Format,
    options: &Options,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    match format {
        Format::Html => html::render(summaries, not_kept, &kinds::grouped(summaries), options, out),
        Format::Markdown => {
            markdown::render(summaries, options, out)?;
            not_kept::markdown(not_kept, out)
        }
        _ => render(summaries, format, options, out),
    }
}
