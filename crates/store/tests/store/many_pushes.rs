//! What a store costs that thousands of jobs have pushed to, in requests: they are what a bucket's owner waits and pays for.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use epitaph_store::{Network, NoProgress, Selection, Store, StoreOptions};
use tempfile::TempDir;

use crate::objects::{options, push_options};
use crate::support::s3::S3;
use crate::support::{tree, write};

/// As many pushes as two answers to a listing don't hold.
const PUSHES: usize = 2_500;

/// How many keys a server lists in one answer.
const PAGE: usize = 1_000;

/// Patient, since the server reads every folder for a listing, and since an answer that is asked for twice counts twice.
fn store(s3: &S3) -> Store {
    let options = StoreOptions { network: Network::default(), ..options(s3.variables()) };
    Store::open_with("s3://crashes/fleet", &options).unwrap()
}

/// Pushes once, and copies the manifest to as many other jobs as it takes; all but the first are old.
fn fill(s3: &S3, dir: &TempDir) {
    write(&dir.path().join("out/core"), "the same for all");
    let pushed = store(s3).push(&[dir.path().join("out")], &push_options(), &NoProgress).unwrap();
    let manifest = pushed.manifest_key.unwrap();
    let name = manifest.rsplit('/').next().unwrap();
    let top = s3.path("fleet");
    for job in 1..PUSHES {
        let copy = top.join(format!("runs/provider=circleci/repo=acme%2Fapp/job=old-{job}/node=0/{name}"));
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::copy(top.join(&manifest), &copy).unwrap();
        age(&copy);
    }
}

fn age(path: &Path) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_hours(40 * 24)).unwrap();
}

#[test]
fn a_job_among_thousands_costs_a_few_requests_and_a_gc_one_for_each_push() {
    let (s3, dir) = (S3::start(), tempfile::tempdir().unwrap());
    fill(&s3, &dir);
    let store = store(&s3);
    let ls = |repo: Option<&str>| {
        let selection = Selection { repo: repo.map(Into::into), job: Some("old-77".into()), node: None };
        let before = s3.requests();
        assert_eq!(store.ls(&selection).unwrap().runs.len(), 1);
        s3.requests() - before
    };
    let pages = PUSHES.div_ceil(PAGE);
    // The providers, the job's manifests, one of them.
    assert_eq!(ls(Some("acme/app")), 3);
    assert_eq!(ls(None), pages + 1);

    let gc = |age: Duration| {
        let before = s3.requests();
        let collected = store.gc(age, false).unwrap();
        (collected.pushes, s3.requests() - before)
    };
    // Markers, and a listing of each kind of key, beside a read of each manifest that stays.
    let (removed, requests) = gc(Duration::from_hours(50 * 24));
    assert_eq!(removed, 0);
    assert!((PUSHES..PUSHES + pages + 20).contains(&requests), "{requests} requests");
    // Those that go aren't read, and go a thousand at a time.
    let (removed, requests) = gc(Duration::from_hours(30 * 24));
    assert_eq!(removed, PUSHES as u64 - 1);
    assert!(requests < 2 * pages + 20, "{requests} requests");
    assert_eq!(tree(&s3.path("fleet/runs")).len(), 1);
}
