//! `epitaph collect`: which files are taken for cores, what is kept of them, and what is told.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use epitaph_testkit::crash::{Built, CoresHere, Crash, or_skip, program, without_core_limit};
use epitaph_testkit::need_tool;
use epitaph_testkit::skip::skipped;
use serde_json::{Value, json};

use crate::fixtures::{
    assert_chain, assert_consistent, functions, only_sealed, place_core, sealed, set_age, small_core,
};
use crate::support::{
    Answer, Epitaph, epitaph, epitaph_alone, files, folder, plain_environment, program as epitaph_program,
    text,
};

/// `epitaph collect` of what lies in `job`, into `out`.
fn collect(job: &Path, out: &Path) -> Epitaph {
    epitaph().arg("collect").arg("--out").arg(out).arg(job)
}

/// The process ids of what was kept.
fn kept_pids(out: &Path) -> Vec<u64> {
    let mut pids: Vec<u64> =
        sealed(out).values().map(|summary| summary["process"]["pid"].as_u64().unwrap()).collect();
    pids.sort_unstable();
    pids
}

#[track_caller]
fn counts(answer: &Answer, new: usize, known: usize, failed: usize) {
    let line = format!("epitaph: {new} new, {known} known, {failed} failed; the folder to store is ");
    assert!(answer.stderr().contains(&line), "no {line:?}\n{answer}");
}

#[test]
fn a_real_crash_is_told_and_kept_with_what_explains_it() {
    let Some(crash) = Crash::of_or_skip(program("null_deref")) else { return };
    let out = folder();
    let answer = collect(&crash.work, out.path()).run().code(0);
    assert!(answer.stdout().starts_with("exe died of SIGSEGV: "), "{answer}");
    counts(&answer, 1, 0, 0);
    assert_consistent(out.path());

    let (id, summary) = only_sealed(out.path());
    assert!(id.contains("-exe-sigsegv-"), "{id}");
    assert_chain(&functions(&summary), &["quantity_of", "price_of", "main"]);
    assert_eq!(summary["collection"]["command"], "collect");
    assert_eq!(summary["core"]["file"], format!("crashes/{id}/core.zst"));
    assert_eq!(summary["core"]["path"], text(&crash.core));
    let executable = summary["modules"][0]["file"].as_str().unwrap();
    let build_id = summary["modules"][0]["build_id"].as_str().unwrap();
    assert_eq!(executable, format!("buildid/{build_id}/executable"));
    assert!(fs::read(out.path().join(executable)).unwrap() == fs::read(&crash.exe).unwrap());
    let told = answer.stderr();
    assert!(
        told.contains(&format!("{} is kept as {}/crashes/{id}", text(&crash.core), text(out.path()))),
        "{told}"
    );
}

#[test]
fn the_stored_core_is_what_stock_zstd_reads() {
    need_tool!("zstd");
    let Some(crash) = Crash::of_or_skip(program("dump")) else { return };
    let out = folder();
    collect(&crash.core, out.path()).run().code(0);
    let (id, summary) = only_sealed(out.path());
    let stored = out.path().join(format!("crashes/{id}/core.zst"));
    let back = Command::new("zstd").arg("-dcq").arg(&stored).output().unwrap();
    assert!(back.status.success() && back.stdout == fs::read(&crash.core).unwrap());
    assert_eq!(summary["core"]["stored_size"].as_u64(), Some(fs::metadata(stored).unwrap().len()));
}

#[test]
fn cores_are_found_by_their_usual_names_at_any_depth() {
    let job = folder();
    let named = [("core", 1001), ("sub/core.1002", 1002), ("src/core/core.1003.!jobs!path!to!exe", 1003)];
    for (name, pid) in named {
        place_core(&job.path().join(name), pid);
    }
    // A module of a program, and files of other kinds.
    fs::write(job.path().join("core.js"), "export {}").unwrap();
    fs::write(job.path().join("core.md"), "# core").unwrap();
    fs::create_dir_all(job.path().join("lib/core")).unwrap();
    let out = folder();
    let answer = collect(job.path(), out.path()).run().code(0);
    counts(&answer, 3, 0, 0);
    assert_eq!(kept_pids(out.path()), [1001, 1002, 1003]);
    assert_consistent(out.path());
    let (answer, fields) = (answer.hides(&["core.js", "core.md", "lib/core"]), |pid: u64| {
        let summary = sealed(out.path()).into_values().find(|summary| summary["process"]["pid"] == pid);
        summary.unwrap()["collection"]["name_fields"].clone()
    });
    assert_eq!(fields(1001), Value::Null);
    assert_eq!(fields(1002), json!({ "p": "1002" }));
    assert_eq!(fields(1003), json!({ "E": "!jobs!path!to!exe", "p": "1003" }));
    for (name, _) in named {
        assert!(answer.stdout().contains(&text(job.path().join(name))), "{answer}");
    }
}

