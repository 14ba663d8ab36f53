//! What moves artifacts and shows them.

use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use epitaph_store::{Network, Selection, Spool};

use super::keys::{EncryptArgs, IdentityArgs, OidcArgs};
use super::parse::{parse_age, parse_span, parse_transfers};
use super::{CiArgs, ConfigArgs, SearchArgs};

#[derive(Debug, clap::Args)]
#[command(
    override_usage = "epitaph push [OPTIONS] <PATH>... <URL>\n       epitaph push [OPTIONS] --resume [URL]"
)]
pub(crate) struct PushArgs {
    /// Files and folders to copy; then the store: a folder, as a plain path or file:///absolute/path, s3://BUCKET/PREFIX,
    /// gs://BUCKET/PREFIX or az://CONTAINER/PREFIX (credentials in the variables that the providers' own tools read),
    /// https://HOST/PATH/ of a server with WebDAV or PUT (EPITAPH_HTTP_TOKEN, or EPITAPH_HTTP_USER and
    /// EPITAPH_HTTP_PASSWORD), or a package of GitLab: gitlab://GROUP/PROJECT/-/packages/generic/NAME/VERSION, or its address
    /// in the API (GITLAB_TOKEN, CI_JOB_TOKEN). In a job of Buildkite, `buildkite:` has its agent upload them as the job's
    /// artifacts; in one of Azure Pipelines, `azure:` or `azure:NAME`
    #[arg(required_unless_present = "resume", value_names = ["PATH", "URL"], num_args = 1..)]
    targets: Vec<PathBuf>,
    /// What to put before the artifacts' paths, as store_artifacts does; for a single file, its name
    #[arg(long, value_name = "PREFIX", env = "EPITAPH_DESTINATION")]
    pub(crate) destination: Option<String>,
    /// The job that the artifacts are of, where no CI system says
    #[arg(long, value_name = "NAME", env = "EPITAPH_JOB")]
    pub(crate) job: Option<String>,
    #[command(flatten)]
    pub(crate) encrypt: EncryptArgs,
    #[command(flatten)]
    pub(crate) ci: CiArgs,
    #[command(flatten)]
    pub(crate) oidc: OidcArgs,
    #[command(flatten)]
    pub(crate) transfer: TransferArgs,
    /// Where to remember what an object store has got of large files, so that the same push goes on after this
    /// process died; the spool if not given, or else $XDG_STATE_HOME/epitaph
    #[arg(long, value_name = "DIR", env = "EPITAPH_PUSH_STATE")]
    pub(crate) state: Option<PathBuf>,
    /// A folder that stays when the job is over: what is pushed is kept there until it has arrived
    #[arg(long, value_name = "DIR", env = "EPITAPH_PUSH_SPOOL")]
    pub(crate) spool: Option<PathBuf>,
    /// Most bytes that the spool may take; what doesn't fit is pushed without it
    #[arg(long, value_name = "BYTES", default_value_t = Spool::QUOTA, env = "EPITAPH_PUSH_SPOOL_QUOTA")]
    pub(crate) spool_quota: u64,
    /// First send what earlier pushes have left in the spool, the oldest first; with URL only what goes there
    #[arg(long, env = "EPITAPH_PUSH_RESUME")]
    pub(crate) resume: bool,
}

impl PushArgs {
    /// Returns the files and folders, and the store, which may be missing only with `--resume`.
    pub(crate) fn split(&self) -> Result<(&[PathBuf], Option<&str>), clap::Error> {
        let wrong = |kind, why: &str| Err(clap::Command::new("epitaph push").error(kind, why));
        let Some((url, paths)) = self.targets.split_last() else { return Ok((&[], None)) };
        if paths.is_empty() && !self.resume {
            return wrong(ErrorKind::TooFewValues, "the store is missing: give <PATH>... and then <URL>");
        }
        match url.to_str() {
            Some(url) => Ok((paths, Some(url))),
            None => wrong(ErrorKind::InvalidUtf8, "the store's URL is no text"),
        }
    }
}

/// How long servers are waited for.
#[derive(Debug, clap::Args)]
pub(crate) struct PatienceArgs {
    /// How long nothing may move before a request counts as failed, such as `60s`
    #[arg(long, value_name = "TIME", default_value = "60s", env = "EPITAPH_STALL_TIMEOUT", value_parser = parse_stall)]
    stall_timeout: Duration,
    /// How often a request is sent before it is given up
    #[arg(long, value_name = "N", default_value_t = 6, env = "EPITAPH_ATTEMPTS", value_parser = clap::value_parser!(u32).range(1..=100))]
    attempts: u32,
}

/// Reads a time that something may take, which is not none at all.
fn parse_stall(text: &str) -> Result<Duration, String> {
    match parse_span(text) {
        Ok(time) if time.is_zero() => {
            Err("every request would fail at once: give a time, such as 60s, or a long one, such as 1d"
                .to_owned())
        }
        parsed => parsed,
    }
}

impl PatienceArgs {
    /// Says so to a store.
    pub(crate) fn apply(&self, network: &mut Network) {
        network.stall_timeout = self.stall_timeout;
        network.attempts = self.attempts;
    }
}

