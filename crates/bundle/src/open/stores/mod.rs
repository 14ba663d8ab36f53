//! What other collectors say of the cores that they keep: in names, attributes and files beside them.
//!
//! All of it is text that somebody else wrote: it is bounded here, and it never outweighs what the core itself says.

mod abrt;
pub(super) mod apport;
mod base64_lines;
mod name;
mod systemd;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::time::SystemTime;

use epitaph_summary::Process;

pub use name::StoreName;

/// The longest value that is kept, in bytes: a path may be that long (PATH_MAX), and so may a useful command line.
const LONGEST_VALUE: usize = 4096;

/// What a collector says of a core that it kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoreFacts {
    /// Who kept it: `systemd-coredump`, `apport`, `abrt`, `wsl`.
    pub collector: &'static str,
    /// The process.
    pub process: Process,
    /// The number of the signal that ended it.
    pub signal: Option<i32>,
    /// When it died.
    pub time: Option<SystemTime>,
    /// What else is said, by the name of the fact: `hostname`, `package`, `reason`, …
    pub others: BTreeMap<String, String>,
}

impl StoreFacts {
    fn of(collector: &'static str) -> StoreFacts {
        StoreFacts { collector, ..StoreFacts::default() }
    }

    /// Keeps a fact that has no place of its own.
    fn keep(&mut self, name: &str, value: Option<String>) {
        if let Some(value) = value {
            self.others.insert(name.to_owned(), value);
        }
    }
}

/// Collects what the store around the core at `path` says of it; `None` if it lies in none that is known.
pub(super) fn facts_beside(path: &Path, file: &File) -> Option<StoreFacts> {
    let named = path.file_name().and_then(StoreName::of);
    systemd::facts(named.as_ref(), file).or_else(|| abrt::facts(path)).or_else(|| named.map(StoreFacts::from))
}

/// Makes a text of a value's bytes; `None` of an empty one.
fn text(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes.get(..LONGEST_VALUE).unwrap_or(bytes));
    let text = text.trim_end_matches(['\n', '\0']);
    (!text.is_empty()).then(|| text.to_owned())
}
