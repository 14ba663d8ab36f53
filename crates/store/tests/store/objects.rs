//! Object stores when all is well, and when a process died.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use epitaph_store::{
    CloudSettings, DebuginfodFile, JobId, Network, NoProgress, PushOptions, Selection, Store, StoreError,
    StoreOptions,
};

use crate::support::s3::{Fault, S3};
use crate::support::{Log, kept_by_pulls, texts, tree, write};

const MIB: u64 = 1 << 20;

pub(crate) fn options(variables: Vec<(String, String)>) -> StoreOptions {
    let network = Network {
        part_size: 5 * MIB,
        attempts: 4,
        first_wait: Duration::from_millis(5),
        stall_timeout: Duration::from_millis(600),
        ..Network::default()
    };
    StoreOptions { cloud: CloudSettings::from_variables(variables), network, ..StoreOptions::default() }
}

pub(crate) fn store(variables: Vec<(String, String)>) -> Store {
    Store::open_with("s3://crashes/fleet", &options(variables)).unwrap()
}

pub(crate) fn push_options() -> PushOptions {
    let job =
        JobId { provider: "circleci".into(), repo: "acme/app".into(), job: "7".into(), node: "0".into() };
    PushOptions { destination: Some("up".into()), job }
}

/// Bytes that no two parts have in common.
pub(crate) fn noise(length: u64) -> Vec<u8> {
    let mut state = 1u64;
    let next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as u8
    };
    std::iter::repeat_with(next).take(usize::try_from(length).unwrap()).collect()
}

