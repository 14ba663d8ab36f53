//! Store URLs: what a person types to name a store.

use std::path::PathBuf;

use percent_encoding::percent_decode;
use url::Url;

use crate::StoreError;
use crate::github::GithubRun;
use crate::gitlab::GitlabPlace;

/// Schemes of stores that other versions of epitaph open.
const LATER: &[&str] = &["s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "adl", "http", "https"];

/// A store URL, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Location {
    Folder(PathBuf),
    CircleCi(CircleCiJob),
    Github(GithubRun),
    Gitlab(GitlabPlace),
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
    /// Understands `file://` URLs, plain paths and `circleci://` URLs.
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
            "github" => GithubRun::of_short(rest).map(Self::Github),
            "gitlab" => GitlabPlace::of_short(rest).map(Self::Gitlab),
            "http" | "https" if let Some(pasted) = pasted(text) => pasted,
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
    fn other_schemes_are_told_without_secrets() {
        let error = Location::parse("s3://key:secret@bucket/prefix").unwrap_err();
        assert!(matches!(&error, StoreError::UnsupportedScheme { scheme } if scheme == "s3"));
        for text in ["s3://key:secret@b", "foo://user:secret@host", "circleci://gh/a/b/1?circle-token=secret"]
        {
            let error = Location::parse(text).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
            assert!(error.hint().unwrap().contains("circleci://"), "{error:?}");
        }
        assert!(!refused("circleci://token:secret@gh/a/b/1").contains("secret"));
    }
}
