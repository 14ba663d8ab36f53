//! Artifact paths as local paths: hostile names that must stay inside their folder.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::StoreError;

/// The folder in a pull's target that holds unfinished files; no artifact may write into it.
pub(crate) const STAGING: &str = ".epitaph-pull";

/// Paths are kept far below what Linux takes (`PATH_MAX`, 4096), since the target folder comes before them.
const LONGEST: usize = 3072;

/// The unreserved characters of RFC 3986 stay as they are.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A relative path without `.`, `..`, empty components or NUL, so that it can be walked down folder by folder.
///
/// Names are kept as they are but for the backslash, which other systems take for a separator: it becomes `%5C`.
/// Percent signs are not decoded: `%2e%2e` is a name like any other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct SafePath(String);

impl SafePath {
    /// Checks an artifact's path, which goes below `folder` if one is given (a single safe name).
    pub(crate) fn parse(folder: Option<&str>, path: &str) -> Result<Self, StoreError> {
        let refuse = |why| Err(StoreError::UnsafePath { path: path.to_owned(), why });
        if path.starts_with('/') {
            return refuse("it is absolute");
        }
        if path.contains('\0') {
            return refuse("it holds a NUL");
        }
        if path.len() > LONGEST {
            return refuse("it is too long");
        }
        for component in path.split('/') {
            match component {
                "" => return refuse("it has an empty component"),
                "." | ".." => return refuse("it has a `.` or `..` component"),
                _ => {}
            }
        }
        if folder.or_else(|| path.split('/').next()).and_then(|path| path.split('/').next()) == Some(STAGING)
        {
            return refuse("this folder is epitaph's own");
        }
        let path = path.replace('\\', "%5C");
        Ok(Self(folder.map_or_else(|| path.clone(), |folder| format!("{folder}/{path}"))))
    }

    /// The names of the folders on the way, and that of the file.
    pub(crate) fn split(&self) -> (impl Iterator<Item = &str>, &str) {
        let (folders, name) = self.0.rsplit_once('/').unwrap_or(("", &self.0));
        (folders.split('/').filter(|name| !name.is_empty()), name)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The path of another file beside this one: `a/b.1`, as `wget` names the second file of a name.
    pub(crate) fn numbered(&self, number: usize) -> Self {
        Self(format!("{}.{number}", self.0))
    }
}

/// Percent-encodes a text so that it is one component of a path on any system: `acme/app` is `acme%2Fapp`.
pub(crate) fn encode_component(text: &str) -> String {
    if !text.is_empty() && text.bytes().all(|byte| byte == b'.') {
        return text.replace('.', "%2E");
    }
    utf8_percent_encode(text, RESERVED).to_string()
}

/// Undoes [`encode_component`]; what is not UTF-8 is replaced.
pub(crate) fn decode_component(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn harmless_paths() {
        for path in ["a", "a/b/c", "core.4711.!jobs!a b", "..a/b..", "...", "%2e%2e/x", "a:b", "ä/ö", "x\n"]
        {
            assert_eq!(SafePath::parse(None, path).unwrap().as_str(), path);
        }
        assert_eq!(SafePath::parse(None, r"..\..\a").unwrap().as_str(), "..%5C..%5Ca");
        assert_eq!(SafePath::parse(Some("0"), "a/b").unwrap().as_str(), "0/a/b");
    }

    #[test]
    fn hostile_paths() {
        let long = "x/".repeat(5000) + "x";
        for path in [
            "",
            "/",
            "/etc/passwd",
            "..",
            "../a",
            "a/../b",
            "a/..",
            "./a",
            "a/./b",
            "a//b",
            "a/",
            "a\0b",
            &long,
        ] {
            assert!(matches!(SafePath::parse(None, path), Err(StoreError::UnsafePath { .. })), "{path:?}");
            assert!(SafePath::parse(Some("0"), path).is_err(), "{path:?}");
        }
        assert!(SafePath::parse(None, ".epitaph-pull/x.json").is_err());
        assert!(SafePath::parse(Some(".epitaph-pull"), "x.json").is_err());
    }

    #[test]
    fn split_into_folders_and_name() {
        let path = SafePath::parse(None, "a/b/c").unwrap();
        let (folders, name) = path.split();
        assert_eq!((folders.collect::<Vec<_>>(), name), (vec!["a", "b"], "c"));
        let path = SafePath::parse(None, "c").unwrap();
        let (mut folders, name) = path.split();
        assert_eq!((folders.next(), name), (None, "c"));
    }

    #[test]
    fn components() {
        assert_eq!(encode_component("acme/app"), "acme%2Fapp");
        assert_eq!(encode_component("GitHub Actions 7"), "GitHub%20Actions%207");
        assert_eq!(encode_component(".."), "%2E%2E");
        assert_eq!(encode_component("v1.2_a-b~c"), "v1.2_a-b~c");
        for text in ["acme/app", "..", "ä=b", "100%", ""] {
            assert_eq!(decode_component(&encode_component(text)), text);
        }
    }
}
