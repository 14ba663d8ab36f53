//! Object stores behind bad networks: nothing is lost, and nothing takes forever.

use std::fs;
use std::time::{Duration, Instant};

use epitaph_store::{NoProgress, Selection, Store, StoreError, StoreOptions};
use tempfile::TempDir;

use crate::objects::{noise, options, push_options, store};
use crate::support::s3::{Fault, S3};
use crate::support::{tree, write};

const MIB: u64 = 1 << 20;

/// Patience is 0.6 s and there are 4 attempts at each request: far below that, with room for a busy machine.
const LONGEST: Duration = Duration::from_secs(30);

fn source() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("out/crashes/x/summary.json"), "{}");
    write(&dir.path().join("out/core"), noise(11 * MIB + 5));
    dir
}

/// Pushes and pulls through connections of which each third is bad.
fn survives(fault: Fault) {
    let (s3, dir, begun) = (S3::start(), source(), Instant::now());
    let proxy = s3.behind(move |number| if number % 3 == 0 { fault } else { Fault::None });
    let pushed =
        store(proxy.variables()).push(&[dir.path().join("out")], &push_options(), &NoProgress).unwrap();
    assert!(pushed.failed.is_empty(), "{fault:?}: {:?}", pushed.failed);
    assert!(pushed.manifest_key.is_some());
    // An upload that was begun, with an answer that broke off, has an id that nobody was told: another is begun.
    let most_unnamed = if matches!(fault, Fault::Lies) { 3 } else { 0 };
    assert!(s3.unfinished().len() <= most_unnamed, "{fault:?}: {:?}", s3.unfinished());
    let target = dir.path().join("back");
    let proxy = s3.behind(move |number| if number % 3 == 0 { fault } else { Fault::None });
    let pulled = store(proxy.variables()).pull(&target, &Selection::default(), &NoProgress).unwrap();
    assert!(pulled.failed.is_empty(), "{fault:?}: {:?}", pulled.failed);
    assert_eq!(tree(&target.join("up")), tree(&dir.path().join("out")), "{fault:?}");
    assert!(begun.elapsed() < LONGEST, "{fault:?} took {:?}", begun.elapsed());
    assert!(proxy.connections() > 1, "{fault:?} was met");
}

#[test]
fn a_busy_server() {
    survives(Fault::Busy);
}

#[test]
fn connections_that_break_on_the_way_up() {
    survives(Fault::CutUp(300_000));
}

#[test]
fn connections_that_break_on_the_way_down() {
    survives(Fault::CutDown(200_000));
}

#[test]
fn servers_that_fall_silent() {
    survives(Fault::Silent);
    survives(Fault::StallDown(200_000));
}

#[test]
fn lengths_that_are_wrong() {
    survives(Fault::Lies);
}

#[test]
fn a_server_that_never_recovers_ends_in_an_error() {
    let (s3, dir, begun) = (S3::start(), source(), Instant::now());
    let good = store(s3.variables()).push(&[dir.path().join("out")], &push_options(), &NoProgress).unwrap();
    assert!(good.failed.is_empty());
    for fault in [Fault::Busy, Fault::Silent, Fault::CutUp(100), Fault::CutDown(100)] {
        let proxy = s3.behind(move |_| fault);
        let error =
            store(proxy.variables()).pull(&dir.path().join("back"), &Selection::default(), &NoProgress);
        let error = error.unwrap_err();
        assert!(
            matches!(error, StoreError::Network { .. } | StoreError::Rejected { status: Some(503), .. }),
            "{fault:?}: {error:?}"
        );
    }
    assert!(begun.elapsed() < LONGEST, "took {:?}", begun.elapsed());
}

#[test]
fn a_pull_goes_on_where_it_was_broken() {
    let (s3, dir) = (S3::start(), tempfile::tempdir().unwrap());
    write(&dir.path().join("out/core"), noise(8 * MIB));
    store(s3.variables()).push(&[dir.path().join("out")], &push_options(), &NoProgress).unwrap();
    let target = dir.path().join("back");
    // The listing and the manifest come through; then each attempt gets half a megabyte further, and four are made.
    let proxy = s3.behind(|_| Fault::CutDown(500_000));
    let broken = store(proxy.variables()).pull(&target, &Selection::default(), &NoProgress).unwrap();
    assert_eq!(broken.failed.len(), 1, "{broken:?}");
    assert!(!target.join("up/core").exists(), "a part is never taken for the whole");
    let staged = fs::read_dir(target.join(".epitaph-pull")).unwrap();
    let part = staged.map(|entry| entry.unwrap().metadata().unwrap().len()).max().unwrap();
    assert!(part > 300_000, "{part}");
    let pulled = store(s3.variables()).pull(&target, &Selection::default(), &NoProgress).unwrap();
    assert_eq!((pulled.fetched, pulled.bytes), (1, 8 * MIB - part));
    assert_eq!(tree(&target.join("up")), tree(&dir.path().join("out")));
}

#[test]
fn a_home_that_cannot_be_written_costs_no_upload() {
    let (s3, dir) = (S3::start(), source());
    write(&dir.path().join("state/uploads"), "no folder");
    let options = StoreOptions { state: Some(dir.path().join("state")), ..options(s3.variables()) };
    let store = Store::open_with("s3://crashes/fleet", &options).unwrap();
    let pushed = store.push(&[dir.path().join("out")], &push_options(), &NoProgress).unwrap();
    assert_eq!((pushed.failed.len(), pushed.artifacts.len()), (0, 2), "{pushed:?}");
    let [warning] = pushed.warnings.as_slice() else { panic!("{:?}", pushed.warnings) };
    assert!(warning.message.contains("can't go on if its process dies: can't"), "{warning:?}");
}

#[test]
fn a_store_that_is_gone_is_not_asked_for_each_file() {
    let (s3, dir) = (S3::start(), tempfile::tempdir().unwrap());
    for name in 0..40 {
        write(&dir.path().join(format!("out/{name}")), format!("{name}"));
    }
    let proxy = s3.behind(|_| Fault::Busy);
    let pushed =
        store(proxy.variables()).push(&[dir.path().join("out")], &push_options(), &NoProgress).unwrap();
    assert_eq!((pushed.failed.len(), pushed.artifacts.len()), (40, 0));
    let unasked = |failed: &&epitaph_store::Failed| matches!(failed.error, StoreError::NotAskedFor { .. });
    assert!(pushed.failed.iter().filter(unasked).count() >= 30, "{:?}", pushed.failed);
}
