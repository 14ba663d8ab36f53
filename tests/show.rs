//! `epitaph show`: the story of a crash, and where the files that explain it are looked for.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use epitaph_testkit::crash::{Built, CoresHere, Crash, or_skip, program, sources_folder};
use epitaph_testkit::need_tool;
use serde_json::Value;

use crate::fixtures::{assert_chain, functions, only_sealed, own_functions, small_core};
use crate::support::{epitaph, folder, program as epitaph_program, text};

/// The chain of `null_deref.c`.
const CHAIN: [&str; 3] = ["quantity_of", "price_of", "main"];

/// Moves what the core was made of away, as on a machine that only got the core.
fn without_executable(crash: &Crash) -> std::path::PathBuf {
    let moved = crash.dir.path().join("moved");
    fs::rename(&crash.exe, &moved).unwrap();
    moved
}

/// Puts another build of the same source in the executable's place.
fn rebuild(crash: &Crash, source: &str, options: &[&str]) {
    let mut gcc = Command::new("gcc");
    gcc.args(options).arg("-o").arg(&crash.exe).arg(sources_folder().join(source));
    assert!(gcc.status().unwrap().success());
}

fn show_json(crash: &Crash, options: &[&str]) -> Value {
    epitaph().args(["show", "--json"]).args(options).arg(&crash.core).run().code(0).json()
}

fn warning_codes(summary: &Value) -> Vec<&str> {
    let warnings = summary["warnings"].as_array().map(Vec::as_slice).unwrap_or_default();
    warnings.iter().map(|warning| warning["code"].as_str().unwrap()).collect()
}

#[test]
fn the_story_comes_first_and_the_crashing_thread_before_the_others() {
    let Some(crash) = Crash::of_or_skip(program("threads")) else { return };
    let answer = epitaph().arg("show").arg(&crash.core).run().code(0);
    let told = answer.stdout();
    let mut lines = told.lines();
    assert!(lines.next().unwrap().starts_with("exe died of SIGSEGV: "), "{told}");
    let place = lines.next().unwrap();
    assert!(place.starts_with("  in scribble at ") && place.contains("threads.c:16"), "{told}");
    assert!(told.contains(&format!("pid {}", crash.pid)) && told.contains(&text(&crash.core)), "{told}");

    let titles: Vec<&str> = told.lines().filter(|line| line.starts_with("Thread")).collect();
    assert!(titles[0].starts_with("Thread 1 of 9 ") && titles[0].ends_with(" crashed:"), "{told}");
    assert!(titles.len() > 1 && titles[1..].iter().all(|title| !title.contains("crashed")), "{told}");
    let blamed = told.lines().find(|line| line.contains("#0")).unwrap();
    assert!(blamed.starts_with("> ") && blamed.contains("scribble"), "{told}");
    assert_eq!(answer.stderr(), "");
}

#[test]
fn json_is_one_object_and_several_are_one_a_line() {
    let Some(crash) = Crash::of_or_skip(program("null_deref")) else { return };
    let summary = show_json(&crash, &[]);
    assert_eq!(summary["schema"], "epitaph-crash/1");
    assert_eq!(summary["process"]["pid"], crash.pid);
    assert_eq!(summary["signal"]["name"], "SIGSEGV");
    assert_chain(&functions(&summary), &CHAIN);

    let other = folder();
    let second = other.path().join("core");
    small_core(4711, "other").write_to(&second).unwrap();
    let answer = epitaph().args(["show", "--json"]).arg(&crash.core).arg(&second).run().code(0);
    let pids: Vec<Value> =
        answer.json_lines().iter().map(|summary| summary["process"]["pid"].clone()).collect();
    assert_eq!(pids, [crash.pid, 4711]);
}

#[test]
fn only_the_crashing_thread_on_demand() {
    let Some(crash) = Crash::of_or_skip(program("threads")) else { return };
    let summary = show_json(&crash, &["--threads", "crashed"]);
    assert_eq!(
        (summary["threads"].as_array().unwrap().len(), &summary["thread_count"]),
        (1, &Value::from(9))
    );
    assert_chain(&functions(&summary), &["scribble", "worker"]);
    let answer = epitaph().args(["show", "--threads=crashed"]).arg(&crash.core).run().code(0);
    let titles = answer.stdout().lines().filter(|line| line.starts_with("Thread")).count();
    assert_eq!(titles, 1, "{answer}");
    answer.says(&["8 more threads of the core are not shown."]);
}

