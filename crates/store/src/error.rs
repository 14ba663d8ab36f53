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
    /// What should name something of CircleCI's names nothing.
    #[error("bad CircleCI URL `{url}`: {why}")]
    BadCircleCiUrl {
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
    /// What stands in a pull's target is someone else's.
    #[error("{} is not written: {why}", path.display())]
    NotWritten {
        /// The local file.
        path: PathBuf,
        /// What stands in the way.
        why: &'static str,
    },
    /// A gc of something that nobody has pushed to.
    #[error("{url} is no store: it has neither pushes nor their content, and what else is there stays")]
    NoStore {
        /// The store's URL or folder.
        url: String,
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
    /// A file that was not asked for, since what happened before left no hope for it.
    #[error("`{path}` was not asked for: {why}")]
    NotAskedFor {
        /// The artifact or the job.
        path: String,
        /// What happened before.
        why: &'static str,
    },
    /// Another pull writes into the same folder.
    #[error("another pull into {} is running", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// A spool, or a push in it, that others could have written.
    #[error("the spool {} is not used: {why}", path.display())]
    UnsafeSpool {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A spool has no room for a push.
    #[error("the spool {} holds {used} bytes and may hold {quota}: {room} more don't fit", path.display())]
    SpoolFull {
        /// The spool.
        path: PathBuf,
        /// Bytes that it takes of its disk.
        used: u64,
        /// Bytes that the push would take.
        room: u64,
        /// Bytes that it may take.
        quota: u64,
    },
    /// The record of a spooled push can't be used.
    #[error("bad record of a spooled push {}: {why}", path.display())]
    BadSpool {
        /// The record.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A file of a spooled push was never kept.
    #[error("{} was not kept: the process that spooled it was interrupted", path.display())]
    NotKept {
        /// Where the file was.
        path: PathBuf,
    },
    /// There is nothing of that name in the store.
    #[error("{url} is not there")]
    Absent {
        /// The key's URL.
        url: String,
    },
    /// An object store answered, and not with what was asked for.
    #[error("{url} refused: {why}")]
    Rejected {
        /// The key's URL.
        url: String,
        /// The HTTP status, where there is one.
        status: Option<u16>,
        /// The server's words.
        why: String,
    },
    /// Nothing says who asks an object store.
    #[error("no credentials for {url}")]
    NoCredentials {
        /// The key's URL.
        url: String,
    },
    /// The settings of an object store can't be used.
    #[error("can't open {url}: {why}")]
    BadSettings {
        /// The store's URL.
        url: String,
        /// What is wrong with them.
        why: String,
    },
    /// AWS gives no keys for what the CI system says of its job.
    #[error("{url} gives this job no keys: {why}")]
    NotTrusted {
        /// The service that was asked.
        url: String,
        /// Its code for the reason.
        why: String,
    },
    /// A file is not what it was when the push began with it.
    #[error("{} changed while it was pushed", path.display())]
    Changed {
        /// The file.
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
    /// The server of an HTTP store refused.
    #[error("{url} answered {status} to {method}")]
    HttpStore {
        /// What it was asked to do.
        method: &'static str,
        /// The URL without query.
        url: String,
        /// The HTTP status.
        status: u16,
        /// Whether a secret was sent along.
        token_sent: bool,
    },
    /// The server of an HTTP store can't list folders, and no push has left an index there.
    #[error("{url} can't be listed: its server doesn't speak WebDAV, and no push has left an index there")]
    CannotList {
        /// The folder.
        url: String,
    },
    /// What a server has stored has not the length that was sent.
    #[error("{url} has {stored} of the {expected} bytes that were sent")]
    Truncated {
        /// The URL without query.
        url: String,
        /// Bytes that are there.
        stored: u64,
        /// Bytes that should be there.
        expected: u64,
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
            Self::BadCircleCiUrl { .. } => {
                "paste the address of a job's, a workflow's or a pipeline's page, or write \
                 circleci://github/ORG/REPO/ and a job's number, workflows/ID, pipelines/NUMBER or \
                 latest?branch=NAME&filter=failed; the token comes from the environment"
            }
            Self::BadUrl { url, .. } if url.starts_with("github:") || url.starts_with("gitlab:") => {
                "paste the address of the run's or job's page; the token comes from the environment"
            }
            Self::BadUrl { url, .. } if url.starts_with("http") => {
                "write https://HOST/PATH/; who asks comes from EPITAPH_HTTP_TOKEN, or EPITAPH_HTTP_USER and \
                 EPITAPH_HTTP_PASSWORD"
            }
            Self::HttpStore { status: 401 | 403, token_sent: true, .. } => {
                "the server knows who asks and doesn't allow it: check EPITAPH_HTTP_TOKEN, or EPITAPH_HTTP_USER and \
                 EPITAPH_HTTP_PASSWORD, and what that user may do there"
            }
            Self::HttpStore { status: 401 | 403, token_sent: false, .. } => {
                "no secret was sent there: set EPITAPH_HTTP_TOKEN, or EPITAPH_HTTP_USER and EPITAPH_HTTP_PASSWORD \
                 (only the store's own host gets them)"
            }
            Self::HttpStore { method: "PUT", status: 404 | 405 | 409 | 500 | 501, .. } => {
                "the server takes no files there, or can't write them: nginx needs `dav_methods PUT;` and `create_full_put_path on;`"
            }
            Self::HttpStore { method: "DELETE", status: 405 | 501, .. } => {
                "the server lets nobody delete: nginx needs DELETE in `dav_methods`"
            }
            Self::HttpStore { status: 413, .. } => {
                "the server takes no files of that size: nginx needs `client_max_body_size 0;`"
            }
            Self::HttpStore { status: 507, .. } => "the server's disk is full",
            Self::CannotList { .. } => {
                "push something first, or let the server speak WebDAV (nginx: the module dav-ext, with \
                 `dav_ext_methods PROPFIND OPTIONS;`)"
            }
            Self::BadUrl { .. } | Self::UnknownScheme { .. } => {
                "a store is a folder (a plain path, or file:///absolute/path), s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, \
                 az://CONTAINER/PREFIX, https://HOST/PATH/ or, to pull from, the page of a job of \
                 CircleCI or GitLab or of a run of GitHub Actions, or circleci://github/ORG/REPO/JOB_NUMBER"
            }
            Self::NoCredentials { url } | Self::Rejected { url, status: Some(401 | 403), .. }
                if url.starts_with("s3") =>
            {
                "credentials come from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN (profiles are not \
                 read): eval \"$(aws configure export-credentials --format env)\" sets them"
            }
            Self::NoCredentials { url } | Self::Rejected { url, status: Some(401 | 403), .. }
                if url.starts_with("gs") =>
            {
                "credentials come from GOOGLE_SERVICE_ACCOUNT (a file) or GOOGLE_SERVICE_ACCOUNT_KEY"
            }
            Self::NoCredentials { .. } | Self::Rejected { status: Some(401 | 403), .. } => {
                "credentials come from AZURE_STORAGE_ACCOUNT_NAME with AZURE_STORAGE_ACCOUNT_KEY or \
                 AZURE_STORAGE_SAS_TOKEN"
            }
            Self::NotTrusted { .. } => {
                "check AWS_ROLE_ARN, and that the role's trust policy names the CI system, its audience and this project"
            }
            Self::Changed { .. } => "push again when the file is written to its end",
            Self::Redirect { url, .. } if url.starts_with("http://") => {
                "give the address that it leads to, https:// instead of http:// in most cases"
            }
            Self::NotWritten { .. } => "pull into a new folder, or move away what stands there",
            Self::NoStore { .. } => "give the folder or URL that `epitaph push` was given",
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
                "in a job of GitLab `artifacts:` in .gitlab-ci.yml pushes; push to a package (https://HOST/api/v4/projects/ID/\
                 packages/generic/NAME/VERSION) or a folder instead"
            }
            Self::ReadOnly { .. } => {
                "in a CircleCI job the step store_artifacts pushes; push to a folder or an object store instead"
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
                "check organisation, project and job number, and that the token may see this project"
            }
            Self::Status { status: 404, token_sent: false, .. } => {
                "check organisation, project and job number; a private project is also \
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
            Self::UnsafeSpool { .. } => {
                "name a folder of your own that nobody else may write to (chmod go-w)"
            }
            Self::SpoolFull { .. } => {
                "finish what waits there with `epitaph push --resume`, or give it more room with --spool-quota"
            }
            Self::BadSpool { .. } => "remove the folder that it is in, once what is there isn't needed",
            Self::NotKept { .. } => "push it again, if it still exists",
            Self::Busy { .. } => "wait for it to end, or pull into another folder",
            Self::Stalled { .. } | Self::TooSlow { .. } | Self::CutShort { .. } | Self::Network { .. } => {
                "check the connection, then give the same command again: it goes on where it stopped"
            }
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                "the disk is full: free some space and run the command again"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }

    /// Whether what was asked for is simply not there.
    pub(crate) fn is_absent(&self) -> bool {
        match self {
            Self::Absent { .. } => true,
            Self::Io { source, .. } => source.kind() == io::ErrorKind::NotFound,
            Self::HttpStore { status, .. } => matches!(status, 404 | 410),
            _ => false,
        }
    }

    /// Whether the same request may succeed a little later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            // GitHub refuses with 403 whoever asks too often, and says when to come back.
            Self::Status { status: 403, retry_after: Some(_), .. } => true,
            // Those left out say that the server can't, or that its disk is full. 423: locked while another request runs.
            Self::Status { status, .. } | Self::Rejected { status: Some(status), .. } => {
                matches!(status, 408 | 423 | 429 | 500 | 502..=504 | 506 | 508..=599)
            }
            Self::Stalled { .. } | Self::CutShort { .. } | Self::TooSlow { .. } | Self::Truncated { .. } => {
                true
            }
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
pub(crate) fn is_tls_error(error: &(dyn Error + 'static)) -> bool {
    // `source()` of an io::Error passes over the error that it wraps, so the wrapped one is asked for.
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    error.is::<rustls::Error>()
        || wrapped.is_some_and(|wrapped| is_tls_error(wrapped))
        || error.source().is_some_and(is_tls_error)
}