fn fill(folder: &Path) {
    write(&folder.join("crashes/x1/summary.json"), r#"{"time":"2026-11-22T10:00:00Z"}"#);
    write(&folder.join("crashes/x1/core.zst"), noise(12 * MIB + 17));
    write(&folder.join("buildid/ab12/executable"), noise(MIB));
    write(&folder.join("ä ö%2F=\n"), "odd name");
    write(&folder.join("empty"), "");
}

#[test]
fn a_tree_goes_there_and_comes_back() {
    let (s3, dir) = (S3::start(), tempfile::tempdir().unwrap());
    fill(&dir.path().join("out"));
    let store = store(s3.variables());
    let log = Log::default();
    let pushed = store.push(&[dir.path().join("out")], &push_options(), &log).unwrap();
    assert!(pushed.failed.is_empty() && pushed.warnings.is_empty(), "{pushed:?}");
    assert_eq!((pushed.artifacts.len(), log.count("finished")), (5, 5));
    assert_eq!(pushed.artifacts[0].path, "up/crashes/x1/summary.json");
    let row = s3.path("fleet/summaries/date=2026-11-22/repo=acme%2Fapp/x1.json");
    assert_eq!(fs::read_to_string(row).unwrap(), "{\"time\":\"2026-11-22T10:00:00Z\"}\n");
    assert!(s3.path("fleet").join(pushed.manifest_key.unwrap()).is_file());
    assert_eq!(s3.unfinished(), [""; 0]);

    let listing = store.ls(&Selection::default()).unwrap();
    assert_eq!((listing.runs.len(), listing.runs[0].artifacts.len()), (1, 5));
    let one = Selection { repo: Some("acme/app".into()), job: Some("7".into()), node: None };
    assert_eq!(store.ls(&one).unwrap().runs.len(), 1);
    let none = Selection { repo: Some("acme/ap".into()), ..Selection::default() };
    assert_eq!(store.ls(&none).unwrap().runs.len(), 0);

    let target = dir.path().join("back");
    let pulled = store.pull(&target, &Selection::default(), &NoProgress).unwrap();
    assert_eq!((pulled.fetched, pulled.failed.len()), (5, 0), "{:?}", pulled.failed);
    assert_eq!(tree(&target.join("up")), tree(&dir.path().join("out")));
    assert_eq!(kept_by_pulls(&target), ["done.jsonl"]);
    let again = store.pull(&target, &Selection::default(), &NoProgress).unwrap();
    assert_eq!((again.fetched, again.present), (0, 5));

    let core =
        &listing.runs[0].artifacts.iter().find(|artifact| artifact.path.ends_with("core.zst")).unwrap();
    let mut part = store.open_artifact(core, Some(10..20)).unwrap();
    let mut bytes = Vec::new();
    part.content.read_to_end(&mut bytes).unwrap();
    assert_eq!((part.size, bytes.as_slice()), (12 * MIB + 17, &noise(20)[10..]));
    let executable = store.open_build_id("AB12", DebuginfodFile::Executable, None).unwrap().unwrap();
    assert_eq!(executable.size, MIB);
    assert!(store.open_build_id("ab12", DebuginfodFile::Debuginfo, None).unwrap().is_none());
}

#[test]
fn content_that_is_there_is_not_sent_again() {
    let (s3, dir) = (S3::start(), tempfile::tempdir().unwrap());
    write(&dir.path().join("out/core"), noise(11 * MIB));
    let proxy = s3.behind(|_| Fault::None);
    let push = || {
        let pushed = store(proxy.variables()).push(&[dir.path().join("out")], &push_options(), &NoProgress);
        assert!(pushed.unwrap().failed.is_empty());
    };
    push();
    let blobs = tree(&s3.path("fleet/blobs"));
    assert_eq!(blobs.len(), 1);
    push();
    assert_eq!(tree(&s3.path("fleet/blobs")), blobs);
    assert_eq!(texts(&s3.path("fleet/runs")).len(), 2);
}

#[test]
fn damage_in_the_store_is_refused() {
    let (s3, dir) = (S3::start(), tempfile::tempdir().unwrap());
    write(&dir.path().join("out/core"), noise(2 * MIB));
    let store = store(s3.variables());
    store.push(&[dir.path().join("out")], &push_options(), &NoProgress).unwrap();
    let blob = s3.path("fleet").join("blobs").join(tree(&s3.path("fleet/blobs")).into_keys().next().unwrap());
    let mut bytes = fs::read(&blob).unwrap();
    bytes[MIB as usize] ^= 1;
    fs::write(&blob, bytes).unwrap();
    let pulled = store.pull(&dir.path().join("back"), &Selection::default(), &NoProgress).unwrap();
    assert!(matches!(pulled.failed[0].error, StoreError::Damaged { .. }), "{:?}", pulled.failed);
    assert!(tree(&dir.path().join("back")).is_empty());
    fs::remove_file(&blob).unwrap();
    let pulled = store.pull(&dir.path().join("back"), &Selection::default(), &NoProgress).unwrap();
    assert!(matches!(pulled.failed[0].error, StoreError::Absent { .. }), "{:?}", pulled.failed);
}

#[test]
fn what_a_store_refuses_is_told_with_a_hint_and_without_secrets() {
    let s3 = S3::start();
    let mut variables = s3.variables();
    variables.push(("AWS_SECRET_ACCESS_KEY".into(), "wrong-secret".into()));
    let denied = store(variables).ls(&Selection::default()).unwrap_err();
    assert!(matches!(denied, StoreError::Rejected { status: Some(403), .. }), "{denied:?}");
    assert!(denied.hint().unwrap().contains("aws configure export-credentials"));
    assert!(!format!("{denied} {denied:?}").contains("wrong-secret"));

    let absent = Store::open_with("s3://no-such-bucket", &options(s3.variables())).unwrap();
    let error = absent.ls(&Selection::default()).unwrap_err();
    assert!(error.to_string().contains("NoSuchBucket"), "{error}");

    let plain = s3.variables().into_iter().filter(|(name, _)| name != "AWS_ALLOW_HTTP").collect();
    let plain = store(plain).ls(&Selection::default()).unwrap_err();
    assert!(plain.to_string().contains("AWS_ALLOW_HTTP"), "{plain}");
}

#[test]
fn an_upload_goes_on_where_another_process_stopped() {
    let (s3, dir) = (S3::start(), tempfile::tempdir().unwrap());
    write(&dir.path().join("out/core"), noise(22 * MIB));
    let state = dir.path().join("state");
    let push = |variables| {
        let options = StoreOptions { state: Some(state.clone()), ..options(variables) };
        let network = Network { requests: 1, attempts: 2, ..options.network };
        let store = Store::open_with("s3://crashes/fleet", &StoreOptions { network, ..options }).unwrap();
        let log = Log::default();
        (store.push(&[dir.path().join("out")], &push_options(), &log), log)
    };
    // The connection breaks in the third part of five, and then the server is busy.
    let proxy = s3.behind(|number| if number == 0 { Fault::CutUp(12 * MIB) } else { Fault::Busy });
    let (broken, log) = push(proxy.variables());
    assert_eq!(broken.unwrap().failed.len(), 1);
    assert!(log.count("advanced up/core") >= 2, "{:?}", log.lines());
    assert!(!s3.unfinished().is_empty());
    let sent = log.count("advanced up/core");
    let journal = fs::read_dir(state.join("uploads")).unwrap().next().unwrap().unwrap().path();
    let lines = fs::read_to_string(&journal).unwrap().lines().filter(|line| line.contains("part\":")).count();
    assert_eq!(lines, sent);

    let proxy = s3.behind(|_| Fault::None);
    let (resumed, _) = push(proxy.variables());
    assert!(resumed.unwrap().failed.is_empty());
    assert_eq!(s3.unfinished(), [""; 0]);
    assert!(!journal.exists());
    assert_eq!(tree(&s3.path("fleet/blobs")).into_values().next().unwrap(), noise(22 * MIB));
}

#[test]
fn a_journal_of_an_upload_that_is_gone_is_harmless() {
    let (s3, dir) = (S3::start(), tempfile::tempdir().unwrap());
    write(&dir.path().join("out/core"), noise(11 * MIB));
    let state = dir.path().join("state");
    let options = || StoreOptions { state: Some(state.clone()), ..options(s3.variables()) };
    let open = || Store::open_with("s3://crashes/fleet", &options()).unwrap();
    // A journal as a killed process leaves it, made from one that is being written.
    let proxy = s3.behind(|number| if number == 0 { Fault::CutUp(7 * MIB) } else { Fault::Busy });
    let network = Network { requests: 1, attempts: 1, ..options().network };
    let broken =
        StoreOptions { network, cloud: CloudSettings::from_variables(proxy.variables()), ..options() };
    let broken = Store::open_with("s3://crashes/fleet", &broken).unwrap();
    let _ = broken.push(&[dir.path().join("out")], &push_options(), &NoProgress);
    let journal = fs::read_dir(state.join("uploads")).unwrap().next().unwrap().unwrap().path();
    let text = fs::read_to_string(&journal).unwrap();
    for name in s3.unfinished() {
        fs::remove_file(s3.path("..").join(name)).unwrap();
    }
    let pushed = open().push(&[dir.path().join("out")], &push_options(), &NoProgress).unwrap();
    assert!(pushed.failed.is_empty(), "{:?}", pushed.failed);
    assert!(!journal.exists());
    assert_eq!(tree(&s3.path("fleet/blobs")).into_values().next().unwrap(), noise(11 * MIB));
    // Killed between the end of the upload and that of its journal.
    fs::write(&journal, text).unwrap();
    let pushed = open().push(&[dir.path().join("out")], &push_options(), &NoProgress).unwrap();
    assert!(pushed.failed.is_empty(), "{:?}", pushed.failed);
    assert!(!journal.exists());
    assert_eq!(s3.unfinished(), [""; 0]);
}
