//! A stand-in for GitHub's REST API (version 2022-11-28), as its documentation describes the artifacts of a run.

use std::io::{Cursor, Write};

use epitaph_store::{Store, StoreOptions, Token};
use epitaph_testkit::server::{Reply, Request};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::circle::network;

pub(crate) const TOKEN: &str = "ghp_0123456789abcdef";

/// The run that the stand-in knows.
pub(crate) const RUN: &str = "github://acme/app/runs/77";

const REPO: &str = "/api/v3/repos/acme/app/actions";

pub(crate) fn options(server: &str) -> StoreOptions {
    StoreOptions {
        github_token: Some(Token::new(TOKEN).unwrap()),
        github_url: Some(server.to_owned()),
        network: network(),
        ..StoreOptions::default()
    }
}

/// The run's store on a server.
pub(crate) fn store(server: &str) -> Store {
    Store::open_with(RUN, &options(server)).unwrap()
}

pub(crate) fn is_list(request: &Request) -> bool {
    request.path.starts_with(&format!("{REPO}/runs/77/artifacts?"))
}

/// The number of the artifact whose archive is asked for.
pub(crate) fn asked_archive(request: &Request) -> Option<u64> {
    request.path.strip_prefix(&format!("{REPO}/artifacts/"))?.strip_suffix("/zip")?.parse().ok()
}

/// An artifact as the API lists it.
pub(crate) fn artifact(id: u64, name: &str, archive: &[u8]) -> Value {
    json!({
        "id": id, "node_id": "MDg6QXJ0aWZhY3Q=", "name": name, "size_in_bytes": archive.len(),
        "url": "https://evil.example/api", "archive_download_url": "https://evil.example/zip",
        "expired": false, "created_at": "2026-11-22T10:00:00Z", "updated_at": "2026-11-22T10:00:01Z",
        "expires_at": "2027-02-20T10:00:00Z", "digest": format!("sha256:{}", sha256(archive)),
        "workflow_run": { "id": 77, "repository_id": 1, "head_branch": "main", "head_sha": "f00" },
    })
}

/// A page of the list.
pub(crate) fn list(artifacts: &[Value]) -> Reply {
    let body = json!({ "total_count": artifacts.len(), "artifacts": artifacts });
    Reply::new(200, body.to_string()).header("Content-Type", "application/json; charset=utf-8")
}

/// Makes an archive of deflated files.
pub(crate) fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, content) in files {
        zip.start_file(*name, options).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    let digits: Vec<String> = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}
