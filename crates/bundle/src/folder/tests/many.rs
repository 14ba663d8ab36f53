//! Many writers in one folder.

use std::process::{Command, Stdio};
use std::time::Duration;

use super::*;

/// Where the child process of [`killed_writers_leave_nothing_torn`] works.
const CHILD: &str = "EPITAPH_BUNDLE_TEST_CHILD";
const WRITERS: u32 = 8;
const CORES: u32 = 12;

/// What every writer does: seals all cores, beginning with another one than the others do.
fn write_all(cores: &Path, out: &Path, writer: u32) -> usize {
    let folder = OutputFolder::open(out).unwrap();
    let mut stored = 0;
    for turn in 0..CORES {
        let seed = (turn + writer) % CORES + 1;
        let core = open_core(&cores.join(format!("core.{seed}"))).unwrap();
        if let Sealed::Stored(done) = seal(&folder, &core).unwrap() {
            assert_eq!(done.warnings, []);
            stored += 1;
        }
        folder.refresh(reports).unwrap();
    }
    stored
}

fn make_cores(dir: &Path) -> Vec<String> {
    let mut ids: Vec<String> = (1..=CORES).map(|seed| id_of(&core_file(dir, seed, 60_000))).collect();
    ids.sort();
    ids
}

fn check_all(out: &Path, ids: &[String]) {
    check_whole(out);
    let found = OutputFolder::open(out).unwrap().summaries().unwrap();
    assert_eq!(found.warnings, []);
    let found: Vec<_> = found.summaries.into_iter().map(|crash| crash.id.unwrap()).collect();
    assert_eq!(found, ids);
    assert_eq!(std::fs::read_to_string(out.join("summary.md")).unwrap(), ids.join("\n") + "\n");
}

#[test]
fn eight_at_once_lose_nothing_and_repeat_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let ids = make_cores(dir.path());
    let out = dir.path().join("out");
    let stored: usize = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                scope.spawn({
                    let out = &out;
                    let dir = dir.path();
                    move || write_all(dir, out, writer)
                })
            })
            .collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).sum()
    });
    assert_eq!(stored, CORES as usize, "each crash is stored by exactly one writer");
    check_all(&out, &ids);
}

/// The child's part of the next test: nothing unless it is asked for.
#[test]
fn child_writer() {
    if let Some(dir) = std::env::var_os(CHILD) {
        let dir = PathBuf::from(dir);
        write_all(&dir, &dir.join("out"), std::process::id());
    }
}

#[test]
fn killed_writers_leave_nothing_torn() {
    let dir = tempfile::tempdir().unwrap();
    let ids = make_cores(dir.path());
    let out = dir.path().join("out");
    let child = || {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "folder::tests::many::child_writer"])
            .env(CHILD, dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    // Two writers at once, killed after longer and longer times; the last ones may finish.
    for round in 0..12 {
        let mut writers = [child(), child()];
        std::thread::sleep(Duration::from_millis(4 + 8 * round));
        for writer in &mut writers {
            writer.kill().unwrap();
            writer.wait().unwrap();
        }
        if round % 4 == 3 {
            std::fs::remove_dir_all(&out).unwrap_or_default();
        }
    }
    let mut writers = [child(), child(), child()];
    assert!(writers.iter_mut().all(|writer| writer.wait().unwrap().success()));
    check_all(&out, &ids);
}