#[test]
fn a_deep_recursion_is_folded_unless_all_frames_are_wanted() {
    let Some(crash) = Crash::of_or_skip(program("deep_recursion")) else { return };
    let few = show_json(&crash, &["--frames", "8"]);
    let shown = functions(&few).len();
    assert!((8..100).contains(&shown), "{shown} frames");
    assert!(few["threads"][0]["frames_total"].as_u64().unwrap() > 20_000);
    assert_eq!(functions(&few).iter().filter(|function| *function == "main").count(), 1);
    let answer = epitaph().args(["show", "--frames", "8"]).arg(&crash.core).run().code(0);
    answer.says(&["... 19,998 frames repeat #6 ..."]);
    let all = epitaph().args(["show", "--frames", "0"]).arg(&crash.core).run().code(0);
    assert!(!all.stdout().contains(" repeat #"), "all frames were wanted");
    let is_frame = |line: &&str| line.starts_with('>') && line.contains(" descend");
    assert_eq!(all.stdout().lines().filter(is_frame).count(), 20_000);
}

#[test]
fn a_missing_program_is_told_and_exe_finds_it() {
    let Some(crash) = Crash::of_or_skip(program("null_deref")) else { return };
    let moved = without_executable(&crash);
    let answer = epitaph().arg("show").arg(&crash.core).run().code(0);
    answer.says(&["exe died of SIGSEGV", &format!("missing  {}", text(&crash.exe)), "was not found"]);
    let lost = show_json(&crash, &[]);
    assert!(own_functions(&lost).iter().all(|function| function == "??"), "names are invented: {lost:#}");
    assert_eq!(lost["modules"][0]["file_state"], "missing");

    assert_chain(&functions(&show_json(&crash, &["--exe", &text(&moved)])), &CHAIN);
    let by_variable = epitaph().env("EPITAPH_EXE", &moved).args(["show", "--json"]).arg(&crash.core).run();
    assert_chain(&functions(&by_variable.code(0).json()), &CHAIN);
}

#[test]
fn a_kept_crash_is_shown_by_its_folder_its_core_or_its_summary() {
    let Some(crash) = Crash::of_or_skip(program("null_deref")) else { return };
    let out = folder();
    epitaph().arg("collect").arg("--out").arg(out.path()).arg(&crash.core).run().code(0);
    drop(crash);
    let (id, kept) = only_sealed(out.path());
    let crashes = out.path().join("crashes");
    let folder = crashes.join(&id);
    for path in [out.path(), &crashes, &folder, &folder.join("core.zst"), &folder.join("summary.json")] {
        let summary = epitaph().args(["show", "--json"]).arg(path).run().code(0).json();
        assert_eq!((&summary["id"], &summary["collection"]), (&kept["id"], &kept["collection"]));
        assert_chain(&functions(&summary), &CHAIN);
    }
    // A core that is broken doesn't hide what was known when it was collected.
    let core = folder.join("core.zst");
    let whole = fs::read(&core).unwrap();
    for broken in [&whole[..whole.len() / 2], b"\x28\xb5\x2f\xfd rubbish", b""] {
        fs::write(&core, broken).unwrap();
        let summary = epitaph().args(["show", "--json"]).arg(out.path()).run().code(0).json();
        assert_chain(&functions(&summary), &CHAIN);
    }
}

#[test]
fn files_are_found_below_a_sysroot() {
    let Some(crash) = Crash::of_or_skip(program("null_deref")) else { return };
    let moved = without_executable(&crash);
    let root = folder();
    let inside = root.path().join(crash.exe.strip_prefix("/").unwrap());
    fs::create_dir_all(inside.parent().unwrap()).unwrap();
    fs::copy(moved, &inside).unwrap();
    let summary = show_json(&crash, &["--sysroot", &text(root.path())]);
    assert_chain(&functions(&summary), &CHAIN);
    assert_eq!(summary["modules"][0]["file_found"], text(&inside));
}

