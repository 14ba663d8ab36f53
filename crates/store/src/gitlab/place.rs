//! What of GitLab a URL names: the artifacts of a job, or a version of a generic package.

use percent_encoding::percent_decode_str;
use url::Url;

use crate::StoreError;
use crate::http::strip_user;

const FORMS: &str = "expected https://HOST/GROUP/PROJECT/-/jobs/ID, gitlab://GROUP/PROJECT/-/jobs/ID or \
                     …/api/v4/projects/ID/packages/generic/NAME/VERSION";

/// What is asked for, and of which server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GitlabPlace {
    /// The server that the URL names; the configured one if it names none.
    pub(crate) server: Option<Url>,
    /// `group/subgroup/project`, or the project's number.
    pub(crate) project: String,
    pub(crate) what: GitlabWhat,
}

/// What of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GitlabWhat {
    /// The archive that a job stored.
    Job { id: u64 },
    /// A version of a generic package.
    Package { name: String, version: String },
}

impl GitlabPlace {
    /// Understands a job's page as the browser shows it, and addresses of the API; nothing if the URL is of something
    /// else.
    pub(crate) fn of_page(url: &Url) -> Option<Result<Self, StoreError>> {
        let segments: Vec<&str> = url.path_segments()?.filter(|segment| !segment.is_empty()).collect();
        let api = segments.windows(3).position(|window| window == ["api", "v4", "projects"]);
        let (root, project, rest) = if let Some(at) = api {
            let (root, rest) = segments.split_at_checked(at)?;
            let (project, rest) = rest.get(3..)?.split_first()?;
            if !matches!(rest.first(), Some(&"jobs" | &"packages")) {
                return None;
            }
            (root, std::slice::from_ref(project), rest)
        } else {
            let dash = segments.windows(2).position(|window| matches!(window, ["-", "jobs"]))?;
            let (project, rest) = segments.split_at_checked(dash)?;
            (&[][..], project, rest.get(1..)?)
        };
        let mut server = url.clone();
        server.set_path(&root.join("/"));
        server.set_query(None);
        strip_user(&mut server);
        Some(Self::parse(Some(server), project, rest))
    }

    /// Understands what follows `gitlab://`.
    pub(crate) fn of_short(rest: &str) -> Result<Self, StoreError> {
        // What follows a `?` may be a token.
        let path = rest.split(['?', '#']).next().unwrap_or_default();
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        let dash = segments.iter().position(|segment| *segment == "-").ok_or_else(bad)?;
        let (project, rest) = segments.split_at_checked(dash).ok_or_else(bad)?;
        Self::parse(None, project, rest.get(1..).unwrap_or_default())
    }

    fn parse(server: Option<Url>, project: &[&str], rest: &[&str]) -> Result<Self, StoreError> {
        let project: Option<Vec<String>> = project.iter().map(|segment| name(segment)).collect();
        let project = project.filter(|names| !names.is_empty()).ok_or_else(bad)?.join("/");
        let what = match rest {
            // What follows says how a job is looked at.
            ["jobs", id, ..] => GitlabWhat::Job { id: id.parse().map_err(|_| bad())? },
            ["packages", "generic", package, version] => GitlabWhat::Package {
                name: name(package).ok_or_else(bad)?,
                version: name(version).ok_or_else(bad)?,
            },
            _ => return Err(bad()),
        };
        Ok(Self { server, project, what })
    }

    /// The place as a person may see it.
    pub(crate) fn url(&self) -> String {
        match &self.what {
            GitlabWhat::Job { id } => format!("gitlab://{}/-/jobs/{id}", self.project),
            GitlabWhat::Package { name, version } => {
                format!("gitlab://{}/-/packages/generic/{name}/{version}", self.project)
            }
        }
    }

    /// What it is called beside others of its project.
    pub(crate) fn job(&self) -> String {
        match &self.what {
            GitlabWhat::Job { id } => id.to_string(),
            GitlabWhat::Package { name, version } => format!("{name}/{version}"),
        }
    }
}

fn bad() -> StoreError {
    // What was given may hold a password, and isn't told.
    StoreError::BadUrl { url: "gitlab://…".to_owned(), why: FORMS }
}

/// A name that stays one component of a path, or a project's path in one.
fn name(text: &str) -> Option<String> {
    let name = percent_decode_str(text).decode_utf8().ok()?.into_owned();
    let is_step = |part: &str| matches!(part, "" | "." | "..");
    (!name.split('/').any(is_step) && !name.chars().any(char::is_control)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(text: &str) -> Option<Result<GitlabPlace, StoreError>> {
        GitlabPlace::of_page(&Url::parse(text).unwrap())
    }

    #[test]
    fn jobs() {
        for tail in ["", "/", "/artifacts/browse", "/raw", "?x=y", "#L12"] {
            let job = page(&format!("https://git.example/acme/sub/app/-/jobs/42{tail}")).unwrap().unwrap();
            assert_eq!(job.server.as_ref().unwrap().as_str(), "https://git.example/", "{tail}");
            assert_eq!(job.url(), "gitlab://acme/sub/app/-/jobs/42", "{tail}");
            let short = GitlabPlace::of_short(&format!("acme/sub/app/-/jobs/42{tail}")).unwrap();
            assert_eq!((short.server, short.what), (None, job.what), "{tail}");
        }
        let job = page("https://h/git/api/v4/projects/acme%2Fapp/jobs/42/artifacts").unwrap().unwrap();
        assert_eq!(job.server.as_ref().unwrap().as_str(), "https://h/git");
        assert_eq!(job.url(), "gitlab://acme/app/-/jobs/42");
    }

    #[test]
    fn packages() {
        let url = "https://gitlab.com/api/v4/projects/17/packages/generic/epitaph/4711";
        let package = page(url).unwrap().unwrap();
        assert_eq!(package.url(), "gitlab://17/-/packages/generic/epitaph/4711");
        assert_eq!(GitlabPlace::of_short("17/-/packages/generic/epitaph/4711").unwrap().what, package.what);
    }

    #[test]
    fn what_is_none_of_them() {
        for other in ["https://git.example/acme/app", "https://h/bucket/-/key", "https://h/api/v4/projects/1"]
        {
            assert!(page(other).is_none(), "{other}");
        }
        for bad in [
            "https://h/-/jobs/1",
            "https://h/a/b/-/jobs/x",
            "https://h/a/%2e%2e/-/jobs/1",
            "https://h/api/v4/projects/1/packages/npm/x",
            "https://h/api/v4/projects/1/packages/generic/x/..%2fy",
        ] {
            assert!(page(bad).unwrap().is_err(), "{bad}");
        }
        let error = GitlabPlace::of_short("acme/app/-/nonsense?private_token=secret").unwrap_err();
        assert!(!format!("{error:?}").contains("secret"));
    }
}
