//! What a person types or pastes to name something of CircleCI's: `circleci://…`, or the address of a page.
//!
//! The pages are those that the web application links: `…/pipelines/VCS/ORG/REPO/NUMBER[/workflows/ID[/jobs/NUMBER]]`,
//! `…/jobs/VCS/ORG/REPO/NUMBER` and, from before it, `…/VCS/ORG/REPO/NUMBER`; and the lists of artifacts of both APIs, as
//! they stand in scripts. A page's address only says *what* is meant. Whom to ask is configured: no address that
//! somebody pastes decides who gets the token.

use std::fmt;

use percent_encoding::percent_decode_str;
use url::Url;

use crate::StoreError;
use crate::paths::encode_component;

/// Hosts whose pages are those of the public service.
const PUBLIC_HOSTS: [&str; 3] = ["circleci.com", "app.circleci.com", "www.circleci.com"];

/// What API v1.1 can be asked to choose the latest job from.
const FILTERS: [&str; 4] = ["completed", "successful", "failed", "running"];

/// A project, by the three parts of its slug.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Project {
    /// `github`, `bitbucket`, or `circleci` where the organisation is no VCS's: then the other two are IDs.
    pub(crate) vcs: &'static str,
    pub(crate) org: String,
    pub(crate) repo: String,
}

/// Which artifacts of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    /// Those of one job, by its number.
    Job(u64),
    /// Those of all jobs of a workflow, by its ID.
    Workflow(String),
    /// Those of all workflows of a pipeline, by its number.
    Pipeline(u64),
    /// Those of the latest job: of any branch and with any outcome, where none is named.
    Latest { branch: Option<String>, filter: Option<&'static str> },
}

/// Some artifacts of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) project: Project,
    pub(crate) what: What,
}

impl Address {
    /// Understands what follows `circleci://`.
    pub(crate) fn of_scheme(rest: &str) -> Result<Self, StoreError> {
        let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
        // A query other than that of `latest` is most likely a token, and a user name likewise: they are not told.
        let shown = path.split('#').next().unwrap_or_default();
        let shown = shown.rsplit_once('@').map_or(shown, |(_, path)| path);
        let bad = |why| StoreError::BadCircleCiUrl { url: format!("circleci://{shown}"), why };
        if shown.len() != path.len() || rest.contains('#') {
            return Err(bad("it must hold neither a fragment nor a user name"));
        }
        let segments: Vec<&str> = path.strip_suffix('/').unwrap_or(path).split('/').collect();
        let (project, what) = match segments.as_slice() {
            [vcs, org, repo, "latest"] => (project(vcs, org, repo), latest(query.unwrap_or_default())),
            _ if query.is_some() => return Err(bad("only `latest` takes a query: branch and filter")),
            [vcs, org, repo, "workflows", id] => (project(vcs, org, repo), workflow(id)),
            [vcs, org, repo, "pipelines", number] => {
                (project(vcs, org, repo), numbered(number).map(What::Pipeline))
            }
            [vcs, org, repo, job] => (project(vcs, org, repo), numbered(job).map(What::Job)),
            _ => return Err(bad("expected circleci://VCS/ORG/REPO/JOB_NUMBER")),
        };
        Ok(Self { project: project.map_err(bad)?, what: what.map_err(bad)? })
    }

    /// Understands a page's address, if it is one of CircleCI's: of the public service, or of the server that is
    /// configured. `None` means that it is somebody else's.
    pub(crate) fn of_page(text: &str, server: Option<&str>) -> Option<Result<Self, StoreError>> {
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
        let path = path_of_page(&url, server)?;
        let shown = || format!("{}://{}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path());
        Some(of_path(path).map_err(|why| StoreError::BadCircleCiUrl { url: shown(), why }))
    }
}

/// The part of a page's path that follows the address of the server it is on.
fn path_of_page<'a>(url: &'a Url, server: Option<&str>) -> Option<&'a str> {
    let host = url.host_str()?;
    if PUBLIC_HOSTS.contains(&host) {
        return Some(url.path());
    }
    let server = Url::parse(server?).ok()?;
    let own = server.host_str()?;
    // A server of one's own has its pages on its own host or, in versions before 4, on `app.` of it.
    let is_own = host == own || host.strip_prefix("app.") == Some(own);
    let below = url.path().strip_prefix(server.path().trim_end_matches('/'));
    below.filter(|_| is_own && url.port_or_known_default() == server.port_or_known_default())
}

fn of_path(path: &str) -> Result<Address, &'static str> {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let (project, what) = match segments.as_slice() {
        ["pipelines", vcs, org, repo, _, "workflows", _, "jobs", job, ..]
        | ["jobs", vcs, org, repo, job, ..]
        | ["api", "v1.1" | "v2", "project", vcs, org, repo, job, "artifacts"] => {
            (project(vcs, org, repo), numbered(job).map(What::Job))
        }
        ["pipelines", vcs, org, repo, _, "workflows", id, ..] => (project(vcs, org, repo), workflow(id)),
        ["pipelines", vcs, org, repo, number] => {
            (project(vcs, org, repo), numbered(number).map(What::Pipeline))
        }
        [vcs @ ("gh" | "bb" | "github" | "bitbucket"), org, repo, job, ..] => {
            (project(vcs, org, repo), numbered(job).map(What::Job))
        }
        _ => return Err("it is no page of a job, a workflow or a pipeline"),
    };
    Ok(Address { project: project?, what: what? })
}

