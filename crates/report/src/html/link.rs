//! Addresses within the page and beside it.

use std::collections::HashSet;

use epitaph_summary::{CrashSummary, Module};

use super::text::plain;
use crate::escape::uri_path;
use crate::frames::basename;

/// The longest path that is linked to, in bytes: longer ones are no files.
const LONGEST: usize = 1024;

/// The longest id of a crash that names its place in the page.
const LONGEST_ID: usize = 200;

/// A file beside the page.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Beside {
    /// What it is called there, clean.
    pub(super) name: String,
    /// Its address, relative to the page.
    pub(super) address: String,
    /// What it is, for people.
    pub(super) what: &'static str,
    /// Its size in bytes, where the summary says it.
    pub(super) size: Option<u64>,
}

impl Beside {
    fn new(what: &'static str, path: &str, size: Option<u64>) -> Option<Beside> {
        let address = relative(path)?;
        let name = plain(basename(path));
        Some(Beside { name, address, what, size })
    }
}

/// Returns the files that the output folder keeps of a crash: its core, its program, and the summary itself.
pub(super) fn files(summary: &CrashSummary) -> Vec<Beside> {
    let core =
        summary.core.as_ref().and_then(|core| Beside::new("Core", core.file.as_deref()?, core.stored_size));
    let program = summary.modules.iter().find(|module| module.main).and_then(file_of);
    let sealed = summary.id.as_deref().filter(|id| is_id(id)).map(|id| format!("crashes/{id}/summary.json"));
    let all = [
        core,
        program.and_then(|path| Beside::new("Program", path, None)),
        sealed.and_then(|path| Beside::new("Summary", &path, None)),
    ];
    all.into_iter().flatten().collect()
}

/// Returns the address of the stored copy of a module's file.
pub(super) fn module(module: &Module) -> Option<String> {
    relative(file_of(module)?)
}

fn file_of(module: &Module) -> Option<&str> {
    module.file.as_deref()
}

/// Returns the address of a file beneath the page's folder; `None` of what would lead out of it.
fn relative(path: &str) -> Option<String> {
    let leads_on = |part: &str| !part.is_empty() && part != "." && part != "..";
    if path.len() > LONGEST || !path.split('/').all(leads_on) {
        return None;
    }
    Some(uri_path(path))
}

/// Tells whether a text may name a crash's place in the page: one that `epitaph` makes. It begins with a digit, so that it
/// is none of the page's own names.
fn is_id(text: &str) -> bool {
    text.len() <= LONGEST_ID
        && text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

/// Gives each crash a name in the page.
#[derive(Debug, Default)]
pub(super) struct Anchors {
    taken: HashSet<String>,
    given: usize,
}

impl Anchors {
    /// Returns a name that no other crash has: its id where that is one, or else its number in the page.
    pub(super) fn of(&mut self, summary: &CrashSummary) -> String {
        self.given += 1;
        let id = summary.id.as_deref().filter(|id| is_id(id) && !self.taken.contains(*id));
        let anchor = id.map_or_else(|| format!("crash-{}", self.given), str::to_owned);
        self.taken.insert(anchor.clone());
        anchor
    }
}

#[cfg(test)]
mod tests {
    use epitaph_summary::Core;

    use super::*;

    #[test]
    fn an_address_stays_beneath_the_page() {
        assert_eq!(relative("crashes/1-x/core.zst").as_deref(), Some("crashes/1-x/core.zst"));
        assert_eq!(
            relative("files/00/a b?c#d%\"'<é").as_deref(),
            Some("files/00/a%20b%3Fc%23d%25%22%27%3C%C3%A9")
        );
        assert_eq!(relative("javascript:alert(1)").as_deref(), Some("javascript%3Aalert%281%29"));
        for path in ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a/", "./a", "//evil.example/x"] {
            assert_eq!(relative(path), None, "{path}");
        }
        assert_eq!(relative(&"a".repeat(LONGEST + 1)), None);
    }

    #[test]
    fn files_are_named_by_what_they_are() {
        let mut summary = CrashSummary::new("0");
        assert!(files(&summary).is_empty());
        summary.id = Some("20261122T101501Z-x".into());
        summary.core =
            Some(Core { file: Some("crashes/20261122T101501Z-x/core.zst".into()), ..Core::default() });
        let names: Vec<_> = files(&summary).into_iter().map(|file| (file.what, file.name)).collect();
        assert_eq!(names, [("Core", "core.zst".to_owned()), ("Summary", "summary.json".to_owned())]);
    }

    #[test]
    fn names_are_unique_and_never_the_pages_own() {
        let mut anchors = Anchors::default();
        let mut of = |id: Option<&str>| {
            let mut summary = CrashSummary::new("0");
            summary.id = id.map(str::to_owned);
            anchors.of(&summary)
        };
        assert_eq!(of(Some("20261122T101501Z-x")), "20261122T101501Z-x");
        assert_eq!(of(Some("20261122T101501Z-x")), "crash-2");
        assert_eq!(of(Some("search")), "crash-3");
        assert_eq!(of(Some("1\" onclick=\"x")), "crash-4");
        assert_eq!(of(None), "crash-5");
    }
}
