//! The keys of a store: which file is where.
//!
//! Key values are Hive-style (`repo=acme%2Fapp`), which DuckDB, Athena and Spark understand as columns. Content is
//! kept apart under its SHA-256, so that a query for summaries never lists gigabytes, and files by build ID have the
//! path shape of a debuginfod server.

use std::path::Path;

use jiff::Timestamp;

use crate::hash::is_sha256;
use crate::job::JobId;
use crate::paths::{decode_component, encode_component};
use crate::{Selection, StoreError};

/// Where manifests are.
pub(crate) const RUNS: &str = "runs";

/// A file name has at most 255 bytes on Linux; some are left for the key's name.
const LONGEST_VALUE: usize = 240;

/// What a file is to the store besides an artifact, told by the end of its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Role {
    /// `…/crashes/<id>/summary.json`: also a row of the fleet's summaries.
    Summary { id: String },
    /// `…/buildid/<hex>/executable` or `debuginfo`: also found by its build ID.
    BuildId { key: String },
    /// A core, or a binary without a build ID: goes last.
    Bulk,
    /// Anything else.
    Plain,
}

impl Role {
    pub(crate) fn of(path: &str) -> Self {
        let mut parts = path.rsplit('/');
        let name = parts.next().unwrap_or_default();
        let folder = parts.next().unwrap_or_default();
        let kind = parts.next().unwrap_or_default();
        match (kind, folder, name) {
            ("crashes", id, "summary.json") if is_plain_name(id) => Self::Summary { id: id.to_owned() },
            ("buildid", hex, "executable" | "debuginfo") => {
                build_id_key(hex, name).map_or(Self::Plain, |key| Self::BuildId { key })
            }
            ("files", hash, _) if is_sha256(hash) => Self::Bulk,
            _ if name.split('.').any(|part| part == "core") => Self::Bulk,
            _ => Self::Plain,
        }
    }

    /// What an artifact is, by its own path, or by that of the file where the destination hides it.
    pub(crate) fn of_artifact(artifact: &str, source: &Path) -> Self {
        match Self::of(artifact) {
            Self::Plain => Self::of(&source.to_string_lossy()),
            role => role,
        }
    }

    /// The order of a push: what tells the story first, since a job may be killed at any time.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Self::Summary { .. } => 0,
            Self::Plain => 1,
            Self::BuildId { .. } | Self::Bulk => 2,
        }
    }
}

/// The characters that epitaph's own folder uses for names; no leading dot.
fn is_plain_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    !name.is_empty() && name.len() <= LONGEST_VALUE && !name.starts_with('.') && name.bytes().all(plain)
}

