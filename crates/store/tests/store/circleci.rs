//! CircleCI when all is well: lists, layout, tokens, parallelism.

use std::fs;
use std::time::Duration;

use epitaph_store::{NoProgress, PushOptions, Selection, Store, StoreError, StoreOptions};

use crate::support::circle::{self, TOKEN, file, here, is_list, list, store};
use crate::support::{Log, texts};
use epitaph_testkit::server::{Reply, Request, Server};

/// Two nodes with a path in common, and a core with a name that only `core_pattern` makes.
fn two_nodes() -> Server {
    Server::start(|request: &Request| match request.path.as_str() {
        _ if is_list(request) => list(&[
            (0, "crashes/summary.md", here(request, "/output/0/crashes/summary.md")),
            (1, "crashes/summary.md", here(request, "/output/1/crashes/summary.md")),
            (1, "core.14649.!tmp!a b!t", here(request, "/output/1/core.14649.%21tmp%21a+b%21t")),
        ]),
        "/output/0/crashes/summary.md" => file(request, b"zero", "\"0\""),
        "/output/1/crashes/summary.md" => file(request, b"one", "\"1\""),
        "/output/1/core.14649.%21tmp%21a+b%21t" => file(request, b"core", "\"c\""),
        _ => Reply::new(404, ""),
    })
}

#[test]
fn every_node_s_artifacts_are_pulled() {
    let server = two_nodes();
    let dir = tempfile::tempdir().unwrap();
    let log = Log::default();
    let pulled = store(&server.url()).pull(dir.path(), &Selection::default(), &log).unwrap();
    assert_eq!((pulled.fetched, pulled.bytes, pulled.present), (3, 11, 0));
    assert!(pulled.failed.is_empty(), "{:?}", pulled.failed);
    assert_eq!((pulled.repo.as_str(), pulled.job.as_str()), ("acme/app", "1234"));
    let expected = [
        ("0/crashes/summary.md", "zero"),
        ("1/core.14649.!tmp!a b!t", "core"),
        ("1/crashes/summary.md", "one"),
    ];
    assert_eq!(texts(dir.path()), expected.map(|(path, text)| (path.into(), text.into())).into());
    assert_eq!(log.lines()[0], "total 3 None");
    assert_eq!((log.count("started"), log.count("finished"), log.count("failed")), (3, 3, 0));

    let requests = server.requests();
    assert_eq!(requests.len(), 4);
    for request in requests {
        assert_eq!(request.header("circle-token"), Some(TOKEN), "{}", request.path);
        assert!(request.header("user-agent").unwrap().starts_with("epitaph/"));
        assert!(!request.path.contains(TOKEN));
        assert_eq!(request.header("authorization"), None);
    }
    assert_eq!(server.requests()[0].header("accept"), Some("application/json"));
}

#[test]
fn artifacts_are_listed() {
    let server = two_nodes();
    let listing = store(&server.url()).ls(&Selection::default()).unwrap();
    let [run] = listing.runs.as_slice() else { panic!("{listing:?}") };
    assert_eq!(
        (run.provider.as_str(), run.repo.as_str(), run.job.as_str()),
        ("circleci", "acme/app", "1234")
    );
    assert_eq!(run.artifacts.len(), 3);
    assert_eq!((run.artifacts[1].node.as_str(), run.artifacts[1].path.as_str()), ("1", "crashes/summary.md"));

    let node = Selection { node: Some("1".into()), ..Selection::default() };
    assert_eq!(store(&server.url()).ls(&node).unwrap().runs[0].artifacts.len(), 2);
}

#[test]
fn one_node_is_pulled_to_the_same_place() {
    let server = two_nodes();
    let dir = tempfile::tempdir().unwrap();
    let node = Selection { node: Some("0".into()), ..Selection::default() };
    assert_eq!(store(&server.url()).pull(dir.path(), &node, &NoProgress).unwrap().fetched, 1);
    assert_eq!(texts(dir.path()), [("0/crashes/summary.md".into(), "zero".into())].into());
}

#[test]
fn nothing_to_pull_is_an_error() {
    let server = Server::start(|_| list(&[]));
    let dir = tempfile::tempdir().unwrap();
    let store = store(&server.url());
    let error = store.pull(&dir.path().join("new"), &Selection::default(), &NoProgress).unwrap_err();
    assert_eq!(error.to_string(), "no artifacts in circleci://github/acme/app/1234 for any job");
    assert!(!dir.path().join("new").exists());
    assert!(store.ls(&Selection::default()).unwrap().runs[0].artifacts.is_empty());
    // Another job's name is not asked of this one.
    let other = Selection { job: Some("99".into()), ..Selection::default() };
    assert!(matches!(store.pull(dir.path(), &other, &NoProgress), Err(StoreError::NothingFound { .. })));
}

#[test]
fn four_files_travel_at_once() {
    let names: Vec<String> = (0..12).map(|index| format!("f{index}")).collect();
    let server = Server::start(move |request: &Request| {
        if is_list(request) {
            let artifacts: Vec<_> =
                names.iter().map(|name| (0, name.as_str(), here(request, &format!("/{name}")))).collect();
            return list(&artifacts);
        }
        file(request, b"x", "\"x\"").after(Duration::from_millis(60))
    });
    let dir = tempfile::tempdir().unwrap();
    let pulled = store(&server.url()).pull(dir.path(), &Selection::default(), &NoProgress).unwrap();
    assert_eq!(pulled.fetched, 12);
    assert_eq!(server.peak(), 4);
}

#[test]
fn what_is_there_is_not_fetched_again() {
    let server = two_nodes();
    let dir = tempfile::tempdir().unwrap();
    let pull = || store(&server.url()).pull(dir.path(), &Selection::default(), &NoProgress).unwrap();
    assert_eq!(pull().fetched, 3);
    let again = pull();
    assert_eq!((again.fetched, again.bytes, again.present), (0, 0, 3));
    assert_eq!(server.requests_for("/output/").len(), 3);

    fs::remove_file(dir.path().join("0/crashes/summary.md")).unwrap();
    fs::write(dir.path().join("1/crashes/summary.md"), "edited").unwrap();
    let repaired = pull();
    assert_eq!((repaired.fetched, repaired.present), (2, 1));
    assert_eq!(fs::read(dir.path().join("1/crashes/summary.md")).unwrap(), b"one");
}

#[test]
fn public_projects_need_no_token() {
    let server = two_nodes();
    let options = StoreOptions { circleci_token: None, ..circle::options(&server.url()) };
    let store = Store::open_with(circle::JOB, &options).unwrap();
    assert_eq!(store.ls(&Selection::default()).unwrap().runs[0].artifacts.len(), 3);
    assert_eq!(server.requests()[0].header("circle-token"), None);
}

#[test]
fn a_server_below_a_path() {
    let server = Server::start(|_| list(&[]));
    store(&format!("{}/circle/", server.url())).ls(&Selection::default()).unwrap();
    let paths: Vec<String> = server.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, ["/circle/api/v2/project/github/acme/app/1234/artifacts"]);
}

#[test]
fn circleci_is_not_pushed_to() {
    let options = PushOptions { destination: None, job: epitaph_store::JobId::local("x") };
    let error = Store::open(circle::JOB).unwrap().push(&[], &options, &NoProgress).unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly { .. }));
    assert!(error.hint().unwrap().contains("store_artifacts"));
}
