//! The job that this program grew from, replayed: a program without debug information aborts, the step after the
//! failure collects its core, the artifacts are stored, everything of the job is gone, and somebody pulls the artifacts
//! into an empty folder and wants to know what died.

use std::fs;

use epitaph_testkit::crash::{Built, CoresHere, or_skip, program, without_core_limit};
use serde_json::Value;

use crate::fixtures::{assert_chain, functions};
use crate::support::{epitaph, files, folder, plain_environment, text};

/// Does all of the above with a build of `dump.c`, and returns what `show --json` says at the end.
fn replay(build: &str) -> Option<Value> {
    let built = or_skip(Built::of(program(build)))?;
    let here = or_skip(CoresHere::acquire())?;
    let job = folder();
    // make; ulimit -c unlimited; ./dump
    let (work, dump) = (job.path().join("work"), job.path().join("work/dump"));
    fs::create_dir(&work).unwrap();
    fs::copy(&built.exe, &dump).unwrap();
    let built_at = fs::metadata(&built.exe).unwrap().modified().unwrap();
    fs::File::options().write(true).open(&dump).unwrap().set_modified(built_at).unwrap();
    drop(built);
    let mut step = without_core_limit("./dump");
    let output = plain_environment(&mut step).current_dir(&work).output().unwrap();
    assert!(output.status.code().is_none(), "it dies of a signal: {output:?}");
    drop(here);

    // The step with `when: on_fail`.
    let (artifacts, store) = (job.path().join("core_dumps"), folder());
    let answer = epitaph().within(&work).args(["collect", "--out"]).arg(&artifacts).arg(".").run().code(0);
    let answer = answer.says(&["dump died of SIGABRT: ", "\n  in give_up"]);
    assert_eq!(answer.stdout().matches(" died of ").count(), 1, "{answer}");
    // store_artifacts, with path and destination.
    let push = epitaph().arg("push").arg(&artifacts).arg(store.path()).args(["--destination", "core_dumps"]);
    push.env("CIRCLECI", "true")
        .env("CIRCLE_PROJECT_USERNAME", "acme")
        .env("CIRCLE_PROJECT_REPONAME", "app")
        .env("CIRCLE_BUILD_NUM", "42")
        .run()
        .code(0);
    drop(job);

    // At home.
    let home = folder();
    let pull = epitaph().args(["pull", "--job", "42"]).arg(store.path()).arg(home.path().join("job-42"));
    pull.run().code(0);
    assert!(files(home.path()).keys().all(|name| name.starts_with("job-42/")));
    let shown = epitaph().within(home.path()).args(["show", "job-42"]).run().code(0);
    let told = shown.stdout();
    assert!(told.starts_with("dump died of SIGABRT: ") && told.contains("\n  in give_up"), "{told}");
    // Whoever downloads with `xargs wget` has all in one heap, and the summary may be missing.
    let heap = home.path().join("heap");
    fs::create_dir(&heap).unwrap();
    for (index, (name, bytes)) in files(&home.path().join("job-42")).into_iter().enumerate() {
        if !name.contains(".json") {
            let name = name.rsplit('/').next().unwrap();
            fs::write(heap.join(format!("{name}.{index}")), bytes).unwrap();
        }
    }
    fs::remove_dir_all(home.path().join("job-42")).unwrap();
    let summary = epitaph().args(["show", "--json"]).arg(&heap).run().code(0).json();
    assert!(summary["modules"][0]["file_found"].as_str().unwrap().starts_with(&text(&heap)), "{summary:#}");
    Some(summary)
}

#[test]
fn the_documented_job() {
    let Some(summary) = replay("dump") else { return };
    assert_chain(&functions(&summary), &["abort", "give_up", "main"]);
    assert_eq!(summary["modules"][0]["file_state"], "verified");
}

#[test]
fn the_documented_job_without_build_ids() {
    let Some(summary) = replay("dump_no_build_id") else { return };
    assert_chain(&functions(&summary), &["abort", "give_up", "main"]);
    // libc's build ID proves libc; that the program is the one that crashed is likely, not proven.
    assert_eq!(summary["modules"][0]["file_state"], "unverified");
}
