//! Why there is no core, and what to do about it.
//!
//! A table of rows, each a condition over the [`Situation`] and a stable code. The first row that holds is
//! the reason; rows about the host come before rows about one file, because what the host forbids no folder
//! can mend.

mod rows;
mod situation;

pub use situation::{CommandFacts, Folder, FolderTrouble, LostCore, Receiver, Situation};

use self::rows::{Row, Weight};

/// Why there is no core, or may be none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoCore {
    /// A token that never changes its meaning, such as `limit_zero`.
    pub code: &'static str,
    /// What is the matter, as one sentence without a final period.
    pub sentence: String,
    /// What to do about it, likewise.
    pub advice: String,
}

/// Returns the reason why a search found no core.
pub fn explain(situation: &Situation) -> NoCore {
    // What happened goes before what must have happened.
    if let Some(not_kept) = &situation.not_kept {
        return not_kept.clone();
    }
    rows::table()
        .filter(|row| row.weight == Weight::Reason)
        .find_map(|row| row.check(situation))
        .unwrap_or_else(|| rows::nothing_found(situation))
}

/// Returns what made, or may make, cores go missing though nothing forbids them.
pub fn risks(situation: &Situation) -> Vec<NoCore> {
    rows::table().filter(|row| row.weight == Weight::Risk).filter_map(|row| row.check(situation)).collect()
}

impl Row {
    fn check(&self, situation: &Situation) -> Option<NoCore> {
        let (sentence, advice) = (self.holds)(situation)?;
        Some(NoCore { code: self.code, sentence, advice })
    }
}

#[cfg(test)]
mod tests;
