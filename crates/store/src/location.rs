//! Store URLs: what a person types to name a store.

use std::path::PathBuf;

use percent_encoding::percent_decode;
use url::Url;

use crate::StoreError;
use crate::http::shown;

/// Schemes of object stores.
const OBJECTS: &[&str] = &["s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "adl"];

/// A store URL, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Location {
    Folder(PathBuf),
    /// `s3://bucket/prefix` and its like: without password, query and fragment.
    Objects(Url),
    CircleCi(CircleCiJob),
    /// A store behind a web server: without user, query and fragment.
    Http(Url),
}

/// One CircleCI job, as its API v1.1 names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CircleCiJob {
    /// `github` or `bitbucket`.
    pub(crate) vcs: &'static str,
    pub(crate) org: String,
    pub(crate) repo: String,
    pub(crate) build: u64,
}

impl Location {
    /// Understands `file://` URLs, plain paths, URLs of object stores and web servers, and `circleci://` URLs.
    pub(crate) fn parse(text: &str) -> Result<Self, StoreError> {
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
            "circleci" => circleci(rest).map(Self::CircleCi),
            scheme if OBJECTS.contains(&scheme) => objects(text).map(Self::Objects),
            "http" | "https" => http(text).map(Self::Http),
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

fn circleci(rest: &str) -> Result<CircleCiJob, StoreError> {
    // What follows a `?` is most likely a token: it is dropped from the message.
    let shown = rest.split(['?', '#']).next().unwrap_or_default();
    let shown = shown.rsplit_once('@').map_or(shown, |(_, host)| host);
    let bad = |why| StoreError::BadUrl { url: format!("circleci://{shown}"), why };
    if shown.len() != rest.len() {
        return Err(bad("it must hold neither a query, a fragment nor a user name"));
    }
    let segments: Vec<&str> = rest.strip_suffix('/').unwrap_or(rest).split('/').collect();
    let &[vcs, org, repo, build] = segments.as_slice() else {
        return Err(bad("expected circleci://VCS/ORG/REPO/BUILD_NUMBER"));
    };
    let vcs = match vcs {
        "github" | "gh" => "github",
        "bitbucket" | "bb" => "bitbucket",
        _ => return Err(bad("the VCS is one of github, gh, bitbucket, bb")),
    };
    let name = |text: &str| {
        let name = percent_decode(text.as_bytes()).decode_utf8().ok()?.into_owned();
        // A URL parser would take these as steps up the path, and the token would go to another endpoint.
        (!matches!(name.as_str(), "" | "." | "..")
            && !name.chars().any(|char| char.is_control() || char == '/'))
        .then_some(name)
    };
    let org = name(org).ok_or_else(|| bad("the organisation is no name"))?;
    let repo = name(repo).ok_or_else(|| bad("the repository is no name"))?;
    let digits = !build.is_empty() && build.bytes().all(|byte| byte.is_ascii_digit());
    let build = build.parse().ok().filter(|_| digits).ok_or_else(|| bad("the build number is no number"))?;
    Ok(CircleCiJob { vcs, org, repo, build })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(text: &str) -> PathBuf {
        match Location::parse(text).unwrap() {
            Location::Folder(path) => path,
            other => panic!("{text} is {other:?}"),
        }
    }

    fn refused(text: &str) -> String {
        Location::parse(text).unwrap_err().to_string()
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
    fn circleci_urls() {
        let job = CircleCiJob { vcs: "github", org: "acme".into(), repo: "app".into(), build: 1234 };
        assert_eq!(
            Location::parse("circleci://github/acme/app/1234").unwrap(),
            Location::CircleCi(job.clone())
        );
        assert_eq!(Location::parse("CircleCI://gh/acme/app/1234/").unwrap(), Location::CircleCi(job.clone()));
        let job = CircleCiJob { vcs: "bitbucket", org: "a b".into(), ..job };
        assert_eq!(Location::parse("circleci://bb/a%20b/app/1234").unwrap(), Location::CircleCi(job));
        for bad in [
            "circleci://",
            "circleci://github/acme/app",
            "circleci://gitlab/acme/app/1",
            "circleci://github/acme/app/+1",
            "circleci://github/acme/app/latest",
            "circleci://github/acme/app/99999999999999999999999",
            "circleci://github/../app/1",
            "circleci://github/acme/%2e%2e/1",
            "circleci://github/acme%2Fx/app/1",
            "circleci://github//app/1",
            "circleci://github/acme/app/1/x",
        ] {
            let error = Location::parse(bad).unwrap_err();
            assert!(matches!(error, StoreError::BadUrl { .. }), "{bad}: {error}");
            assert!(error.hint().unwrap().contains("circleci://github/ORG/REPO"), "{bad}");
        }
    }

    #[test]
    fn object_stores() {
        for text in
            ["s3://bucket", "s3://bucket/a/b/", "gs://b/p", "az://c/p", "abfss://c@a.dfs.core.windows.net/p"]
        {
            assert!(matches!(Location::parse(text).unwrap(), Location::Objects(_)), "{text}");
        }
        assert!(refused("s3://key@bucket/x").contains("environment"));
        assert!(refused("s3:///x").contains("no bucket"));
        assert!(refused("az://c/p?sig=1").contains("%3F"));
    }

    #[test]
    fn web_servers() {
        let url = |text: &str| match Location::parse(text).unwrap() {
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
            let error = Location::parse(bad).unwrap_err();
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
            let error = Location::parse(text).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
            assert!(error.hint().unwrap().contains("circleci://"), "{error:?}");
        }
        assert!(!refused("circleci://token:secret@gh/a/b/1").contains("secret"));
    }
}
