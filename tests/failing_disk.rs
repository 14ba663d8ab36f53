//! A disk that fails at any of the calls that change files: once, or from there on. No core is lost, nothing is sealed that
//! isn't whole, the failure is told, and the next `epitaph collect` finishes what this one could not.
//!
//! Moves are not among these calls: they don't go through the C library. Those fail in the tests of the bundle.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use epitaph_testkit::crash::{Built, or_skip, program};
use rustix::io::Errno;
use serde_json::Value;
use tempfile::TempDir;

use crate::fixtures::{assert_consistent, place_core, sealed};
use crate::preload::Preload;
use crate::support::{Answer, Epitaph, epitaph, epitaph_alone, files, folder, test_all};

/// More calls than any of these commands makes.
const MOST_CALLS: usize = 400;

/// Which calls of epitaph fail, and how.
#[derive(Clone, Copy, Debug)]
struct Failing {
    at: usize,
    error: Errno,
    on: bool,
}

impl Failing {
    /// Lets the disk fail a command.
    fn put_under(self, epitaph: Epitaph, preload: &Preload) -> Epitaph {
        let epitaph = epitaph
            .env("LD_PRELOAD", preload.path())
            .env("FAILING_PROGRAM", "epitaph")
            .env("FAILING_AT", self.at.to_string())
            .env("FAILING_WITH", self.error.raw_os_error().to_string())
            .env("FAILING_TOLD", preload.file());
        if self.on { epitaph.env("FAILING_ON", "1") } else { epitaph }
    }
}

/// Tries a command with another of its calls failing each time, until none of them is left to fail. `turn` returns whether
/// one failed. A short run tries some.
fn at_each_call(mut turn: impl FnMut(Failing) -> bool) {
    let all = test_all();
    let errors = if all { &[Errno::IO, Errno::NOSPC, Errno::DQUOT][..] } else { &[Errno::IO] };
    for error in errors {
        for on in [false, true] {
            let (first, step) = if all { (1, 1) } else { (if on { 3 } else { 2 }, 7) };
            let over =
                (first..MOST_CALLS).step_by(step).find(|at| !turn(Failing { at: *at, error: *error, on }));
            assert!(over.is_some(), "{error}: there is no end of calls");
            assert!(over > Some(20), "{error}: only {over:?} calls could fail");
        }
    }
}

/// A job whose core is to be kept.
struct Job {
    folder: TempDir,
}

impl Job {
    fn new() -> Job {
        Job { folder: folder() }
    }

