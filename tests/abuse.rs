//! What jobs, their files and their neighbours do to a collector: hostile names, files that change while they are read, a
//! kill at any time. Nothing may be steered out of the output folder, read that isn't the job's, lost, or kept twice.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use epitaph_testkit::crash::{Built, CoresHere, or_skip, program, without_core_limit};
use epitaph_testkit::skip::skipped;

use crate::fixtures::{assert_consistent, elements, place_core, sealed, set_age, small_core};
use crate::support::{
    alone_by, epitaph, files, folder, plain_environment, program as epitaph_program, test_all, text,
};

/// Names that a program may have.
const NAMES: [&[u8]; 18] = [
    b"\n::set-output name=token::stolen",
    b"::error file=a.c,line=1::all is well",
    b"##vso[task.setvariable variable=PATH]evil",
    b"\x1b[2J\x1b]0;title\x07",
    "\u{202e}gnp.exe".as_bytes(),
    b"-rf",
    b"--out",
    b"\xff\xfe\x80",
    b"!",
    b"exe (deleted)",
    b"...",
    b"%n%s%p",
    b"**bold** <img src=x onerror=alert(1)> | `code` [a](javascript:b)",
    b"]]><testcase name='x'>&amp;\"",
    b"a b\tc\r",
    b"core",
    b"$(touch pwned);`touch pwned`",
    &[b'x'; 255],
];

#[test]
fn names_of_programs_stay_names() {
    let Some(built) = or_skip(Built::of(program("dump"))) else { return };
    let Some(here) = or_skip(CoresHere::acquire()) else { return };
    let job = folder();
    for (index, name) in NAMES.iter().enumerate() {
        let bin = job.path().join(format!("bin-{index}"));
        // The job's folder has such a name as well.
        let work = job.path().join(OsStr::from_bytes(&name[..name.len().min(60)])).join("work");
        fs::create_dir_all(&bin).unwrap();
        fs::create_dir_all(&work).unwrap();
        let exe = bin.join(OsStr::from_bytes(name));
        // Another process copies it: see "text file busy".
        assert!(Command::new("cp").arg(&built.exe).arg(&exe).status().unwrap().success());
        let mut step = without_core_limit(&exe);
        let output = plain_environment(&mut step).current_dir(&work).output().unwrap();
        assert!(output.status.code().is_none(), "{}: {output:?}", name.escape_ascii());
    }
    drop(here);
    let out = job.path().join("out");
    // They all die alike.
    let collected =
        epitaph().within(job.path()).args(["collect", "--max-per-signature", "0", "--out", "out"]);
    let collected = collected.arg(job.path());
    let answer = collected.run().code(0);
    assert_eq!(sealed(&out).len(), NAMES.len(), "{answer}");
    assert_consistent(&out);
    inert(answer.stdout());
    inert(&answer.stderr());
    let plain =
        |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-+/".contains(&byte));
    for name in files(&out).keys() {
        assert!(plain(name) && !name.contains("/../") && !name.contains("/-"), "{name}");
    }
    for format in ["text", "markdown", "junit", "json"] {
        let told = epitaph().args(["report", "--format", format]).arg(&out).run().code(0);
        inert(told.stdout());
        match format {
            "junit" => {
                let cases = elements(told.stdout()).iter().filter(|name| *name == "testcase").count();
                assert_eq!(cases, NAMES.len());
            }
            "markdown" => {
                // Such a name stands between backticks, more than it has itself, or in a block of plain text.
                let outside: Vec<&str> =
                    told.stdout().split("```text").filter_map(|part| part.split("```\n").last()).collect();
                let bare = outside
                    .iter()
                    .flat_map(|part| part.lines())
                    .find(|line| line.contains("<img") && !line.contains('`'));
                assert_eq!(bare, None, "{told}");
            }
            _ => {}
        }
    }
    let missing = |summary: &serde_json::Value| summary["modules"][0]["file_state"] == "missing";
    assert!(!sealed(&out).values().any(missing), "{answer}");
    let touched = Command::new("find").arg(job.path()).args(["-name", "pwned"]).output().unwrap();
    assert_eq!(touched.stdout, b"");
}

/// Nothing in it drives a terminal or a CI system.
#[track_caller]
fn inert(told: &str) {
    let driving = |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
    assert!(!told.contains(driving), "{}", told.escape_debug());
    for line in told.lines() {
        assert!(!line.trim_start().starts_with("::") && !line.contains("##vso["), "{line}");
    }
}

/// Ends the other thread with this one's part, however that ends.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_link_put_in_a_cores_place_leads_nowhere() {
    let (job, elsewhere, out) = (folder(), folder(), folder());
    let (secret, core) = (elsewhere.path().join("core"), job.path().join("core.1"));
    place_core(&secret, 6666);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (link, file) = (job.path().join("a"), job.path().join("b"));
            while !over.load(Ordering::Relaxed) {
                symlink(&secret, &link).unwrap();
                fs::rename(&link, &core).unwrap();
                place_core(&file, 1);
                fs::rename(&file, &core).unwrap();
            }
        });
        let _over = Over(&over);
        for _ in 0..if test_all() { 200 } else { 25 } {
            let collect = epitaph().args(["collect", "--out"]).arg(out.path()).arg(job.path());
            collect.run().code(0);
        }
    });
    let pids: HashSet<u64> =
        sealed(out.path()).values().filter_map(|summary| summary["process"]["pid"].as_u64()).collect();
    assert!(!pids.contains(&6666), "{pids:?}");
    assert_consistent(out.path());
}

