//! What each CI system tells its jobs, by the variables that its documentation calls predefined.
//!
//! Only the variables that are named here are read: the rest of a job's environment is nobody's business. Of what a
//! variable holds nothing is believed but its text: a branch may be named by whoever opens a pull request.

use super::CiJob;
use super::links::encoded;

/// The longest value that is taken, in bytes: what is longer is no name, and half an address is none.
const LONGEST: usize = 1024;

/// A CI system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CiProvider {
    /// CircleCI, in the cloud or self-hosted.
    CircleCi,
    /// GitHub Actions.
    GitHub,
    /// GitLab CI/CD.
    GitLab,
    /// Buildkite.
    Buildkite,
    /// Jenkins.
    Jenkins,
    /// Azure Pipelines.
    Azure,
}

impl CiProvider {
    /// All of them, in the order in which a job's own is looked for.
    pub const ALL: [CiProvider; 6] = [
        CiProvider::CircleCi,
        CiProvider::GitHub,
        CiProvider::GitLab,
        CiProvider::Buildkite,
        CiProvider::Jenkins,
        CiProvider::Azure,
    ];

    /// What it is called in summaries and in the keys of a store.
    pub fn name(self) -> &'static str {
        match self {
            CiProvider::CircleCi => "circleci",
            CiProvider::GitHub => "github",
            CiProvider::GitLab => "gitlab",
            CiProvider::Buildkite => "buildkite",
            CiProvider::Jenkins => "jenkins",
            CiProvider::Azure => "azure",
        }
    }

    /// The variable that is set in each of its jobs, and in no other system's.
    pub fn mark(self) -> &'static str {
        match self {
            CiProvider::CircleCi => "CIRCLECI",
            CiProvider::GitHub => "GITHUB_ACTIONS",
            CiProvider::GitLab => "GITLAB_CI",
            CiProvider::Buildkite => "BUILDKITE",
            CiProvider::Jenkins => "JENKINS_URL",
            CiProvider::Azure => "TF_BUILD",
        }
    }

    /// Finds the system whose job this is.
    pub fn detect(lookup: impl Fn(&str) -> Option<String>) -> Option<CiProvider> {
        let says_so = |provider: &CiProvider| {
            lookup(provider.mark()).is_some_and(|value| !["", "0", "false"].contains(&value.as_str()))
        };
        CiProvider::ALL.into_iter().find(says_so)
    }
}

impl CiJob {
    /// The address of the CircleCI server that runs the job, where that isn't CircleCI's own cloud; of `https` alone.
    pub fn own_server(&self) -> Option<String> {
        let url =
            self.url.as_deref().filter(|_| self.provider.as_deref() == Some(CiProvider::CircleCi.name()))?;
        // It may be given a token.
        let host = host(url).filter(|_| url.starts_with("https://"))?;
        (!host.is_empty() && !host.contains('@') && !is_circleci(host)).then(|| format!("https://{host}"))
    }

    /// Reads what `provider` tells its jobs. A variable that is not set, empty or not a name leaves its field unknown.
    pub fn of(provider: CiProvider, lookup: impl Fn(&str) -> Option<String>) -> CiJob {
        let environment = Environment(&lookup);
        let job = match provider {
            CiProvider::CircleCi => circleci(&environment),
            CiProvider::GitHub => github(&environment),
            CiProvider::GitLab => gitlab(&environment),
            CiProvider::Buildkite => buildkite(&environment),
            CiProvider::Jenkins => jenkins(&environment),
            CiProvider::Azure => azure(&environment),
        };
        let node = job.node.or_else(|| job.node_index.map(|index| index.to_string()));
        CiJob { provider: Some(provider.name().to_owned()), node, ..job }
    }
}

/// See <https://circleci.com/docs/reference/variables/>; the place of an artifact is told by CircleCI's support
/// (article 5034956515355).
fn circleci(of: &Environment) -> CiJob {
    let url = of.url("CIRCLE_BUILD_URL");
    // Nothing is known of where a server of one's own puts artifacts.
    let is_public = url.as_deref().is_none_or(|url| host(url).is_some_and(is_circleci));
    let stored = of.both("CIRCLE_WORKFLOW_JOB_ID", "CIRCLE_NODE_INDEX").filter(|_| is_public);
    let stored = stored.map(|(job, node)| {
        let (job, node) = (encoded(&job), encoded(&node));
        format!("https://output.circle-artifacts.com/output/job/{job}/artifacts/{node}")
    });
    CiJob {
        repo: of.joined(&["CIRCLE_PROJECT_USERNAME", "CIRCLE_PROJECT_REPONAME"], "/"),
        run: of.text("CIRCLE_BUILD_NUM"),
        sha: of.text("CIRCLE_SHA1"),
        branch: of.text("CIRCLE_BRANCH"),
        tag: of.text("CIRCLE_TAG"),
        // The number is told to forked pull requests only; the other one is the request's address.
        pull_request: of.text("CIRCLE_PR_NUMBER").or_else(|| last_number(&of.text("CIRCLE_PULL_REQUEST")?)),
        job: of.text("CIRCLE_JOB"),
        run_id: of.text("CIRCLE_BUILD_NUM"),
        node_index: of.number("CIRCLE_NODE_INDEX"),
        node_total: of.number("CIRCLE_NODE_TOTAL"),
        url,
        artifact_url_base: stored,
        ..CiJob::default()
    }
}

