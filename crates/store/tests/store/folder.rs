//! The folder store when all is well: names, layout, selection, round trips.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::thread;

use epitaph_store::{JobId, NoProgress, PushOptions, Pushed, Run, Selection, Store};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Log, kept_by_pulls, texts, tree, write};

fn job(repo: &str, job: &str, node: &str) -> JobId {
    JobId { provider: "circleci".into(), repo: repo.into(), job: job.into(), node: node.into() }
}

fn options(destination: &str, job: JobId) -> PushOptions {
    PushOptions { destination: Some(destination.into()), job }
}

fn store(dir: &TempDir) -> Store {
    Store::open(dir.path().join("store").to_str().unwrap()).unwrap()
}

/// Pushes one file of that content to that artifact path.
fn push_text(dir: &TempDir, path: &str, text: &str, job: JobId) -> Pushed {
    let source = dir.path().join("source");
    fs::write(&source, text).unwrap();
    let pushed = store(dir).push(&[source], &options(path, job), &NoProgress).unwrap();
    assert!(pushed.failed.is_empty(), "{:?}", pushed.failed);
    pushed
}

/// Pulls, and tells what is there then.
fn pull(dir: &TempDir, selection: &Selection) -> Vec<(String, String)> {
    let target = tempfile::tempdir().unwrap();
    let pulled = store(dir).pull(target.path(), selection, &NoProgress).unwrap();
    assert!(pulled.failed.is_empty(), "{:?}", pulled.failed);
    assert_eq!(kept_by_pulls(target.path()), ["done.jsonl"], "nothing is left over but the record");
    texts(target.path()).into_iter().collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}

fn all() -> Selection {
    Selection::default()
}

#[test]
fn a_tree_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("out");
    write(&source.join("empty"), "");
    write(&source.join("a/b/c/core.zst"), vec![7; 700_000]);
    write(&source.join("a/ä ö\n"), "odd name");
    write(&source.join(OsStr::from_bytes(b"a/\xFFx")), "no text");
    write(&source.join(r"a/back\slash"), "backslash");
    fs::create_dir(source.join("empty folder")).unwrap();

    let log = Log::default();
    let pushed = store(&dir).push(&[source], &options("up", job("r", "1", "0")), &log).unwrap();
    assert_eq!((pushed.artifacts.len(), pushed.bytes), (5, 700_000 + 8 + 7 + 9));
    assert!(pushed.failed.is_empty() && pushed.skipped.is_empty() && pushed.warnings.is_empty());
    assert_eq!(log.lines()[0], "total 5 Some(700024)");
    assert_eq!((log.count("started"), log.count("finished")), (5, 5));
    assert_eq!(log.count("advanced up/a/b/c/core.zst 700000 "), 1);

    let target = dir.path().join("back");
    let pulled = store(&dir).pull(&target, &all(), &NoProgress).unwrap();
    assert_eq!((pulled.fetched, pulled.bytes, pulled.present), (5, 700_024, 0));
    let back = tree(&target);
    assert_eq!(back[Path::new("up/a/b/c/core.zst")], vec![7; 700_000]);
    assert_eq!(back[Path::new("up/a/ä ö\n")], b"odd name");
    assert_eq!(back[Path::new("up/a/%FFx")], b"no text");
    assert_eq!(back[Path::new("up/a/back%5Cslash")], b"backslash");
    assert_eq!(back[Path::new("up/empty")], b"");
    assert_eq!(back.len(), 5);
}

#[test]
fn paths_without_a_destination() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("tmp/artifact-1"), "my artifact file");
    write(&dir.path().join("tmp/artifacts/artifact-2"), "my artifact files in a dir");
    let sources = [dir.path().join("tmp/artifact-1"), dir.path().join("tmp/./x/../artifacts/")];
    fs::create_dir(dir.path().join("tmp/x")).unwrap();
    let options = PushOptions { destination: None, job: JobId::local("x") };
    let pushed = store(&dir).push(&sources, &options, &NoProgress).unwrap();
    let prefix = dir.path().to_str().unwrap().trim_start_matches('/');
    let mut names: Vec<&str> = pushed.artifacts.iter().map(|artifact| artifact.path.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, [format!("{prefix}/tmp/artifact-1"), format!("{prefix}/tmp/artifacts/artifact-2")]);
}

