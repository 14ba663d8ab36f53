//! Store URLs: what a person types to name a store.

use std::path::PathBuf;

use url::Url;

use crate::StoreError;
use crate::circleci::Address;

/// Schemes of stores that other versions of epitaph open.
const LATER: &[&str] = &["s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "adl", "http", "https"];

/// A store URL, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Location {
    Folder(PathBuf),
    CircleCi(Address),
}

impl Location {
    /// Understands `file://` URLs, plain paths, `circleci://` URLs and the addresses of CircleCI's pages. `circleci` is the
    /// server that is configured, if it is another than the public one.
    pub(crate) fn parse(text: &str, circleci: Option<&str>) -> Result<Self, StoreError> {
        if text.is_empty() {
            return Err(StoreError::BadUrl { url: String::new(), why: "it is empty" });
        }
        let Some((scheme, rest)) = text.split_once("://").filter(|(scheme, _)| is_scheme(scheme)) else {
            // `file:/abs` is a URL as well, and surely not a folder called `file:`.
            let is_url = text.starts_with("file:/");
            return if is_url { file_url(text) } else { Ok(Self::Folder(PathBuf::from(text))) };
        };
        match scheme.to_ascii_lowercase().as_str() {
            "file" => file_url(text),
            "circleci" => Address::of_scheme(rest).map(Self::CircleCi),
            "http" | "https" if let Some(address) = Address::of_page(text, circleci) => {
                address.map(Self::CircleCi)
            }
            scheme if LATER.contains(&scheme) => {
                Err(StoreError::UnsupportedScheme { scheme: scheme.to_owned() })
            }
            // The rest of the URL may hold a password, so only the scheme is told.
            _ => Err(StoreError::UnknownScheme { scheme: scheme.to_owned() }),
        }
    }
}

/// RFC 3986, 3.1: a letter, then letters, digits, `+`, `-`, `.`.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|char| char.is_ascii_alphanumeric() || "+-.".contains(char))
}

fn file_url(text: &str) -> Result<Location, StoreError> {
    let bad = |why| StoreError::BadUrl { url: text.to_owned(), why };
    let url = Url::parse(text).map_err(|_| bad("it can't be parsed"))?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(bad("write `?` and `#` in a file name as %3F and %23"));
    }
    if url.host().is_some() {
        return Err(bad("it names a host: three slashes come before an absolute path"));
    }
    url.to_file_path().map(Location::Folder).map_err(|()| bad("it is no path of this host"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(text: &str) -> PathBuf {
        match Location::parse(text, None).unwrap() {
            Location::Folder(path) => path,
            Location::CircleCi(address) => panic!("{text} is {address:?}"),
        }
    }

    fn refused(text: &str) -> String {
        Location::parse(text, None).unwrap_err().to_string()
    }

    #[test]
    fn folders() {
        assert_eq!(folder("store"), PathBuf::from("store"));
        assert_eq!(folder("./a b/"), PathBuf::from("./a b/"));
        assert_eq!(folder("/abs%20dir"), PathBuf::from("/abs%20dir"));
        assert_eq!(folder("file:///abs%20dir/x/"), PathBuf::from("/abs dir/x/"));
        assert_eq!(folder("file://localhost/x"), PathBuf::from("/x"));
        assert_eq!(folder("FILE:///x"), PathBuf::from("/x"));
        assert_eq!(folder("file:/x"), PathBuf::from("/x"));
        // No scheme has a slash or a space in it: these are odd, but legal, folder names.
        assert_eq!(folder("a/b://c"), PathBuf::from("a/b://c"));
        assert_eq!(folder("://c"), PathBuf::from("://c"));
        assert_eq!(folder("file:x"), PathBuf::from("file:x"));
    }

    #[test]
    fn bad_file_urls() {
        assert!(refused("file://host/x").contains("names a host"));
        assert!(refused("file:///x?y").contains("%3F"));
        assert!(refused("").contains("empty"));
    }

    #[test]
    fn circleci_by_its_scheme_and_its_pages() {
        let of = |text: &str| Location::parse(text, Some("https://ci.example"));
        let Ok(Location::CircleCi(address)) = of("CircleCI://gh/acme/app/1234/") else { panic!() };
        assert_eq!(address.to_string(), "circleci://github/acme/app/1234");
        for page in ["https://circleci.com/gh/acme/app/1234", "https://ci.example/gh/acme/app/1234"] {
            assert_eq!(of(page).unwrap(), Location::CircleCi(address.clone()));
        }
        assert!(matches!(of("https://example.com/gh/a/b/1"), Err(StoreError::UnsupportedScheme { .. })));
        assert!(matches!(of("https://circleci.com/"), Err(StoreError::BadCircleCiUrl { .. })));
    }

    #[test]
    fn other_schemes_are_told_without_secrets() {
        let error = Location::parse("s3://key:secret@bucket/prefix", None).unwrap_err();
        assert!(matches!(&error, StoreError::UnsupportedScheme { scheme } if scheme == "s3"));
        for text in ["s3://key:secret@b", "foo://user:secret@host", "circleci://gh/a/b/1?circle-token=secret"]
        {
            let error = Location::parse(text, None).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
            assert!(error.hint().unwrap().contains("circleci://"), "{error:?}");
        }
        assert!(!refused("circleci://token:secret@gh/a/b/1").contains("secret"));
    }
}
