//! Lists of artifacts in the shape of CircleCI's API, for what knows that: v1.1
//! (<https://circleci.com/docs/api/v1/#artifacts-of-a-job>) and v2
//! (<https://circleci.com/docs/api/v2/#tag/Job/operation/getJobArtifacts>).
//!
//! Jobs of any CI system are listed so. CircleCI's own, which the store knows by organisation, repository and build
//! number, are found under any version control system; others also under their provider's name.

mod v1;
mod v2;

use axum::http::Uri;
use percent_encoding::percent_decode_str;

use crate::catalog::{Job, Jobs};

pub(crate) use v1::list as v1;
pub(crate) use v2::list as v2;

/// Names of version control systems in the paths of CircleCI's API.
const SYSTEMS: [&str; 5] = ["github", "gh", "bitbucket", "bb", "circleci"];

/// Which job a path names: `VCS/ORG/REPO/JOB/artifacts`. Repositories may have more or fewer parts.
#[derive(Debug, PartialEq, Eq)]
struct Named {
    system: String,
    repo: String,
    job: String,
}

impl Named {
    /// Understands the path of a URL behind `prefix`.
    fn parse(uri: &Uri, prefix: &str) -> Option<Self> {
        let decode = |part: &str| percent_decode_str(part).decode_utf8().ok().map(String::from);
        let parts = uri.path().strip_prefix(prefix)?.split('/').map(decode).collect::<Option<Vec<_>>>()?;
        let [system, repo @ .., job, artifacts] = parts.as_slice() else { return None };
        (artifacts == "artifacts" && !repo.is_empty()).then(|| Self {
            system: system.clone(),
            repo: repo.join("/"),
            job: job.clone(),
        })
    }

    /// The job that is meant, of those with this repository and name.
    fn job<'a>(&self, jobs: &'a Jobs) -> Option<&'a Job> {
        self.meant(&jobs.jobs).next()
    }

    /// The jobs that may be meant, in their order.
    fn meant<'a>(&self, jobs: &'a [Job]) -> impl Iterator<Item = &'a Job> {
        let is_system = SYSTEMS.contains(&self.system.as_str());
        let circleci = is_system && jobs.iter().any(|job| job.provider == "circleci");
        let provider = if circleci { "circleci".to_owned() } else { self.system.clone() };
        jobs.iter().filter(move |job| job.provider == provider || (is_system && !circleci))
    }
}

/// Gives each node a number, which the API needs: its own, or its place among the names.
fn node_index(job: &Job) -> impl Fn(&str) -> u64 {
    let nodes = job.nodes();
    let numbers: Option<Vec<u64>> = nodes.iter().map(|node| node.parse().ok()).collect();
    move |node| match &numbers {
        Some(_) => node.parse().unwrap_or_default(),
        None => nodes.iter().position(|known| *known == node).unwrap_or_default() as u64,
    }
}

#[cfg(test)]
mod tests {
    use epitaph_store::Artifact;

    use super::*;

    fn job(provider: &str, nodes: &[&str]) -> Job {
        let artifact = |node: &&str| Artifact {
            path: "a".into(),
            node: (*node).into(),
            size: None,
            sha256: None,
            url: None,
        };
        Job {
            provider: provider.into(),
            repo: "acme/app".into(),
            name: "1".into(),
            created: None,
            artifacts: nodes.iter().map(artifact).collect(),
            unnamed: Vec::new(),
        }
    }

    #[test]
    fn paths() {
        let named = |path: &str| Named::parse(&path.parse().unwrap(), "/p/");
        let expected =
            |repo: &str, job: &str| Some(Named { system: "gh".into(), repo: repo.into(), job: job.into() });
        assert_eq!(named("/p/gh/acme/app/42/artifacts"), expected("acme/app", "42"));
        assert_eq!(named("/p/gh/a%20b/c/d/x%2Fy/artifacts?q"), expected("a b/c/d", "x/y"));
        assert_eq!(named("/p/gh/local/nightly/artifacts"), expected("local", "nightly"));
        for path in [
            "/p/gh/42/artifacts",
            "/p/gh/acme/app/42",
            "/p/gh/acme/app/42/artifacts/",
            "/p/gh/a/%ff/1/artifacts",
        ] {
            assert_eq!(named(path), None, "{path}");
        }
    }

    #[test]
    fn providers() {
        let meant = |system: &str, providers: &[&str]| {
            let jobs: Vec<Job> = providers.iter().map(|provider| job(provider, &[])).collect();
            let named = Named { system: system.into(), repo: String::new(), job: String::new() };
            named.meant(&jobs).map(|job| job.provider.clone()).collect::<Vec<_>>()
        };
        assert_eq!(meant("gh", &["local", "circleci"]), ["circleci"]);
        assert_eq!(meant("github", &["github", "local"]), ["github", "local"]);
        assert_eq!(meant("local", &["local", "circleci"]), ["local"]);
        assert!(meant("gitlab", &["local", "circleci"]).is_empty());
    }

    #[test]
    fn nodes_have_numbers() {
        assert_eq!(node_index(&job("local", &["10", "2"]))("10"), 10);
        let named = job("local", &["runner b", "1"]);
        assert_eq!((node_index(&named)("1"), node_index(&named)("runner b")), (0, 1));
    }
}