/// Which job of a store.
#[derive(Debug, clap::Args)]
pub(crate) struct SelectArgs {
    /// Only jobs of this repository
    #[arg(long, env = "EPITAPH_REPO")]
    pub(crate) repo: Option<String>,
    /// Only this job; of a workflow of CircleCI, its number or its name
    #[arg(long, env = "EPITAPH_JOB")]
    pub(crate) job: Option<String>,
    /// Only artifacts of this node of a parallel job
    #[arg(long, env = "EPITAPH_NODE")]
    pub(crate) node: Option<String>,
}

impl SelectArgs {
    /// Returns what is selected, as a store understands it.
    pub(crate) fn selection(&self) -> Selection {
        Selection { repo: self.repo.clone(), job: self.job.clone(), node: self.node.clone() }
    }
}

/// Where artifacts are read from.
#[derive(Debug, clap::Args)]
pub(crate) struct SourceArgs {
    /// The store; or a job's page, or what its CI system calls it: CircleCI's job, workflow or pipeline (token in
    /// CIRCLE_TOKEN; circleci://github/ORG/REPO/ and a job's number, workflows/ID, pipelines/NUMBER or
    /// latest?branch=NAME&filter=failed), a run of GitHub Actions (GH_TOKEN; github://OWNER/REPO/runs/ID), a job of GitLab
    /// (GITLAB_TOKEN; gitlab://GROUP/PROJECT/-/jobs/ID)
    pub(crate) url: String,
}

/// How files are moved.
#[derive(Debug, clap::Args)]
pub(crate) struct TransferArgs {
    /// How many files may be on their way at once
    #[arg(long, short, value_name = "N", default_value_t = 4, env = "EPITAPH_JOBS", value_parser = parse_transfers)]
    pub(crate) jobs: usize,
    #[command(flatten)]
    pub(crate) patience: PatienceArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PullArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// The folder to copy into
    #[arg(default_value = ".", value_name = "DIR")]
    pub(crate) dir: PathBuf,
    #[command(flatten)]
    pub(crate) select: SelectArgs,
    #[command(flatten)]
    pub(crate) identity: IdentityArgs,
    #[command(flatten)]
    pub(crate) oidc: OidcArgs,
    #[command(flatten)]
    pub(crate) transfer: TransferArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct LsArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// Print JSON, one artifact a line
    #[arg(long, env = "EPITAPH_JSON")]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) select: SelectArgs,
    #[command(flatten)]
    pub(crate) oidc: OidcArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ServeArgs {
    /// The store (a folder, s3://…, gs://…, az://…, https://…), a job as `pull` takes it, a folder that `collect` or `pull`
    /// has written, or a core, or a heap of downloaded files
    #[arg(value_name = "URL|PATH")]
    pub(crate) url: String,
    /// The address to listen on; port 0 takes a free one. One that other machines reach needs a token
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080", env = "EPITAPH_LISTEN")]
    pub(crate) listen: String,
    /// A file with the token that every client must send: as a password, `Authorization: Bearer`, `Circle-Token`, or
    /// `?circle-token=`
    #[arg(long, value_name = "FILE", env = "EPITAPH_SERVE_TOKEN_FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// A name by which clients call this server, besides its address and localhost (may be repeated; in the
    /// variable, separated by commas)
    #[arg(long, value_name = "NAME", env = "EPITAPH_SERVE_HOST", value_delimiter = ',')]
    pub(crate) host: Vec<String>,
    /// The address by which clients reach this server where a proxy stands before it, such as
    /// <https://crashes.example.com>: lists of artifacts say it (what the proxy says by X-Forwarded-* is not believed)
    #[arg(long, value_name = "URL", env = "EPITAPH_PUBLIC_URL")]
    pub(crate) public_url: Option<String>,
    /// Open the page of crashes in a browser: the first command of $BROWSER, or else xdg-open
    #[arg(long, env = "EPITAPH_OPEN")]
    pub(crate) open: bool,
    #[command(flatten)]
    pub(crate) identity: IdentityArgs,
    #[command(flatten)]
    pub(crate) search: SearchArgs,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct GcArgs {
    /// The store: a folder, s3://…, gs://…, az://… or https://…
    pub(crate) url: String,
    /// Remove pushes that are older than this, such as `30d`, `12h`
    #[arg(long, value_name = "TIME", env = "EPITAPH_OLDER_THAN", value_parser = parse_age)]
    pub(crate) older_than: Duration,
    /// Only tell what would be removed
    #[arg(long, env = "EPITAPH_DRY_RUN")]
    pub(crate) dry_run: bool,
    /// Where pushes of this host remember unfinished uploads, which end as well once they are a day old
    #[arg(long, value_name = "DIR", env = "EPITAPH_PUSH_STATE")]
    pub(crate) state: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) oidc: OidcArgs,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_some_time() {
        assert_eq!(parse_stall("60s"), Ok(Duration::from_secs(60)));
        assert!(parse_stall("0").is_err() && parse_stall("0s").is_err() && parse_stall("soon").is_err());
    }
}
