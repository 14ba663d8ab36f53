//! The newest jobs.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;

use super::html::{Html, bytes};
use crate::catalog::Job;
use crate::failure::Failure;
use crate::link;
use crate::site::Site;

/// How many jobs are shown.
const SHOWN: usize = 100;

/// Which jobs are shown.
#[derive(Debug, Deserialize)]
pub(crate) struct Which {
    repo: Option<String>,
}

/// Answers with the newest jobs, of one repository or of all.
pub(crate) async fn show(
    State(site): State<Arc<Site>>,
    Query(Which { repo }): Query<Which>,
) -> Result<Response, Failure> {
    let repo = repo.filter(|repo| !repo.is_empty());
    let jobs = site.catalog.newest(repo.clone(), SHOWN).await?;
    let mut page = Html::new("Jobs");
    if let Some(repo) = &repo {
        page.raw("<p>Of ").text(repo).raw(". ").link("/", "All repositories").raw("</p>\n");
    }
    page.warnings(&jobs.warnings);
    if jobs.jobs.is_empty() {
        page.raw("<p>No job has pushed anything yet.</p>\n");
        return Ok(page.finish());
    }
    page.raw("<table><tr><th>Pushed</th><th>Repository</th><th>Job</th><th>Nodes</th><th>Crashes</th>");
    page.raw("<th>Artifacts</th><th>Size</th></tr>\n");
    for job in &jobs.jobs {
        row(&mut page, job);
    }
    page.raw("</table>\n");
    if jobs.jobs.len() == SHOWN {
        page.raw("<p class=\"dim\">These are the newest ").number(SHOWN as u64);
        page.raw(" jobs. A repository's name leads to its own newest ones.</p>\n");
    }
    Ok(page.finish())
}

fn row(page: &mut Html, job: &Job) {
    let size = job.artifacts.iter().filter_map(|artifact| artifact.size).fold(0, u64::saturating_add);
    page.raw("<tr><td>").text(job.created.as_deref().unwrap_or_default()).raw("</td><td>");
    page.link(&format!("/?repo={}", link::segment(&job.repo)), &job.repo);
    page.raw(" <span class=\"dim\">").text(&job.provider).raw("</span></td><td>");
    page.link(&link::job(&job.provider, &job.repo, &job.name), &job.name);
    page.raw("</td><td class=\"n\">").number(job.nodes().len() as u64);
    page.raw("</td><td class=\"n\">").number(job.summaries().count() as u64);
    page.raw("</td><td class=\"n\">").number(job.artifacts.len() as u64);
    page.raw("</td><td class=\"n\">").text(&bytes(size)).raw("</td></tr>\n");
}