fn project(vcs: &str, org: &str, repo: &str) -> Result<Project, &'static str> {
    let vcs = match vcs {
        "github" | "gh" => "github",
        "bitbucket" | "bb" => "bitbucket",
        "circleci" => "circleci",
        _ => return Err("the VCS is one of github, gh, bitbucket, bb, circleci"),
    };
    let org = name(org).ok_or("the organisation is no name")?;
    let repo = name(repo).ok_or("the repository is no name")?;
    Ok(Project { vcs, org, repo })
}

fn name(text: &str) -> Option<String> {
    let name = percent_decode_str(text).decode_utf8().ok()?.into_owned();
    // A URL parser would take these as steps up the path, and the token would go to another endpoint.
    (!matches!(name.as_str(), "" | "." | "..") && !name.chars().any(|char| char.is_control() || char == '/'))
        .then_some(name)
}

fn numbered(text: &str) -> Result<u64, &'static str> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or("the job's or pipeline's number is no number")
}

fn workflow(id: &str) -> Result<What, &'static str> {
    let id = id.to_ascii_lowercase();
    if is_uuid(&id) { Ok(What::Workflow(id)) } else { Err("the workflow's ID is no UUID") }
}

/// Whether a text is a UUID (RFC 9562, 4), and so harmless in a path.
pub(super) fn is_uuid(text: &str) -> bool {
    let mut groups = text.split('-');
    let hex = |group: Option<&str>, length| {
        group.is_some_and(|group| group.len() == length && group.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    [8, 4, 4, 4, 12].into_iter().all(|length| hex(groups.next(), length)) && groups.next().is_none()
}

fn latest(query: &str) -> Result<What, &'static str> {
    let (mut branch, mut filter) = (None, None);
    for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match &*key {
            "branch" if !value.is_empty() => branch = Some(value.into_owned()),
            "branch" => return Err("the branch has no name"),
            "filter" => {
                let known = FILTERS.into_iter().find(|known| *known == value);
                filter = Some(known.ok_or("the filter is one of completed, successful, failed, running")?);
            }
            _ => return Err("`latest` takes only branch and filter"),
        }
    }
    Ok(What::Latest { branch, filter })
}

