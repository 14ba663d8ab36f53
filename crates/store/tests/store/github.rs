//! GitHub Actions when all is well: pages, archives behind redirects, layout, attempts, what is there already.

use std::fs;

use epitaph_store::{NoProgress, Selection, Store, StoreError, StoreOptions};
use epitaph_testkit::server::{Reply, Request, Server};
use serde_json::{Value, json};

use crate::support::circle::{content, file};
use crate::support::github::{
    RUN, TOKEN, archive, artifact, asked_archive, attempt, is_list, list, options, page, run, storage, store,
};
use crate::support::{Log, texts};

#[test]
fn each_artifact_is_unpacked_into_a_folder_of_its_name() {
    let crashes =
        archive(&[("crashes/x/summary.json", b"{}"), ("a b/core.4711.!tmp!t", b"core"), ("empty", b"")]);
    let logs = archive(&[("crashes/x/summary.json", b"other")]);
    let list = vec![artifact(0, "crashes linux", &crashes), artifact(1, "logs", &logs)];
    let (size, signed) = (crashes.len() + logs.len(), storage(vec![crashes, logs]));
    let server = run(list, &signed);
    let dir = tempfile::tempdir().unwrap();
    let log = Log::default();
    let pulled = store(&server.url()).pull(dir.path(), &Selection::default(), &log).unwrap();
    assert!(pulled.failed.is_empty(), "{:?}", pulled.failed);
    assert_eq!((pulled.fetched, pulled.bytes, pulled.present), (4, size as u64, 0));
    assert_eq!((pulled.repo.as_str(), pulled.job.as_str()), ("acme/app", "77"));
    let expected = [
        ("crashes linux/a b/core.4711.!tmp!t", "core"),
        ("crashes linux/crashes/x/summary.json", "{}"),
        ("crashes linux/empty", ""),
        ("logs/crashes/x/summary.json", "other"),
    ];
    assert_eq!(texts(dir.path()), expected.map(|(path, text)| (path.into(), text.into())).into());
    assert_eq!(log.lines()[0], format!("total 2 Some({size})"));
    assert_eq!((log.count("started"), log.count("finished"), log.count("failed")), (2, 2, 0));

    for request in server.requests() {
        assert_eq!(request.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
    }
    assert_eq!(signed.requests().len(), 2);
    for request in signed.requests() {
        assert!(!format!("{request:?}").contains(TOKEN), "the token is for GitHub alone: {request:?}");
    }
}

#[test]
fn what_is_there_is_not_fetched_again() {
    let one = archive(&[("a", b"1"), ("b/c", b"2")]);
    let signed = storage(vec![one.clone()]);
    let server = run(vec![artifact(0, "logs", &one)], &signed);
    let dir = tempfile::tempdir().unwrap();
    let pull = || store(&server.url()).pull(dir.path(), &Selection::default(), &NoProgress).unwrap();
    assert_eq!(pull().fetched, 2);
    let again = pull();
    assert_eq!((again.fetched, again.bytes, again.present), (0, 0, 2));
    assert_eq!(signed.requests().len(), 1);
    fs::write(dir.path().join("logs/b/c"), "edited").unwrap();
    assert_eq!(pull().fetched, 2);
    assert_eq!(fs::read(dir.path().join("logs/b/c")).unwrap(), b"2");
    let rest: Vec<_> = fs::read_dir(dir.path().join(".epitaph-pull")).unwrap().map(Result::unwrap).collect();
    assert_eq!(rest.len(), 1, "the archive is gone, the record stays: {rest:?}");
}

#[test]
fn long_lists_have_pages() {
    let one = archive(&[("f", b"x")]);
    let names: Vec<String> = (0..230).map(|index| format!("shard-{index:03}")).collect();
    let all: Vec<Value> =
        names.iter().enumerate().map(|(id, name)| artifact(id as u64, name, &one)).collect();
    let server = Server::start(move |request: &Request| page(request, &all));
    let listing = store(&server.url()).ls(&Selection::default()).unwrap();
    assert_eq!(listing.runs[0].artifacts.len(), 230);
    assert_eq!(listing.runs[0].artifacts[229].path, "shard-229.zip");
    assert_eq!(server.requests().len(), 3);
    assert!(server.requests()[0].path.ends_with("/actions/runs/77/artifacts?per_page=100&page=1"));
}

#[test]
fn an_interrupted_archive_goes_on_where_it_stopped() {
    use epitaph_testkit::server::End;
    use std::sync::atomic::{AtomicUsize, Ordering};
    let core = content(700_000);
    let stored = archive(&[("core", &core)]);
    let (all, first) = (stored.clone(), AtomicUsize::new(0));
    let signed = Server::start(move |request: &Request| {
        let reply = file(request, &all, "\"0x8DC\"");
        if first.fetch_add(1, Ordering::SeqCst) == 0 { reply.cut(all.len() / 2, End::Close) } else { reply }
    });
    let server = run(vec![artifact(0, "crashes", &stored)], &signed);
    let dir = tempfile::tempdir().unwrap();
    let pulled = store(&server.url()).pull(dir.path(), &Selection::default(), &NoProgress).unwrap();
    assert_eq!((pulled.fetched, pulled.bytes), (1, stored.len() as u64));
    assert!(fs::read(dir.path().join("crashes/core")).unwrap() == core);
    let resumed = signed.requests()[1].header("range").map(str::to_owned);
    assert_eq!(resumed, Some(format!("bytes={}-", stored.len() / 2)));
    assert_eq!(server.requests().len(), 3, "each attempt asks for a link of its own, since they expire");
}

#[test]
fn one_artifact_is_selected_by_its_name_or_its_page() {
    let one = archive(&[("f", b"x")]);
    let signed = storage(vec![one.clone(), one.clone()]);
    let server = run(vec![artifact(0, "linux", &one), artifact(1, "musl", &one)], &signed);
    let dir = tempfile::tempdir().unwrap();
    let node = Selection { node: Some("musl".into()), ..Selection::default() };
    store(&server.url()).pull(dir.path(), &node, &NoProgress).unwrap();
    assert_eq!(texts(dir.path()).into_keys().collect::<Vec<_>>(), ["musl/f"]);

    let page = format!("{}/acme/app/actions/runs/77/artifacts/0", server.url());
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_with(&page, &options(&server.url())).unwrap();
    store.pull(dir.path(), &Selection::default(), &NoProgress).unwrap();
    assert_eq!(texts(dir.path()).into_keys().collect::<Vec<_>>(), ["linux/f"]);
}

#[test]
fn of_artifacts_with_one_name_the_latest_is_taken_or_that_of_the_attempt() {
    let (old, new) = (archive(&[("f", b"old")]), archive(&[("f", b"new")]));
    let mut first = artifact(0, "logs", &old);
    first["created_at"] = json!("2026-11-22T09:30:00Z");
    let artifacts = vec![artifact(1, "logs", &new), first];
    let signed = storage(vec![old, new]);
    let storage = signed.url();
    let server = Server::start(move |request: &Request| match asked_archive(request) {
        _ if is_list(request) => list(&artifacts),
        Some(id) => Reply::redirect(&format!("{storage}/{id}")),
        None if request.path.ends_with("/attempts/1") => attempt("2026-11-22T09:00:00Z"),
        None if request.path.ends_with("/attempts/2") => attempt("2026-11-22T09:50:00Z"),
        None => Reply::new(404, ""),
    });
    for (url, text) in [
        (RUN, "new"),
        ("github://acme/app/runs/77/attempts/1", "old"),
        ("github://acme/app/runs/77/attempts/2", "new"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open_with(url, &options(&server.url())).unwrap();
        store.pull(dir.path(), &Selection::default(), &NoProgress).unwrap();
        assert_eq!(texts(dir.path()), [("logs/f".into(), text.into())].into(), "{url}");
    }
}

#[test]
fn a_job_s_page_is_its_run_with_a_warning() {
    let one = archive(&[("f", b"x")]);
    let signed = storage(vec![one.clone()]);
    let server = run(vec![artifact(0, "logs", &one)], &signed);
    let page = format!("{}/acme/app/actions/runs/77/job/5", server.url());
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open_with(&page, &options(&server.url())).unwrap();
    let pulled = store.pull(dir.path(), &Selection::default(), &NoProgress).unwrap();
    assert_eq!(pulled.fetched, 1);
    assert!(pulled.warnings[0].message.contains("those of the whole run"), "{:?}", pulled.warnings);
}

#[test]
fn a_file_that_was_stored_without_an_archive_is_taken_as_it_is() {
    let page = b"<h1>crash</h1>".to_vec();
    let signed = storage(vec![page.clone()]);
    let server = run(vec![artifact(0, "report.html", &page)], &signed);
    let dir = tempfile::tempdir().unwrap();
    let pull = || store(&server.url()).pull(dir.path(), &Selection::default(), &NoProgress).unwrap();
    assert_eq!(pull().fetched, 1);
    assert_eq!(texts(dir.path()), [("report.html/report.html".into(), "<h1>crash</h1>".into())].into());
    assert_eq!(pull().present, 1);
}

#[test]
fn what_has_expired_is_told_and_the_rest_is_pulled() {
    let one = archive(&[("f", b"x")]);
    let mut old = artifact(1, "old", &one);
    old["expired"] = json!(true);
    let signed = storage(vec![one.clone()]);
    let server = run(vec![artifact(0, "logs", &one), old], &signed);
    let dir = tempfile::tempdir().unwrap();
    let pulled = store(&server.url()).pull(dir.path(), &Selection::default(), &NoProgress).unwrap();
    assert_eq!(texts(dir.path()).into_keys().collect::<Vec<_>>(), ["logs/f"]);
    let [failed] = pulled.failed.as_slice() else { panic!("{pulled:?}") };
    assert_eq!(failed.error.to_string(), "the artifact `old` has expired on 2027-02-20T10:00:00Z");
    assert!(failed.error.hint().unwrap().contains("run the job again"));
    let listing = store(&server.url()).ls(&Selection::default()).unwrap();
    assert_eq!(listing.runs[0].artifacts.len(), 1);
    assert!(listing.warnings[0].message.contains("has expired"));
}

#[test]
fn who_may_not_is_told_what_to_do() {
    let server = Server::start(|_| Reply::new(404, r#"{"message":"Not Found"}"#));
    let error = store(&server.url()).ls(&Selection::default()).unwrap_err();
    assert!(
        error.to_string().contains("/api/v3/repos/acme/app/actions/runs/77/artifacts answered 404"),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("that the token may see them"), "{error:?}");
    let without = StoreOptions { github_token: None, ..options(&server.url()) };
    let error = Store::open_with(RUN, &without).unwrap().ls(&Selection::default()).unwrap_err();
    assert!(error.hint().unwrap().contains("set GH_TOKEN"), "{error:?}");
    assert!(matches!(error, StoreError::Advised { .. }));

    let server = Server::start(|_| Reply::new(200, r#"{"total_count":0,"artifacts":[]}"#));
    let dir = tempfile::tempdir().unwrap();
    let error =
        store(&server.url()).pull(&dir.path().join("new"), &Selection::default(), &NoProgress).unwrap_err();
    assert_eq!(error.to_string(), "no artifacts in github://acme/app/runs/77 for any job");
    assert!(!dir.path().join("new").exists());
}

#[test]
fn who_asks_too_often_waits_as_long_as_it_is_told() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let asked = AtomicUsize::new(0);
    let server = Server::start(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::new(403, r#"{"message":"You have exceeded a secondary rate limit"}"#)
            .header("Retry-After", "1"),
        _ => list(&[]),
    });
    assert!(store(&server.url()).ls(&Selection::default()).unwrap().runs[0].artifacts.is_empty());
    assert_eq!(server.requests().len(), 2);
}
