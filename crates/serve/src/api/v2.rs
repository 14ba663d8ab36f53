//! API v2: `…/:job/artifacts`, a page at a time.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Query, State};
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::{Named, node_index};
use crate::failure::Failure;
use crate::guard::Base;
use crate::link;
use crate::site::Site;

/// Artifacts in a page.
const PAGE: usize = 250;

/// Where to go on.
#[derive(Debug, Deserialize)]
pub(crate) struct From {
    /// How many artifacts were listed before; clients take it for an opaque text.
    #[serde(rename = "page-token")]
    page_token: Option<String>,
}

/// One page.
#[derive(Debug, Serialize)]
struct Page<'a> {
    items: Vec<Item<'a>>,
    next_page_token: Option<String>,
}

/// One artifact.
#[derive(Debug, Serialize)]
struct Item<'a> {
    path: &'a str,
    node_index: u64,
    url: String,
}

/// Lists a page of a job's artifacts.
pub(crate) async fn list(
    State(site): State<Arc<Site>>,
    Extension(Base(base)): Extension<Base>,
    Query(from): Query<From>,
    uri: Uri,
) -> Response {
    let listed = answer(&site, &base, &from, &uri).await;
    listed.unwrap_or_else(Failure::into_json)
}

async fn answer(site: &Site, base: &str, from: &From, uri: &Uri) -> Result<Response, Failure> {
    const NOT_FOUND: Failure = Failure::NotFound("Job not found");
    let start: usize = match from.page_token.as_deref() {
        None | Some("") => 0,
        Some(token) => token.parse().map_err(|_| Failure::BadRequest("that is no page token of ours"))?,
    };
    let named = Named::parse(uri, "/api/v2/project/").ok_or(NOT_FOUND)?;
    let jobs = site.catalog.named(named.repo.clone(), named.job.clone()).await?;
    let job = named.job(&jobs).ok_or(NOT_FOUND)?;
    let index = node_index(job);
    let item = |artifact| {
        let path = link::artifact(&job.provider, &job.repo, &job.name, artifact);
        Item { path: &artifact.path, node_index: index(&artifact.node), url: format!("{base}{path}") }
    };
    let items: Vec<Item<'_>> = job.artifacts.iter().skip(start).take(PAGE).map(item).collect();
    let next = start.saturating_add(PAGE);
    let next_page_token = (next < job.artifacts.len()).then(|| next.to_string());
    Ok(Json(Page { items, next_page_token }).into_response())
}
