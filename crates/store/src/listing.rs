//! What a store holds: jobs and their artifacts.

use std::collections::BTreeMap;
use std::fmt;

use url::Url;

use crate::StoreError;
use crate::warning::Warning;

/// One file of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Its path in the job, as the store names it. Hostile: it need not be a safe local path.
    pub path: String,
    /// The parallel run of the job that pushed it.
    pub node: String,
    /// Its size in bytes, where the store tells.
    pub size: Option<u64>,
    /// The SHA-256 of its content in lower-case hex, where the store tells.
    pub sha256: Option<String>,
    /// Where the store serves it, where that isn't told by the others. Hostile: it need not lead to the store's host.
    pub url: Option<String>,
}

impl Artifact {
    /// Where the store serves it, for stores that always tell.
    pub(crate) fn parsed_url(&self) -> Result<Url, StoreError> {
        let url = self.url.as_deref().and_then(|url| Url::parse(url).ok());
        url.ok_or_else(|| StoreError::BadUrl { url: self.path.clone(), why: "the artifact has no URL" })
    }

    /// Whether it is a crash's summary as epitaph writes it: `…/crashes/<id>/summary.json`.
    pub fn is_summary(&self) -> bool {
        let mut parts = self.path.rsplit('/');
        parts.next() == Some("summary.json") && parts.nth(1) == Some("crashes")
    }
}

/// The artifacts of one job: the union of its pushes and its nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Who ran it: `circleci`, `github`, …, `local`.
    pub provider: String,
    /// The repository or project.
    pub repo: String,
    /// The provider's name for this one run of a job.
    pub job: String,
    /// When its last push was made (RFC 3339, UTC), where the store tells.
    pub created: Option<String>,
    /// Its files, sorted by node and path.
    pub artifacts: Vec<Artifact>,
}

impl Run {
    /// Whether several nodes have an artifact of the same path, so that they need a folder each.
    pub fn nodes_collide(&self) -> bool {
        let mut owner = BTreeMap::new();
        self.artifacts.iter().any(|artifact| {
            *owner.entry(artifact.path.as_str()).or_insert(artifact.node.as_str()) != artifact.node
        })
    }
}

/// The answer of `ls`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// The jobs that were selected, newest first.
    pub runs: Vec<Run>,
    /// Manifests that could not be read, so that something may be missing above.
    pub warnings: Vec<Warning>,
}

/// Which jobs, and which nodes of them; a field that is `None` selects all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only jobs of this repository.
    pub repo: Option<String>,
    /// Only the job of this name.
    pub job: Option<String>,
    /// Only artifacts of this node.
    pub node: Option<String>,
}

impl Selection {
    pub(crate) fn takes_job(&self, repo: &str, job: &str) -> bool {
        self.repo.as_deref().is_none_or(|wanted| wanted == repo)
            && self.job.as_deref().is_none_or(|wanted| wanted == job)
    }

    pub(crate) fn takes_node(&self, node: &str) -> bool {
        self.node.as_deref().is_none_or(|wanted| wanted == node)
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [("repo", &self.repo), ("job", &self.job), ("node", &self.node)];
        let mut any = false;
        for (name, value) in parts {
            if let Some(value) = value {
                write!(f, "{}{name} `{value}`", if any { ", " } else { "" })?;
                any = true;
            }
        }
        if any { Ok(()) } else { f.write_str("any job") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(artifacts: &[(&str, &str)]) -> Run {
        let artifact = |(node, path): &(&str, &str)| Artifact {
            path: (*path).into(),
            node: (*node).into(),
            size: None,
            sha256: None,
            url: None,
        };
        Run {
            provider: "local".into(),
            repo: "local".into(),
            job: "1".into(),
            created: None,
            artifacts: artifacts.iter().map(artifact).collect(),
        }
    }

    #[test]
    fn summaries_are_known_by_their_paths() {
        let is = |path: &str| run(&[("0", path)]).artifacts[0].is_summary();
        assert!(is("crashes/x/summary.json") && is("a/b/crashes/x/summary.json"));
        assert!(!is("summary.json") && !is("crashes/summary.json") && !is("crashes/x/y/summary.json"));
    }

    #[test]
    fn nodes_collide_only_on_the_same_path() {
        assert!(!run(&[("0", "a"), ("1", "b")]).nodes_collide());
        assert!(!run(&[("0", "a"), ("0", "b")]).nodes_collide());
        assert!(run(&[("0", "a"), ("0", "b"), ("1", "b")]).nodes_collide());
    }

    #[test]
    fn a_selection_is_told_in_words() {
        assert_eq!(Selection::default().to_string(), "any job");
        let selection = Selection { repo: Some("acme/app".into()), job: None, node: Some("1".into()) };
        assert_eq!(selection.to_string(), "repo `acme/app`, node `1`");
    }
}
