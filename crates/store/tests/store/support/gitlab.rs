//! A stand-in for GitLab's REST API, version 4, as its documentation describes jobs' artifacts and generic packages.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use epitaph_store::{
    GitlabToken, JobId, NoProgress, PushOptions, Pushed, Store, StoreError, StoreOptions, Token,
};
use epitaph_testkit::server::{Reply, Request, Server};
use serde_json::{Value, json};

use super::circle::{file, network};
use super::github::sha256;

pub(crate) const TOKEN: &str = "glpat-0123456789abcdef";
pub(crate) const JOB: &str = "gitlab://acme/sub/app/-/jobs/42";
pub(crate) const PACKAGE: &str = "gitlab://acme/sub/app/-/packages/generic/epitaph/4711";
pub(crate) const PROJECT: &str = "/api/v4/projects/acme%2Fsub%2Fapp";

pub(crate) fn options(server: &str) -> StoreOptions {
    StoreOptions {
        gitlab_token: Some(GitlabToken::Private(Token::new(TOKEN).unwrap())),
        gitlab_url: Some(server.to_owned()),
        network: network(),
        ..StoreOptions::default()
    }
}

pub(crate) fn store(url: &str, server: &Server) -> Store {
    Store::open_with(url, &options(&server.url())).unwrap()
}

pub(crate) fn json_reply(value: &Value) -> Reply {
    Reply::new(200, value.to_string()).header("Content-Type", "application/json")
}

