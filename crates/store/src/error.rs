//! Everything that can go wrong between a folder and a store.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why a store could not be opened, read or written.
///
/// No variant ever holds a token, a query string or a user name: URLs are reduced to scheme, host and path
/// before they get here, because signed download links carry their secret in the query.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The URL has a known scheme, but not the form that this scheme asks for.
    #[error("bad store URL `{url}`: {why}")]
    BadUrl {
        /// The URL without secrets.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The address of a CI system's server can't be used. It is not told, since it may hold a password.
    #[error("bad URL of the {service} server: {why}")]
    BadServer {
        /// The CI system: `CircleCI`, `GitHub` or `GitLab`.
        service: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A scheme that epitaph knows, but that this version can't open.
    #[error("stores of the kind `{scheme}://` are not yet supported by this version")]
    UnsupportedScheme {
        /// The scheme, lower case.
        scheme: String,
    },
    /// A scheme that means nothing to epitaph.
    #[error("unknown kind of store `{scheme}://`")]
    UnknownScheme {
        /// The scheme as it was given.
        scheme: String,
    },
    /// The store can only be read.
    #[error("can't push to {store}: it can only be read")]
    ReadOnly {
        /// The store's URL.
        store: String,
    },
    /// The prefix for artifact paths can't be used.
    #[error("bad destination `{destination}`: {why}")]
    BadDestination {
        /// As it was given.
        destination: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A part of a job's name can't be a part of a key.
    #[error("bad {field} `{value}` of the job: {why}")]
    BadJob {
        /// `provider`, `repo`, `job` or `node`.
        field: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The token can't be sent in a header. Its value is not told.
    #[error("the token holds characters that no HTTP header can carry")]
    BadToken,
    /// No job of the store was selected.
    #[error("no artifacts in {store} for {selection}")]
    NothingFound {
        /// The store's URL or folder.
        store: String,
        /// What was asked for, in words.
        selection: String,
    },
    /// The file system refused.
    #[error("can't {action} {}", path.display())]
    Io {
        /// A verb: `read`, `write`, `create`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// Something that is not a regular file stands where a file should be.
    #[error("{} is not a regular file", path.display())]
    NotRegular {
        /// The file.
        path: PathBuf,
    },
    /// A push's list of artifacts can't be used.
    #[error("bad manifest {}: {why}", path.display())]
    BadManifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The bytes in the store are not those that were pushed.
    #[error("`{path}` is damaged in the store: expected sha256 {expected}, found {found}")]
    Damaged {
        /// The artifact.
        path: String,
        /// The sum that the manifest promises.
        expected: String,
        /// The sum of what is there.
        found: String,
    },
    /// The file in the store has not the length that was pushed.
    #[error("`{path}` is damaged in the store: expected {expected} bytes, found {found}")]
    WrongSize {
        /// The artifact.
        path: String,
        /// The length in bytes that the manifest promises.
        expected: u64,
        /// The length in bytes of what is there.
        found: u64,
    },
    /// An artifact's path that must not become a local one.
    #[error("unsafe artifact path `{path}`: {why}")]
    UnsafePath {
        /// As the store gave it.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Two artifacts want the same local file.
    #[error("`{path}` is listed twice")]
    ListedTwice {
        /// The artifact.
        path: String,
    },
    /// Another pull writes into the same folder.
    #[error("another pull into {} is running", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// The file that arrived is not the one that was stored.
    #[error("`{path}` arrived damaged: expected sha256 {expected}, found {found}")]
    WrongDigest {
        /// The artifact.
        path: String,
        /// The sum that the store tells.
        expected: String,
        /// The sum of what arrived.
        found: String,
    },
    /// An archive, or a file in it, can't be unpacked.
    #[error("can't unpack {archive}: {why}")]
    BadArchive {
        /// The archive.
        archive: String,
        /// What is wrong with it.
        why: String,
    },
    /// An artifact that its CI system has deleted.
    #[error("the artifact `{name}` has expired{}", when.as_deref().map(|when| format!(" on {when}")).unwrap_or_default())]
    Expired {
        /// The artifact.
        name: String,
        /// When, as the CI system tells it.
        when: Option<String>,
    },
    /// An error of a service for which there is better advice than the error alone allows.
    #[error("{source}")]
    Advised {
        /// The error.
        source: Box<StoreError>,
        /// What a person can do about it there.
        advice: &'static str,
    },
    /// TLS could not be set up.
    #[error("can't set up TLS: {why}")]
    Tls {
        /// What failed.
        why: String,
        /// The reason, where there is one.
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// No connection, or a broken one.
    #[error("request to {url} failed")]
    Network {
        /// The URL without query.
        url: String,
        /// The HTTP client's reason.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The server sent nothing for too long.
    #[error("{url} sent nothing for {} s", after.as_secs_f32())]
    Stalled {
        /// The URL without query.
        url: String,
        /// How long was waited.
        after: Duration,
    },
    /// The server answered with a status that is not success.
    #[error("{url} answered {status}")]
    Status {
        /// The URL without query.
        url: String,
        /// The HTTP status.
        status: u16,
        /// Whether a token was sent to that URL.
        token_sent: bool,
        /// How long the server asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// The body has not the length that the server announced.
    #[error("{url} sent {received} bytes of {expected}")]
    CutShort {
        /// The URL without query.
        url: String,
        /// Bytes that arrived, those of earlier attempts included.
        received: u64,
        /// Bytes that were announced.
        expected: u64,
    },
    /// The server sends too little at a time.
    #[error("{url} sent {received} bytes in {:.1} s", after.as_secs_f32())]
    TooSlow {
        /// The URL without query.
        url: String,
        /// Bytes that came in that time.
        received: u64,
        /// How long was waited.
        after: Duration,
    },
    /// The body is longer than what is taken.
    #[error("{url} has more than the {limit} bytes that are taken")]
    TooLarge {
        /// The URL without query.
        url: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// The body isn't what was asked for.
    #[error("{url} sent a file that is not used: {why}")]
    Refused {
        /// The URL without query.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// A redirect that is not followed.
    #[error("redirect from {url} not followed: {why}")]
    Redirect {
        /// The URL without query.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The server's answer is not what its API documents.
    #[error("{url} sent an answer that can't be understood: {why}")]
    BadAnswer {
        /// The URL without query.
        url: String,
        /// What is wrong with it.
        why: String,
    },
}

impl StoreError {
    /// What a person can do about it, where the crate knows.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::BadUrl { url, .. } if url.starts_with("circleci:") => {
                "write circleci://github/ORG/REPO/BUILD_NUMBER (or bitbucket); the token comes from the environment"
            }
            Self::BadUrl { url, .. } if url.starts_with("github:") || url.starts_with("gitlab:") => {
                "paste the address of the run's or job's page; the token comes from the environment"
            }
            Self::BadUrl { .. } | Self::UnknownScheme { .. } | Self::UnsupportedScheme { .. } => {
                "a store is a folder (a plain path, or file:///absolute/path) or, to pull from, \
                 circleci://github/ORG/REPO/BUILD_NUMBER, or the page of a run of GitHub Actions or of a job of GitLab"
            }
            Self::BadServer { .. } => "write it as https://HOST",
            Self::Advised { advice, .. } => advice,
            Self::Expired { .. } => {
                "CI systems delete artifacts after some weeks: run the job again, and push what is to stay to a store of \
                 your own"
            }
            Self::WrongDigest { .. } => "pull again: it will be fetched anew",
            Self::ReadOnly { store } if store.starts_with("github:") => {
                "in a job of GitHub Actions the step actions/upload-artifact pushes; push to a folder instead"
            }
            Self::ReadOnly { store } if store.starts_with("gitlab:") => {
                "in a job of GitLab `artifacts:` in .gitlab-ci.yml pushes; push to a folder instead"
            }
            Self::ReadOnly { .. } => {
                "in a CircleCI job the step store_artifacts pushes; push to a folder instead"
            }
            Self::BadToken => "the token must be one line of printable ASCII, without quotes or spaces",
            Self::Status { status: 401 | 403, token_sent: true, .. } => {
                "the token is wrong, expired, or may not see this project: check CIRCLE_TOKEN"
            }
            Self::Status { status: 401 | 403, token_sent: false, .. } => {
                "no token was sent there: set CIRCLE_TOKEN to a personal API token, if it is not set \
                 (only CircleCI's own hosts get it)"
            }
            Self::Status { status: 404, token_sent: true, .. } => {
                "check organisation, project and build number, and that the token may see this project"
            }
            Self::Status { status: 404, token_sent: false, .. } => {
                "check organisation, project and build number; a private project is also \
                 \"not found\" without a token: set CIRCLE_TOKEN"
            }
            Self::Damaged { expected, .. } => {
                let folder = expected.get(..2).unwrap_or_default();
                return Some(format!(
                    "delete blobs/sha256/{folder}/{expected} in the store, and push the file again if it still exists"
                ));
            }
            Self::Tls { .. } => {
                "check the file of certificate authorities that is configured (SSL_CERT_FILE)"
            }
            Self::Busy { .. } => "wait for it to end, or pull into another folder",
            Self::Stalled { .. } | Self::CutShort { .. } | Self::Network { .. } => {
                "check the connection, then pull again into the same folder: it goes on where it stopped"
            }
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                "the disk is full: free some space and run the command again"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }

    /// Whether the same request may succeed a little later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            // GitHub refuses with 403 whoever asks too often, and says when to come back.
            Self::Status { status: 403, retry_after: Some(_), .. } => true,
            Self::Status { status, .. } => matches!(status, 408 | 429 | 500..=599),
            Self::Stalled { .. } | Self::CutShort { .. } => true,
            Self::Network { source, .. } => !is_tls_error(source.as_ref()),
            _ => false,
        }
    }

    /// How long the server asked to be left alone.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Wraps a failed system call: `.map_err(StoreError::io("read", path))`.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}

/// Whether a connection failed for a reason that does not pass, such as a certificate nobody signed.
fn is_tls_error(error: &(dyn Error + 'static)) -> bool {
    // `source()` of an io::Error passes over the error that it wraps, so the wrapped one is asked for.
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    error.is::<rustls::Error>()
        || wrapped.is_some_and(|wrapped| is_tls_error(wrapped))
        || error.source().is_some_and(is_tls_error)
}
