//! What an artifact is called: the rule of CircleCI's `store_artifacts`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use percent_encoding::percent_encode_byte;

use crate::StoreError;

/// The prefix of a push's artifact paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Destination {
    /// Without slashes at its ends; empty for the top.
    prefix: String,
    /// Whether it ended in a slash (or is the top), and so can only be a folder.
    is_folder: bool,
}

impl Destination {
    pub(crate) fn parse(text: &str) -> Result<Self, StoreError> {
        let bad = |why| StoreError::BadDestination { destination: text.to_owned(), why };
        if text.contains('\0') {
            return Err(bad("it holds a NUL"));
        }
        let parts: Vec<&str> = text.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        if parts.contains(&"..") {
            return Err(bad("`..` leads out of the job's artifacts"));
        }
        let prefix = portable(&parts.join("/"));
        Ok(Self { is_folder: prefix.is_empty() || text.ends_with('/') || text.ends_with("/."), prefix })
    }
}

/// The artifact path of a single file that was named for a push; `alone` if nothing else was.
///
/// Without a destination it is the file's absolute path without the leading slash. With one, it is the destination
/// itself (`path: /tmp/artifact-1`, `destination: artifact-file`), or the file's name below it if the destination
/// ends in a slash or is shared with other paths.
pub(super) fn of_file(file: &Path, destination: Option<&Destination>, alone: bool) -> String {
    match destination {
        None => absolute(file),
        Some(destination) if alone && !destination.is_folder => destination.prefix.clone(),
        Some(destination) => join(&destination.prefix, &of_os(file.file_name().unwrap_or_default())),
    }
}

/// The artifact path of a file inside of a folder that was named for a push: its path in the folder, below the
/// destination. Without a destination the folder's absolute path without the leading slash takes its place.
pub(super) fn in_folder(folder: &Path, inside: &Path, destination: Option<&Destination>) -> String {
    let prefix = destination.map_or_else(|| absolute(folder), |destination| destination.prefix.clone());
    join(&prefix, &of_path(inside))
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") }
}

/// An absolute path's names; `..` takes back the name before it, as a person reads it.
fn absolute(path: &Path) -> String {
    let mut names: Vec<String> = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => names.push(of_os(name)),
            Component::ParentDir => {
                names.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    names.join("/")
}

fn of_path(path: &Path) -> String {
    path.iter().map(of_os).collect::<Vec<_>>().join("/")
}

/// A file name as text: bytes that are not UTF-8 become `%FF`.
fn of_os(name: &OsStr) -> String {
    let mut text = String::new();
    for chunk in name.as_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|byte| percent_encode_byte(*byte)));
    }
    portable(&text)
}

/// A backslash is a separator elsewhere, so no artifact has one.
fn portable(text: &str) -> String {
    text.replace('\\', "%5C")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destination(text: &str) -> Destination {
        Destination::parse(text).unwrap()
    }

    #[test]
    fn the_examples_of_the_documentation() {
        let artifact_file = destination("artifact-file");
        assert_eq!(of_file(Path::new("/tmp/artifact-1"), Some(&artifact_file), true), "artifact-file");
        let inside = Path::new("artifact-2");
        assert_eq!(in_folder(Path::new("/tmp/artifacts"), inside, None), "tmp/artifacts/artifact-2");
    }

    #[test]
    fn files() {
        let file = Path::new("/tmp/./x/../core.1");
        assert_eq!(of_file(file, None, true), "tmp/core.1");
        for (text, path) in
            [("d", "d"), ("d/", "d/core.1"), ("/d//e/.", "d/e/core.1"), ("", "core.1"), (".", "core.1")]
        {
            assert_eq!(of_file(file, Some(&destination(text)), true), path, "{text}");
        }
        assert_eq!(of_file(file, Some(&destination("d")), false), "d/core.1");
        assert_eq!(of_file(file, None, false), "tmp/core.1");
    }

    #[test]
    fn folders() {
        let (folder, inside) = (Path::new("/tmp/out"), Path::new("a/b"));
        for (text, path) in [("d", "d/a/b"), ("d/", "d/a/b"), ("/", "a/b"), ("", "a/b")] {
            assert_eq!(in_folder(folder, inside, Some(&destination(text))), path, "{text}");
        }
    }

    #[test]
    fn hostile_destinations() {
        for text in ["..", "a/../b", "/..", "a\0b"] {
            assert!(matches!(Destination::parse(text), Err(StoreError::BadDestination { .. })), "{text:?}");
        }
        assert_eq!(destination(r"a\..\b").prefix, "a%5C..%5Cb");
    }

    #[test]
    fn names_that_are_not_text() {
        assert_eq!(of_os(OsStr::from_bytes(b"a\xFFb\xC3")), "a%FFb%C3");
        assert_eq!(of_os(OsStr::new("ä 100%")), "ä 100%");
        assert_eq!(of_os(OsStr::new(r"a\b")), "a%5Cb");
    }
}