/// Build IDs are 20 bytes from GNU ld, 8 or 16 from others; `--build-id=0x…` takes any length.
fn is_build_id(hex: &str) -> bool {
    (2..=128).contains(&hex.len())
        && hex.len().is_multiple_of(2)
        && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// `buildid/<hex>/<name>`, in lower case; none if that is no build ID.
pub(crate) fn build_id_key(hex: &str, name: &str) -> Option<String> {
    is_build_id(hex).then(|| format!("buildid/{}/{name}", hex.to_ascii_lowercase()))
}

/// `blobs/sha256/ab/abcd…`; none if that is no sum.
pub(crate) fn blob_key(sha256: &str) -> Option<String> {
    is_sha256(sha256).then(|| format!("blobs/sha256/{}/{sha256}", sha256.get(..2).unwrap_or_default()))
}

/// `summaries/date=2026-11-22/repo=acme%2Fapp/<id>.json`.
pub(crate) fn summary_key(time: Timestamp, repo: &str, id: &str) -> String {
    format!("summaries/date={}/repo={}/{id}.json", time.strftime("%Y-%m-%d"), encode_component(repo))
}

/// The folder of a job's manifests from one node.
pub(crate) fn manifest_folder(job: &JobId) -> Result<String, StoreError> {
    let mut key = RUNS.to_owned();
    for (field, value) in
        [("provider", &job.provider), ("repo", &job.repo), ("job", &job.job), ("node", &job.node)]
    {
        let encoded = encode_component(value);
        let why = if encoded.is_empty() {
            "it is empty"
        } else if encoded.len() > LONGEST_VALUE {
            "it is too long for a key"
        } else {
            key = format!("{key}/{field}={encoded}");
            continue;
        };
        return Err(StoreError::BadJob { field, value: value.clone(), why });
    }
    Ok(key)
}

/// The folder of a repository's manifests, below that of a provider as its key has it; or only of one job of it.
pub(crate) fn repo_folder(provider: &str, repo: &str, job: Option<&str>) -> String {
    let folder = format!("{RUNS}/{provider}/repo={}", encode_component(repo));
    job.map_or_else(|| folder.clone(), |job| format!("{folder}/job={}", encode_component(job)))
}

/// A name for a push that sorts by time, so that the newest is found without opening any: UTC, then chance.
pub(crate) fn push_name(time: Timestamp) -> String {
    format!("{}-{:08x}", time.strftime("%Y%m%dT%H%M%S.%6fZ"), fastrand::u32(..))
}

/// Whether a text is such a name, and so harmless in a path.
pub(crate) fn is_push_name(name: &str) -> bool {
    // The length and the place of each sign are those of the form above.
    const FORM: &str = "00000000T000000.000000Z-00000000";
    let fits = |(form, byte): (u8, u8)| match form {
        b'0' => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
        sign => byte == sign,
    };
    name.len() == FORM.len() && FORM.bytes().zip(name.bytes()).all(fits)
}

/// Whether a key is that of a file of ours that isn't content.
pub(crate) fn is_json(key: &str) -> bool {
    key.rsplit_once('.').is_some_and(|(_, extension)| extension == "json")
}

/// One level of a manifest's key, decoded: `repo=acme%2Fapp` for the field `repo` is `acme/app`.
pub(crate) fn key_value(field: &str, name: &str) -> Option<String> {
    name.strip_prefix(field)?.strip_prefix('=').map(decode_component)
}

/// Whether a selection can hold jobs below that level of the key.
pub(crate) fn selected(selection: &Selection, field: &str, value: &str) -> bool {
    let wanted = match field {
        "repo" => &selection.repo,
        "job" => &selection.job,
        _ => &None,
    };
    wanted.as_deref().is_none_or(|wanted| wanted == value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_by_the_end_of_the_path() {
        let summary = Role::Summary { id: "20261122-main-11-ab".into() };
        assert_eq!(Role::of("x/crashes/20261122-main-11-ab/summary.json"), summary);
        assert_eq!(Role::of("crashes/20261122-main-11-ab/summary.json"), summary);
        let by_id = Role::BuildId { key: "buildid/0aff/executable".into() };
        assert_eq!(Role::of("x/buildid/0aFF/executable"), by_id);
        for core in ["a/core", "core.4711", "a/core.zst", "main.core", "x.core.gz"] {
            assert_eq!(Role::of(core), Role::Bulk, "{core}");
        }
        assert_eq!(Role::of(&format!("files/{}/a.out", "0".repeat(64))), Role::Bulk);
        for plain in [
            "summary.json",
            "crashes/summary.json",
            "crashes/../summary.json",
            "crashes/.x/summary.json",
            "crashes/a b/summary.json",
            "buildid/xyz/executable",
            "buildid/abc/executable",
            "buildid/ab/source",
            "corelist",
            "",
        ] {
            assert_eq!(Role::of(plain), Role::Plain, "{plain}");
        }
    }

    #[test]
    fn keys() {
        let time: Timestamp = "2026-11-22T23:30:00-02:00".parse().unwrap();
        assert_eq!(summary_key(time, "acme/app", "x1"), "summaries/date=2026-11-23/repo=acme%2Fapp/x1.json");
        let job =
            JobId { provider: "circleci".into(), repo: "acme/app".into(), job: "7".into(), node: "0".into() };
        assert_eq!(manifest_folder(&job).unwrap(), "runs/provider=circleci/repo=acme%2Fapp/job=7/node=0");
        let sum = format!("ab{}", "0".repeat(62));
        assert_eq!(blob_key(&sum).unwrap(), format!("blobs/sha256/ab/{sum}"));
        assert_eq!(blob_key("../../x"), None);
        assert_eq!(key_value("repo", "repo=acme%2Fapp").unwrap(), "acme/app");
        assert_eq!(key_value("repo", "job=7"), None);
    }

    #[test]
    fn values_that_are_no_names() {
        let job = JobId { node: String::new(), ..JobId::local("x") };
        assert!(matches!(manifest_folder(&job), Err(StoreError::BadJob { field: "node", .. })));
        assert!(matches!(manifest_folder(&JobId::local("/".repeat(100))), Err(StoreError::BadJob { .. })));
        assert!(manifest_folder(&JobId::local("..")).unwrap().contains("/job=%2E%2E/"));
    }

    #[test]
    fn push_names_sort_by_time() {
        let early: Timestamp = "2026-11-22T09:59:59.9Z".parse().unwrap();
        let late: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        assert!(push_name(early) < push_name(late));
        assert!(push_name(early).starts_with("20261122T095959.900000Z-"));
        assert!(is_push_name(&push_name(late)));
        for other in
            ["", "..", "uploads", "20261122T095959.900000Z-0000000/", "20261122T095959.900000Z-000000001"]
        {
            assert!(!is_push_name(other), "{other}");
        }
    }
}