/// Tells whether a host is of CircleCI's cloud.
fn is_circleci(host: &str) -> bool {
    host == "circleci.com" || host.ends_with(".circleci.com")
}

/// The host of a page's address, with its port.
fn host(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    rest.split(['/', '?', '#']).next()
}

/// See <https://docs.github.com/actions/reference/workflows-and-actions/variables>. A run of a matrix tells no index:
/// what differs is the runner.
fn github(of: &Environment) -> CiJob {
    let named = of.text("GITHUB_REF_NAME");
    let (branch, tag) = match of.text("GITHUB_REF_TYPE").as_deref() {
        Some("tag") => (None, named),
        _ => (named, None),
    };
    let pull_request = of.text("GITHUB_REF").and_then(|name| {
        let (number, _) = name.strip_prefix("refs/pull/")?.split_once('/')?;
        Some(number.to_owned())
    });
    let page = of.url("GITHUB_SERVER_URL").zip(of.both("GITHUB_REPOSITORY", "GITHUB_RUN_ID"));
    let url = page.map(|(server, (repo, run))| {
        let attempt = of.number("GITHUB_RUN_ATTEMPT").map(|attempt| format!("/attempts/{attempt}"));
        let (repo, attempt) = (encoded(&repo), attempt.unwrap_or_default());
        format!("{server}/{repo}/actions/runs/{}{attempt}", encoded(&run))
    });
    CiJob {
        repo: of.text("GITHUB_REPOSITORY"),
        run: of.joined(&["GITHUB_RUN_ID", "GITHUB_RUN_ATTEMPT", "GITHUB_JOB"], "."),
        node: of.text("RUNNER_NAME"),
        sha: of.text("GITHUB_SHA"),
        // Of a pull request the ref is `42/merge`, and this is where it comes from.
        branch: of.text("GITHUB_HEAD_REF").or(branch),
        tag,
        pull_request,
        job: of.text("GITHUB_JOB"),
        run_id: of.text("GITHUB_RUN_ID"),
        attempt: of.number("GITHUB_RUN_ATTEMPT"),
        url,
        ..CiJob::default()
    }
}

/// See <https://docs.gitlab.com/ci/variables/predefined_variables/>. Beneath the job's page, `artifacts/file` has each
/// artifact by its path in the project's folder.
fn gitlab(of: &Environment) -> CiJob {
    let page = of.url("CI_JOB_URL");
    CiJob {
        repo: of.text("CI_PROJECT_PATH"),
        run: of.text("CI_JOB_ID"),
        sha: of.text("CI_COMMIT_SHA"),
        branch: of.text("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME").or_else(|| of.text("CI_COMMIT_BRANCH")),
        tag: of.text("CI_COMMIT_TAG"),
        pull_request: of.text("CI_MERGE_REQUEST_IID"),
        job: of.text("CI_JOB_NAME"),
        run_id: of.text("CI_JOB_ID"),
        node_index: of.number("CI_NODE_INDEX"),
        node_total: of.number("CI_NODE_TOTAL"),
        artifact_url_base: page.as_ref().map(|page| format!("{page}/artifacts/file")),
        url: page,
        ..CiJob::default()
    }
}

/// See <https://buildkite.com/docs/pipelines/configure/environment-variables>.
fn buildkite(of: &Environment) -> CiJob {
    let page = of.url("BUILDKITE_BUILD_URL").zip(of.text("BUILDKITE_JOB_ID"));
    CiJob {
        repo: of.joined(&["BUILDKITE_ORGANIZATION_SLUG", "BUILDKITE_PIPELINE_SLUG"], "/"),
        run: of.text("BUILDKITE_JOB_ID"),
        sha: of.text("BUILDKITE_COMMIT"),
        branch: of.text("BUILDKITE_BRANCH"),
        tag: of.text("BUILDKITE_TAG"),
        pull_request: of.text("BUILDKITE_PULL_REQUEST").filter(|number| number != "false"),
        job: of.text("BUILDKITE_STEP_KEY").or_else(|| of.text("BUILDKITE_LABEL")),
        run_id: of.text("BUILDKITE_BUILD_NUMBER"),
        attempt: of.number("BUILDKITE_RETRY_COUNT").map(|retries| retries.saturating_add(1)),
        node_index: of.number("BUILDKITE_PARALLEL_JOB"),
        node_total: of.number("BUILDKITE_PARALLEL_JOB_COUNT"),
        url: page.map(|(build, job)| format!("{build}#{}", encoded(&job))),
        ..CiJob::default()
    }
}