#[test]
fn without_paths_the_jobs_folder_is_searched_for_recent_cores() {
    let Some(alone) = epitaph_alone() else {
        return skipped("others' crashes can't be kept out here (root, or a user namespace)");
    };
    let job = folder();
    place_core(&job.path().join("deep/er/core"), 1001);
    place_core(&job.path().join("core.1002"), 1002);
    set_age(&job.path().join("core.1002"), Duration::from_secs(2 * 86_400));
    let answer = alone.within(job.path()).arg("collect").run().code(0);
    counts(&answer, 1, 0, 0);
    let out = job.path().join("epitaph-out");
    assert_eq!(kept_pids(&out), [1001]);
    assert!(answer.stderr().contains("epitaph: 1 older cores were left alone"), "{answer}");
    let all = epitaph_alone().unwrap().within(job.path()).args(["collect", "--max-age", "0"]).run().code(0);
    counts(&all, 1, 1, 0);
    // What is given by name is taken however old it is.
    let named = folder();
    let old = collect(&job.path().join("core.1002"), named.path()).args(["--max-age", "1h"]).run().code(0);
    counts(&old, 1, 0, 0);
}

#[test]
fn what_only_has_a_cores_name_is_told_and_left_alone() {
    let (job, elsewhere, out) = (folder(), folder(), folder());
    let path = |name: &str| job.path().join(name);
    assert!(Command::new("mkfifo").arg(path("core.1")).status().unwrap().success());
    place_core(&elsewhere.path().join("core"), 2002);
    symlink(elsewhere.path().join("core"), path("core.2")).unwrap();
    fs::copy(epitaph_program(), path("core.3")).unwrap();
    fs::write(path("core.4"), "").unwrap();
    set_age(&path("core.4"), Duration::from_secs(10));
    place_core(&path("core.5"), 2005);
    let before = files(elsewhere.path());
    let answer = collect(job.path(), out.path()).run().code(0);
    counts(&answer, 1, 0, 1);
    assert_eq!(kept_pids(out.path()), [2005]);
    assert_eq!(files(elsewhere.path()), before);
    let told = |name: &str, what: &str| format!("`{}` {what}", text(path(name)));
    answer.tells(&[
        &told("core.1", "is a FIFO, not a file"),
        &told("core.2", "is a symbolic link, and those are not followed"),
        &told("core.3", "is a program"),
        &told("core.4", "is empty: the kernel created it and could write nothing"),
        "hint: give the file's path as an argument to take it all the same",
    ]);
    // As the hint says.
    let answer = collect(&path("core.2"), out.path()).run().code(0);
    counts(&answer, 1, 0, 0);
    assert_eq!(kept_pids(out.path()), [2002, 2005]);
}

#[test]
fn nothing_found_is_explained_and_leaves_a_folder_to_store() {
    let (job, out) = (folder(), folder());
    let out = out.path().join("made/anew");
    fs::write(job.path().join("log.txt"), "all is well").unwrap();
    for options in [&[][..], &["--strict"], &["--fail-on-crash"]] {
        let answer = collect(job.path(), &out).args(options).run().code(0);
        let mut lines = answer.stdout().lines();
        let sentence = lines.next().unwrap();
        let code = sentence.strip_prefix("No core was found: ").and_then(|rest| rest.rsplit_once(" ("));
        let code = code.and_then(|(_, code)| code.strip_suffix(").")).unwrap_or_else(|| panic!("{answer}"));
        assert!(
            !code.is_empty() && code.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase()),
            "{code}"
        );
        assert!(lines.next().unwrap().starts_with("What to do: "), "{answer}");
        counts(&answer, 0, 0, 0);
        assert!(out.join("crashes").is_dir());
        assert_eq!(sealed(&out).len(), 0);
        assert_consistent(&out);
    }
}

#[test]
fn what_is_kept_already_is_named_where_nothing_else_is_found() {
    let Some(alone) = epitaph_alone() else {
        return skipped("others' crashes can't be kept out here (root, or a user namespace)");
    };
    let (job, elsewhere) = (folder(), folder());
    let core = elsewhere.path().join("core");
    place_core(&core, 1001);
    let again = |epitaph: Epitaph| epitaph.within(job.path()).args(["collect", "--fail-on-crash"]).run();
    epitaph().within(job.path()).arg("collect").arg(&core).run().code(0);
    let answer = again(alone).code(0);
    let answer = answer
        .says(&["No other core was found. 1 crash of this job is kept in epitaph-out already:", "SIGSEGV"]);
    assert!(!answer.stdout().contains("What to do"), "{answer}");
    counts(&answer, 0, 0, 0);
    // What an earlier job left there is not this job's.
    place_core(&core, 1002);
    set_age(&core, Duration::from_secs(3 * 86_400));
    let out = job.path().join("epitaph-out");
    fs::remove_dir_all(&out).unwrap();
    epitaph().within(job.path()).arg("collect").arg(&core).run().code(0);
    again(epitaph_alone().unwrap()).code(0).says(&["No core was found: "]);
}

