//! What a caller can set about stores that are reached over the network.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::http::shown;
use crate::{Encrypt, HttpLogin, Token};

/// How to open a store. The default is right for folders and for public projects.
#[derive(Debug, Clone, Default)]
pub struct StoreOptions {
    /// A CircleCI token. It is sent to the CircleCI server and to `*.circle-artifacts.com`, and nowhere else.
    pub circleci_token: Option<Token>,
    /// The CircleCI server, if it is not `https://circleci.com`.
    pub circleci_url: Option<String>,
    /// Who asks an HTTP store. It is sent to the store's own scheme, host and port, and nowhere else.
    pub http_login: Option<HttpLogin>,
    /// A GitHub token. It is sent to the API of the configured GitHub server, and nowhere else.
    pub github_token: Option<Token>,
    /// The GitHub server, if it is not `https://github.com`.
    pub github_url: Option<String>,
    /// A GitLab token. It is sent to the configured GitLab server, and nowhere else.
    pub gitlab_token: Option<GitlabToken>,
    /// The GitLab server, if it is not `https://gitlab.com`.
    pub gitlab_url: Option<String>,
    /// PEM file of the certificate authorities to trust, instead of the built-in ones.
    pub ca_file: Option<PathBuf>,
    /// Patience and parallelism.
    pub network: Network,
    /// What object stores are told: addresses, regions, credentials.
    pub cloud: CloudSettings,
    /// A folder of this host where pushes to object stores remember what they have sent, so that another process can
    /// take them up. It must not lie in a folder that is pushed. Without it, a push that is interrupted starts anew.
    pub state: Option<PathBuf>,
    /// What says to AWS who asks, in the place of keys. It is exchanged for keys of the role that `AWS_ROLE_ARN` names, and
    /// sent to AWS's Security Token Service alone (`AWS_ENDPOINT_URL_STS`, or that of the region).
    pub oidc: Option<OidcToken>,
    /// What encrypts files before they leave this host. Without it, all of them leave as they are.
    pub encrypt: Option<Arc<dyn Encrypt>>,
}

/// Settings of object stores, by the names of the environment variables that the providers' own tools read:
/// `AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL`, `GOOGLE_SERVICE_ACCOUNT`, `AZURE_STORAGE_ACCOUNT_NAME` and so on.
#[derive(Clone, Default)]
pub struct CloudSettings(Vec<(String, String)>);

impl CloudSettings {
    /// Takes those that some object store may want from all variables of an environment.
    ///
    /// ```
    /// use epitaph_store::CloudSettings;
    ///
    /// let variables = [("AWS_SECRET_ACCESS_KEY".to_owned(), "hush".to_owned())];
    /// let settings = CloudSettings::from_variables(variables);
    /// assert_eq!(format!("{settings:?}"), "CloudSettings(AWS_SECRET_ACCESS_KEY)");
    /// ```
    pub fn from_variables(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let is_ours =
            |name: &str| ["AWS_", "GOOGLE_", "AZURE_"].iter().any(|prefix| name.starts_with(prefix));
        Self(variables.into_iter().filter(|(name, value)| is_ours(name) && !value.is_empty()).collect())
    }

    /// Which servers and accounts are set, in one line: what tells two stores of the same URL apart.
    pub(crate) fn servers(&self) -> String {
        let tells =
            |name: &str| ["ENDPOINT", "BASE_URL", "ACCOUNT_NAME"].iter().any(|part| name.contains(part));
        let mut servers: Vec<String> = self.0.iter().filter(|(name, _)| tells(name)).map(told).collect();
        servers.sort();
        servers.join(" ")
    }

    /// Those whose names start so.
    pub(crate) fn starting(&self, prefix: &str) -> impl Iterator<Item = (&str, &str)> {
        let all = self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        all.filter(move |(name, _)| name.starts_with(prefix))
    }
}

/// A setting that is an address or a name, without a user and password that may stand in an address.
fn told((name, value): &(String, String)) -> String {
    let value = Url::parse(value).map_or_else(|_| value.clone(), |url| shown(&url));
    format!("{name}={value}")
}

/// Names only: half of the values are secrets.
impl fmt::Debug for CloudSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        write!(f, "CloudSettings({})", names.join(", "))
    }
}

/// What a CI system says of its job to others who trust it (OpenID Connect).
#[derive(Debug, Clone)]
pub enum OidcToken {
    /// It was given to the job.
    Ready(Token),
    /// GitHub gives it to who asks there, with this token of the job.
    GitHub {
        /// `ACTIONS_ID_TOKEN_REQUEST_URL`.
        url: String,
        /// `ACTIONS_ID_TOKEN_REQUEST_TOKEN`.
        token: Token,
    },
}

/// Who asks GitLab.
#[derive(Debug, Clone)]
pub enum GitlabToken {
    /// A person, a project or a group: sent as `PRIVATE-TOKEN`.
    Private(Token),
    /// A job, by its `CI_JOB_TOKEN`: sent as `JOB-TOKEN`.
    Job(Token),
}

/// Patience and parallelism. There is no limit on a whole transfer, only on silence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Files that are transferred at once; at least 1.
    pub transfers: usize,
    /// Requests with content that are on their way to an object store at once, for all files together; at least 1.
    pub requests: usize,
    /// Files longer than that, in bytes, go to object stores in parts of that length. S3 takes nothing below 5 MiB but
    /// for the last part. Longer parts are used for files of more than 9000 parts.
    pub part_size: u64,
    /// How often a request is sent before its failure counts; at least 1. A transfer that moves on between two
    /// failures starts counting anew.
    pub attempts: u32,
    /// The wait after the first failure; it doubles with each further one.
    pub first_wait: Duration,
    /// The longest such wait.
    pub longest_wait: Duration,
    /// The longest wait that a server can ask for (`Retry-After`).
    pub longest_retry_after: Duration,
    /// How long a connection may take, TLS included.
    pub connect_timeout: Duration,
    /// How long a server may send nothing.
    pub stall_timeout: Duration,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            transfers: 4,
            requests: 8,
            part_size: 8 << 20,
            attempts: 6,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(30),
            longest_retry_after: Duration::from_secs(120),
            connect_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(60),
        }
    }
}
