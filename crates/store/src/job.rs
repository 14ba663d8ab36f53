//! Which CI job this is, told from the environment that its CI system documents.

/// The job that pushes: the first four levels of a manifest's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobId {
    /// Who runs it: `circleci`, `github`, `gitlab`, `buildkite`, `jenkins`, `azure` or `local`.
    pub provider: String,
    /// The repository or project, as the provider writes it: `acme/app`.
    pub repo: String,
    /// The provider's name for this one run of a job.
    pub job: String,
    /// Which of the job's parallel runs this is; `0` where there is one.
    pub node: String,
}

/// How one CI system names its jobs. Several variables are joined; the first one that is absent makes the whole
/// value unknown.
struct Provider {
    name: &'static str,
    /// Set in every job of this system, and in no other's.
    mark: &'static str,
    /// Joined with `/`.
    repo: &'static [&'static str],
    /// Joined with `.`.
    job: &'static [&'static str],
    node: &'static str,
}

/// One row per CI system, from the list of variables that its documentation calls predefined. A system that gives
/// each parallel run a job ID of its own still tells its index, which is harmless. GitHub tells no index of a matrix;
/// what differs between its runs is the runner.
const PROVIDERS: &[Provider] = &[
    Provider {
        name: "circleci",
        mark: "CIRCLECI",
        repo: &["CIRCLE_PROJECT_USERNAME", "CIRCLE_PROJECT_REPONAME"],
        job: &["CIRCLE_BUILD_NUM"],
        node: "CIRCLE_NODE_INDEX",
    },
    Provider {
        name: "github",
        mark: "GITHUB_ACTIONS",
        repo: &["GITHUB_REPOSITORY"],
        job: &["GITHUB_RUN_ID", "GITHUB_RUN_ATTEMPT", "GITHUB_JOB"],
        node: "RUNNER_NAME",
    },
    Provider {
        name: "gitlab",
        mark: "GITLAB_CI",
        repo: &["CI_PROJECT_PATH"],
        job: &["CI_JOB_ID"],
        node: "CI_NODE_INDEX",
    },
    Provider {
        name: "buildkite",
        mark: "BUILDKITE",
        repo: &["BUILDKITE_ORGANIZATION_SLUG", "BUILDKITE_PIPELINE_SLUG"],
        job: &["BUILDKITE_JOB_ID"],
        node: "BUILDKITE_PARALLEL_JOB",
    },
    Provider {
        name: "jenkins",
        mark: "JENKINS_URL",
        repo: &["JOB_NAME"],
        job: &["BUILD_NUMBER"],
        node: "NODE_NAME",
    },
    Provider {
        name: "azure",
        mark: "TF_BUILD",
        repo: &["BUILD_REPOSITORY_NAME"],
        job: &["BUILD_BUILDID", "SYSTEM_JOBID"],
        node: "SYSTEM_JOBPOSITIONINPHASE",
    },
];

impl JobId {
    /// Tells the job from environment variables, or [`local`](Self::local) outside of CI.
    ///
    /// A variable that its system documents but does not set leaves `unknown` (or node `0`).
    ///
    /// ```
    /// use epitaph_store::JobId;
    ///
    /// let job = JobId::from_env(|name| std::env::var(name).ok());
    /// assert!(!job.provider.is_empty());
    /// ```
    pub fn from_env(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let get = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let joined = |names: &[&str], by: &str| {
            let values: Option<Vec<String>> = names.iter().map(|name| get(name)).collect();
            values.map_or_else(|| "unknown".to_owned(), |values| values.join(by))
        };
        let Some(provider) = PROVIDERS.iter().find(|provider| get(provider.mark).is_some()) else {
            return Self::local("local");
        };
        Self {
            provider: provider.name.to_owned(),
            repo: joined(provider.repo, "/"),
            job: joined(provider.job, "."),
            node: get(provider.node).unwrap_or_else(|| "0".to_owned()),
        }
    }

    /// A job outside of CI, under a name of the caller's choice.
    pub fn local(job: impl Into<String>) -> Self {
        Self { provider: "local".into(), repo: "local".into(), job: job.into(), node: "0".into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(env: &[(&str, &str)]) -> [String; 4] {
        let id = JobId::from_env(|name| {
            env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        });
        [id.provider, id.repo, id.job, id.node]
    }

    #[test]
    fn each_system_by_its_variables() {
        let circle = [
            ("CIRCLECI", "true"),
            ("CI", "true"),
            ("CIRCLE_PROJECT_USERNAME", "acme"),
            ("CIRCLE_PROJECT_REPONAME", "app"),
            ("CIRCLE_BUILD_NUM", "1234"),
            ("CIRCLE_NODE_INDEX", "3"),
        ];
        assert_eq!(job(&circle), ["circleci", "acme/app", "1234", "3"]);
        let github = [
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_REPOSITORY", "acme/app"),
            ("GITHUB_RUN_ID", "9454698428"),
            ("GITHUB_RUN_ATTEMPT", "2"),
            ("GITHUB_JOB", "test"),
            ("RUNNER_NAME", "GitHub Actions 7"),
        ];
        assert_eq!(job(&github), ["github", "acme/app", "9454698428.2.test", "GitHub Actions 7"]);
        let gitlab = [("GITLAB_CI", "true"), ("CI_PROJECT_PATH", "g/sub/app"), ("CI_JOB_ID", "77")];
        assert_eq!(job(&gitlab), ["gitlab", "g/sub/app", "77", "0"]);
        let buildkite = [
            ("BUILDKITE", "true"),
            ("BUILDKITE_ORGANIZATION_SLUG", "acme"),
            ("BUILDKITE_PIPELINE_SLUG", "app"),
            ("BUILDKITE_JOB_ID", "0190-ab"),
            ("BUILDKITE_PARALLEL_JOB", "1"),
        ];
        assert_eq!(job(&buildkite), ["buildkite", "acme/app", "0190-ab", "1"]);
        let jenkins = [("JENKINS_URL", "http://j/"), ("JOB_NAME", "team/app/main"), ("BUILD_NUMBER", "5")];
        assert_eq!(job(&jenkins), ["jenkins", "team/app/main", "5", "0"]);
        let azure = [
            ("TF_BUILD", "True"),
            ("BUILD_REPOSITORY_NAME", "acme/app"),
            ("BUILD_BUILDID", "42"),
            ("SYSTEM_JOBID", "12f1"),
            ("SYSTEM_JOBPOSITIONINPHASE", "2"),
        ];
        assert_eq!(job(&azure), ["azure", "acme/app", "42.12f1", "2"]);
    }

    #[test]
    fn absent_or_empty_variables() {
        assert_eq!(job(&[]), ["local", "local", "local", "0"]);
        assert_eq!(job(&[("CIRCLECI", "")]), ["local", "local", "local", "0"]);
        let half = [("CIRCLECI", "true"), ("CIRCLE_PROJECT_USERNAME", "acme"), ("CIRCLE_NODE_INDEX", "")];
        assert_eq!(job(&half), ["circleci", "unknown", "unknown", "0"]);
    }
}
