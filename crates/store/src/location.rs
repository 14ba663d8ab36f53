//! Store URLs: what a person types to name a store.

use std::path::PathBuf;

use url::Url;

use crate::StoreError;
use crate::circleci::Address;
use crate::github::GithubRun;
use crate::gitlab::GitlabPlace;
use crate::http::shown;

/// Schemes of object stores.
const OBJECTS: &[&str] = &["s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "adl"];

/// A store URL, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Location {
    Folder(PathBuf),
    /// `s3://bucket/prefix` and its like: without password, query and fragment.
    Objects(Url),
    CircleCi(Address),
    Github(GithubRun),
    Gitlab(GitlabPlace),
    /// A store behind a web server: without user, query and fragment.
    Http(Url),
}

impl Location {
    /// Understands `file://` URLs, plain paths, URLs of object stores and web servers, `circleci://` URLs and the addresses
    /// of CircleCI's pages. `circleci` is the server that is configured, if it is another than the public one.
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
            "github" => GithubRun::of_short(rest).map(Self::Github),
            "gitlab" => GitlabPlace::of_short(rest).map(Self::Gitlab),
            scheme if OBJECTS.contains(&scheme) => objects(text).map(Self::Objects),
            "http" | "https" => match Address::of_page(text, circleci) {
                Some(address) => address.map(Self::CircleCi),
                None => pasted(text).unwrap_or_else(|| http(text).map(Self::Http)),
            },
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

/// A page of a CI system's, as the browser's address bar shows it.
fn pasted(text: &str) -> Option<Result<Location, StoreError>> {
    let url = Url::parse(text).ok()?;
    let run = GithubRun::of_page(&url).map(|run| run.map(Location::Github));
    run.or_else(|| GitlabPlace::of_page(&url).map(|place| place.map(Location::Gitlab)))
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

fn objects(text: &str) -> Result<Url, StoreError> {
    // What could be a secret is left out of messages: it stands before an `@` or behind a `?`.
    let shown = text.split(['?', '#']).next().unwrap_or_default();
    let (scheme, rest) = shown.split_once("://").unwrap_or_default();
    let shown = format!("{scheme}://{}", rest.rsplit_once('@').map_or(rest, |(_, host)| host));
    let bad = |why| StoreError::BadUrl { url: shown.clone(), why };
    let url = Url::parse(text).map_err(|_| bad("it can't be parsed"))?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(bad(
            "write `?` and `#` in a prefix as %3F and %23; credentials come from the environment",
        ));
    }
    // Azure's own tools write abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/PREFIX.
    if url.password().is_some() || !(url.username().is_empty() || scheme.starts_with("abfs")) {
        return Err(bad("credentials come from the environment, never from a URL"));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(bad("it names no bucket"));
    }
    Ok(url)
}

fn http(text: &str) -> Result<Url, StoreError> {
    let bad = |url: &str, why| StoreError::BadUrl { url: url.to_owned(), why };
    let url = Url::parse(text).map_err(|_| bad("http…", "it can't be parsed"))?;
    let told = shown(&url);
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad(
            &told,
            "it holds a user name or a password, which others can read on the command line",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(bad(&told, "it must hold neither a query nor a fragment"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(text: &str) -> PathBuf {
        match Location::parse(text, None).unwrap() {
            Location::Folder(path) => path,
            other => panic!("{text} is {other:?}"),
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
        assert!(matches!(of("https://example.com/gh/a/b/1"), Ok(Location::Http(_))));
        assert!(matches!(of("https://circleci.com/"), Err(StoreError::BadCircleCiUrl { .. })));
    }

    #[test]
    fn object_stores() {
        for text in
            ["s3://bucket", "s3://bucket/a/b/", "gs://b/p", "az://c/p", "abfss://c@a.dfs.core.windows.net/p"]
        {
            assert!(matches!(Location::parse(text, None).unwrap(), Location::Objects(_)), "{text}");
        }
        assert!(refused("s3://key@bucket/x").contains("environment"));
        assert!(refused("s3:///x").contains("no bucket"));
        assert!(refused("az://c/p?sig=1").contains("%3F"));
    }

    #[test]
    fn web_servers() {
        let url = |text: &str| match Location::parse(text, None).unwrap() {
            Location::Http(url) => url.to_string(),
            other => panic!("{text} is {other:?}"),
        };
        assert_eq!(url("https://host:8443/a%20b"), "https://host:8443/a%20b");
        assert_eq!(url("HTTP://Host"), "http://host/");
        for bad in [
            "http://user:secret@h/x",
            "https://secret@h/",
            "https://h/?secret",
            "http://h/#secret",
            "http://",
        ] {
            let error = Location::parse(bad, None).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
            assert!(error.hint().unwrap().contains("EPITAPH_HTTP_TOKEN"), "{error:?}");
        }
    }

    #[test]
    fn other_schemes_are_told_without_secrets() {
        for text in [
            "foo://user:secret@host",
            "circleci://gh/a/b/1?circle-token=secret",
            "s3://key:secret@bucket/prefix",
            "az://container/prefix?sig=secret",
        ] {
            let error = Location::parse(text, None).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
            assert!(error.hint().unwrap().contains("circleci://"), "{error:?}");
        }
        assert!(!refused("circleci://token:secret@gh/a/b/1").contains("secret"));
    }
}
