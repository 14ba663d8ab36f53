//! The folder store among damaged, missing, special and hostile files.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use epitaph_store::{JobId, NoProgress, Pulled, PushOptions, Pushed, Selection, Store, StoreError};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::json;
use tempfile::TempDir;

use crate::support::{Log, kept_by_pulls, texts, write};

fn store(dir: &TempDir) -> Store {
    Store::open(dir.path().join("store").to_str().unwrap()).unwrap()
}

fn push(dir: &TempDir, sources: &[PathBuf]) -> Pushed {
    let options = PushOptions { destination: Some("up/".into()), job: JobId::local("1") };
    store(dir).push(sources, &options, &NoProgress).unwrap()
}

fn pull(dir: &TempDir, target: &Path) -> Pulled {
    store(dir).pull(target, &Selection::default(), &NoProgress).unwrap()
}

/// The blob that holds exactly that content.
fn blob(dir: &TempDir, content: &str) -> PathBuf {
    let root = dir.path().join("store/blobs");
    let mut found =
        texts(&root).into_iter().filter(|(_, text)| text == content).map(|(path, _)| root.join(path));
    found.next().unwrap()
}

/// Puts a manifest of any content into the store.
fn forge(dir: &TempDir, name: &str, artifacts: &[serde_json::Value]) {
    let manifest = json!({
        "schema": "epitaph-push/1", "created": "2026-11-22T10:00:00Z", "provider": "local", "repo": "local",
        "job": "1", "node": "0", "artifacts": artifacts,
    });
    let folder = dir.path().join("store/runs/provider=local/repo=local/job=1/node=0");
    write(&folder.join(name), manifest.to_string());
}

#[test]
fn damaged_and_missing_blobs_fail_alone() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["good", "damaged", "missing", "special"] {
        write(&dir.path().join("out").join(name), name);
    }
    push(&dir, &[dir.path().join("out")]);
    fs::write(blob(&dir, "damaged"), "DAMAGED").unwrap();
    fs::remove_file(blob(&dir, "missing")).unwrap();
    let special = blob(&dir, "special");
    fs::remove_file(&special).unwrap();
    mkfifo(&special, Mode::S_IRWXU).unwrap();

    let target = dir.path().join("back");
    let pulled = pull(&dir, &target);
    assert_eq!(pulled.fetched, 1);
    assert_eq!(texts(&target), [("up/good".to_owned(), "good".to_owned())].into());
    let failed: Vec<_> = pulled.failed.iter().map(|failed| (failed.path.as_str(), &failed.error)).collect();
    assert!(matches!(failed[0], ("up/damaged", StoreError::Damaged { .. })), "{failed:?}");
    assert!(failed[0].1.hint().unwrap().contains("blobs/sha256"));
    assert!(matches!(failed[1], ("up/missing", StoreError::Io { .. })), "{failed:?}");
    assert!(matches!(failed[2], ("up/special", StoreError::NotRegular { .. })), "{failed:?}");
    assert_eq!(kept_by_pulls(&target), ["done.jsonl"], "no damaged part stays");

    // The hint's remedy works.
    fs::remove_file(blob(&dir, "DAMAGED")).unwrap();
    push(&dir, &[dir.path().join("out/damaged")]);
    assert!(pull(&dir, &target).failed.iter().all(|failed| failed.path != "up/damaged"));
}

#[test]
fn hostile_manifests_write_nothing_outside() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("good"), "good");
    let sum = push(&dir, &[dir.path().join("good")]).artifacts[0].sha256.clone().unwrap();
    let paths = ["../up", "/absolute", "a/../../up", "", "a//b", "nul\0", ".", ".epitaph-pull/done.jsonl"];
    let mut artifacts: Vec<_> =
        paths.iter().map(|path| json!({ "path": path, "sha256": sum, "size": 4 })).collect();
    artifacts.push(json!({ "path": "sum", "sha256": "../../../good", "size": 4 }));
    artifacts.push(json!({ "path": "huge", "sha256": sum, "size": u64::MAX }));
    forge(&dir, "99990101T000000Z-0.json", &artifacts);
    let target = dir.path().join("deep/target");
    let pulled = pull(&dir, &target);
    assert_eq!((pulled.fetched, pulled.failed.len()), (2, 9), "{:?}", pulled.failed);
    let names: Vec<String> = texts(&dir.path().join("deep")).into_keys().collect();
    assert_eq!(names, ["target/huge", "target/up/good"]);
}