#[test]
fn separate_debug_files_are_found_in_a_debug_folder() {
    need_tool!("objcopy", "strip");
    let Some(built) = or_skip(Built::of(program("null_deref"))) else { return };
    let debug = built.dir.path().join("exe.debug");
    let run =
        |tool: &str, options: &[&Path]| assert!(Command::new(tool).args(options).status().unwrap().success());
    run("objcopy", &[Path::new("--only-keep-debug"), &built.exe, &debug]);
    run("strip", &[&built.exe]);
    let Some(crash) = or_skip(CoresHere::acquire().and_then(|here| built.crash(&here))) else { return };

    let stripped = show_json(&crash, &[]);
    assert!(own_functions(&stripped).iter().all(|function| function == "??"), "{stripped:#}");
    let id = stripped["modules"][0]["build_id"].as_str().unwrap();
    let store = crash.dir.path().join("debug");
    let place = store.join(".build-id").join(&id[..2]);
    fs::create_dir_all(&place).unwrap();
    fs::rename(debug, place.join(format!("{}.debug", &id[2..]))).unwrap();
    let summary = show_json(&crash, &["--debug-dir", "/nowhere", "--debug-dir", &text(&store)]);
    assert_chain(&functions(&summary), &CHAIN);
    assert_eq!(summary["threads"][0]["frames"][0]["line"], 14);
}

#[test]
fn another_build_is_refused_unless_allowed() {
    need_tool!("gcc");
    let Some(crash) = Crash::of_or_skip(program("null_deref")) else { return };
    rebuild(&crash, "null_deref.c", &["-g", "-O1"]);
    let summary = show_json(&crash, &[]);
    assert_eq!(
        (&summary["modules"][0]["file_state"], warning_codes(&summary)),
        (&"mismatch".into(), vec!["module_mismatch"])
    );
    assert!(
        own_functions(&summary).iter().all(|function| function == "??"),
        "names are invented: {summary:#}"
    );
    let answer = epitaph().arg("show").arg(&crash.core).run().code(0);
    answer.says(&[
        &format!("another build  {}", text(&crash.exe)),
        "a different build (",
        "so it was not used",
    ]);

    let allowed = show_json(&crash, &["--allow-mismatch"]);
    assert!(own_functions(&allowed).iter().any(|function| function != "??"), "{allowed:#}");
    let answer = epitaph().args(["show", "--allow-mismatch"]).arg(&crash.core).run().code(0);
    answer.says(&["is a different build than the one that crashed", "names and lines may be wrong"]);
}

#[test]
fn a_program_without_build_id_is_called_unverified() {
    let Some(crash) = Crash::of_or_skip(program("dump_no_build_id")) else { return };
    let summary = show_json(&crash, &[]);
    assert_eq!(summary["modules"][0]["file_state"], "unverified");
    assert_chain(&functions(&summary), &["abort", "give_up", "main"]);
    let answer = epitaph().arg("show").arg(&crash.core).run().code(0);
    answer.says(&[&format!("unverified  {}", text(&crash.exe)), "has no build ID", "likely, not proven"]);
}

#[test]
fn a_younger_program_without_build_id_is_refused() {
    let Some(crash) = Crash::of_or_skip(program("dump_no_build_id")) else { return };
    // What `make` leaves after the crash: the same source gives the same first page.
    let exe = fs::File::options().write(true).open(&crash.exe).unwrap();
    exe.set_modified(SystemTime::now() + Duration::from_secs(60)).unwrap();
    let summary = show_json(&crash, &[]);
    assert!(own_functions(&summary).iter().all(|function| function == "??"), "{summary:#}");
    let answer = epitaph().arg("show").arg(&crash.core).run().code(0);
    answer.says(&["it is younger than the core, which has no build ID of it, so it was not used"]);
}