    fn core(&self) -> PathBuf {
        self.folder.path().join("core.77")
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    fn crashes(&self) -> Vec<Value> {
        if self.out().join("crashes").exists() {
            let of_folder = |entry: fs::DirEntry| fs::read(entry.path().join("summary.json")).ok();
            let entries = fs::read_dir(self.out().join("crashes")).unwrap();
            let summaries = entries.filter_map(|entry| of_folder(entry.unwrap()));
            summaries.map(|bytes| serde_json::from_slice(&bytes).unwrap()).collect()
        } else {
            Vec::new()
        }
    }

    /// Checks what a command left that a disk failed, which said `answer`.
    #[track_caller]
    fn check_left(&self, answer: &Answer, failed: &str) {
        let crashes = self.crashes();
        for crash in &crashes {
            let Some(file) = crash["core"]["file"].as_str() else { continue };
            let size = self.out().join(file).metadata().unwrap().len();
            assert_eq!(crash["core"]["stored_size"], size, "{failed}\n{answer}");
        }
        let is_stored = crashes.iter().any(|crash| crash["core"]["file"].is_string());
        assert!(is_stored || self.core().exists(), "{failed}: neither kept nor left\n{answer}");
        let is_done = is_stored && self.out().join("manifest.json").exists();
        let told = answer.stderr();
        assert!(
            is_done || told.contains("error: ") || told.contains("warning: "),
            "{failed}: untold\n{answer}"
        );
    }

    /// Collects once more, with a disk that works, and checks that all is there.
    #[track_caller]
    fn finish(&self, failed: &str) {
        let answer =
            epitaph().args(["collect", "--out"]).arg(self.out()).arg(self.folder.path()).run().code(0);
        let crashes = sealed(&self.out());
        assert_eq!(crashes.len(), 1, "{failed}\n{answer}");
        let is_stored = crashes.values().all(|crash| crash["core"]["file"].is_string());
        assert!(is_stored, "{failed}\n{answer}");
        assert_consistent(&self.out());
        let unfinished = files(&self.out()).into_keys().find(|name| name.contains(".tmp-"));
        assert_eq!(unfinished, None, "{failed}");
    }
}

#[test]
fn a_disk_that_fails_collect_loses_no_core() {
    let Some(preload) = Preload::of("failing_disk") else { return };
    at_each_call(|failing| {
        let job = Job::new();
        place_core(&job.core(), 77);
        let collect = epitaph().args(["collect", "--remove", "--out"]).arg(job.out()).arg(job.core());
        let answer = failing.put_under(collect, &preload).run().code(0);
        assert!(answer.stdout().starts_with("crasher died of SIGSEGV"), "{failing:?}\n{answer}");
        let Some(failed) = preload.take_told() else { return false };
        job.check_left(&answer, &format!("{failing:?}: {failed}"));
        job.finish(&failed);
        true
    });
}

#[test]
fn a_disk_that_fails_run_changes_no_status_and_loses_no_core() {
    let Some(preload) = Preload::of("failing_disk") else { return };
    at_each_call(|failing| {
        let job = Job::new();
        let prepared = job.folder.path().join("prepared");
        place_core(&prepared, 77);
        let run = epitaph_alone().unwrap_or_else(epitaph).within(job.folder.path());
        let run = run.args([
            "run",
            "--capture",
            "file",
            "--out",
            "out",
            "--",
            "sh",
            "-c",
            "mv prepared core.77; \
             touch core.77; exit 139",
        ]);
        let answer = failing.put_under(run, &preload).run().code(139);
        let Some(failed) = preload.take_told() else { return false };
        job.check_left(&answer, &format!("{failing:?}: {failed}"));
        job.finish(&failed);
        true
    });
}

/// Nobody else has those cores.
#[test]
fn a_disk_that_fails_our_own_core_is_told_and_changes_no_status() {
    let Some(preload) = Preload::of("failing_disk") else { return };
    let Some(built) = or_skip(Built::of(program("null_deref"))) else { return };
    at_each_call(|failing| {
        let job = Job::new();
        let temporary = job.folder.path().join("temporary");
        fs::create_dir(&temporary).unwrap();
        // The job may not see the system's temporary files.
        let exe = job.folder.path().join("exe");
        assert!(Command::new("cp").arg(&built.exe).arg(&exe).status().unwrap().success());
        let run = epitaph_alone().unwrap_or_else(epitaph).within(job.folder.path()).env("TMPDIR", &temporary);
        let run = run.args(["run", "--capture", "ptrace", "--out", "out", "--", "sh", "-c"]);
        let run = run.arg(r#"ulimit -c 0; "$0"; exit 3"#).arg(&exe);
        let answer = failing.put_under(run, &preload).run().code(3);
        let Some(failed) = preload.take_told() else { return false };
        let is_kept = job.crashes().iter().any(|crash| crash["core"]["file"].is_string());
        let told = answer.stderr();
        let is_left = is_there(&temporary);
        let is_said =
            ["cannot write the core of process", "so epitaph writes none here", "could not be traced"]
                .iter()
                .any(|words| told.contains(words));
        assert!(is_kept || is_left || is_said, "{failed}\n{answer}");
        assert!(is_kept || told.contains("warning: ") || told.contains("error: "), "{failed}\n{answer}");
        true
    });
}

/// Tells whether a core lies in a folder of epitaph's below this one.
fn is_there(temporary: &Path) -> bool {
    files(temporary).into_keys().any(|name| name.contains("core."))
}
