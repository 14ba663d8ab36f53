//! The paths of this server's URLs.

use epitaph_store::Artifact;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but the unreserved characters of RFC 3986.
pub(crate) const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Tells whether a text can be one segment of a URL's path: dots alone would be taken for steps up the path, also where
/// they are encoded (<https://url.spec.whatwg.org/#double-dot-path-segment>).
pub(crate) fn is_segment(text: &str) -> bool {
    !matches!(text, "" | "." | "..") && !text.contains('\0')
}

/// Tells whether an artifact's path can be the end of a URL's path.
pub(crate) fn is_path(path: &str) -> bool {
    path.split('/').all(is_segment)
}

/// The page of a job.
pub(crate) fn job(provider: &str, repo: &str, job: &str) -> String {
    format!("/jobs/{}/{}/{}", segment(provider), segment(repo), segment(job))
}

/// An artifact of a job.
pub(crate) fn artifact(provider: &str, repo: &str, job: &str, artifact: &Artifact) -> String {
    let mut url = format!(
        "/artifacts/{}/{}/{}/{}",
        segment(provider),
        segment(repo),
        segment(job),
        segment(&artifact.node)
    );
    for part in artifact.path.split('/') {
        url.push('/');
        url.push_str(&segment(part));
    }
    url
}

/// Percent-encodes a text as one segment of a path: `acme/app` is `acme%2Fapp`. The result means nothing to a shell, to
/// `xargs` or in HTML.
pub(crate) fn segment(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_inert() {
        let path = "a b/\"><script>'\n%2e%2e/é".to_owned();
        let given = Artifact { path, node: "GitHub Actions 7".into(), size: None, sha256: None, url: None };
        assert_eq!(
            artifact("github", "acme/app", "1", &given),
            "/artifacts/github/acme%2Fapp/1/GitHub%20Actions%207/a%20b/%22%3E%3Cscript%3E%27%0A%252e%252e/%C3%A9"
        );
        assert_eq!(job("local", "a&b", "?#"), "/jobs/local/a%26b/%3F%23");
    }

    #[test]
    fn paths_that_no_url_can_name() {
        assert!(is_path("a/b.c/...") && is_path("%2e%2e/x") && is_path("a\nb"));
        for path in
            ["", "/", "/a", "a/", "a//b", "..", "../a", "a/../b", "./a", "a\0b", "https://evil.example/"]
        {
            assert!(!is_path(path), "{path:?}");
        }
    }
}
