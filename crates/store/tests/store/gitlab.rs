//! GitLab: a job's archive behind a redirect, the files of a generic package.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use epitaph_store::{GitlabToken, NoProgress, Selection, Store, StoreError, StoreOptions, Token};
use epitaph_testkit::server::{Reply, Server};
use serde_json::json;

use crate::support::github::archive;
use crate::support::gitlab::{
    JOB, PACKAGE, PROJECT, TOKEN, job, json_reply, options, package, package_that, packages, push, store,
};
use crate::support::{Log, texts, write};

#[test]
fn a_job_s_archive_is_unpacked_where_it_is_asked_for() {
    let (server, storage) = job(archive(&[("epitaph-out/summary.md", b"# one"), ("core", b"core")]));
    let page = format!("{}/acme/sub/app/-/jobs/42", server.url());
    for url in [JOB, &page] {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::default();
        let pulled = store(url, &server).pull(dir.path(), &Selection::default(), &log).unwrap();
        assert!(pulled.failed.is_empty(), "{:?}", pulled.failed);
        assert_eq!((pulled.fetched, pulled.repo.as_str(), pulled.job.as_str()), (2, "acme/sub/app", "42"));
        let expected = [("core", "core"), ("epitaph-out/summary.md", "# one")];
        assert_eq!(texts(dir.path()), expected.map(|(path, text)| (path.into(), text.into())).into());
        assert_eq!((log.count("started"), log.count("finished")), (1, 1));
        let again = store(url, &server).pull(dir.path(), &Selection::default(), &NoProgress).unwrap();
        assert_eq!((again.fetched, again.present), (0, 2));
    }
    assert_eq!(storage.requests().len(), 2);
    assert!(server.requests().iter().all(|request| request.header("private-token") == Some(TOKEN)));
    for request in storage.requests() {
        assert!(!format!("{request:?}").contains(TOKEN), "the token is for GitLab alone: {request:?}");
    }
}

#[test]
fn a_job_is_listed_by_its_archive() {
    let (server, _storage) = job(archive(&[("f", b"x")]));
    let listing = store(JOB, &server).ls(&Selection::default()).unwrap();
    let [run] = listing.runs.as_slice() else { panic!("{listing:?}") };
    assert_eq!((run.provider.as_str(), run.created.as_deref()), ("gitlab", Some("2026-11-22T10:00:00.000Z")));
    assert_eq!(run.artifacts.len(), 1);
    assert_eq!(run.artifacts[0].path, "artifacts.zip");
    assert_eq!(run.artifacts[0].size, Some(archive(&[("f", b"x")]).len() as u64));
}

#[test]
fn a_job_s_own_token_is_sent_as_such() {
    let (server, _storage) = job(archive(&[("f", b"x")]));
    let options = StoreOptions {
        gitlab_token: Some(GitlabToken::Job(Token::new(TOKEN).unwrap())),
        ..options(&server.url())
    };
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_with(JOB, &options).unwrap();
    assert_eq!(store.pull(dir.path(), &Selection::default(), &NoProgress).unwrap().fetched, 1);
    let [request] = server.requests().try_into().unwrap();
    assert_eq!((request.header("job-token"), request.header("private-token")), (Some(TOKEN), None));
}

#[test]
fn a_server_that_only_was_pasted_gets_no_token() {
    let stranger = Server::start(|_| Reply::new(404, "{}"));
    let (server, _storage) = job(Vec::new());
    // Another host by its name, though the same machine.
    let page = format!("{}/acme/sub/app/-/jobs/42", stranger.url().replace("127.0.0.1", "localhost"));
    let dir = tempfile::tempdir().unwrap();
    let pulled = store(&page, &server).pull(dir.path(), &Selection::default(), &NoProgress).unwrap();
    let error = &pulled.failed[0].error;
    assert!(error.to_string().contains("answered 404"), "{error}");
    assert!(error.hint().unwrap().contains("EPITAPH_GITLAB_URL=https://HOST"), "{error:?}");
    assert_eq!(stranger.requests().len(), 1);
    assert!(!format!("{:?}", stranger.requests()).contains(TOKEN));
}

#[test]
fn the_files_of_a_package_are_pulled_and_checked() {
    let server = package(vec![
        (10, "summary.md", b"old", b"new"),
        (12, "summary.md", b"new", b"new"),
        (11, "core.zst", b"core", b"damaged"),
        (13, "..", b"evil", b"evil"),
    ]);
    let api = format!("{}{PROJECT}/packages/generic/epitaph/4711", server.url());
    for url in [PACKAGE, &api] {
        let dir = tempfile::tempdir().unwrap();
        let pulled = store(url, &server).pull(dir.path(), &Selection::default(), &NoProgress).unwrap();
        assert_eq!(pulled.fetched, 1, "{pulled:?}");
        assert_eq!(texts(dir.path()), [("summary.md".into(), "new".into())].into());
        let mut reasons: Vec<String> = pulled.failed.iter().map(|failed| failed.error.to_string()).collect();
        reasons.sort();
        assert!(reasons[0].starts_with("`core.zst` arrived damaged: expected sha256"), "{reasons:?}");
        assert!(reasons[1].starts_with("unsafe artifact path `..`"), "{reasons:?}");
    }
    let listing = store(PACKAGE, &server).ls(&Selection::default()).unwrap();
    assert_eq!(listing.runs[0].artifacts.len(), 3);
    let summary = listing.runs[0].artifacts.iter().find(|artifact| artifact.path == "summary.md").unwrap();
    assert_eq!(store(PACKAGE, &server).read(summary, 10).unwrap(), b"new");
}

