//! Addresses within the page and beside it.

use std::collections::HashSet;
use std::path::Path;

use epitaph_summary::{CrashSummary, Frame, Module};

use super::text::plain;
use crate::escape::uri_path;
use crate::finding::inside;
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
    let core = summary.core.as_ref().and_then(|core| {
        let what = if core.encryption.is_some() { "Core, encrypted: needs the key" } else { "Core" };
        Beside::new(what, core.file.as_deref()?, core.stored_size)
    });
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

/// Returns where a frame's line is on the web: at the commit that the job has built, where the forge is the job's own.
pub(super) fn source(summary: &CrashSummary, frame: &Frame, repository: Option<&Path>) -> Option<String> {
    let job = summary.collection.as_ref()?.ci.as_ref()?;
    let page = job.page()?;
    let commit = job
        .sha
        .as_deref()
        .filter(|sha| (7..=64).contains(&sha.len()) && sha.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    let file = inside(frame.file.as_deref()?, repository).filter(|file| file.len() <= LONGEST)?;
    // Paths of their own: `OWNER/REPO/actions/…`, `GROUP/PROJECT/-/…`.
    let base = match job.provider.as_deref()? {
        "github" => format!("{}/blob", page.split_once("/actions/")?.0),
        "gitlab" => format!("{}/-/blob", page.split_once("/-/")?.0),
        _ => return None,
    };
    let line = frame.line.filter(|line| *line > 0).map(|line| format!("#L{line}")).unwrap_or_default();
    Some(format!("{base}/{commit}/{}{line}", uri_path(file)))
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
    use epitaph_summary::{CiJob, Collection, Core, CoreEncryption};

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
        summary.core.as_mut().unwrap().encryption = Some(CoreEncryption::Age);
        assert_eq!(files(&summary)[0].what, "Core, encrypted: needs the key");
    }

    #[test]
    fn sources_are_linked_at_the_commit_where_the_forge_is_known() {
        let mut summary = CrashSummary::new("0");
        let frame = |file: &str| Frame { file: Some(file.into()), line: Some(7), ..Frame::default() };
        let job = |provider: &str, url: &str, sha: &str| CiJob {
            provider: Some(provider.into()),
            url: Some(url.into()),
            sha: Some(sha.into()),
            ..CiJob::default()
        };
        let mut link = |job: CiJob, file: &str| {
            summary.collection = Some(Collection { ci: Some(job), ..Collection::default() });
            source(&summary, &frame(file), Some(Path::new("/ci/app")))
        };
        let github = || job("github", "https://github.com/acme/app/actions/runs/7", "0123abc");
        assert_eq!(
            link(github(), "/ci/app/src/a b.c").unwrap(),
            "https://github.com/acme/app/blob/0123abc/src/a%20b.c#L7"
        );
        let gitlab = job("gitlab", "https://git.example/g/app/-/jobs/7", "0123abc");
        assert_eq!(link(gitlab, "src/x.c").unwrap(), "https://git.example/g/app/-/blob/0123abc/src/x.c#L7");
        assert_eq!(link(github(), "/usr/include/x.h"), None);
        for (url, sha) in [
            ("javascript:x/actions/", "0123abc"),
            ("https://h/a/actions/", "../../x"),
            ("https://h/a", "0123abc"),
        ] {
            assert_eq!(link(job("github", url, sha), "a.c"), None, "{url}");
        }
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