#[test]
fn the_layout_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("out");
    let summary = "{\n \"schema\": \"epitaph-crash/1\",\n \"time\": \"2026-11-22T23:59:59Z\"\n}\n";
    write(&source.join("crashes/x1/summary.json"), summary);
    write(&source.join("crashes/x1/core.zst"), "core");
    write(&source.join("crashes/x2/summary.json"), "{\"schema\":\"epitaph-crash/1\"}");
    write(&source.join("buildid/ab12/executable"), "elf");
    write(&source.join("summary.md"), "# 2 crashes");
    let pushed = store(&dir).push(&[source], &options("", job("acme/app", "7", "1")), &NoProgress).unwrap();
    let order: Vec<&str> = pushed.artifacts.iter().map(|artifact| artifact.path.as_str()).collect();
    let first = ["crashes/x2/summary.json", "crashes/x1/summary.json", "summary.md"];
    assert_eq!(order, [&first[..], &["buildid/ab12/executable", "crashes/x1/core.zst"]].concat());

    let files = texts(&dir.path().join("store"));
    let row = &files["summaries/date=2026-11-22/repo=acme%2Fapp/x1.json"];
    assert_eq!(row, "{\"schema\":\"epitaph-crash/1\",\"time\":\"2026-11-22T23:59:59Z\"}\n");
    // A summary without a time has the day of its push.
    let manifest_key = pushed.manifest_key.unwrap();
    let manifest: Value = serde_json::from_str(&files[&manifest_key]).unwrap();
    let day = &manifest["created"].as_str().unwrap()[..10];
    assert!(files.contains_key(&format!("summaries/date={day}/repo=acme%2Fapp/x2.json")), "{files:?}");
    assert_eq!(files["buildid/ab12/executable"], "elf");

    assert!(
        manifest_key.starts_with("runs/provider=circleci/repo=acme%2Fapp/job=7/node=1/2"),
        "{manifest_key}"
    );
    assert_eq!(manifest["schema"], "epitaph-push/1");
    assert_eq!((&manifest["repo"], &manifest["job"]), (&"acme/app".into(), &"7".into()));
    assert_eq!((&manifest["node"], &manifest["destination"]), (&"1".into(), &"".into()));
    let artifacts = manifest["artifacts"].as_array().unwrap();
    assert_eq!(artifacts.len(), 5);
    for artifact in artifacts {
        let sum = artifact["sha256"].as_str().unwrap();
        let blob = &files[&format!("blobs/sha256/{}/{sum}", &sum[..2])];
        assert_eq!(artifact["size"], blob.len());
    }
    assert_eq!(files.len(), 5 + 2 + 1 + 1, "{files:?}");
}

#[test]
fn a_broken_summary_is_only_an_artifact() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("out/crashes/x1/summary.json"), "{\"schema\":");
    let pushed =
        store(&dir).push(&[dir.path().join("out")], &options("", job("r", "1", "0")), &NoProgress).unwrap();
    assert_eq!(pushed.warnings.len(), 1);
    assert_eq!(pushed.warnings[0].path, "crashes/x1/summary.json");
    assert!(pushed.warnings[0].message.contains("plain artifact"), "{:?}", pushed.warnings);
    assert!(!dir.path().join("store/summaries").exists());
    assert_eq!(pull(&dir, &all()), pairs(&[("crashes/x1/summary.json", "{\"schema\":")]));
}

#[test]
fn a_job_is_the_union_of_its_pushes() {
    let dir = tempfile::tempdir().unwrap();
    push_text(&dir, "a", "old", job("r", "1", "0"));
    push_text(&dir, "b", "b", job("r", "1", "0"));
    push_text(&dir, "a", "new", job("r", "1", "0"));
    assert_eq!(pull(&dir, &all()), pairs(&[("a", "new"), ("b", "b")]));
}

#[test]
fn nodes_have_folders_only_if_their_paths_collide() {
    let dir = tempfile::tempdir().unwrap();
    push_text(&dir, "a", "zero", job("r", "1", "0"));
    push_text(&dir, "b", "one", job("r", "1", "GitHub Actions/1"));
    assert_eq!(pull(&dir, &all()), pairs(&[("a", "zero"), ("b", "one")]));
    push_text(&dir, "a", "one", job("r", "1", "GitHub Actions/1"));
    let folder = "GitHub%20Actions%2F1";
    let (a, b) = (format!("{folder}/a"), format!("{folder}/b"));
    assert_eq!(pull(&dir, &all()), pairs(&[("0/a", "zero"), (&a, "one"), (&b, "one")]));
    // One node alone has its files where all nodes together have them.
    let node = Selection { node: Some("0".into()), ..all() };
    assert_eq!(pull(&dir, &node), pairs(&[("0/a", "zero")]));
}

