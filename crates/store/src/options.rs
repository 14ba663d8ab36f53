//! What a caller can set about stores that are reached over the network.

use std::path::PathBuf;
use std::time::Duration;

use crate::Token;

/// How to open a store. The default is right for folders and for public projects.
#[derive(Debug, Clone, Default)]
pub struct StoreOptions {
    /// A CircleCI token. It is sent to the CircleCI server and to `*.circle-artifacts.com`, and nowhere else.
    pub circleci_token: Option<Token>,
    /// The CircleCI server, if it is not `https://circleci.com`.
    pub circleci_url: Option<String>,
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
            attempts: 6,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(30),
            longest_retry_after: Duration::from_secs(120),
            connect_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(60),
        }
    }
}
