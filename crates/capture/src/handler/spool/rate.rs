//! The first few crashes of each signature are kept, and the others counted.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Write as _};

use serde::{Deserialize, Serialize};

use super::{Locked, UserFolder};
use crate::handler::error::HandlerError;
use crate::handler::files::replace;

/// The file in a user's folder.
const NAME: &str = ".rate.json";
/// Its longest, in bytes.
const LONGEST: u64 = 1 << 20;
/// Seconds after which a signature is as new as on the first day.
const WINDOW: u64 = 24 * 60 * 60;
/// The most signatures that are remembered.
const MOST: usize = 512;
/// The longest text of a signature that is remembered.
const LONGEST_SIGNATURE: usize = 128;

/// What becomes of a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::handler) enum Decision {
    /// It is among the first of its signature.
    Keep,
    /// It is counted; `count` are that were not kept.
    Count {
        /// How many crashes of this signature were not kept, this one included.
        count: u64,
    },
}

/// What is remembered of a signature.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    /// When the first of them died, in seconds since 1970.
    since: u64,
    kept: u32,
    counted: u64,
}

/// The file's content: what was seen, by signature.
type Signatures = BTreeMap<String, Seen>;

impl Locked<'_> {
    /// Decides on a crash at `now`, of which `first` are kept, and remembers it.
    pub(in crate::handler) fn decide(
        &self,
        signature: &str,
        now: u64,
        first: u32,
    ) -> Result<Decision, HandlerError> {
        let mut signatures = self.folder.read();
        let decision = decide(&mut signatures, signature, now, first);
        self.write(&signatures)?;
        Ok(decision)
    }

    fn write(&self, signatures: &Signatures) -> Result<(), HandlerError> {
        // Not synced: the dying process waits, and what is lost makes us keep more.
        replace(&self.folder.path.join(NAME), |file| file.write_all(&serde_json::to_vec(signatures)?))
    }
}

impl UserFolder {
    /// Returns how many crashes were counted and not kept.
    pub(in crate::handler) fn counted(&self) -> u64 {
        self.read().values().map(|seen| seen.counted).sum()
    }

    /// Reads what was seen. A file that was lost or damaged only makes us keep more.
    fn read(&self) -> Signatures {
        let mut text = Vec::new();
        let read =
            File::open(self.path.join(NAME)).and_then(|file| file.take(LONGEST).read_to_end(&mut text));
        read.ok().and_then(|_| serde_json::from_slice(&text).ok()).unwrap_or_default()
    }
}

fn decide(signatures: &mut Signatures, signature: &str, now: u64, first: u32) -> Decision {
    let signature: String = signature.chars().take(LONGEST_SIGNATURE).collect();
    // A clock that went back makes all old.
    signatures.retain(|_, seen| now.checked_sub(seen.since).is_some_and(|age| age < WINDOW));
    while signatures.len() >= MOST && !signatures.contains_key(&signature) {
        let oldest = signatures.iter().min_by_key(|(_, seen)| seen.since).map(|(name, _)| name.clone());
        oldest.and_then(|name| signatures.remove(&name));
    }
    let seen = signatures.entry(signature).or_insert_with(|| Seen { since: now, ..Seen::default() });
    if seen.kept < first {
        seen.kept += 1;
        Decision::Keep
    } else {
        seen.counted += 1;
        Decision::Count { count: seen.counted }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::own_folder;
    use super::*;

    #[test]
    fn the_first_few_are_kept_for_a_day() {
        let (_root, folder) = own_folder();
        let locked = folder.lock().unwrap();
        let decide = |signature: &str, now| locked.decide(signature, now, 2).unwrap();
        assert_eq!(decide("a", 1000), Decision::Keep);
        assert_eq!(decide("a", 1001), Decision::Keep);
        assert_eq!(decide("a", 1002), Decision::Count { count: 1 });
        assert_eq!(decide("b", 1003), Decision::Keep);
        assert_eq!(decide("a", 1004), Decision::Count { count: 2 });
        assert_eq!(folder.counted(), 2);
        assert_eq!(decide("a", 1000 + WINDOW), Decision::Keep);
        assert_eq!(decide("a", 500), Decision::Keep, "the clock went back");
    }

    #[test]
    fn a_damaged_file_is_begun_anew() {
        let (_root, folder) = own_folder();
        let locked = folder.lock().unwrap();
        std::fs::write(folder.path.join(NAME), "{\"a\":").unwrap();
        assert_eq!(locked.decide("a", 1, 1).unwrap(), Decision::Keep);
        assert_eq!(locked.decide("a", 1, 1).unwrap(), Decision::Count { count: 1 });
    }

    #[test]
    fn memory_of_signatures_is_bounded() {
        let mut signatures = Signatures::new();
        for number in 0..2 * MOST as u64 {
            decide(&mut signatures, &format!("{number}{}", "x".repeat(10_000)), number, 1);
        }
        assert_eq!(signatures.len(), MOST);
        assert!(signatures.keys().all(|name| name.len() <= LONGEST_SIGNATURE));
        assert!(signatures.contains_key(&format!("1023{}", "x".repeat(124))));
    }
}
