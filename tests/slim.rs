//! `epitaph slim`: debuggers, and we ourselves, see the same in the small core as in the large one.

use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use epitaph_elf::{CoreFile, MemoryError, read_vec};
use epitaph_testkit::crash::{Crash, CrashError, GO_PROGRAMS, PROGRAMS, program};
use epitaph_testkit::debuggers::{Debugger, EU_STACK, GDB, LLDB};
use epitaph_testkit::skip::skipped;
use epitaph_testkit::sweep::Case;
use epitaph_testkit::{need_tool, tools};
use serde_json::Value;

use crate::support::{alone_by, epitaph, folder, test_all, text};

/// Programs whose slim cores every debugger is asked about, unless all are.
const FEW: [&str; 8] = [
    "null_deref",
    "threads",
    "plugin",
    "alt_stack",
    "signal_handler",
    "cxx_exception",
    "rust_panic",
    "inlined_static_pie",
];
/// Programs whose stacks are so deep that eu-stack takes minutes.
const DEEP: [&str; 2] = ["stack_overflow", "deep_recursion"];
/// Seeds of generated programs: a few, and many.
const SEEDS: [Range<u64>; 2] = [9000..9004, 9000..9060];

/// Makes a slim core, beside the original so that the same files are found.
#[track_caller]
fn slim(crash: &Crash) -> PathBuf {
    let path = crash.core.with_file_name("slim");
    epitaph().arg("slim").arg(&crash.core).arg("-o").arg(&path).run().code(0);
    path
}

/// What differs between a core and its slim one, for debuggers and for us; `None` where nothing does.
fn difference(crash: &Crash, slim: &Path, debuggers: &[Debugger]) -> Option<String> {
    for debugger in debuggers {
        let [full, own] = [&*crash.core, slim].map(|core| debugger.ask(&crash.exe, core));
        if full != own {
            let (full, own) = (full.unwrap_or_default(), own.unwrap_or_default());
            let lines = full.lines().zip(own.lines()).find(|(full, own)| full != own);
            return Some(format!("{}: {lines:#?}\n{own}", debugger.program));
        }
    }
    let [full, own] = [&*crash.core, slim].map(|core| shown(&crash.exe, core));
    (full != own).then(|| format!("epitaph: {full:#}\n{own:#}"))
}

/// What `epitaph show` says of a core, but for its file.
fn shown(exe: &Path, core: &Path) -> Value {
    let mut summary = epitaph().args(["show", "--json", "--exe"]).arg(exe).arg(core).run().code(0).json();
    let facts = summary["core"].as_object_mut().unwrap();
    for field in ["path", "size", "size_on_disk", "content", "slim"] {
        facts.remove(field);
    }
    summary
}

/// Checks that every byte that a slim core has is the original's, and that it has the rest not.
fn check_bytes(full: &Path, slim: &Path) {
    let [full, slim] =
        [full, slim].map(|path| CoreFile::open(Arc::new(std::fs::File::open(path).unwrap())).unwrap());
    let (mut same, mut dropped) = (0, 0);
    for segment in full.segments() {
        let slim_segment = slim.segment_at(segment.address).unwrap();
        assert_eq!(segment.end(), slim_segment.end());
        for page in (segment.address..segment.end()).step_by(4096).take(1 << 14) {
            let original = read_vec(&full, page, 4096);
            match read_vec(&slim, page, 4096) {
                Ok(own) => {
                    assert_eq!(Ok(own), original, "{page:#x}");
                    same += 1;
                }
                Err(error) => {
                    assert_eq!(error, MemoryError::NotDumped { address: page });
                    dropped += u64::from(original.is_ok());
                }
            }
        }
    }
    assert!(same > 0);
    assert_eq!(slim.process().slim.as_ref().unwrap().dropped_bytes, dropped * 4096);
}

fn debuggers() -> Vec<Debugger> {
    let (there, missing): (Vec<Debugger>, Vec<Debugger>) =
        [GDB, LLDB, EU_STACK].into_iter().partition(|debugger| tools::have(debugger.program));
    for debugger in missing {
        skipped(&format!("not installed: {}", debugger.program));
    }
    there
}

#[test]
fn debuggers_see_the_same_as_in_the_original() {
    let debuggers = debuggers();
    let all = PROGRAMS.iter().chain(GO_PROGRAMS);
    for wanted in all.filter(|program| test_all() || FEW.contains(&program.name)) {
        let Some(crash) = Crash::of_or_skip(wanted) else { return };
        let slim = slim(&crash);
        check_bytes(&crash.core, &slim);
        let patient =
            |debugger: &&Debugger| debugger.program != EU_STACK.program || !DEEP.contains(&wanted.name);
        let debuggers: Vec<Debugger> = debuggers.iter().filter(patient).copied().collect();
        let difference = difference(&crash, &slim, &debuggers);
        assert!(difference.is_none(), "{}: {}", wanted.name, difference.unwrap());
    }
}

