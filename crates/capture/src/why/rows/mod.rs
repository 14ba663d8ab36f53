//! The rows of the table, by what they look at.

mod file;
mod host;
mod outcome;
mod receiver;

pub(super) use outcome::nothing_found;

use super::NoCore;
use super::situation::Situation;

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
    /// Cores may go missing where it holds.
    Risk,
}

impl Row {
    const fn reason(code: &'static str, holds: fn(&Situation) -> Option<Words>) -> Row {
        Row { code, weight: Weight::Reason, holds }
    }

    const fn risk(code: &'static str, holds: fn(&Situation) -> Option<Words>) -> Row {
        Row { code, weight: Weight::Risk, holds }
    }
}

/// Returns all rows, in the order in which they are asked.
pub(super) fn table() -> impl Iterator<Item = &'static Row> {
    [host::ROWS, receiver::ROWS, file::ROWS, outcome::ROWS].into_iter().flatten()
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
