//! Stores behind web servers, from push to gc: nginx, Apache and rclone on loopback, and servers that misbehave.

use std::path::Path;
use std::time::Duration;

use epitaph_store::{HttpLogin, JobId, NoProgress, PushOptions, Selection, Store, StoreError, StoreOptions};
use epitaph_testkit::server::{End, Reply, Request, Server};
use epitaph_testkit::servers::Served;
use epitaph_testkit::servers::web::{self, Login};

use crate::support::circle::network;
use crate::support::{Log, tree, write};

const LOGIN: Login = Login { user: "ci", password: "pass word" };

fn options(login: Option<HttpLogin>) -> StoreOptions {
    StoreOptions { http_login: login, network: network(), ..StoreOptions::default() }
}

fn store(served: &Served) -> Store {
    Store::open_with(&format!("{}/crashes", served.url()), &options(None)).unwrap()
}

fn job(node: &str) -> PushOptions {
    let job =
        JobId { provider: "circleci".into(), repo: "acme/app".into(), job: "7".into(), node: node.into() };
    PushOptions { destination: Some("out".into()), job }
}

/// What a job leaves: a summary, a binary by build ID, a core, an empty file, an odd name.
fn artifacts(dir: &Path) {
    write(&dir.join("crashes/x1/summary.json"), "{\"time\":\"2026-11-22T10:00:00Z\"}\n");
    write(&dir.join("crashes/x1/core.zst"), vec![7; 3_000_000]);
    write(&dir.join("buildid/abcd/executable"), "not really a binary");
    write(&dir.join("empty"), "");
    write(&dir.join("ä %2F #?.txt"), "odd name");
}

/// Pushes from two nodes, lists, pulls by the job alone, and compares.
fn round_trip(store: &Store) {
    let source = tempfile::tempdir().unwrap();
    artifacts(source.path());
    for node in ["0", "1"] {
        let log = Log::default();
        let pushed = store.push(&[source.path().to_owned()], &job(node), &log).unwrap();
        assert!(pushed.failed.is_empty() && pushed.warnings.is_empty(), "{pushed:?}");
        assert_eq!(pushed.artifacts.len(), 5);
    }
    let listing = store.ls(&Selection::default()).unwrap();
    assert!(listing.warnings.is_empty(), "{:?}", listing.warnings);
    let [run] = listing.runs.as_slice() else { panic!("{listing:?}") };
    assert_eq!((run.repo.as_str(), run.job.as_str(), run.artifacts.len()), ("acme/app", "7", 10));
    let target = tempfile::tempdir().unwrap();
    let selection =
        Selection { repo: Some("acme/app".into()), job: Some("7".into()), node: Some("1".into()) };
    let pulled = store.pull(target.path(), &selection, &NoProgress).unwrap();
    assert!(pulled.failed.is_empty(), "{:?}", pulled.failed);
    // Both nodes have these paths.
    assert_eq!(tree(&target.path().join("1/out")), tree(source.path()));
}

/// Old pushes go with what only they name, and no half of an upload is left.
fn gc(store: &Store, served: &Served) {
    let collected = store.gc(Duration::from_secs(365 * 86400), false).unwrap();
    assert_eq!((collected.pushes, collected.unfinished), (0, 0), "{collected:?}");
    assert_eq!(store.ls(&Selection::default()).unwrap().runs.len(), 1);
    std::thread::sleep(Duration::from_millis(1100)); // the servers' clocks count seconds
    let collected = store.gc(Duration::ZERO, false).unwrap();
    assert_eq!(collected.pushes, 2, "{collected:?}");
    assert!(store.ls(&Selection::default()).unwrap().runs.is_empty());
    let left = tree(&served.folder().join("files/crashes"));
    assert!(left.keys().all(|path| !path.starts_with("incoming") && !path.starts_with("runs")), "{left:?}");
}

#[test]
fn nginx_with_dav() {
    let Some(served) = web::nginx_dav() else { return };
    round_trip(&store(&served));
    // So that the folder behind any server is a debuginfod server as well.
    let files = served.folder().join("files/crashes");
    assert_eq!(std::fs::read(files.join("buildid/abcd/executable")).unwrap(), b"not really a binary");
    gc(&store(&served), &served);
}

#[test]
fn apache() {
    let Some(served) = web::apache() else { return };
    round_trip(&store(&served));
    gc(&store(&served), &served);
}

