//! Reading an answer of the API, which may be longer than anybody expects, or nothing that the API documents.

use std::collections::HashSet;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::Api;
use crate::StoreError;
use crate::http::{Items, LONGEST_LIST, MOST_ITEMS, shown, too_many};

/// Pages of one list: a server may name a next page for ever. CircleCI's hold at least 20 entries.
const MOST_PAGES: usize = 10_000;

/// A list of API v2, or a part of it.
#[derive(Debug, Deserialize)]
#[serde(bound = "T: Deserialize<'de>")]
struct Page<T> {
    items: Items<T>,
    #[serde(default)]
    next_page_token: Option<String>,
}

/// Asks for one thing, as often as it takes; `what` it is, is told where it must be asked for again.
pub(super) async fn one<T: DeserializeOwned>(api: &Api<'_>, url: &Url, what: &str) -> Result<T, StoreError> {
    api.service.json_within(url, what, &mut { LONGEST_LIST }, api.progress).await
}

/// Asks for a list of API v2, page by page.
pub(super) async fn all_pages<T: DeserializeOwned>(
    api: &Api<'_>,
    url: &Url,
    what: &str,
) -> Result<Vec<T>, StoreError> {
    let mut left = LONGEST_LIST;
    let mut all = Vec::new();
    let mut asked = HashSet::new();
    let mut next = url.clone();
    let endless = |why: String| StoreError::BadAnswer { url: shown(url), why };
    loop {
        let page: Page<T> = api.service.json_within(&next, what, &mut left, api.progress).await?;
        all.extend(page.items.0);
        if all.len() > MOST_ITEMS {
            return Err(endless(too_many()));
        }
        let Some(token) = page.next_page_token.filter(|token| !token.is_empty()) else { return Ok(all) };
        next = url.clone();
        next.query_pairs_mut().append_pair("page-token", &token);
        if !asked.insert(token) {
            return Err(endless("its pages go round in a circle".to_owned()));
        }
        if asked.len() >= MOST_PAGES {
            return Err(endless(format!("more than {MOST_PAGES} pages")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ApiArtifact;
    use super::*;

    #[test]
    fn lists() {
        let text = r#"[{"path":"a","pretty_path":"a","node_index":1,"url":"https://h/a","new":{}}]"#;
        let list: Items<ApiArtifact> = serde_json::from_str(text).unwrap();
        assert_eq!(list.0, [ApiArtifact { path: "a".into(), node_index: 1, url: "https://h/a".into() }]);
        for bad in [
            r#"{"message":"Project not found"}"#,
            r#"[{"path":1}]"#,
            "[",
            "",
            "[[[[",
            r#"[{"node_index":-1}]"#,
        ] {
            assert!(serde_json::from_str::<Items<ApiArtifact>>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn pages() {
        let page = |text: &str| serde_json::from_str::<Page<u8>>(text).map(|page| page.next_page_token);
        assert_eq!(page(r#"{"items":[1],"next_page_token":"x"}"#).unwrap(), Some("x".into()));
        assert_eq!(page(r#"{"items":[],"next_page_token":null,"more":1}"#).unwrap(), None);
        assert_eq!(page(r#"{"items":[]}"#).unwrap(), None);
        for bad in ["[]", "{}", r#"{"items":{}}"#, r#"{"items":[],"next_page_token":1}"#] {
            assert!(page(bad).is_err(), "{bad}");
        }
    }
}