#[test]
fn the_newest_job_unless_another_is_selected() {
    let dir = tempfile::tempdir().unwrap();
    push_text(&dir, "a", "1", job("acme/app", "10", "0"));
    push_text(&dir, "a", "2", job("acme/lib", "9", "0"));
    push_text(&dir, "a", "3", job("acme/lib", "8", "0"));
    push_text(&dir, "a", "4", job("acme/lib", "9", "0"));
    let pulled = |selection: &Selection| pull(&dir, selection)[0].1.clone();
    assert_eq!(pulled(&all()), "4");
    let app = Selection { repo: Some("acme/app".into()), ..all() };
    assert_eq!(pulled(&app), "1");
    let eight = Selection { job: Some("8".into()), ..all() };
    assert_eq!(pulled(&eight), "3");
    let none = Selection { job: Some("8".into()), ..app.clone() };
    let error = store(&dir).pull(&dir.path().join("x"), &none, &NoProgress).unwrap_err();
    assert!(error.to_string().ends_with("for repo `acme/app`, job `8`"), "{error}");

    let jobs = |selection: &Selection| {
        let name = |run: Run| format!("{}:{}", run.repo, run.job);
        store(&dir).ls(selection).unwrap().runs.into_iter().map(name).collect::<Vec<_>>()
    };
    assert_eq!(jobs(&all()), ["acme/lib:9", "acme/lib:8", "acme/app:10"]);
    assert_eq!(jobs(&app), ["acme/app:10"]);
    assert!(jobs(&Selection { node: Some("1".into()), ..all() }).is_empty());
}

#[test]
fn what_is_there_is_not_copied_again() {
    let dir = tempfile::tempdir().unwrap();
    push_text(&dir, "a", "aaaa", job("r", "1", "0"));
    push_text(&dir, "b", "bbbb", job("r", "1", "0"));
    let target = dir.path().join("back");
    let pull = || store(&dir).pull(&target, &all(), &NoProgress).unwrap();
    assert_eq!(pull().fetched, 2);
    let again = pull();
    assert_eq!((again.fetched, again.bytes, again.present), (0, 0, 2));
    fs::write(target.join("a"), "AAAA").unwrap();
    assert_eq!((pull().fetched, fs::read_to_string(target.join("a")).unwrap()), (1, "aaaa".to_owned()));
}

#[test]
fn many_push_the_same_at_once() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("out/core"), vec![1; 300_000]);
    write(&dir.path().join("out/buildid/ab12/debuginfo"), "debug");
    write(&dir.path().join("out/crashes/x/summary.json"), "{}");
    thread::scope(|scope| {
        for node in 0..8 {
            let (store, source) = (store(&dir), dir.path().join("out"));
            scope.spawn(move || {
                let options = options("", job("r", "1", &node.to_string()));
                let pushed = store.push(&[source], &options, &NoProgress).unwrap();
                assert_eq!((pushed.artifacts.len(), pushed.failed.len(), pushed.warnings.len()), (3, 0, 0));
            });
        }
    });
    let files = tree(&dir.path().join("store"));
    let count = |start: &str| files.keys().filter(|path| path.starts_with(start)).count();
    assert_eq!((count("blobs"), count("runs"), count("buildid"), count("summaries")), (3, 8, 1, 1));
    let listing = store(&dir).ls(&all()).unwrap();
    assert_eq!((listing.runs.len(), listing.runs[0].artifacts.len()), (1, 24));
    assert!(listing.warnings.is_empty());
}

#[test]
fn a_store_is_named_by_path_or_url() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a store");
    let url = format!("file://{}", path.to_str().unwrap().replace(' ', "%20"));
    write(&dir.path().join("file"), "x");
    let options = options("file", JobId::local("1"));
    Store::open(&url).unwrap().push(&[dir.path().join("file")], &options, &NoProgress).unwrap();
    for name in [url.clone(), format!("{url}/"), path.display().to_string(), format!("{}/", path.display())] {
        assert_eq!(Store::open(&name).unwrap().ls(&all()).unwrap().runs.len(), 1, "{name}");
    }
}

#[test]
fn nothing_to_push_leaves_no_manifest() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let pushed = store(&dir).push(&[empty], &options("", JobId::local("1")), &NoProgress).unwrap();
    assert_eq!((pushed.manifest_key, pushed.artifacts.len()), (None, 0));
    assert!(store(&dir).ls(&all()).unwrap().runs.is_empty());
    let none: [PathBuf; 0] = [];
    assert_eq!(store(&dir).push(&none, &options("", JobId::local("1")), &NoProgress).unwrap().bytes, 0);
}

/// Appends to a file while it is read, though not for ever.
struct Growing(PathBuf, std::sync::atomic::AtomicUsize);

impl epitaph_store::Progress for Growing {
    fn advanced(&self, _: &str, _: u64, _: Option<u64>) {
        if self.1.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < 50 {
            let file = fs::OpenOptions::new().append(true).open(&self.0);
            file.and_then(|mut file| std::io::Write::write_all(&mut file, &vec![7; 300_000])).unwrap();
        }
    }
}

#[test]
fn a_log_that_grows_is_read_to_where_it_ended() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    fs::write(&log, vec![7; 600_000]).unwrap();
    let growing = Growing(log.clone(), 0.into());
    let pushed = store(&dir).push(&[log], &options("log", job("r", "1", "0")), &growing).unwrap();
    assert_eq!(pushed.artifacts[0].size, Some(600_000));
}
