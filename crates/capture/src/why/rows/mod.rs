//! The rows of the table, by what they look at.

mod canary;
mod collectors;
mod folder;
mod host;
mod inherited;
mod kernel;
mod name;
mod outcome;
mod program;
mod receiver;
mod runtime;

pub(super) use outcome::{NOTHING_FOUND, nothing_found};
pub(super) use runtime::RUNTIMES_ENDS;

use super::NoCore;
use super::situation::Situation;
use crate::pattern::{FilePattern, Pipe, Target};
use crate::text::quoted;

/// A sentence and an advice.
type Words = (String, String);

/// One reason.
pub(super) struct Row {
    pub(super) code: &'static str,
    pub(super) weight: Weight,
    /// Returns the words of the row where it holds.
    pub(super) holds: fn(&Situation) -> Option<Words>,
}

/// How much a row explains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// No core can be found where it holds.
    Reason,
    /// No core can be found where crashes leave them, but somebody else may keep it.
    Elsewhere,
    /// Cores may go missing where it holds.
    Risk,
}

impl Row {
    const fn reason(code: &'static str, holds: fn(&Situation) -> Option<Words>) -> Row {
        Row { code, weight: Weight::Reason, holds }
    }

    const fn elsewhere(code: &'static str, holds: fn(&Situation) -> Option<Words>) -> Row {
        Row { code, weight: Weight::Elsewhere, holds }
    }

    const fn risk(code: &'static str, holds: fn(&Situation) -> Option<Words>) -> Row {
        Row { code, weight: Weight::Risk, holds }
    }
}

/// Returns all rows, in the order in which they are asked.
pub(super) fn table() -> impl Iterator<Item = &'static Row> {
    [
        host::ROWS,
        receiver::LOST,
        kernel::TOO_MANY,
        collectors::ROWS,
        receiver::KEPT,
        folder::FOUND,
        inherited::ROWS,
        folder::ROWS,
        name::ROWS,
        program::ROWS,
        canary::ROWS,
        kernel::REFUSED,
        runtime::ROWS,
        outcome::ROWS,
    ]
    .into_iter()
    .flatten()
}

/// Returns the words of a row that holds.
#[expect(clippy::unnecessary_wraps, reason = "it is how each row ends whose conditions all hold")]
fn words(sentence: impl Into<String>, advice: impl Into<String>) -> Option<Words> {
    Some((sentence.into(), advice.into()))
}

/// Says how to make cores into files, from where we stand.
fn send_cores_to_files(situation: &Situation) -> String {
    let command = "echo '/tmp/core.%p' | sudo tee /proc/sys/kernel/core_pattern";
    match situation.container {
        Some(_) => format!("have the host send cores to files before the container starts: {command}"),
        None => format!("send cores to files: {command}"),
    }
}

fn file(situation: &Situation) -> Option<&FilePattern> {
    situation.file()
}

fn pipe(situation: &Situation) -> Option<&Pipe> {
    match situation.pattern.as_ref().ok()?.target() {
        Target::Pipe(pipe) => Some(pipe),
        Target::File(_) | Target::Socket(_) => None,
    }
}

/// Holds where cores go to a program of one of these names, in whatever folder.
fn sent_to<'a>(situation: &'a Situation, names: &[&str]) -> Option<&'a Pipe> {
    pipe(situation).filter(|pipe| names.iter().any(|name| name.as_bytes() == pipe.name()))
}

fn pattern(situation: &Situation) -> String {
    situation.pattern.as_ref().map(|pattern| quoted(pattern.raw())).unwrap_or_default()
}
