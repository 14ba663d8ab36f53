//! Which run of GitHub Actions a URL names.

use percent_encoding::percent_decode_str;
use url::Url;

use crate::StoreError;
use crate::http::strip_user;

/// What is written where a URL can't be understood.
const FORMS: &str = "expected https://HOST/OWNER/REPO/actions/runs/ID or github://OWNER/REPO/runs/ID";

/// A run of a workflow, and what of it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GithubRun {
    /// The server that the URL names; the configured one if it names none.
    pub(crate) server: Option<Url>,
    pub(crate) owner: String,
    pub(crate) repo: String,
    pub(crate) id: u64,
    /// Only what was stored by this attempt; they count from 1.
    pub(crate) attempt: Option<u64>,
    /// Only this artifact.
    pub(crate) artifact: Option<u64>,
    /// Whether the URL names one of the run's jobs.
    pub(crate) of_job: bool,
}

impl GithubRun {
    /// Understands a page of a run as the browser shows it; nothing if the URL is of something else.
    pub(crate) fn of_page(url: &Url) -> Option<Result<Self, StoreError>> {
        let segments: Vec<&str> = url.path_segments()?.filter(|segment| !segment.is_empty()).collect();
        let [owner, repo, "actions", "runs", rest @ ..] = segments.as_slice() else { return None };
        let mut server = url.clone();
        server.set_path("/");
        server.set_query(None);
        strip_user(&mut server);
        Some(Self::parse(Some(server), owner, repo, rest))
    }

    /// Understands what follows `github://`.
    pub(crate) fn of_short(rest: &str) -> Result<Self, StoreError> {
        // What follows a `?` may be a token.
        let path = rest.split(['?', '#']).next().unwrap_or_default();
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        match segments.as_slice() {
            [owner, repo, "runs", rest @ ..] | [owner, repo, "actions", "runs", rest @ ..] => {
                Self::parse(None, owner, repo, rest)
            }
            _ => Err(bad(None)),
        }
    }

    fn parse(server: Option<Url>, owner: &str, repo: &str, rest: &[&str]) -> Result<Self, StoreError> {
        let whole = || bad(Some((owner, repo)));
        let number = |text: &str| text.parse::<u64>().map_err(|_| whole());
        let (id, rest) = rest.split_first().ok_or_else(whole)?;
        let mut run = Self {
            server,
            owner: name(owner).ok_or_else(whole)?,
            repo: name(repo).ok_or_else(whole)?,
            id: number(id)?,
            attempt: None,
            artifact: None,
            of_job: false,
        };
        match rest {
            [] | ["workflow" | "usage"] => {}
            ["attempts", attempt] => run.attempt = Some(number(attempt)?),
            ["artifacts", artifact] => run.artifact = Some(number(artifact)?),
            ["job", job] => {
                number(job)?;
                run.of_job = true;
            }
            ["attempts", attempt, "job", job] => {
                number(job)?;
                run.attempt = Some(number(attempt)?);
                run.of_job = true;
            }
            _ => return Err(whole()),
        }
        Ok(run)
    }

    /// The run as a person may see it.
    pub(crate) fn url(&self) -> String {
        let attempt = self.attempt.map(|attempt| format!("/attempts/{attempt}")).unwrap_or_default();
        format!("github://{}/{}/runs/{}{attempt}", self.owner, self.repo, self.id)
    }
}

fn bad(repo: Option<(&str, &str)>) -> StoreError {
    let url =
        repo.map_or_else(|| "github://".to_owned(), |(owner, repo)| format!("github://{owner}/{repo}/…"));
    StoreError::BadUrl { url, why: FORMS }
}

/// A name that stays one component of a path: else the token would go to another endpoint.
fn name(text: &str) -> Option<String> {
    let name = percent_decode_str(text).decode_utf8().ok()?.into_owned();
    let is_step = matches!(name.as_str(), "" | "." | "..");
    (!is_step && !name.chars().any(|char| char.is_control() || char == '/')).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(text: &str) -> Option<Result<GithubRun, StoreError>> {
        GithubRun::of_page(&Url::parse(text).unwrap())
    }

    #[test]
    fn pages_of_a_run() {
        let run = page("https://github.com/acme/app/actions/runs/9454698428").unwrap().unwrap();
        assert_eq!(run.server.as_ref().unwrap().as_str(), "https://github.com/");
        assert_eq!(run.url(), "github://acme/app/runs/9454698428");
        for (tail, attempt, artifact, of_job) in [
            ("/", None, None, false),
            ("#artifacts", None, None, false),
            ("?pr=7", None, None, false),
            ("/workflow", None, None, false),
            ("/attempts/2", Some(2), None, false),
            ("/artifacts/77", None, Some(77), false),
            ("/job/12?pr=3#step:4:15", None, None, true),
            ("/attempts/3/job/12", Some(3), None, true),
        ] {
            let run = page(&format!("https://github.com/acme/app/actions/runs/5{tail}")).unwrap().unwrap();
            assert_eq!(
                (run.id, run.attempt, run.artifact, run.of_job),
                (5, attempt, artifact, of_job),
                "{tail}"
            );
        }
    }

    #[test]
    fn the_short_form() {
        for text in ["acme/app/runs/5", "acme/app/runs/5/", "acme/app/actions/runs/5"] {
            let run = GithubRun::of_short(text).unwrap();
            assert_eq!((run.server, run.id), (None, 5), "{text}");
        }
        for bad in
            ["", "acme", "acme/app", "acme/app/runs", "acme/app/runs/x", "../app/runs/5", "acme/app/runs/5/x"]
        {
            assert!(matches!(GithubRun::of_short(bad), Err(StoreError::BadUrl { .. })), "{bad}");
        }
        let error = GithubRun::of_short("acme/app/x?token=secret").unwrap_err();
        assert!(!format!("{error:?}").contains("secret"));
    }

    #[test]
    fn other_pages() {
        for other in ["https://github.com/acme/app", "https://h/bucket/key", "https://g/a/b/-/jobs/1"] {
            assert!(page(other).is_none(), "{other}");
        }
        for bad in ["/x", "", "/5/nonsense", "/5/job/x", "/99999999999999999999999"] {
            assert!(page(&format!("https://github.com/a/b/actions/runs{bad}")).unwrap().is_err(), "{bad}");
        }
        assert!(page("https://github.com/a%2Fb/c/actions/runs/1").unwrap().is_err());
        let user = page("https://user:secret@github.com/a/b/actions/runs/1").unwrap().unwrap();
        assert!(!format!("{user:?}").contains("secret"));
    }
}
