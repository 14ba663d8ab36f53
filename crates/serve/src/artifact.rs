//! One artifact: RFC 9110's GET and HEAD, whole, in part, or not at all if the client has it.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header::{
    CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderValue,
};
use axum::http::{HeaderName, Method};
use axum::response::Response;
use epitaph_store::{Artifact, Opened};

use crate::blocking::blocking;
use crate::download::{Download, respond};
use crate::failure::Failure;
use crate::media;
use crate::site::Site;
use crate::source::Facts;

/// Artifacts are somebody else's pages: no scripts, no forms, no origin to read anything else of this server with.
const SANDBOX: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; font-src data:; \
                       base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Answers with an artifact of a job.
pub(crate) async fn get(
    State(site): State<Arc<Site>>,
    Path([provider, repo, job, node, path]): Path<[String; 5]>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let jobs = site.catalog.named(repo, job).await?;
    let job = jobs.jobs.iter().find(|job| job.provider == provider);
    let artifact = job.and_then(|job| job.artifact(&node, &path)).cloned();
    let artifact = artifact.ok_or(Failure::NotFound("no such artifact"))?;
    let media = media::of(&artifact.path);
    let mut extra = vec![
        (CONTENT_TYPE, HeaderValue::from_static(media.kind)),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(SANDBOX)),
    ];
    extra.extend((!media.shown).then(|| disposition(&artifact)).flatten());
    send(&site, artifact, extra, &method, &headers).await
}

/// Answers with an artifact, and further headers.
pub(crate) async fn send(
    site: &Arc<Site>,
    artifact: Artifact,
    extra: Vec<(HeaderName, HeaderValue)>,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, Failure> {
    let (files, asked) = (Arc::clone(&site.files), artifact.clone());
    let Facts { size, version } = blocking(move || files.facts(&asked)).await?;
    let download = Download { size, version, extra };
    let files = Arc::clone(&site.files);
    let open = move |range| -> Result<Opened, _> { files.open(&artifact, range) };
    respond(site, download, open, method, headers).await
}

fn disposition(artifact: &Artifact) -> Option<(HeaderName, HeaderValue)> {
    let name = artifact.path.rsplit('/').next().unwrap_or_default();
    let value = HeaderValue::try_from(media::attachment(name)).ok()?;
    Some((CONTENT_DISPOSITION, value))
}
