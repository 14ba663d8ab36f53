//! Where an artifact will be, told before it is stored.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The host that serves the artifacts of the public service.
const HOST: &str = "https://output.circle-artifacts.com";

/// What stays as it is in a path (RFC 3986, 3.3: unreserved characters), and what separates its components.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// Returns the address under which the public CircleCI will serve an artifact of this job, so that a report which is
/// stored together with a core can link it.
///
/// `path` is the artifact's: `store_artifacts`' `destination`, a slash, and the path within what is stored. `lookup`
/// returns a variable of the job's environment. `None` outside of CircleCI, in jobs of a CircleCI Server, which serves
/// artifacts itself (they are known by a `CIRCLE_BUILD_URL` on another host), or where a variable is not what CircleCI
/// sets. The form is the one that CircleCI's support documents (article 5034956515355), with the warning that the host may
/// change: `output/job/$CIRCLE_WORKFLOW_JOB_ID/artifacts/$CIRCLE_NODE_INDEX/<path>`.
///
/// ```
/// use epitaph_store::circleci_artifact_link;
///
/// let job = |name: &str| match name {
///     "CIRCLECI" => Some("true".to_owned()),
///     "CIRCLE_WORKFLOW_JOB_ID" => Some("b0cd9930-1f53-4e24-9f59-b4b53b5a4645".to_owned()),
///     "CIRCLE_NODE_INDEX" => Some("1".to_owned()),
///     _ => None,
/// };
/// assert_eq!(
///     circleci_artifact_link(job, "crashes/core.zst").unwrap(),
///     "https://output.circle-artifacts.com/output/job/b0cd9930-1f53-4e24-9f59-b4b53b5a4645/artifacts/1/crashes/core.zst",
/// );
/// ```
pub fn circleci_artifact_link(lookup: impl Fn(&str) -> Option<String>, path: &str) -> Option<String> {
    let get = |name: &str| lookup(name).filter(|value| !value.is_empty());
    get("CIRCLECI")?;
    let page = get("CIRCLE_BUILD_URL").and_then(|page| url::Url::parse(&page).ok());
    if page.is_some_and(|page| !page.host_str().is_some_and(is_public)) {
        return None;
    }
    let job = get("CIRCLE_WORKFLOW_JOB_ID").filter(|id| super::address::is_uuid(id))?;
    let node: u64 = get("CIRCLE_NODE_INDEX")?.parse().ok()?;
    let path = utf8_percent_encode(path.trim_start_matches('/'), RESERVED);
    Some(format!("{HOST}/output/job/{job}/artifacts/{node}/{path}"))
}

fn is_public(host: &str) -> bool {
    host == "circleci.com" || host.ends_with(".circleci.com")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "b0cd9930-1f53-4e24-9f59-b4b53b5a4645";
    const JOB: [(&str, &str); 3] =
        [("CIRCLECI", "true"), ("CIRCLE_WORKFLOW_JOB_ID", ID), ("CIRCLE_NODE_INDEX", "0")];

    fn link(changed: &[(&str, &str)], path: &str) -> Option<String> {
        let get = |name: &str| {
            let all = changed.iter().chain(&JOB);
            all.into_iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        circleci_artifact_link(get, path)
    }

    #[test]
    fn names_are_encoded() {
        let link = link(&[], "/tmp/core.17.!tmp!a b+c?d#e%20:\u{e4}").unwrap();
        let path = link.strip_prefix(&format!("{HOST}/output/job/{ID}/artifacts/0/")).unwrap();
        assert_eq!(path, "tmp/core.17.%21tmp%21a%20b%2Bc%3Fd%23e%2520%3A%C3%A4");
    }

    #[test]
    fn only_where_it_will_be_true() {
        assert!(link(&[("CIRCLE_BUILD_URL", "https://circleci.com/gh/a/b/1")], "a").is_some());
        assert!(link(&[("CIRCLE_BUILD_URL", "https://app.circleci.com/jobs/gh/a/b/1")], "a").is_some());
        for changed in [
            ("CIRCLECI", ""),
            ("CIRCLE_BUILD_URL", "https://ci.example/gh/a/b/1"),
            ("CIRCLE_BUILD_URL", "https://notcircleci.com/gh/a/b/1"),
            ("CIRCLE_WORKFLOW_JOB_ID", "../../x"),
            ("CIRCLE_NODE_INDEX", "x"),
            ("CIRCLE_NODE_INDEX", ""),
        ] {
            assert_eq!(link(&[changed], "a"), None, "{changed:?}");
        }
    }
}