#[test]
fn a_canarys_core_is_no_crash() {
    let (job, out) = (folder(), folder());
    let core = job.path().join("core.7");
    small_core(7, "epitaph-canary").write_to(&core).unwrap();
    set_age(&core, Duration::from_secs(10));
    let answer = collect(job.path(), out.path()).arg("--fail-on-crash").run().code(0);
    let answer = answer.says(&["No core was found: "]).tells(&["is of `epitaph doctor`'s own crash"]);
    counts(&answer, 0, 0, 0);
}

#[test]
fn a_crash_fails_the_step_only_on_demand() {
    let (job, out) = (folder(), folder());
    place_core(&job.path().join("core"), 1001);
    collect(job.path(), out.path()).run().code(0);
    collect(job.path(), out.path()).arg("--fail-on-crash").run().code(3);
    collect(job.path(), out.path()).env("EPITAPH_FAIL_ON_CRASH", "true").run().code(3);
    collect(job.path(), out.path()).arg("--strict").run().code(0);
}

#[test]
fn strict_fails_for_what_could_not_be_read() {
    let (job, out) = (folder(), folder());
    place_core(&job.path().join("core.1"), 1001);
    let broken = job.path().join("core.2");
    fs::write(&broken, &small_core(1002, "crasher").to_vec()[..100]).unwrap();
    let answer = collect(job.path(), out.path()).run().code(0);
    counts(&answer, 2, 0, 1);
    let answer = answer.tells(&[&format!("warning: {}: ", text(&broken))]);
    assert!(answer.stdout().starts_with("crasher died of"), "the other one is told: {answer}");
    // It is kept all the same: another tool, or a later version, may read it.
    assert_consistent(out.path());
    let answer = collect(job.path(), out.path()).arg("--strict").run().code(1);
    counts(&answer, 0, 2, 1);
}

#[test]
fn strict_fails_for_given_files_that_were_not_taken() {
    let (job, out) = (folder(), folder());
    let (missing, script) = (job.path().join("missing"), job.path().join("core"));
    fs::write(&script, "#!/bin/sh").unwrap();
    for (path, why) in [(&missing, "does not exist"), (&script, "it is a script, not a core")] {
        collect(path, out.path()).run().code(0).tells(&[why]);
        collect(path, out.path()).arg("--strict").run().code(1).tells(&[&text(path)]);
    }
}

#[test]
fn collecting_again_adds_nothing() {
    let (job, out) = (folder(), folder());
    place_core(&job.path().join("core.1001"), 1001);
    place_core(&job.path().join("deep/core.1002"), 1002);
    counts(&collect(job.path(), out.path()).run().code(0), 2, 0, 0);
    let before = files(out.path());
    counts(&collect(job.path(), out.path()).run().code(0), 0, 2, 0);
    assert!(files(out.path()) == before);
    // Nor does a copy under another name and with another time.
    fs::copy(job.path().join("core.1001"), job.path().join("core.9")).unwrap();
    counts(&collect(&job.path().join("core.9"), out.path()).run().code(0), 0, 1, 0);
    assert_eq!(kept_pids(out.path()), [1001, 1002]);
    assert_consistent(out.path());
}

#[test]
fn the_original_stays_unless_its_removal_is_asked_for() {
    let (job, out) = (folder(), folder());
    let core = job.path().join("core");
    place_core(&core, 1001);
    let bytes = fs::read(&core).unwrap();
    collect(job.path(), out.path()).run().code(0);
    assert!(fs::read(&core).unwrap() == bytes);
    // What was stored before may be another file's copy: it stays.
    let answer = collect(job.path(), out.path()).arg("--remove").run().code(0);
    assert!(fs::read(&core).unwrap() == bytes, "{answer}");
    let answer = answer.tells(&[&format!("warning: {}: not removed: ", text(&core))]);
    drop(answer);

    let other = folder();
    let answer = collect(job.path(), other.path()).arg("--remove").run().code(0);
    assert!(!core.exists(), "{answer}");
    let (id, _) = only_sealed(other.path());
    assert!(other.path().join(format!("crashes/{id}/core.zst")).is_file());
    answer.tells(&[&format!("{} was removed: its copy is complete", text(&core))]);
}