#[test]
fn a_core_that_changes_while_it_is_read_breaks_nothing() {
    let (job, out) = (folder(), folder());
    let core = job.path().join("core.1");
    let whole = small_core(1, "crasher").to_vec();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for len in (0..whole.len()).step_by(97).cycle() {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                fs::write(&core, &whole[..len]).unwrap();
                fs::write(&core, &whole).unwrap();
            }
        });
        let _over = Over(&over);
        for _ in 0..if test_all() { 20 } else { 2 } {
            let collect = epitaph().args(["collect", "--out"]).arg(out.path()).arg(job.path());
            let answer = collect.run();
            assert!([0, 1].contains(&answer.any_code()), "{answer}");
            assert!(!answer.stderr().contains("panicked"), "{answer}");
        }
    });
    assert_consistent(out.path());
    // What is left at the end is kept as it is.
    fs::write(&core, &whole).unwrap();
    set_age(&core, Duration::from_secs(10));
    epitaph().args(["collect", "--out"]).arg(out.path()).arg(job.path()).run().code(0);
    assert_consistent(out.path());
}

#[test]
fn a_kill_at_any_time_loses_nothing_and_keeps_nothing_twice() {
    let mut delay = 1_u64;
    for turn in 0..if test_all() { 200 } else { 16 } {
        let (job, out) = (folder(), folder());
        let core = job.path().join("core.77");
        place_core(&core, 77);
        let start =
            || epitaph().args(["collect", "--remove", "--out"]).arg(out.path()).arg(job.path()).start();
        let running = start();
        delay = delay.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(Duration::from_micros((delay >> 32) % 30_000));
        if turn % 2 == 0 {
            running.kill();
        } else {
            // It may be over already.
            let _ = Command::new("kill").args(["-TERM", &running.pid().to_string()]).output();
            running.finish();
        }
        let kept = files(out.path()).keys().any(|name| name.ends_with("/summary.json"));
        assert!(kept || core.exists(), "turn {turn}: neither kept nor left");
        start().finish().code(0);
        assert_eq!(sealed(out.path()).len(), 1, "turn {turn}");
        assert_consistent(out.path());
        let unfinished = files(out.path()).into_keys().find(|name| name.contains(".tmp-"));
        assert_eq!(unfinished, None, "turn {turn}");
    }
}

#[test]
fn heaps_of_files_with_a_cores_name_are_looked_through() {
    let (job, out) = (folder(), folder());
    let count = if test_all() { 100_000 } else { 2_000 };
    for index in 0..count {
        fs::write(job.path().join(format!("core.{index}")), "not a core").unwrap();
    }
    place_core(&job.path().join("deeper/core.4711"), 4711);
    let answer = epitaph().args(["collect", "--out"]).arg(out.path()).arg(job.path()).run().code(0);
    // Whatever time it takes here: what was not looked at is told.
    let told = answer.stderr().contains("the search for cores is not complete: it took too long");
    assert!(told || sealed(out.path()).len() == 1, "{answer}");
    assert!(answer.stderr().lines().count() < 100, "{} lines", answer.stderr().lines().count());
}

#[test]
fn a_folder_that_is_mounted_into_itself_is_searched_once() {
    let (job, out) = (folder(), folder());
    place_core(&job.path().join("core.1"), 1);
    fs::create_dir_all(job.path().join("loop")).unwrap();
    let script = r#"mount --rbind "$1" "$1/loop" && mount --rbind "$1" "$1/loop/loop" && exec "$0" collect --out "$2" "$1""#;
    let Some(mut command) = alone_by(script) else {
        skipped("nothing may be mounted here (root, or a user namespace), so no loop of mounts");
        return;
    };
    command.arg(epitaph_program()).args([job.path(), out.path()]);
    let output = plain_environment(&mut command).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(sealed(out.path()).len(), 1);
}

#[test]
fn a_working_folder_that_is_gone_is_told() {
    let outside = folder();
    for command in ["collect --out", "run --out"] {
        let out = outside.path().join("out");
        let gone = outside.path().join("gone");
        fs::create_dir(&gone).unwrap();
        let tail = if command.starts_with("run") { "-- sh -c 'exit 7'" } else { "" };
        let script = format!(r#"rmdir "$PWD" && exec "$0" {command} "$1" {tail}"#);
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]).arg(epitaph_program()).arg(&out).current_dir(&gone);
        let output = plain_environment(&mut shell).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!told.contains("panicked"), "{told}");
        let expected: &[i32] = if command.starts_with("run") { &[7] } else { &[0, 1] };
        assert!(output.status.code().is_some_and(|code| expected.contains(&code)), "{output:?}");
    }
    assert!(Path::new(&text(outside.path())).is_dir());
}