#[test]
fn a_manifest_that_cannot_be_read_is_told() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("good"), "good");
    push(&dir, &[dir.path().join("good")]);
    let folder = dir.path().join("store/runs/provider=local/repo=local/job=1/node=0");
    fs::write(folder.join("0.json"), "{").unwrap();
    mkfifo(&folder.join("1.json"), Mode::S_IRWXU).unwrap();
    // None of these is a manifest, and none is worth a word.
    fs::write(folder.join(".incoming-x"), "{").unwrap();
    fs::write(folder.join("README"), "").unwrap();
    fs::write(dir.path().join("store/runs/stray"), "").unwrap();
    fs::create_dir_all(dir.path().join("store/runs/provider=x/other=y")).unwrap();
    let listing = store(&dir).ls(&Selection::default()).unwrap();
    assert_eq!((listing.runs.len(), listing.warnings.len()), (1, 2), "{listing:?}");
    let pulled = pull(&dir, &dir.path().join("back"));
    assert_eq!((pulled.fetched, pulled.failed.len()), (1, 2), "what they name is not there");
    // An older job is not what was asked for.
    fs::create_dir_all(dir.path().join("store/runs/provider=local/repo=local/job=2/node=0")).unwrap();
    forge_in(&dir, "2", "99990101T000000Z-0.json", LATER_SCHEMA);
    let pulled = pull(&dir, &dir.path().join("newest"));
    assert_eq!((pulled.job.as_str(), pulled.fetched, pulled.failed.len()), ("2", 0, 1));
    assert!(pulled.failed[0].error.to_string().contains("epitaph-push/2"), "{:?}", pulled.failed);
}

#[test]
fn links_in_the_target_are_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("out/folder/file"), "new");
    push(&dir, &[dir.path().join("out")]);
    let (target, outside) = (dir.path().join("target"), dir.path().join("outside"));
    fs::create_dir_all(target.join("up")).unwrap();
    write(&outside.join("file"), "precious");
    symlink(&outside, target.join("up/folder")).unwrap();
    let pulled = pull(&dir, &target);
    assert!(matches!(pulled.failed[0].error, StoreError::UnsafePath { .. }), "{:?}", pulled.failed);
    assert_eq!(texts(&outside), [("file".to_owned(), "precious".to_owned())].into());
}

#[test]
fn what_is_no_file_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    write(&out.join("file"), "x");
    write(&dir.path().join("elsewhere/secret"), "secret");
    symlink("../elsewhere/secret", out.join("link")).unwrap();
    symlink("../elsewhere", out.join("linked folder")).unwrap();
    symlink("nowhere", out.join("dangling")).unwrap();
    mkfifo(&out.join("fifo"), Mode::S_IRWXU).unwrap();
    let _listener = UnixListener::bind(out.join("socket")).unwrap();
    let log = Log::default();
    let options = PushOptions { destination: None, job: JobId::local("1") };
    let pushed = store(&dir).push(&[out.clone(), out.join("fifo")], &options, &log).unwrap();
    assert_eq!((pushed.artifacts.len(), pushed.failed.len()), (1, 0));
    let mut skipped: Vec<String> = pushed
        .skipped
        .iter()
        .map(|skipped| format!("{}: {}", skipped.path.rsplit('/').next().unwrap(), skipped.reason))
        .collect();
    skipped.sort();
    let link = "a symbolic link";
    let expected = [
        format!("dangling: {link}"),
        "fifo: a FIFO".into(),
        "fifo: a FIFO".into(),
        format!("link: {link}"),
        format!("linked folder: {link}"),
        "socket: a socket".into(),
    ];
    assert_eq!(skipped, expected);
    assert_eq!(log.count("skipped"), 6);
}

#[test]
fn a_link_that_is_named_is_followed() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("real/file"), "x");
    symlink("real", dir.path().join("folder")).unwrap();
    symlink("real/file", dir.path().join("link")).unwrap();
    let pushed = push(&dir, &[dir.path().join("folder"), dir.path().join("link")]);
    let names: Vec<&str> = pushed.artifacts.iter().map(|artifact| artifact.path.as_str()).collect();
    assert_eq!(names, ["up/file", "up/link"]);
}