#[test]
fn nothing_is_removed_that_was_not_kept_whole() {
    let (job, out) = (folder(), folder());
    let core = job.path().join("core");
    place_core(&core, 1001);
    for options in [&["--core", "none"][..], &["--max-core-size", "100"]] {
        let answer = collect(job.path(), out.path()).arg("--remove").args(options).run().code(0);
        assert!(core.exists(), "{answer}");
        answer.tells(&["not removed: "]);
    }
    // Nor where the folder can't even be made.
    let answer = epitaph().args(["collect", "--remove", "--out", "/proc/epitaph"]).arg(&core).run().code(0);
    assert!(core.exists(), "{answer}");
}

#[test]
fn only_the_summary_is_kept_on_demand() {
    let Some(crash) = Crash::of_or_skip(program("dump")) else { return };
    let out = folder();
    collect(&crash.core, out.path()).args(["--core", "none"]).run().code(0);
    let (id, summary) = only_sealed(out.path());
    let mut names: Vec<String> = files(out.path()).into_keys().collect();
    names.sort_by_key(|name| !name.starts_with("crashes/"));
    let summary_file = format!("crashes/{id}/summary.json");
    assert_eq!(
        names,
        [&summary_file, "crashes.jsonl", "index.html", "junit/epitaph.xml", "manifest.json", "summary.md"]
    );
    assert_eq!(summary["core"]["file"], Value::Null);
    assert_chain(&functions(&summary), &["abort", "give_up", "main"]);
    assert_consistent(out.path());
    // The core gets its second chance.
    collect(&crash.core, out.path()).run().code(0);
    assert!(out.path().join(format!("crashes/{id}/core.zst")).is_file());
}

#[test]
fn a_ci_system_is_warned_of_what_a_whole_core_holds() {
    let job = folder();
    place_core(&job.path().join("core"), 1001);
    let warning = "a core holds the environment of its process, secrets included";
    for (ci, options, warned) in [
        ("", &["--core", "full"][..], false),
        ("false", &["--core", "full"], false),
        ("true", &[], false),
        ("true", &["--core", "full"], true),
        ("true", &["--core", "full", "--scrub", "always"], false),
    ] {
        let out = folder();
        let answer = collect(job.path(), out.path()).env("CI", ci).args(options).run().code(0);
        assert_eq!(answer.stderr().contains(warning), warned, "{ci} {options:?}\n{answer}");
    }
}

#[test]
fn secrets_are_masked_wherever_a_summary_goes() {
    let Some(built) = or_skip(Built::of(program("dump"))) else { return };
    let Some(_here) = or_skip(CoresHere::acquire()) else { return };
    let (by_value, by_option, by_name) = ("sesame-4f1d9c", "hunter2-aa", "opened-77b1");
    let mut dump = without_core_limit("../bin/dump");
    plain_environment(&mut dump).env("DEPLOY_TOKEN", by_value).current_dir(&built.work);
    dump.args([&format!("--url=u:{by_value}@h"), "--password", by_option, &format!("API_KEY={by_name}")]);
    assert!(!dump.output().unwrap().status.success());

    let out = folder();
    let answer = collect(&built.work, out.path()).env("DEPLOY_TOKEN", by_value).run().code(0);
    let answer = answer.says(&["--url=u:***@h --password *** API_KEY=***"]);
    let (id, _) = only_sealed(out.path());
    let shown =
        epitaph().env("DEPLOY_TOKEN", by_value).args(["show", "--json"]).arg(out.path()).run().code(0);
    for secret in [by_value, by_option, by_name] {
        let told = [answer.stdout().to_owned(), answer.stderr(), shown.stdout().to_owned()].concat();
        assert!(!told.contains(secret), "{secret}\n{told}");
        for name in [
            "crashes.jsonl",
            "summary.md",
            "index.html",
            "junit/epitaph.xml",
            &format!("crashes/{id}/summary.json"),
        ] {
            assert!(
                !fs::read_to_string(out.path().join(name)).unwrap().contains(secret),
                "{secret} in {name}"
            );
        }
    }
}

/// Whoever reads the log may stop early (`epitaph collect | head -1`): the crash is kept all the same.
#[test]
fn a_crash_is_kept_though_nobody_reads_its_story() {
    let folder = folder();
    place_core(&folder.path().join("core"), 4711);
    let out = folder.path().join("out");
    let collect =
        epitaph().within(folder.path()).arg("collect").arg("--out").arg(&out).arg(folder.path().join("core"));
    collect.run_unread().code(0);
    only_sealed(&out);
    assert!(out.join("crashes.jsonl").is_file() && out.join("junit/epitaph.xml").is_file());
}
