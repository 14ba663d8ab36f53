//! A stand-in for GitHub's REST API (version 2022-11-28), as its documentation describes the artifacts of a run.

use std::io::{Cursor, Write};

use epitaph_store::{Store, StoreOptions, Token};
use epitaph_testkit::server::{Reply, Request, Server};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::circle::{file, network};

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

/// The whole list, where it is short enough for one page.
pub(crate) fn list(artifacts: &[Value]) -> Reply {
    counted(artifacts, artifacts.len())
}

/// The page of the list that is asked for.
pub(crate) fn page(request: &Request, artifacts: &[Value]) -> Reply {
    let asked = |name: &str, default: usize| {
        let query = request.path.split_once('?').map_or("", |(_, query)| query);
        let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        value.map_or(default, |value| value.parse().unwrap())
    };
    let (size, number) = (asked("per_page", 30), asked("page", 1));
    let start = (size * (number - 1)).min(artifacts.len());
    counted(&artifacts[start..(start + size).min(artifacts.len())], artifacts.len())
}

fn counted(artifacts: &[Value], all: usize) -> Reply {
    let body = json!({ "total_count": all, "artifacts": artifacts });
    Reply::new(200, body.to_string()).header("Content-Type", "application/json; charset=utf-8")
}

/// The server that signed URLs lead to: it has the archives of the artifacts 0, 1 and so on.
pub(crate) fn storage(archives: Vec<Vec<u8>>) -> Server {
    Server::start(move |request: &Request| {
        let index: usize = request.path.split(['/', '?']).nth(1).unwrap().parse().unwrap();
        file(request, &archives[index], "\"0x8DC\"").header("Content-Type", "application/zip")
    })
}

/// A run with these artifacts, whose archives are at `storage`.
pub(crate) fn run(artifacts: Vec<Value>, storage: &Server) -> Server {
    let storage = storage.url();
    Server::start(move |request: &Request| match asked_archive(request) {
        _ if is_list(request) => page(request, &artifacts),
        Some(id) => Reply::redirect(&format!("{storage}/{id}?sig=secret")),
        None if request.path == format!("{REPO}/runs/77/attempts/1") => attempt("2026-11-22T09:00:00Z"),
        None => Reply::new(404, json!({ "message": "Not Found", "status": "404" }).to_string()),
    })
}

/// An attempt of the run, as far as anybody here reads it.
pub(crate) fn attempt(started: &str) -> Reply {
    let body = json!({ "id": 77, "run_attempt": 1, "run_started_at": started, "event": "push" });
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