#[test]
fn rclone() {
    let Some(served) = web::rclone() else { return };
    round_trip(&store(&served));
    gc(&store(&served), &served);
}

#[test]
fn nginx_that_takes_put_and_nothing_else() {
    let Some(served) = web::nginx_plain(None) else { return };
    let store = store(&served);
    let error = store.ls(&Selection::default()).unwrap_err();
    assert!(matches!(error, StoreError::CannotList { .. }) && error.hint().is_some(), "{error:?}");
    round_trip(&store);
    let error = store.gc(Duration::ZERO, true).unwrap_err();
    assert!(matches!(error, StoreError::CannotList { .. }), "{error:?}");
}

#[test]
fn pushes_at_once_all_stand_in_the_index() {
    let Some(served) = web::nginx_plain(None) else { return };
    let nodes: Vec<String> = (0..6).map(|node| node.to_string()).collect();
    let served = &served;
    std::thread::scope(|scope| {
        for node in &nodes {
            scope.spawn(move || {
                let dir = tempfile::tempdir().unwrap();
                write(&dir.path().join("node"), node);
                let pushed = store(served).push(&[dir.path().to_owned()], &job(node), &NoProgress).unwrap();
                assert!(pushed.failed.is_empty(), "{pushed:?}");
            });
        }
    });
    let listing = store(served).ls(&Selection::default()).unwrap();
    let listed: Vec<&str> = listing.runs[0].artifacts.iter().map(|artifact| artifact.node.as_str()).collect();
    assert_eq!(listed, nodes);
}

#[test]
fn a_server_without_folders_is_told_how_to_make_them() {
    let Some(served) = web::nginx_without_folders() else { return };
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("x"), "x");
    let pushed = store(&served).push(&[dir.path().to_owned()], &job("0"), &NoProgress);
    let error = match pushed {
        Err(error) => error,
        Ok(mut pushed) => pushed.failed.remove(0).error,
    };
    assert!(error.hint().unwrap().contains("create_full_put_path"), "{error:?}");
}

#[test]
fn who_asks_comes_from_the_options_and_is_told_nowhere() {
    let Some(served) = web::nginx_plain(Some(LOGIN)) else { return };
    let url = format!("{}/crashes", served.url());
    let open = |login| Store::open_with(&url, &options(login)).unwrap();
    round_trip(&open(Some(HttpLogin::basic(LOGIN.user, LOGIN.password).unwrap())));
    for (login, hint) in [
        (None, "no secret was sent"),
        (Some(HttpLogin::basic(LOGIN.user, "hush").unwrap()), "doesn't allow"),
        (Some(HttpLogin::bearer("hush").unwrap()), "doesn't allow"),
    ] {
        let error = open(login).ls(&Selection::default()).unwrap_err();
        assert!(matches!(error, StoreError::HttpStore { status: 401, .. }), "{error:?}");
        assert!(error.hint().unwrap().contains(hint), "{error:?}");
        assert!(!format!("{error:?} {error}").contains("hush"), "{error:?}");
    }
}

#[test]
fn a_redirect_takes_no_secret_along_and_no_upload() {
    let other = Server::start(|_| Reply::new(200, "").header("DAV", "1").header("Allow", "PROPFIND"));
    let to = other.url();
    let server = Server::start(move |request: &Request| Reply::redirect(&format!("{to}{}", request.path)));
    let login = HttpLogin::bearer("secret").unwrap();
    let store = Store::open_with(&server.url(), &options(Some(login))).unwrap();
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("x"), "x");
    let pushed = store.push(&[dir.path().to_owned()], &job("0"), &NoProgress);
    let error = match pushed {
        Err(error) => error,
        Ok(mut pushed) => pushed.failed.remove(0).error,
    };
    assert!(matches!(error, StoreError::Redirect { .. } | StoreError::BadAnswer { .. }), "{error:?}");
    assert!(server.requests().iter().all(|request| request.header("authorization") == Some("Bearer secret")));
    assert!(!other.requests().is_empty());
    for request in other.requests() {
        assert_eq!(request.header("authorization"), None, "{request:?}");
        assert_eq!(request.header("content-length").unwrap_or("0"), "0", "nothing was uploaded: {request:?}");
    }
}