#[test]
fn a_changed_program_without_build_id_is_refused() {
    need_tool!("gcc");
    let Some(crash) = Crash::of_or_skip(program("dump_no_build_id")) else { return };
    let before = fs::metadata(&crash.exe).unwrap().modified().unwrap();
    rebuild(&crash, "dump.c", &["-O2", "-static", "-Wl,--build-id=none"]);
    fs::File::options().write(true).open(&crash.exe).unwrap().set_modified(before).unwrap();
    let summary = show_json(&crash, &[]);
    assert_eq!(summary["modules"][0]["file_state"], "mismatch");
    assert!(own_functions(&summary).iter().all(|function| function == "??"), "{summary:#}");
    let answer = epitaph().arg("show").arg(&crash.core).run().code(0);
    answer.says(&["its first page differs from the core's, so it was not used"]);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let folder = folder();
    let core = folder.path().join("core");
    small_core(4711, "crasher").write_to(&core).unwrap();
    for options in [&["show"][..], &["show", "--json"], &["report", "--format=markdown"]] {
        let answer = epitaph().args(options).arg(&core).run_unread().code(0);
        assert_eq!(answer.stderr(), "", "{answer}");
    }
    // As people do it, with what `head` shows.
    let script = r#"{ "$0" show "$1"; echo "status $?" >&2; } | head -n 1"#;
    let output = Command::new("sh").args(["-c", script]).arg(epitaph_program()).arg(&core).output().unwrap();
    assert!(output.stdout.starts_with(b"crasher died of SIGSEGV"), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "status 0\n");
}

#[test]
fn colour_is_for_terminals_or_on_demand() {
    let folder = folder();
    let core = folder.path().join("core");
    small_core(4711, "crasher").write_to(&core).unwrap();
    let show = || epitaph().arg("show").arg(&core);
    let coloured = |answer: crate::support::Answer| answer.code(0).stdout().contains('\u{1b}');
    assert!(!coloured(show().without_env("NO_COLOR").run()), "standard output is no terminal");
    assert!(coloured(show().without_env("NO_COLOR").env("CLICOLOR_FORCE", "1").run()));
    assert!(!coloured(show().env("NO_COLOR", "1").env("CLICOLOR_FORCE", "1").run()));
    assert!(!coloured(show().arg("--json").without_env("NO_COLOR").env("CLICOLOR_FORCE", "1").run()));
}

#[test]
fn what_cannot_be_read_does_not_hide_the_others() {
    let folder = folder();
    let (first, second) = (folder.path().join("core.1"), folder.path().join("core.2"));
    small_core(1001, "first").write_to(&first).unwrap();
    small_core(1002, "second").write_to(&second).unwrap();
    let missing = folder.path().join("missing");
    let answer = epitaph().arg("show").args([&first, &missing, &second]).run().code(1);
    answer
        .says(&["first died of SIGSEGV", &format!("\n\n{}\n\nsecond died of SIGSEGV", "=".repeat(72))])
        .tells(&[&format!("error: {}: no such file", text(&missing)), "hint: check the path"]);
    let answer = epitaph().args(["show", "--json"]).args([&missing, &first, &second]).run().code(1);
    assert_eq!(answer.json_lines().len(), 2);
}

/// Threads and an event loop take longer to start than a small core takes to read.
#[test]
fn a_small_core_starts_no_threads_and_no_event_loop() {
    const GUARD: &str = "#include <unistd.h>\n\
        static int refuse(const char *what, long len) { write(2, what, len); _exit(99); }\n\
        int pthread_create() { return refuse(\"a thread was started\", 20); }\n\
        int epoll_create1() { return refuse(\"an event loop was started\", 25); }\n";
    need_tool!("gcc");
    let Some(crash) = Crash::of_or_skip(program("null_deref")) else { return };
    let folder = folder();
    let (source, guard) = (folder.path().join("guard.c"), folder.path().join("guard.so"));
    fs::write(&source, GUARD).unwrap();
    let mut gcc = Command::new("gcc");
    gcc.args(["-w", "-shared", "-fPIC", "-o"]).arg(&guard).arg(&source);
    assert!(gcc.status().unwrap().success());
    for options in [&["--json"][..], &[]] {
        let guarded =
            epitaph().env("LD_PRELOAD", &guard).arg("show").args(options).arg(&crash.core).run().code(0);
        assert_eq!(guarded.stdout(), epitaph().arg("show").args(options).arg(&crash.core).run().stdout());
    }
    // It does refuse them: whoever is to ask a server can't do without.
    let server = ["--debuginfod", "http://127.0.0.1:9/"];
    let guarded = epitaph().env("LD_PRELOAD", &guard).arg("show").args(server);
    let guarded = guarded.arg("--sysroot").arg(folder.path()).arg(&crash.core).run();
    assert!(guarded.stderr().contains("was started"), "{}", guarded.stderr());
}
