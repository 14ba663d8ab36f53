//! One job: its crashes, and links to all of its artifacts.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use epitaph_store::Artifact;
use serde::Deserialize;

use super::html::{Html, bytes};
use crate::catalog::Job;
use crate::crashes::Told;
use crate::failure::Failure;
use crate::link;
use crate::site::Site;

/// How many crashes are told of.
const CRASHES: usize = 100;

/// How many artifacts are linked to by one page.
const ARTIFACTS: usize = 1000;

/// How many reports are linked to before the artifacts.
const REPORTS: usize = 20;

/// How many names are listed that no link can hold.
const UNNAMED: usize = 100;

/// Which part of the artifacts is shown.
#[derive(Debug, Deserialize)]
pub(crate) struct Which {
    /// The page, counted from 1.
    page: Option<usize>,
}

/// Answers with a job's page.
pub(crate) async fn show(
    State(site): State<Arc<Site>>,
    Path([provider, repo, name]): Path<[String; 3]>,
    Query(which): Query<Which>,
) -> Result<Response, Failure> {
    let jobs = site.catalog.named(repo, name).await?;
    let job =
        jobs.jobs.iter().find(|job| job.provider == provider).ok_or(Failure::NotFound("no such job"))?;
    let summaries: Vec<Artifact> = job.summaries().take(CRASHES).cloned().collect();
    let told = site.crashes.read(&site.files, summaries.clone()).await;

    let mut page = Html::new(&format!("Job {} of {}", job.name, job.repo));
    page.raw("<p>").link("/", "All jobs").raw(" · ").text(&job.provider);
    if let Some(created) = &job.created {
        page.raw(" · pushed ").text(created);
    }
    page.raw("</p>\n").warnings(&jobs.warnings);
    crashes(&mut page, job, &summaries, &told);
    artifacts(&mut page, job, which.page.unwrap_or(1).max(1));
    Ok(page.finish())
}

fn crashes(page: &mut Html, job: &Job, summaries: &[Artifact], told: &[Told]) {
    let count = job.summaries().count();
    page.raw("<h2>Crashes: ").number(count as u64).raw("</h2>\n");
    for (artifact, told) in summaries.iter().zip(told) {
        page.raw("<div class=\"crash\">");
        match told {
            Ok(brief) => {
                page.raw("<b>").text(&brief.sentence).raw("</b>");
                if let Some(place) = &brief.place {
                    page.raw("<br>").text(place);
                }
                if let Some(signature) = &brief.signature {
                    page.raw("<br><span class=\"dim\">signature <code>")
                        .text(signature)
                        .raw("</code></span>");
                }
            }
            Err(why) => {
                page.raw("<b>Its summary can't be read</b>: ").text(why);
            }
        }
        page.raw("<br>");
        link_to(page, job, artifact);
        page.raw("</div>\n");
    }
    if count > summaries.len() {
        page.raw("<p class=\"dim\">Of the others there are only the artifacts below.</p>\n");
    }
}

fn artifacts(page: &mut Html, job: &Job, number: usize) {
    let several_nodes = job.nodes().len() > 1;
    page.raw("<h2>Artifacts: ").number(job.artifacts.len() as u64).raw("</h2>\n");
    for report in job.artifacts.iter().filter(|artifact| is_report(artifact)).take(REPORTS) {
        page.raw("<p>Report: ");
        link_to(page, job, report);
        page.raw("</p>\n");
    }
    page.raw("<table>\n");
    let before = number.saturating_sub(1).saturating_mul(ARTIFACTS);
    for artifact in job.artifacts.iter().skip(before).take(ARTIFACTS) {
        page.raw("<tr><td>");
        if several_nodes {
            page.raw("<span class=\"dim\">").text(&artifact.node).raw("</span> ");
        }
        link_to(page, job, artifact);
        page.raw("</td><td class=\"n\">")
            .text(&artifact.size.map(bytes).unwrap_or_default())
            .raw("</td></tr>\n");
    }
    page.raw("</table>\n");
    pages(page, job, number);
    if !job.unnamed.is_empty() {
        page.raw("<h2>Not served: ").number(job.unnamed.len() as u64);
        page.raw("</h2>\n<p>No URL can hold these names, and no folder should:</p>\n<ul>\n");
        for artifact in job.unnamed.iter().take(UNNAMED) {
            page.raw("<li><code>").text(&artifact.path).raw("</code></li>\n");
        }
        page.raw("</ul>\n");
    }
}

fn pages(page: &mut Html, job: &Job, number: usize) {
    let last = job.artifacts.len().div_ceil(ARTIFACTS);
    if last < 2 {
        return;
    }
    let path = link::job(&job.provider, &job.repo, &job.name);
    page.raw("<p>Page ").number(number as u64).raw(" of ").number(last as u64);
    if number > 1 {
        page.raw(" · ").link(&format!("{path}?page={}", number.saturating_sub(1)), "previous");
    }
    if number < last {
        page.raw(" · ").link(&format!("{path}?page={}", number.saturating_add(1)), "next");
    }
    page.raw("</p>\n");
}

/// The report that epitaph writes into its output folder.
fn is_report(artifact: &Artifact) -> bool {
    artifact.path == "index.html" || artifact.path.ends_with("/index.html")
}

fn link_to(page: &mut Html, job: &Job, artifact: &Artifact) {
    page.link(&link::artifact(&job.provider, &job.repo, &job.name, artifact), &artifact.path);
}
