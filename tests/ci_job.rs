//! Which CI job a crash and its artifacts are of: by the system's variables, or by the one that was chosen.

use std::fs;

use serde_json::Value;

use crate::support::{Epitaph, epitaph, folder, repository};

/// Gives a command the variables of jobs of two systems.
fn within_two(command: Epitaph) -> Epitaph {
    let variables = [
        ("CIRCLECI", "true"),
        ("CIRCLE_PROJECT_USERNAME", "acme"),
        ("CIRCLE_PROJECT_REPONAME", "app"),
        ("CIRCLE_BUILD_NUM", "42"),
        ("CI_PROJECT_PATH", "group/sub/app"),
        ("CI_JOB_ID", "7"),
    ];
    variables.into_iter().fold(command, |command, (name, value)| command.env(name, value))
}

#[test]
fn artifacts_are_stored_under_the_job_that_the_system_tells() {
    let place = folder();
    let file = place.path().join("log.txt");
    fs::write(&file, "text").unwrap();
    for (chosen, key) in [
        (None, "runs/provider=circleci/repo=acme%2Fapp/job=42/node=0/"),
        (Some("gitlab"), "runs/provider=gitlab/repo=group%2Fsub%2Fapp/job=7/node=0/"),
        (Some("none"), "runs/provider=local/repo=local/job=local/node=0/"),
    ] {
        let store = folder();
        let push = within_two(epitaph()).arg("push").arg(&file).arg(store.path());
        let push = chosen.into_iter().fold(push, |push, name| push.args(["--ci", name]));
        push.run().code(0);
        assert!(store.path().join(key).is_dir(), "{key} for {chosen:?}");
    }
    within_two(epitaph()).args(["push", "--ci", "travis", "x", "y"]).run().code(2).tells(&["circleci"]);
}

#[test]
fn a_summary_has_its_job_without_secrets() {
    // Given by name: a checkout may be older than what is collected otherwise.
    let core = repository().join("testdata/cores/i386/bare/core.zst");
    let collected = |options: &[&str]| -> Value {
        let out = folder();
        let collect = within_two(epitaph()).args(["collect", "--out"]).arg(out.path()).arg(&core);
        let collect = collect.env("CIRCLE_BRANCH", "feature-5f2c9a71d3").env("API_TOKEN", "5f2c9a71d3");
        collect.args(options).env("EPITAPH_CORE", "none").run().code(0);
        let crashes = fs::read_to_string(out.path().join("crashes.jsonl")).unwrap();
        serde_json::from_str(crashes.lines().next().unwrap()).unwrap()
    };
    let job = &collected(&[])["collection"]["ci"];
    assert_eq!((&job["provider"], &job["repo"]), (&"circleci".into(), &"acme/app".into()));
    assert_eq!(job["branch"], "feature-***");
    assert_eq!(job["artifact_url_base"], Value::Null, "nobody said where the folder will be");
    assert_eq!(collected(&["--ci", "gitlab"])["collection"]["ci"]["run"], "7");
    assert_eq!(collected(&["--ci", "none"])["collection"]["ci"], Value::Null);
}
