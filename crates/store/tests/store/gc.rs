//! What a gc removes, and what it must not, also while pushes run.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use epitaph_store::{JobId, NoProgress, PushOptions, Selection, Store, StoreError};
use epitaph_testkit::servers::web;
use tempfile::TempDir;

use crate::objects::store as objects;
use crate::support::s3::S3;
use crate::support::{tree, write};

const DAY: Duration = Duration::from_hours(24);

fn job(name: &str) -> PushOptions {
    PushOptions { destination: Some(String::new()), job: JobId::local(name) }
}

fn folder(dir: &TempDir) -> (Store, PathBuf) {
    let root = dir.path().join("store");
    (Store::open(root.to_str().unwrap()).unwrap(), root)
}

/// Makes every file below a folder that much older.
fn age(root: &Path, by: Duration) {
    for path in tree(root).into_keys() {
        let file = fs::File::options().write(true).open(root.join(path)).unwrap();
        file.set_modified(SystemTime::now() - by).unwrap();
    }
}

fn push(store: &Store, dir: &TempDir, job_name: &str, files: &[(&str, &str)]) {
    let out = dir.path().join(format!("out-{job_name}"));
    for (path, content) in files {
        write(&out.join(path), content);
    }
    let pushed = store.push(&[out], &job(job_name), &NoProgress).unwrap();
    assert!(pushed.failed.is_empty() && pushed.warnings.is_empty(), "{pushed:?}");
}

fn old_and_new(store: &Store, root: &Path, dir: &TempDir) {
    let old = [
        ("crashes/x1/summary.json", "{}"),
        ("core.old", "only in the old"),
        ("shared", "in both"),
        ("buildid/ab12/executable", "old elf"),
    ];
    push(store, dir, "1", &old);
    age(root, 40 * DAY);
    let new = [
        ("crashes/x2/summary.json", "{\"time\":\"2026-11-22T10:00:00Z\"}"),
        ("shared", "in both"),
        ("core.new", "only in the new"),
    ];
    push(store, dir, "2", &new);

    let told = store.gc(30 * DAY, true).unwrap();
    assert_eq!((told.pushes, told.files), (1, 5), "the core, two of the summary, two of the executable");
    assert_eq!(store.ls(&Selection::default()).unwrap().runs.len(), 2, "nothing was removed");
    let done = store.gc(30 * DAY, false).unwrap();
    assert_eq!((done.pushes, done.files, done.bytes, done.left), (told.pushes, told.files, told.bytes, 0));
    let again = store.gc(30 * DAY, false).unwrap();
    assert_eq!((again.pushes, again.files), (0, 0));

    let listing = store.ls(&Selection::default()).unwrap();
    assert_eq!((listing.runs.len(), listing.warnings.len()), (1, 0));
    let target = dir.path().join("back");
    let pulled = store.pull(&target, &Selection::default(), &NoProgress).unwrap();
    assert_eq!((pulled.fetched, pulled.failed.len()), (3, 0), "{:?}", pulled.failed);
    let left: Vec<PathBuf> = tree(root).into_keys().collect();
    assert_eq!(left.len(), 3 + 1 + 1, "three blobs, a summary's row, a manifest: {left:?}");
}

#[test]
fn what_nobody_names_goes_from_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    let (store, root) = folder(&dir);
    old_and_new(&store, &root, &dir);
}

#[test]
fn what_nobody_names_goes_from_an_object_store() {
    let (s3, dir) = (S3::start(), tempfile::tempdir().unwrap());
    old_and_new(&objects(s3.variables()), &s3.path("fleet"), &dir);
}

#[test]
fn what_is_young_stays_even_if_nobody_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let (store, root) = folder(&dir);
    push(&store, &dir, "1", &[("core", "x")]);
    // As if its push weren't done.
    fs::remove_dir_all(root.join("runs")).unwrap();
    assert_eq!(store.gc(Duration::ZERO, false).unwrap().files, 0);
    age(&root, 2 * DAY);
    assert_eq!(store.gc(Duration::ZERO, false).unwrap().files, 1);
    assert!(tree(&root).is_empty());
}