/// See `/env-vars.html` of any Jenkins. Beneath the build's page, `artifact` has each file that was archived by its path
/// in the workspace.
fn jenkins(of: &Environment) -> CiJob {
    let page = of.url("BUILD_URL");
    CiJob {
        repo: of.text("JOB_NAME"),
        run: of.text("BUILD_NUMBER"),
        node: of.text("NODE_NAME"),
        sha: of.text("GIT_COMMIT"),
        branch: ["CHANGE_BRANCH", "BRANCH_NAME", "GIT_BRANCH"].iter().find_map(|name| of.text(name)),
        tag: of.text("TAG_NAME"),
        pull_request: of.text("CHANGE_ID"),
        job: of.text("JOB_NAME"),
        run_id: of.text("BUILD_NUMBER"),
        artifact_url_base: page.as_ref().map(|page| format!("{page}/artifact")),
        url: page,
        ..CiJob::default()
    }
}

/// See <https://learn.microsoft.com/azure/devops/pipelines/build/variables>.
fn azure(of: &Environment) -> CiJob {
    let reference = of.text("SYSTEM_PULLREQUEST_SOURCEBRANCH").or_else(|| of.text("BUILD_SOURCEBRANCH"));
    let within = |folder: &str| Some(reference.as_deref()?.strip_prefix(folder)?.to_owned());
    // Both forms are seen: `refs/heads/main` and `main`.
    let short = || reference.clone().filter(|name| !name.starts_with("refs/"));
    let page = of.url("SYSTEM_COLLECTIONURI").zip(of.both("SYSTEM_TEAMPROJECT", "BUILD_BUILDID"));
    CiJob {
        repo: of.text("BUILD_REPOSITORY_NAME"),
        run: of.joined(&["BUILD_BUILDID", "SYSTEM_JOBID"], "."),
        sha: of.text("BUILD_SOURCEVERSION"),
        branch: within("refs/heads/").or_else(short),
        tag: within("refs/tags/"),
        // Those of GitHub have an ID that is not their number.
        pull_request: of
            .text("SYSTEM_PULLREQUEST_PULLREQUESTNUMBER")
            .or_else(|| of.text("SYSTEM_PULLREQUEST_PULLREQUESTID")),
        job: of.text("SYSTEM_JOBNAME"),
        run_id: of.text("BUILD_BUILDID"),
        attempt: of.number("SYSTEM_JOBATTEMPT"),
        node_index: of.number("SYSTEM_JOBPOSITIONINPHASE"),
        node_total: of.number("SYSTEM_TOTALJOBSINPHASE"),
        url: page.map(|(server, (project, build))| {
            format!("{server}/{}/_build/results?buildId={}", encoded(&project), encoded(&build))
        }),
        ..CiJob::default()
    }
}

/// The number at the end of an address, such as `42` of `https://github.com/acme/app/pull/42`.
fn last_number(url: &str) -> Option<String> {
    let (_, number) = url.rsplit_once('/')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| number.to_owned())
}

/// The variables of a job.
struct Environment<'a>(&'a dyn Fn(&str) -> Option<String>);

impl Environment<'_> {
    /// A variable's value, if it can be a name.
    fn text(&self, name: &str) -> Option<String> {
        let can_be = |value: &String| {
            !value.is_empty() && value.len() <= LONGEST && !value.chars().any(char::is_control)
        };
        self.0(name).filter(can_be)
    }

    fn number(&self, name: &str) -> Option<u32> {
        self.text(name)?.parse().ok()
    }

    /// The address of a page, without a slash at its end.
    fn url(&self, name: &str) -> Option<String> {
        let text = self.text(name)?;
        let is_page = text.starts_with("https://") || text.starts_with("http://");
        is_page.then(|| text.trim_end_matches('/').to_owned())
    }

    fn both(&self, first: &str, second: &str) -> Option<(String, String)> {
        self.text(first).zip(self.text(second))
    }

    /// Several values as one; unknown where one of them is.
    fn joined(&self, names: &[&str], by: &str) -> Option<String> {
        let values: Option<Vec<String>> = names.iter().map(|name| self.text(name)).collect();
        values.map(|values| values.join(by))
    }
}

#[cfg(test)]
mod tests;