/// A job whose archive is at another server, as on gitlab.com.
pub(crate) fn job(archive: Vec<u8>) -> (Server, Server) {
    let size = archive.len();
    let storage = Server::start(move |request: &Request| file(request, &archive, "\"g\""));
    let elsewhere = storage.url();
    let server = Server::start(move |request: &Request| match request.path.strip_prefix(PROJECT) {
        Some("/jobs/42/artifacts") => Reply::redirect(&format!("{elsewhere}/x.zip?X-Goog-Signature=1")),
        Some("/jobs/42") => json_reply(&json!({
            "id": 42, "name": "test", "status": "failed", "finished_at": "2026-11-22T10:00:00.000Z",
            "artifacts": [
                { "file_type": "trace", "size": 10, "filename": "job.log", "file_format": null },
                { "file_type": "archive", "size": size, "filename": "artifacts.zip", "file_format": "zip" },
            ],
        })),
        _ => Reply::new(404, r#"{"message":"404 Not found"}"#),
    });
    (server, storage)
}

/// A file of a package: its number, its name, its content as the list tells it, and as it is served.
pub(crate) type Uploaded = (u64, &'static str, &'static [u8], &'static [u8]);

/// A package with these files, and others whose names hold its name.
pub(crate) fn package(files: Vec<Uploaded>) -> Server {
    package_that(move || files.clone())
}

pub(crate) fn package_that(files: impl Fn() -> Vec<Uploaded> + Send + Sync + 'static) -> Server {
    Server::start(move |request: &Request| {
        let files = files();
        if let Some(name) = file_asked(request) {
            let found = files.iter().rev().find(|(_, known, ..)| *known == name);
            return found.map_or(Reply::new(404, ""), |(_, _, _, served)| file(request, served, "\"p\""));
        }
        let item = |(id, name, content, _): &Uploaded| package_file(*id, name, content);
        index(request, files.iter().map(item).collect())
    })
}

/// The name of a file of the package, as it stands in the path of a request for it.
fn file_asked(request: &Request) -> Option<&str> {
    let path = request.path.split('?').next().unwrap();
    path.strip_prefix(PROJECT)?.strip_prefix("/packages/generic/epitaph/4711/")
}

/// A file as the API lists it. The names of those that lie in folders are kept encoded: `folder%2Fname`.
fn package_file(id: u64, name: &str, content: &[u8]) -> Value {
    let name =
        if name.contains('/') { name.replace('/', "%2F").replace('+', "%2B") } else { name.to_owned() };
    json!({
        "id": id, "package_id": 3, "file_name": name, "size": content.len(), "file_sha256": sha256(content),
        "created_at": "2026-11-22T10:00:00.000Z",
    })
}

/// The lists: of packages, and of the files of this one.
fn index(request: &Request, files: Vec<Value>) -> Reply {
    let path = request.path.split('?').next().unwrap();
    match path.strip_prefix(PROJECT) {
        Some("/packages") => {
            for (name, value) in [("type", "generic"), ("name", "epitaph"), ("version", "4711")] {
                let name = format!("package_{name}");
                assert_eq!(parameter(request, &name).as_deref(), Some(value), "{}", request.path);
            }
            let package = |id, name, version| json!({ "id": id, "name": name, "version": version, "package_type": "generic" });
            let known =
                [package(1, "epitaph-x", "4711"), package(2, "epitaph", "47"), package(3, "epitaph", "4711")];
            page(request, known.into())
        }
        Some("/packages/3/package_files") => page(request, files),
        _ => Reply::new(404, r#"{"message":"404 Not found"}"#),
    }
}

/// A parameter of a request's query.
fn parameter(request: &Request, name: &str) -> Option<String> {
    let (_, query) = request.path.split_once('?')?;
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned)
}

/// The page of a list that is asked for, with the links by which GitLab's clients find the next one ("Pagination" of the
/// REST API's documentation).
fn page(request: &Request, items: Vec<Value>) -> Reply {
    let number = |name, default| parameter(request, name).map_or(default, |text| text.parse().unwrap());
    let (size, page): (usize, usize) = (number("per_page", 20), number("page", 1));
    let is_last = page * size >= items.len();
    let reply = json_reply(&items.into_iter().skip((page - 1) * size).take(size).collect());
    let (path, host) = (request.path.split('?').next().unwrap(), request.header("host").unwrap());
    let next = page + 1;
    let link = format!("<http://{host}{path}?page={next}&per_page={size}>; rel=\"next\"");
    let reply = reply.header("X-Page", page.to_string()).header("X-Per-Page", size.to_string());
    if is_last { reply } else { reply.header("Link", link).header("X-Next-Page", next.to_string()) }
}

/// A server that takes files into a package and gives them back, as `lib/api/generic_packages.rb` of GitLab's sources does;
/// the first request for a core fails, and what is called `lost` arrives as something else.
pub(crate) fn packages() -> Server {
    let failed = AtomicBool::new(false);
    let kept: Mutex<Vec<(String, Vec<u8>)>> = Mutex::default();
    Server::start(move |request: &Request| {
        let mut kept = kept.lock().unwrap();
        let is_plain =
            |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._+~@-".contains(&byte));
        match (request.method.as_str(), file_asked(request)) {
            ("PUT", Some(name)) if name.contains("core.zst") && !failed.swap(true, Ordering::SeqCst) => {
                Reply::new(502, "bad gateway")
            }
            (_, Some(name)) if !is_plain(name) => Reply::new(400, r#"{"error":"file_name is invalid"}"#),
            ("PUT", Some(name)) => {
                assert_eq!(parameter(request, "select").as_deref(), Some("package_file"));
                kept.push((name.to_owned(), request.body.clone()));
                let mut answer = package_file(kept.len() as u64, name, &request.body);
                if name.ends_with("lost") {
                    answer["file_sha256"] = json!("0".repeat(64));
                }
                Reply::new(201, answer.to_string()).header("Content-Type", "application/json")
            }
            ("PUT", None) => Reply::new(400, r#"{"error":"package_version is invalid"}"#),
            (_, Some(name)) => {
                let found = kept.iter().rev().find(|(known, _)| known == name);
                found.map_or(Reply::new(404, ""), |(_, content)| file(request, content, "\"p\""))
            }
            (_, None) => {
                let files = kept.iter().zip(1..).map(|((name, content), id)| package_file(id, name, content));
                index(request, files.collect())
            }
        }
    })
}

pub(crate) fn push(url: &str, server: &Server, folder: &std::path::Path) -> Result<Pushed, StoreError> {
    let options = PushOptions { destination: Some("crashes".into()), job: JobId::local("x") };
    store(url, server).push(&[folder.to_owned()], &options, &NoProgress)
}