#[test]
fn nothing_goes_if_a_manifest_cannot_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let (store, root) = folder(&dir);
    push(&store, &dir, "1", &[("core", "x")]);
    let manifest = root.join("runs/provider=local/repo=local/job=1/node=0/x.json");
    fs::write(&manifest, "{").unwrap();
    fs::remove_file(root.join("runs").join(tree(&root.join("runs")).into_keys().next().unwrap())).unwrap();
    fs::write(&manifest, "{").unwrap();
    age(&root, 2 * DAY);
    let error = store.gc(30 * DAY, false).unwrap_err();
    assert!(matches!(error, StoreError::BadManifest { .. }), "{error}");
    assert_eq!(tree(&root.join("blobs")).len(), 1);
}

/// Pushes that all share one old blob, while gcs run without a pause that would love to remove it.
fn race(open: impl Fn() -> Store + Sync, root: &Path, dir: &TempDir, rounds: usize) {
    let (shared, done, removed) = (dir.path().join("shared"), AtomicBool::new(false), AtomicU64::new(0));
    fs::write(&shared, "shared by all").unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            let (store, begun) = (open(), Instant::now());
            // It ends as well if the other side fails.
            while !done.load(Ordering::SeqCst) && begun.elapsed() < Duration::from_mins(2) {
                removed.fetch_add(store.gc(10 * DAY, false).unwrap().files, Ordering::SeqCst);
            }
        });
        let store = open();
        // Until they have met, which a busy machine may delay.
        for round in 0..rounds * 20 {
            if round >= rounds && removed.load(Ordering::SeqCst) > 0 {
                break;
            }
            store.push(std::slice::from_ref(&shared), &job(&round.to_string()), &NoProgress).unwrap();
            let kept = store.ls(&Selection { job: Some(round.to_string()), ..Selection::default() }).unwrap();
            let artifact = &kept.runs[0].artifacts[0];
            // A push that is done is whole, and stays so.
            assert_eq!(store.read(artifact, 100).unwrap(), b"shared by all", "round {round}");
            // Its manifest goes and the blob grows old, so that a gc may take it at any moment of the next push.
            for path in tree(&root.join("runs")).into_keys() {
                let _ = fs::remove_file(root.join("runs").join(path));
            }
            age_quietly(&root.join("blobs"));
        }
        done.store(true, Ordering::SeqCst);
        assert!(removed.load(Ordering::SeqCst) > 0, "the gc had something to do");
    });
}

/// As [`age`], while others remove files.
fn age_quietly(root: &Path) {
    for entry in walkdir::WalkDir::new(root).into_iter().flatten() {
        if entry.file_type().is_file()
            && let Ok(file) = fs::File::options().write(true).open(entry.path())
        {
            let _ = file.set_modified(SystemTime::now() - 20 * DAY);
        }
    }
}

#[test]
fn a_gc_and_a_push_race_in_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    let (_, root) = folder(&dir);
    fs::create_dir_all(&root).unwrap();
    race(|| folder(&dir).0, &root, &dir, 60);
}

#[test]
fn a_gc_and_a_push_race_in_an_object_store() {
    let (s3, dir) = (S3::start(), tempfile::tempdir().unwrap());
    race(|| objects(s3.variables()), &s3.path("fleet"), &dir, 15);
}

#[test]
fn a_folder_that_is_no_store_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (store, root) = folder(&dir);
    for path in ["crashes/x/summary.json", "buildid/ab12/executable", "manifest.json"] {
        write(&root.join(path), "from collect");
    }
    age(&root, 40 * DAY);
    for dry_run in [true, false] {
        let error = store.gc(30 * DAY, dry_run).unwrap_err();
        assert!(matches!(error, StoreError::NoStore { .. }) && error.hint().is_some(), "{error}");
    }
    assert_eq!((tree(&root).len(), root.join("gc").exists()), (3, false));
    fs::remove_dir_all(&root).unwrap();
    fs::create_dir(&root).unwrap();
    assert_eq!(store.gc(30 * DAY, false).unwrap().files, 0, "a store that is empty has nothing to remove");
}

