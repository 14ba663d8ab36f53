//! The job that artifacts are of.

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

impl JobId {
    /// A job outside of CI, under a name of the caller's choice.
    ///
    /// ```
    /// use epitaph_store::JobId;
    ///
    /// assert_eq!(JobId::local("nightly").provider, "local");
    /// ```
    pub fn local(job: impl Into<String>) -> Self {
        Self { provider: "local".into(), repo: "local".into(), job: job.into(), node: "0".into() }
    }
}