#[test]
fn generated_programs_keep_their_backtraces() {
    need_tool!("gdb", "gcc");
    let debuggers = debuggers();
    let [few, many] = SEEDS;
    let seeds = if test_all() { many } else { few };
    let next = AtomicU64::new(seeds.start);
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                break;
            }
            let case = Case::of_seed(seed);
            let crash = match case.crash() {
                Ok(crash) => crash,
                Err(CrashError::Unavailable(why)) => {
                    skipped(&format!("seed {seed}: {why}"));
                    continue;
                }
                Err(error) => panic!("{error}"),
            };
            let slim = slim(&crash);
            check_bytes(&crash.core, &slim);
            let difference = difference(&crash, &slim, &debuggers);
            assert!(difference.is_none(), "{case}\n{}", difference.unwrap());
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
}

#[test]
fn it_says_what_was_left_out_and_the_summary_does_too() {
    let Some(crash) = Crash::of_or_skip(program("threads")) else { return };
    let slim = crash.core.with_file_name("small");
    let size = std::fs::metadata(&crash.core).unwrap().len();
    let made = epitaph().arg("slim").arg(&crash.core).arg("-o").arg(&slim).run().code(0);
    made.says(&[]).tells(&["small: ", "left out ", "kept stacks "]);
    assert_eq!(std::fs::metadata(&slim).unwrap().permissions().mode() & 0o777, 0o600);
    let [original, own] =
        [&crash.core, &slim].map(|path| std::fs::metadata(path).unwrap().modified().unwrap());
    assert_eq!(original, own, "the process died when it died");

    let summary = epitaph().args(["show", "--json"]).arg(&slim).run().code(0).json();
    assert_eq!(summary["core"]["content"], "slim");
    assert_eq!(summary["core"]["slim"]["original_size"], size);
    assert!(summary["core"]["slim"]["dropped_bytes"].as_u64().unwrap() > 1 << 20);
    assert_eq!(summary["core"]["completeness"], "complete");
    epitaph().arg("show").arg(&slim).run().code(0).says(&["slim core of "]);
}

#[test]
fn it_goes_where_it_is_sent_and_never_over_the_original() {
    need_tool!("zstd");
    let Some(crash) = Crash::of_or_skip(program("null_deref")) else { return };
    let plain = std::fs::read(slim(&crash)).unwrap();
    let to_stdout = epitaph().arg("slim").arg(&crash.core).args(["-o", "-"]).run().code(0);
    assert!(to_stdout.raw_stdout() == plain);

    let compressed = crash.core.with_file_name("slim.zst");
    epitaph()
        .arg("slim")
        .arg(&crash.core)
        .arg("-o")
        .arg(&compressed)
        .run()
        .code(0)
        .tells(&["compressed) of"]);
    let unpacked = std::process::Command::new("zstd").arg("-dc").arg(&compressed).output().unwrap();
    assert!(unpacked.stdout == plain);
    let again = epitaph().arg("slim").arg(&compressed).args(["-o", "-"]).run().code(0);
    assert!(again.raw_stdout() == plain, "of a slim, compressed core");

    let before = std::fs::read(&crash.core).unwrap();
    let link = crash.core.with_file_name("link");
    std::os::unix::fs::symlink(&crash.core, &link).unwrap();
    for target in [&crash.core, &link] {
        let refused = epitaph().arg("slim").arg(&crash.core).arg("-o").arg(target).run().code(1);
        refused.tells(&["never overwritten", "hint: "]);
    }
    assert!(std::fs::read(&crash.core).unwrap() == before);
    epitaph().arg("slim").arg(&crash.core).args(["-o", "/dev/full"]).run().code(1).tells(&["/dev/full"]);
    let folder = crash.core.with_file_name("none").join("slim");
    epitaph()
        .arg("slim")
        .arg(&crash.core)
        .arg("-o")
        .arg(&folder)
        .run()
        .code(1)
        .tells(&["none/slim", "hint: "]);
    epitaph().arg("slim").arg(&crash.exe).args(["-o", "-"]).run().code(1).says(&[]).tells(&["hint: "]);
}

#[test]
fn a_full_disk_leaves_nothing_behind() {
    let Some(crash) = Crash::of_or_skip(program("null_deref")) else { return };
    let disk = folder();
    let script = format!(
        "mount -t tmpfs -o size=64k none {0} && {1} slim {2} -o {0}/slim; echo ended with $?; ls -A {0}",
        text(disk.path()),
        text(crate::support::program()),
        text(&crash.core)
    );
    let Some(mut command) = alone_by(&script) else {
        skipped("no mounts of its own");
        return;
    };
    let output = command.output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(stdout, "ended with 1\n", "{stderr}");
    assert!(stderr.contains("no space left") && stderr.contains("hint: free some space"), "{stderr}");
}