#[test]
fn folders_go_with_their_files() {
    let dir = tempfile::tempdir().unwrap();
    let (store, root) = folder(&dir);
    push(&store, &dir, "1", &[("core", "x"), ("buildid/ab12/executable", "elf")]);
    age(&root, 40 * DAY);
    store.gc(30 * DAY, false).unwrap();
    let mut left: Vec<String> = walkdir::WalkDir::new(&root)
        .min_depth(1)
        .into_iter()
        .map(|entry| entry.unwrap().path().strip_prefix(&root).unwrap().to_str().unwrap().to_owned())
        .collect();
    left.sort();
    assert_eq!(left, ["blobs", "blobs/sha256", "buildid", "gc", "runs"]);
    push(&store, &dir, "2", &[("core", "x")]);
}

/// Does to the store what a gc could have done that was over before the manifest was written.
struct Meanwhile<F>(F, AtomicBool);

impl<F: Fn() + Send + Sync> epitaph_store::Progress for Meanwhile<F> {
    fn finished(&self, _: &str) {
        if !self.1.swap(true, Ordering::SeqCst) {
            (self.0)();
        }
    }
}

#[test]
fn an_old_second_key_that_went_is_put_back() {
    let dir = tempfile::tempdir().unwrap();
    let (store, root) = folder(&dir);
    push(&store, &dir, "1", &[("buildid/ab12/executable", "stripped")]);
    age(&root, 2 * DAY);
    let key = root.join("buildid/ab12/executable");
    let out = dir.path().join("new");
    write(&out.join("buildid/ab12/executable"), "not stripped");
    let gone = Meanwhile(|| fs::remove_file(&key).unwrap(), AtomicBool::new(false));
    let pushed = store.push(&[out], &job("2"), &gone).unwrap();
    assert!(pushed.failed.is_empty(), "{pushed:?}");
    assert_eq!(fs::read_to_string(&key).unwrap(), "not stripped");
}

#[test]
fn what_cannot_be_put_back_as_it_was_has_failed() {
    let dir = tempfile::tempdir().unwrap();
    let (store, root) = folder(&dir);
    push(&store, &dir, "1", &[("log", "one")]);
    age(&root, 2 * DAY);
    let out = dir.path().join("new");
    write(&out.join("log"), "one");
    let grown = || {
        fs::remove_dir_all(root.join("blobs/sha256")).unwrap();
        fs::create_dir(root.join("blobs/sha256")).unwrap();
        write(&out.join("log"), "one and two");
    };
    let pushed =
        store.push(std::slice::from_ref(&out), &job("2"), &Meanwhile(grown, AtomicBool::new(false))).unwrap();
    assert!(matches!(pushed.failed[0].error, StoreError::Changed { .. }), "{pushed:?}");
}

#[test]
fn times_that_no_calendar_has_are_not_old() {
    let dir = tempfile::tempdir().unwrap();
    let (store, root) = folder(&dir);
    push(&store, &dir, "1", &[("core", "x")]);
    for path in tree(&root).into_keys() {
        let file = fs::File::options().write(true).open(root.join(path)).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_000)).unwrap();
    }
    assert_eq!(store.gc(30 * DAY, false).unwrap().files, 0);
    push(&store, &dir, "2", &[("core", "x")]);
}

#[test]
fn a_gc_and_a_push_race_on_a_web_server() {
    let Some(served) = web::nginx_dav() else { return };
    let dir = tempfile::tempdir().unwrap();
    let open = || Store::open(&format!("{}/fleet", served.url())).unwrap();
    race(open, &served.folder().join("files/fleet"), &dir, 15);
}