impl Project {
    /// The organisation and the repository.
    pub(crate) fn repo(&self) -> String {
        format!("{}/{}", self.org, self.repo)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Project { vcs, org, repo } = &self.project;
        write!(f, "circleci://{vcs}/{}/{}", encode_component(org), encode_component(repo))?;
        match &self.what {
            What::Job(number) => write!(f, "/{number}"),
            What::Workflow(id) => write!(f, "/workflows/{id}"),
            What::Pipeline(number) => write!(f, "/pipelines/{number}"),
            What::Latest { branch, filter } => {
                f.write_str("/latest")?;
                let branch = branch.as_deref().map(|branch| format!("branch={}", encode_component(branch)));
                let filter = filter.map(|filter| format!("filter={filter}"));
                let query: Vec<String> = branch.into_iter().chain(filter).collect();
                if query.is_empty() { Ok(()) } else { write!(f, "?{}", query.join("&")) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "b0cd9930-1f53-4e24-9f59-b4b53b5a4645";

    fn of_scheme(rest: &str) -> String {
        Address::of_scheme(rest).unwrap().to_string()
    }

    fn of_page(text: &str, server: Option<&str>) -> String {
        Address::of_page(text, server).unwrap().unwrap().to_string()
    }

    #[test]
    fn schemes() {
        assert_eq!(of_scheme("github/acme/app/1234"), "circleci://github/acme/app/1234");
        assert_eq!(of_scheme("gh/acme/app/1234/"), "circleci://github/acme/app/1234");
        assert_eq!(of_scheme("bb/a%20b/app/1"), "circleci://bitbucket/a%20b/app/1");
        assert_eq!(of_scheme("circleci/GM1m/5gh9/7"), "circleci://circleci/GM1m/5gh9/7");
        let workflow = format!("gh/acme/app/workflows/{}", ID.to_uppercase());
        assert_eq!(of_scheme(&workflow), format!("circleci://github/acme/app/workflows/{ID}"));
        assert_eq!(of_scheme("gh/acme/app/pipelines/7"), "circleci://github/acme/app/pipelines/7");
        assert_eq!(of_scheme("gh/acme/app/latest"), "circleci://github/acme/app/latest");
        let latest = Address::of_scheme("gh/acme/app/latest?filter=failed&branch=fix%2Fa+b").unwrap();
        let what = What::Latest { branch: Some("fix/a b".into()), filter: Some("failed") };
        assert_eq!(latest.what, what);
        assert_eq!(latest.to_string(), "circleci://github/acme/app/latest?branch=fix%2Fa%20b&filter=failed");
    }

    #[test]
    fn what_a_scheme_shows_it_also_understands() {
        for rest in ["gh/a%20b/c%3Fd/7", "gh/a/b/latest?branch=x%26filter%3Dy&filter=running"] {
            let address = Address::of_scheme(rest).unwrap();
            let again = Address::of_scheme(address.to_string().strip_prefix("circleci://").unwrap()).unwrap();
            assert_eq!(address, again);
        }
    }

    #[test]
    fn bad_schemes() {
        for bad in [
            "",
            "github/acme/app",
            "gitlab/acme/app/1",
            "github/acme/app/+1",
            "github/acme/app/99999999999999999999999",
            "github/../app/1",
            "github/acme/%2e%2e/1",
            "github/acme%2Fx/app/1",
            "github/acme%0Ax/app/1",
            "github//app/1",
            "github/acme/app/1/x",
            "github/acme/app/workflows/../../me",
            "github/acme/app/workflows/b0cd9930-1f53-4e24-9f59",
            "github/acme/app/pipelines/x",
            "github/acme/app/latest?filter=any",
            "github/acme/app/latest?branch=",
            "github/acme/app/latest?tag=1",
        ] {
            let error = Address::of_scheme(bad).unwrap_err();
            assert!(matches!(error, StoreError::BadCircleCiUrl { .. }), "{bad}: {error}");
            assert!(error.hint().unwrap().contains("circleci://github/ORG/REPO"), "{bad}");
        }
    }

    #[test]
    fn pages() {
        let job = "circleci://github/acme/app/456";
        let pipeline = "https://app.circleci.com/pipelines/github/acme/app/123";
        for page in [
            format!("{pipeline}/workflows/{ID}/jobs/456"),
            format!("{pipeline}/workflows/{ID}/jobs/456/artifacts"),
            format!(
                "{pipeline}/workflows/{ID}/jobs/456/parallel-runs/0/steps/0-103?invite=true#step-103-0_28"
            ),
            "https://circleci.com/gh/acme/app/456".into(),
            "https://circleci.com/gh/acme/app/456#artifacts/containers/0".into(),
            "https://app.circleci.com/jobs/github/acme/app/456/".into(),
            "https://circleci.com/api/v1.1/project/github/acme/app/456/artifacts?circle-token=x".into(),
            "https://circleci.com/api/v2/project/gh/acme/app/456/artifacts".into(),
        ] {
            assert_eq!(of_page(&page, None), job, "{page}");
        }
        let workflow = format!("circleci://github/acme/app/workflows/{ID}");
        assert_eq!(of_page(&format!("{pipeline}/workflows/{ID}"), None), workflow);
        assert_eq!(of_page(&format!("{pipeline}/workflows/{ID}/"), None), workflow);
        assert_eq!(of_page(pipeline, None), "circleci://github/acme/app/pipelines/123");
        let standalone =
            format!("https://app.circleci.com/pipelines/circleci/GM1m/5gh9/1/workflows/{ID}/jobs/2");
        assert_eq!(of_page(&standalone, None), "circleci://circleci/GM1m/5gh9/2");
    }

    #[test]
    fn pages_of_a_server_of_one_s_own() {
        let server = Some("https://ci.example:8443/sub/");
        let job = "circleci://bitbucket/acme/app/4";
        for page in [
            "https://ci.example:8443/sub/bb/acme/app/4",
            "https://ci.example:8443/sub/jobs/bitbucket/acme/app/4",
            "https://app.ci.example:8443/sub/bb/acme/app/4",
        ] {
            assert_eq!(of_page(page, server), job, "{page}");
            assert!(Address::of_page(page, None).is_none(), "{page}");
        }
        for page in ["https://ci.example/sub/bb/acme/app/4", "https://evil.example:8443/sub/bb/acme/app/4"] {
            assert!(Address::of_page(page, server).is_none(), "{page}");
        }
        // What is pasted names the job; the configured server is the one that is asked.
        assert_eq!(of_page("https://circleci.com/bb/acme/app/4", server), job);
    }

    #[test]
    fn pages_that_name_nothing() {
        for page in [
            "https://circleci.com/",
            "https://app.circleci.com/pipelines/github/acme",
            "https://circleci.com/docs/",
        ] {
            let error = Address::of_page(page, None).unwrap().unwrap_err();
            assert!(error.to_string().contains("no page of a job"), "{error}");
        }
        for page in [
            "https://example.com/gh/acme/app/4",
            "https://circleci.com.evil.example/gh/a/b/4",
            "circleci.com/gh/a/b/4",
        ] {
            assert!(Address::of_page(page, None).is_none(), "{page}");
        }
    }

    #[test]
    fn secrets_are_not_told() {
        for rest in [
            "gh/a/b/1?circle-token=secret",
            "token:secret@gh/a/b/1",
            "gh/a/b/1#secret",
            "gh/a/b/latest?secret=secret",
            "gh/a/b/latest?branch=x#secret",
        ] {
            let error = Address::of_scheme(rest).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
        }
        let error = Address::of_page("https://u:secret@circleci.com/x?circle-token=secret#secret", None)
            .unwrap()
            .unwrap_err();
        assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    }
}