#[test]
fn what_is_not_there_is_told() {
    let server = package(Vec::new());
    let dir = tempfile::tempdir().unwrap();
    let error = store(PACKAGE, &server).pull(dir.path(), &Selection::default(), &NoProgress).unwrap_err();
    assert!(matches!(error, StoreError::NothingFound { .. }), "{error:?}");
    let expired = Server::start(|_| {
        json_reply(&json!({ "artifacts": [], "artifacts_expire_at": "2026-12-01T00:00:00Z" }))
    });
    let error = store(JOB, &expired).ls(&Selection::default()).unwrap_err();
    assert_eq!(error.to_string(), "the artifact `artifacts` has expired on 2026-12-01T00:00:00Z");
}

#[test]
fn a_page_to_log_in_is_no_archive() {
    let (server, _storage) = job(b"<html>log in</html>".to_vec());
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let pulled = store(JOB, &server).pull(dir.path(), &Selection::default(), &NoProgress).unwrap();
        assert!(matches!(pulled.failed[0].error, StoreError::BadArchive { .. }), "{pulled:?}");
        assert!(texts(dir.path()).is_empty());
    }
}

#[test]
fn a_file_that_was_uploaded_again_under_its_name_is_pulled_again() {
    let dir = tempfile::tempdir().unwrap();
    let uploads = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&uploads);
    let server = package_that(move || {
        let content: &[u8] = if seen.load(Ordering::SeqCst) == 0 { b"old" } else { b"new" };
        vec![(10, "summary.md", content, content)]
    });
    let pull = || store(PACKAGE, &server).pull(dir.path(), &Selection::default(), &NoProgress).unwrap();
    assert_eq!((pull().fetched, pull().present), (1, 1));
    uploads.store(1, Ordering::SeqCst);
    let pulled = pull();
    assert_eq!((pulled.fetched, pulled.failed.len()), (1, 0), "{pulled:?}");
    assert_eq!(texts(dir.path())["summary.md"], "new");
}

#[test]
fn files_are_put_into_a_package_the_story_first() {
    let (server, dir) = (packages(), tempfile::tempdir().unwrap());
    let id = "20261122T100000Z-a-sigsegv-0";
    write(&dir.path().join("crashes").join(id).join("core.zst"), "core");
    write(&dir.path().join("crashes").join(id).join("summary.json"), "{}");
    write(&dir.path().join("summary.md"), "# one");
    let pushed = push(PACKAGE, &server, dir.path()).unwrap();
    assert!(pushed.failed.is_empty() && pushed.manifest_key.is_some(), "{pushed:?}");
    let base = format!("{PROJECT}/packages/generic/epitaph/4711/crashes");
    let core = format!("{base}/crashes/{id}/core.zst?select=package_file");
    let expected = [
        format!("{base}/crashes/{id}/summary.json?select=package_file"),
        format!("{base}/summary.md?select=package_file"),
        core.clone(),
        core,
    ];
    let requests = server.requests();
    assert_eq!(requests.iter().map(|request| request.path.clone()).collect::<Vec<_>>(), expected);
    assert!(requests.iter().all(|request| request.header("private-token") == Some(TOKEN)));
    assert_eq!(requests[3].body, b"core", "all of it, once more");
    // It comes back as it was: the API lists those in folders by encoded names, and serves them by their paths.
    let desk = tempfile::tempdir().unwrap();
    let pulled = store(PACKAGE, &server).pull(desk.path(), &Selection::default(), &NoProgress).unwrap();
    assert!(pulled.failed.is_empty(), "{:?}", pulled.failed);
    assert_eq!(texts(&desk.path().join("crashes")), texts(dir.path()));
    // By the address of the API as well, as a job has it; another host gets no token.
    let url = format!("{}/api/v4/projects/acme%2Fsub%2Fapp/packages/generic/epitaph/4711", server.url());
    assert_eq!(push(&url, &server, dir.path()).unwrap().artifacts.len(), 3);
}

#[test]
fn a_file_that_arrived_as_another_is_no_success() {
    let (server, dir) = (packages(), tempfile::tempdir().unwrap());
    write(&dir.path().join("lost"), "lost");
    let pushed = push(PACKAGE, &server, dir.path()).unwrap();
    assert!(pushed.artifacts.is_empty() && pushed.manifest_key.is_none());
    assert!(matches!(pushed.failed[0].error, StoreError::BadAnswer { .. }), "{:?}", pushed.failed);
    let other = push("gitlab://acme/sub/app/-/packages/generic/epitaph/%C3%A4", &server, dir.path()).unwrap();
    assert!(other.failed[0].error.hint().unwrap().contains("--destination"), "{:?}", other.failed);
    let job = push(JOB, &server, dir.path()).unwrap_err();
    assert!(matches!(job, StoreError::ReadOnly { .. }) && job.hint().unwrap().contains("packages/generic"));
}
