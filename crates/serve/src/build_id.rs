//! Files by build ID, as debuginfod serves them (its manual page, debuginfod(8)): executables and their debug files, but
//! neither sources nor sections.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use axum::http::{HeaderName, Method};
use axum::response::Response;
use epitaph_store::DebuginfodFile;

use crate::artifact;
use crate::blocking::blocking;
use crate::download::{Download, respond};
use crate::failure::Failure;
use crate::media::BINARY;
use crate::site::Site;

/// The length of the file, which clients show beside their progress.
const SIZE: HeaderName = HeaderName::from_static("x-debuginfod-size");

const NOT_FOUND: Failure = Failure::NotFound("no such file");

/// Answers with the file of a build ID.
pub(crate) async fn get(
    State(site): State<Arc<Site>>,
    Path([build_id, kind]): Path<[String; 2]>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let kind = match kind.as_str() {
        "executable" => DebuginfodFile::Executable,
        "debuginfo" => DebuginfodFile::Debuginfo,
        _ => return Err(NOT_FOUND),
    };
    if build_id.is_empty() || !build_id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(NOT_FOUND);
    }
    if let Some(found) = site.catalog.by_build_id(&build_id, kind).await? {
        let size = found.size.map(HeaderValue::from);
        let extra = vec![(CONTENT_TYPE, HeaderValue::from_static(BINARY.kind))];
        let extra = extra.into_iter().chain(size.map(|size| (SIZE, size))).collect();
        return artifact::send(&site, found, extra, &method, &headers).await;
    }
    let (files, id) = (Arc::clone(&site.files), build_id.clone());
    let found = blocking(move || files.open_build_id(&id, kind, None)).await?;
    let size = found.ok_or(NOT_FOUND)?.size;
    let download = Download {
        size,
        // Whoever pushed the first file of a build ID: it is never replaced.
        version: Some(format!("{build_id}-{size:x}").to_ascii_lowercase()),
        extra: vec![(CONTENT_TYPE, HeaderValue::from_static(BINARY.kind)), (SIZE, size.into())],
    };
    let files = Arc::clone(&site.files);
    let open = move |range| {
        let opened = files.open_build_id(&build_id, kind, range)?;
        opened.ok_or(crate::ServeError::Changed { expected: size, found: 0 })
    };
    respond(&site, download, open, &method, &headers).await
}