#[test]
fn a_file_that_cannot_be_read_fails_alone() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("good"), "good");
    // A regular file to all appearances, whose first byte can't be read by anyone.
    let sources = [PathBuf::from("/proc/self/mem"), dir.path().join("absent"), dir.path().join("good")];
    let pushed = push(&dir, &sources);
    assert_eq!(pushed.artifacts.len(), 1);
    assert_eq!(pushed.failed.len(), 2);
    assert!(pushed.failed.iter().all(|failed| matches!(failed.error, StoreError::Io { action: "read", .. })));
    assert!(pushed.manifest_key.is_some());
    assert!(texts(&dir.path().join("store")).keys().all(|path| !path.contains(".incoming")));
}

#[test]
fn a_store_inside_of_what_is_pushed_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("file"), "x");
    for _ in 0..2 {
        let pushed = push(&dir, &[dir.path().to_owned()]);
        assert_eq!((pushed.artifacts.len(), pushed.skipped.len()), (1, 1), "{pushed:?}");
        assert_eq!(pushed.skipped[0].reason, "the store itself");
    }
}

#[test]
fn stores_that_cannot_be_used() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("file"), "x");
    let file = dir.path().join("file");
    let options = PushOptions { destination: None, job: JobId::local("1") };
    let occupied = Store::open(file.to_str().unwrap()).unwrap();
    assert!(matches!(
        occupied.push(std::slice::from_ref(&file), &options, &NoProgress),
        Err(StoreError::Io { .. })
    ));
    assert!(matches!(occupied.ls(&Selection::default()), Err(StoreError::Io { .. })));
    let absent = Store::open(dir.path().join("absent").to_str().unwrap()).unwrap();
    let error = absent.pull(&dir.path().join("back"), &Selection::default(), &NoProgress).unwrap_err();
    assert!(error.to_string().contains("absent"), "{error}");
    assert!(!dir.path().join("back").exists() && !dir.path().join("absent").exists());
    // A folder that holds no store is an empty one.
    let empty = Store::open(dir.path().to_str().unwrap()).unwrap();
    assert!(empty.ls(&Selection::default()).unwrap().runs.is_empty());
    assert!(matches!(
        empty.pull(&dir.path().join("back"), &Selection::default(), &NoProgress),
        Err(StoreError::NothingFound { .. })
    ));
}

#[test]
fn bad_jobs_and_destinations_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("file"), "x");
    let push = |destination: &str, job: JobId| {
        let options = PushOptions { destination: Some(destination.into()), job };
        store(&dir).push(&[dir.path().join("file")], &options, &NoProgress).unwrap_err()
    };
    assert!(matches!(push("../x", JobId::local("1")), StoreError::BadDestination { .. }));
    assert!(matches!(push("x", JobId::local("")), StoreError::BadJob { field: "job", .. }));
    assert!(!dir.path().join("store").exists());
}

const LATER_SCHEMA: &str = r#"{"schema":"epitaph-push/2","created":"","provider":"local","repo":"local","job":"2","node":"0","artifacts":[]}"#;

/// Puts a manifest into the store by hand.
fn forge_in(dir: &TempDir, job: &str, name: &str, text: &str) {
    write(
        &dir.path().join(format!("store/runs/provider=local/repo=local/job={job}/node=0")).join(name),
        text,
    );
}

#[test]
fn what_no_pull_wrote_is_never_replaced() {
    let dir = tempfile::tempdir().unwrap();
    for path in [".git/config", "Makefile", "same"] {
        write(&dir.path().join("out").join(path), path);
    }
    let options = PushOptions { destination: Some(String::new()), job: JobId::local("1") };
    store(&dir).push(&[dir.path().join("out")], &options, &NoProgress).unwrap();
    let target = dir.path().join("checkout");
    write(&target.join(".git/config"), "mine");
    write(&target.join("Makefile"), "mine");
    write(&target.join("same"), "same");
    let pulled = pull(&dir, &target);
    assert_eq!((pulled.fetched, pulled.present, pulled.failed.len()), (0, 1, 2), "{:?}", pulled.failed);
    assert!(pulled.failed.iter().all(|failed| matches!(failed.error, StoreError::NotWritten { .. })));
    let mine = [(".git/config", "mine"), ("Makefile", "mine"), ("same", "same")];
    assert_eq!(texts(&target), mine.map(|(path, text)| (path.to_owned(), text.to_owned())).into());
    // What was pulled is replaced by what was pushed later.
    let own = dir.path().join("own");
    assert_eq!(pull(&dir, &own).fetched, 3);
    write(&dir.path().join("out/Makefile"), "new");
    store(&dir).push(&[dir.path().join("out")], &options, &NoProgress).unwrap();
    assert_eq!((pull(&dir, &own).fetched, texts(&own)["Makefile"].as_str()), (1, "new"));
}