/// A server whose listings lie.
fn listing(body: &'static str) -> Store {
    let server = Box::leak(Box::new(Server::start(move |request: &Request| match request.header("depth") {
        Some(_) => Reply::new(207, body),
        None => Reply::new(200, "").header("DAV", "1"),
    })));
    Store::open_with(&format!("{}/a", server.url()), &options(None)).unwrap()
}

#[test]
fn hostile_listings() {
    for body in ["", "<html>", "<multistatus>", "<multistatus><response/></multistatus>"] {
        let error = listing(body).ls(&Selection::default()).unwrap_err();
        assert!(matches!(error, StoreError::BadAnswer { .. }), "{body}: {error:?}");
    }
    // Names that lead out of the folder that was asked for are passed over.
    let away = "<multistatus><response><href>/etc/passwd.json</href><propstat><prop><getcontentlength>1\
                </getcontentlength></prop><status>HTTP/1.1 200 OK</status></propstat></response><response>\
                <href>/a/runs/%2e%2e</href><propstat><prop><resourcetype><collection/></resourcetype></prop>\
                <status>HTTP/1.1 200 OK</status></propstat></response></multistatus>";
    assert!(listing(away).ls(&Selection::default()).unwrap().runs.is_empty());
}

#[test]
fn a_tree_without_end_is_left() {
    // Every folder holds another one.
    let server = Server::start(|request: &Request| match request.header("depth") {
        Some(_) => {
            let href = format!("{}x/", request.path);
            Reply::new(
                207,
                format!(
                    "<multistatus><response><href>{href}</href><propstat><prop><resourcetype><collection/></resourcetype></prop><status>HTTP/1.1 200 OK</status></propstat></response></multistatus>"
                ),
            )
        }
        None => Reply::new(200, "").header("DAV", "1"),
    });
    let store = Store::open_with(&server.url(), &options(None)).unwrap();
    let error = store.ls(&Selection::default()).unwrap_err();
    assert!(matches!(error, StoreError::BadAnswer { .. }), "{error:?}");
    assert!(server.requests().len() < 200);
}

#[test]
fn a_server_that_says_nothing_is_left() {
    let server = Server::start(|_| Reply::new(200, "x").cut(0, End::Stall));
    let mut options = options(None);
    options.network.stall_timeout = Duration::from_millis(200);
    options.network.attempts = 2;
    let store = Store::open_with(&server.url(), &options).unwrap();
    let error = store.ls(&Selection::default()).unwrap_err();
    assert!(matches!(error, StoreError::Stalled { .. }), "{error:?}");
}

#[test]
fn a_server_that_tells_no_times_loses_nothing() {
    let manifest = "/a/runs/provider=local/repo=r/job=1/node=0/x.json";
    let blob = format!("/a/blobs/sha256/ab/{}", "ab".repeat(32));
    let files = [manifest.to_owned(), blob];
    let server = Server::start(move |request: &Request| {
        if request.header("depth").is_none() {
            let text = r#"{"schema":"epitaph-push/1","created":"","provider":"local","repo":"r","job":"1","node":"0","artifacts":[]}"#;
            return Reply::new(200, if request.path == manifest { text } else { "" }).header("DAV", "1");
        }
        let mut names = std::collections::BTreeSet::new();
        for file in &files {
            if let Some(below) = file.strip_prefix(&request.path) {
                names.insert(match below.split_once('/') {
                    Some((folder, _)) => format!("{}{folder}/", request.path),
                    None => file.clone(),
                });
            }
        }
        let entry = |href: &String| {
            let property = if href.ends_with('/') {
                "<resourcetype><collection/></resourcetype>"
            } else {
                "<getcontentlength>1</getcontentlength>"
            };
            format!(
                "<response><href>{href}</href><propstat><prop>{property}</prop><status>HTTP/1.1 200 OK</status></propstat></response>"
            )
        };
        let entries: String = names.iter().map(entry).collect();
        Reply::new(207, format!("<multistatus xmlns=\"DAV:\">{entries}</multistatus>"))
    });
    let store = Store::open_with(&format!("{}/a", server.url()), &options(None)).unwrap();
    assert_eq!(store.ls(&Selection::default()).unwrap().warnings.len(), 0);
    let collected = store.gc(Duration::from_secs(86400), true).unwrap();
    assert_eq!((collected.pushes, collected.files), (0, 0), "{collected:?}");
}
