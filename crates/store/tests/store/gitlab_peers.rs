//! The stand-in for GitLab's API is asked by python-gitlab, and what that client uploads is pulled. It is a package of PyPI, so
//! these are long tests.

use epitaph_store::{NoProgress, Selection};
use epitaph_testkit::server::Server;
use serde_json::{Value, json};

use crate::support::github::{archive, sha256};
use crate::support::gitlab::{JOB, PACKAGE, PROJECT, TOKEN, job, package_that, packages, push, store};
use crate::support::peers::Peer;
use crate::support::{texts, write};

fn ask(peer: &Peer, server: &Server, arguments: &[&str]) -> Value {
    let (command, rest) = arguments.split_first().unwrap();
    let arguments: Vec<&str> = [*command, "acme/sub/app"].into_iter().chain(rest.iter().copied()).collect();
    peer.ask(&[("GITLAB_URL", &server.url()), ("GITLAB_TOKEN", TOKEN)], &arguments)
}

#[test]
fn a_job_is_the_same_for_python_gitlab() {
    let Some(peer) = Peer::gitlab() else { return };
    let stored = archive(&[("epitaph-out/summary.md", b"# one"), ("core", b"core")]);
    let (server, _storage) = job(stored.clone());
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("artifacts.zip");
    let told = ask(&peer, &server, &["job", "42", path.to_str().unwrap()]);
    assert_eq!((&told["name"], &told["status"]), (&json!("test"), &json!("failed")), "{told}");
    assert!(std::fs::read(&path).unwrap() == stored);
    let theirs: Vec<String> = server.requests().into_iter().map(|request| request.path).collect();
    // Ours are among theirs.
    store(JOB, &server).ls(&Selection::default()).unwrap();
    store(JOB, &server).pull(&place.path().join("ours"), &Selection::default(), &NoProgress).unwrap();
    for request in server.requests().split_off(theirs.len()) {
        assert!(theirs.contains(&request.path), "{} is not in {theirs:?}", request.path);
    }
}

#[test]
fn a_long_package_is_the_same_for_python_gitlab() {
    let Some(peer) = Peer::gitlab() else { return };
    let names: Vec<&'static str> = (0..130).map(|index| &*format!("f{index:03}").leak()).collect();
    let uploaded = names.iter().zip(100..).map(|(name, id)| (id, *name, name.as_bytes(), name.as_bytes()));
    let uploaded: Vec<_> = uploaded.collect();
    let server = package_that(move || uploaded.clone());
    let (theirs, ours) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let listed = ask(&peer, &server, &["files", "epitaph", "4711", theirs.path().to_str().unwrap()]);
    let listed = listed.as_array().unwrap();
    assert_eq!(listed.len(), 130);
    assert_eq!(listed[129], json!([229, "f129", 4, sha256(b"f129")]));
    store(PACKAGE, &server).pull(ours.path(), &Selection::default(), &NoProgress).unwrap();
    let contents = |folder| texts(folder).into_values().collect::<Vec<_>>();
    assert_eq!(contents(theirs.path()), contents(ours.path()));
}

#[test]
fn files_are_put_where_python_gitlab_puts_them() {
    let Some(peer) = Peer::gitlab() else { return };
    let (theirs, ours) = (packages(), packages());
    let dir = tempfile::tempdir().unwrap();
    let files = [("crashes/x/summary.json", "{}"), ("a+b~c@d", "plus"), ("summary.md", "# one")];
    for (name, content) in files {
        let path = dir.path().join(name);
        write(&path, content);
        let name = format!("crashes/{name}");
        let told = ask(&peer, &theirs, &["upload", "epitaph", "4711", &name, path.to_str().unwrap()]);
        assert_eq!(told["file_sha256"], json!(sha256(content.as_bytes())), "{told}");
    }
    assert_eq!(push(PACKAGE, &ours, dir.path()).unwrap().artifacts.len(), 3);
    let put = |server: &Server| -> Vec<(String, Vec<u8>, Option<String>)> {
        let of =
            |name: &str, request: &epitaph_testkit::server::Request| request.header(name).map(str::to_owned);
        let requests = server.requests().into_iter();
        let mut put: Vec<_> = requests
            .filter(|request| request.method == "PUT")
            .map(|request| (request.path.clone(), request.body.clone(), of("private-token", &request)))
            .collect();
        put.sort();
        put
    };
    assert!(put(&theirs)[0].0.starts_with(PROJECT));
    assert_eq!(put(&ours), put(&theirs));
    // What it has put is pulled.
    let desk = tempfile::tempdir().unwrap();
    let pulled = store(PACKAGE, &theirs).pull(desk.path(), &Selection::default(), &NoProgress).unwrap();
    assert!(pulled.failed.is_empty(), "{:?}", pulled.failed);
    assert_eq!(texts(&desk.path().join("crashes")), texts(dir.path()));
}
