//! CircleCI's API v1.1: the list of a job's artifacts.

use std::fmt;

use reqwest::StatusCode;
use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, de};
use url::Url;

use crate::http::{Client, Retry, shown};
use crate::location::CircleCiJob;
use crate::options::Network;
use crate::{Progress, StoreError};

/// An entry of usual length takes 200 bytes.
const LONGEST_LIST: usize = 64 << 20;

/// More files than any job stores; a list of empty entries within the length above could be longer.
const MOST_ARTIFACTS: usize = 1_000_000;

/// One artifact, as the API describes it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct ApiArtifact {
    pub(super) path: String,
    #[serde(default)]
    pub(super) node_index: u64,
    pub(super) url: String,
}

/// `GET {base}/api/v1.1/project/:vcs/:org/:repo/:build_num/artifacts`.
pub(super) fn artifacts_url(base: &Url, job: &CircleCiJob) -> Result<Url, StoreError> {
    let mut url = base.clone();
    let build = job.build.to_string();
    url.path_segments_mut()
        .map_err(|()| StoreError::BadServer { service: "CircleCI", why: "it can't have a path" })?
        .pop_if_empty()
        .extend(["api", "v1.1", "project", job.vcs, &job.org, &job.repo, &build, "artifacts"]);
    Ok(url)
}

/// Fetches and checks the list.
pub(super) async fn artifacts(
    client: &Client,
    url: &Url,
    network: &Network,
    progress: &dyn Progress,
) -> Result<Vec<ApiArtifact>, StoreError> {
    let mut retry = Retry::new(network);
    loop {
        match fetch(client, url).await {
            Ok(body) => {
                let bad = |error: serde_json::Error| StoreError::BadAnswer {
                    url: shown(url),
                    why: error.to_string(),
                };
                return serde_json::from_slice(&body).map(|List(artifacts)| artifacts).map_err(bad);
            }
            Err(error) => retry.wait(error, "list of artifacts", progress).await?,
        }
    }
}

async fn fetch(client: &Client, url: &Url) -> Result<Vec<u8>, StoreError> {
    // Without it, the server may choose a format for people.
    let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
    let answer = client.get(url, &headers).await?;
    if answer.status() == StatusCode::OK { answer.body(LONGEST_LIST).await } else { Err(answer.refusal()) }
}

/// A list that stops being read when it is too long.
#[derive(Debug)]
struct List(Vec<ApiArtifact>);

impl<'de> Deserialize<'de> for List {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items;
        impl<'de> Visitor<'de> for Items {
            type Value = List;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of artifacts")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<List, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    if list.len() >= MOST_ARTIFACTS {
                        return Err(de::Error::custom(format_args!("more than {MOST_ARTIFACTS} artifacts")));
                    }
                    list.push(item);
                }
                Ok(List(list))
            }
        }
        deserializer.deserialize_seq(Items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> CircleCiJob {
        CircleCiJob { vcs: "github", org: "a b".into(), repo: "c?d".into(), build: 7 }
    }

    #[test]
    fn the_url_below_any_base() {
        for base in ["https://ci.example", "https://ci.example/"] {
            let url = artifacts_url(&Url::parse(base).unwrap(), &job()).unwrap();
            assert_eq!(url.as_str(), "https://ci.example/api/v1.1/project/github/a%20b/c%3Fd/7/artifacts");
        }
        let url = artifacts_url(&Url::parse("http://h:1/sub/").unwrap(), &job()).unwrap();
        assert!(url.path().starts_with("/sub/api/v1.1/"), "{url}");
    }

    #[test]
    fn lists() {
        let text = r#"[{"path":"a","pretty_path":"a","node_index":1,"url":"https://h/a","new":{}}]"#;
        let List(list) = serde_json::from_str(text).unwrap();
        assert_eq!(list, [ApiArtifact { path: "a".into(), node_index: 1, url: "https://h/a".into() }]);
        for bad in [
            r#"{"message":"Project not found"}"#,
            r#"[{"path":1}]"#,
            "[",
            "",
            "[[[[",
            r#"[{"node_index":-1}]"#,
        ] {
            assert!(serde_json::from_str::<List>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_list_that_is_too_long() {
        let item = r#"{"path":"","url":""},"#;
        let text = format!("[{}{}]", item.repeat(MOST_ARTIFACTS), item.trim_end_matches(','));
        let error = serde_json::from_str::<List>(&text).unwrap_err().to_string();
        assert!(error.contains("more than 1000000 artifacts"), "{error}");
    }
}
