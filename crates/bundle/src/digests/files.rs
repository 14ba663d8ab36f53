//! The summaries in a tree of files: output folders, pulled jobs, a store's summaries, heaps of downloads.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use epitaph_summary::group::Source;
use walkdir::{DirEntry, WalkDir};

use super::{OpenSource, Problem, SummarySource};
use crate::open::OpenError;
use crate::regular::{Links, NotOpened, open_regular};

/// How deep a tree is searched.
const DEEPEST: usize = 16;

/// A file that may hold summaries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SummaryFile {
    path: PathBuf,
    job: Option<String>,
    /// Whether the user named it.
    given: bool,
}

impl SummarySource for SummaryFile {
    fn source(&self) -> Source {
        Source { path: self.path.display().to_string(), job: self.job.clone() }
    }

    fn is_named(&self) -> bool {
        self.given || self.path.file_name() == Some(OsStr::new("summary.json"))
    }

    fn is_stream(&self) -> bool {
        false
    }

    fn open(&self) -> io::Result<OpenSource<'_>> {
        let links = if self.given { Links::Follow } else { Links::Refuse };
        let (file, metadata) = open_regular(&self.path, links)?;
        let content: Box<File> = Box::new(file);
        Ok(OpenSource { content, size: Some(metadata.len()) })
    }
}

/// Finds the files that may hold summaries: the one at `path`, or all in that folder whose names say that they are JSON,
/// in their order. Folders are read as the iterator goes on; symbolic links in them are not followed.
///
/// A file's job is the folder that its output folder lies in, as the user named it.
pub fn summary_files(
    path: &Path,
) -> Result<Box<dyn Iterator<Item = Result<SummaryFile, Problem>>>, OpenError> {
    let metadata = std::fs::metadata(path).map_err(|error| OpenError::of_file(path, NotOpened::Io(error)))?;
    if !metadata.is_dir() {
        let is_summary = path.file_name().is_some_and(|name| name == "summary.json");
        let job = if is_summary { job(Path::new(""), path) } else { Some(path.display().to_string()) };
        return Ok(Box::new(std::iter::once(Ok(SummaryFile { path: path.to_owned(), job, given: true }))));
    }
    let root = path.to_owned();
    let walk = WalkDir::new(path).max_depth(DEEPEST).same_file_system(true).sort_by_file_name();
    Ok(Box::new(walk.into_iter().filter_map(move |entry| match entry {
        Ok(entry) => may_hold_summaries(&entry).then(|| Ok(found(&root, entry.into_path()))),
        Err(error) => Some(Err(Problem::new(root.display(), error))),
    })))
}

fn may_hold_summaries(entry: &DirEntry) -> bool {
    let name = entry.file_name().to_string_lossy();
    // `summary.json.1`, as wget names the second one, is one too.
    if !entry.file_type().is_file() || name.starts_with('.') || !name.contains(".json") {
        return false;
    }
    // The list of an output folder has what its crashes' folders have.
    let listed = name == "crashes.jsonl" && entry.path().with_file_name("crashes").is_dir();
    !listed && name != "manifest.json"
}

fn found(root: &Path, path: PathBuf) -> SummaryFile {
    let job = job(root, path.strip_prefix(root).unwrap_or(Path::new("")));
    SummaryFile { path, job, given: false }
}

/// Returns what a job is called of which a file was found in a folder.
fn job(root: &Path, file: &Path) -> Option<String> {
    let mut parts: Vec<&OsStr> = file.iter().collect();
    match parts.as_slice() {
        // `crashes/<id>/summary.json`
        [.., folder, _, _] if *folder == "crashes" => parts.truncate(parts.len() - 3),
        // `summaries/date=2026-11-22/repo=acme%2Fapp/<id>.json`
        [.., date, repo, _] if is_key("date=", date) && is_key("repo=", repo) => {
            let repo = repo.to_string_lossy();
            return Some(decoded(repo.strip_prefix("repo=").unwrap_or(&repo)));
        }
        _ => {
            parts.pop();
        }
    }
    let root = Some(root.as_os_str()).filter(|root| *root != ".");
    let folder: PathBuf = root.into_iter().chain(parts).collect();
    let name = folder.display().to_string();
    Some(name).filter(|name| !name.is_empty())
}

fn is_key(key: &str, part: &OsStr) -> bool {
    part.as_encoded_bytes().starts_with(key.as_bytes())
}

/// Undoes the encoding of a key's value (`%2F` is `/`); what isn't encoded so stays as it is.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|_| *byte == b'%') {
            Some(code) => {
                bytes.push(code);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_where_its_output_folder_lies() {
        let of = |root: &str, file: &str| job(Path::new(root), Path::new(file)).unwrap_or_default();
        assert_eq!(of("jobs", "12/0/crashes/x/summary.json"), "jobs/12/0");
        assert_eq!(of("jobs", "crashes/x/summary.json"), "jobs");
        assert_eq!(of(".", "12/crashes/x/summary.json"), "12");
        assert_eq!(of(".", "crashes/x/summary.json"), "");
        assert_eq!(of("s", "summaries/date=2026-11-22/repo=acme%2Fapp/x.json"), "acme/app");
        assert_eq!(of("heap", "summary.json.1"), "heap");
        assert_eq!(of("", "/jobs/12/crashes/x/summary.json"), "/jobs/12");
        assert_eq!(decoded("a%2Fb%zz%"), "a/b%zz%");
    }

    #[test]
    fn files_are_found_by_their_names() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "{}").unwrap();
        };
        for path in [
            "1/crashes/a/summary.json",
            "1/crashes/a/core.zst",
            "1/crashes.jsonl",
            "1/manifest.json",
            "2/crashes.jsonl",
            "2/.x.json",
            "2/summary.json.1",
            "2/log.txt",
        ] {
            write(path);
        }
        std::os::unix::fs::symlink("1", dir.path().join("3")).unwrap();
        let found: Vec<_> = summary_files(dir.path()).unwrap().map(|file| file.unwrap().path).collect();
        let expected = ["1/crashes/a/summary.json", "2/crashes.jsonl", "2/summary.json.1"];
        assert_eq!(found, expected.map(|path| dir.path().join(path)));
        assert!(summary_files(&dir.path().join("absent")).is_err());
    }
}
