//! API v1.1: `…/:build/artifacts` and `…/latest/artifacts`, both a plain array.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Query, State};
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::{Named, node_index};
use crate::catalog::Job;
use crate::failure::Failure;
use crate::guard::Base;
use crate::link;
use crate::site::Site;

/// What stands for the newest job.
const LATEST: &str = "latest";

/// How many of a repository's jobs are looked at for the latest one that a filter takes.
const LOOKED_AT: usize = 100;

/// What the latest job may be asked to be.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Which {
    branch: Option<String>,
    filter: Option<String>,
}

/// One artifact.
#[derive(Debug, Serialize)]
struct Item<'a> {
    path: &'a str,
    pretty_path: &'a str,
    node_index: u64,
    url: String,
}

/// Lists the artifacts of a job.
pub(crate) async fn list(
    State(site): State<Arc<Site>>,
    Extension(Base(base)): Extension<Base>,
    Query(which): Query<Which>,
    uri: Uri,
) -> Response {
    let listed = answer(&site, &base, &which, &uri).await;
    listed.unwrap_or_else(Failure::into_json)
}

async fn answer(site: &Site, base: &str, which: &Which, uri: &Uri) -> Result<Response, Failure> {
    const NOT_FOUND: Failure = Failure::NotFound("Build not found");
    let named = Named::parse(uri, "/api/v1.1/project/").ok_or(NOT_FOUND)?;
    if named.job == LATEST {
        let jobs = site.catalog.newest(Some(named.repo.clone()), LOOKED_AT).await?;
        let filter = filter(which)?;
        let job = named.meant(&jobs.jobs).find(|job| filter(job)).ok_or(NOT_FOUND)?;
        Ok(items(job, base))
    } else {
        let jobs = site.catalog.named(named.repo.clone(), named.job.clone()).await?;
        Ok(items(named.job(&jobs).ok_or(NOT_FOUND)?, base))
    }
}

/// A store knows of a job only what was pushed: that it has ended, and whether it left crashes, which is what failing
/// means here.
fn filter(which: &Which) -> Result<fn(&Job) -> bool, Failure> {
    if which.branch.as_ref().is_some_and(|branch| !branch.is_empty()) {
        return Err(Failure::BadRequest("the store doesn't know of branches: leave `branch` out"));
    }
    match which.filter.as_deref() {
        None | Some("" | "completed") => Ok(|_| true),
        Some("failed") => Ok(|job| job.summaries().next().is_some()),
        Some("successful") => Ok(|job| job.summaries().next().is_none()),
        Some("running") => Ok(|_| false),
        Some(_) => Err(Failure::BadRequest("`filter` is one of completed, successful, failed, running")),
    }
}

fn items(job: &Job, base: &str) -> Response {
    let index = node_index(job);
    let item = |artifact| {
        let path = link::artifact(&job.provider, &job.repo, &job.name, artifact);
        Item {
            path: &artifact.path,
            pretty_path: &artifact.path,
            node_index: index(&artifact.node),
            url: format!("{base}{path}"),
        }
    };
    Json(job.artifacts.iter().map(item).collect::<Vec<_>>()).into_response()
}
