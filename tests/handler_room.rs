//! How much `epitaph handler` keeps, and what it keeps whatever happens.

use std::fs::{self, File, OpenOptions};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use crate::fixtures::{functions, small_core};
use crate::handler::{Place, eventually, is, kernel_starts, processes_of};
use crate::support::{epitaph, plain_environment, test_all, text};

/// The files that are kept of root's crashes whose names end so.
fn kept(place: &Place, ending: &str) -> usize {
    place.kept(0).iter().filter(|path| text(path).ends_with(ending)).count()
}

/// Lets a shell crash that holds so many random bytes, which can't be compressed much.
fn crash_with(bytes: usize) {
    let script =
        format!("ulimit -c unlimited; x=$(head -c {bytes} /dev/urandom | base64 -w0); kill -SEGV $$");
    let mut shell = Command::new("bash");
    let status = plain_environment(&mut shell).args(["-c", &script]).current_dir("/").status().unwrap();
    assert_eq!(status.signal(), Some(11), "{status}");
}

#[test]
fn a_core_beyond_the_quota_is_kept_slim() {
    let Some(place) = Place::new() else { return };
    let Some(_guard) = kernel_starts(&place.pattern()) else { return };
    // Beyond the largest slim core, it is the kernel that stops the worker.
    let cases = [(1 << 20, 1 << 19, 0), (1 << 20, 1 << 30, 1), (100 << 20, 1 << 19, 0)];
    for (size, quota, whole) in cases.into_iter().take(if test_all() { 3 } else { 2 }) {
        let _ = fs::remove_dir_all(place.spool().join("0"));
        let config = format!(
            r#"{{"limits": {{"quota": {quota}, "keep_free": 0, "first": 9}}, "pipe_limit": 8,
                "saved": {{"core_pattern": [99], "core_pipe_limit": 0}}}}"#
        );
        fs::write(place.spool().join("handler.json"), config).unwrap();
        crash_with(size);
        eventually("the handler has ended", || processes_of(&place.program()).is_empty().then_some(()));
        let found = [".core.zst", ".core", ".partial"].map(|ending| kept(&place, ending));
        assert_eq!(found, [whole, 1 - whole, 0], "{size}: {:?}", place.kept(0));
    }
}

#[test]
fn canaries_are_not_counted() {
    let Some(place) = Place::new() else { return };
    let Some(_guard) = kernel_starts(&place.pattern()) else { return };
    // Three of a signature are kept a day.
    for _ in 0..5 {
        let told = epitaph().args(["doctor", "--json"]).within(place.exe().parent().unwrap()).run().json();
        let path = told["canary"]["path"].as_str().unwrap_or_else(|| panic!("{told}"));
        assert!(Path::new(path).starts_with(place.spool()), "{told}");
    }
    assert_eq!((kept(&place, ".core"), kept(&place, ".core.zst")), (5, 0));
    assert!(!place.spool().join("0/.rate.json").exists(), "they are not remembered either");
}

/// Takes longer than the handler waits for others.
#[test]
fn a_lock_that_is_not_given_back_loses_no_core() {
    if !test_all() {
        return;
    }
    let Some(place) = Place::new() else { return };
    let core = place.exe();
    small_core(1, "small").write_to(&core).unwrap();
    assert!(place.receive(File::open(&core).unwrap()).wait().unwrap().success());
    let lock = OpenOptions::new().write(true).open(place.spool().join("0/.lock")).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    let mut handler = place.receive(File::open(&core).unwrap());
    eventually("the slim core is there at once", || (kept(&place, ".core") == 1).then_some(()));
    std::thread::sleep(Duration::from_secs(11));
    drop(lock);
    assert!(handler.wait().unwrap().success());
    let kept = place.kept(0);
    let slim = kept.iter().find(|path| is(path, "core")).unwrap_or_else(|| panic!("{kept:?}"));
    let shown = epitaph().args(["show", "--json"]).arg(slim).run().code(0).json();
    assert_eq!(functions(&shown).len(), 1);
}
