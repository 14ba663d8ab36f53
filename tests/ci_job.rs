//! Which CI job a crash and its artifacts are of: by the system's variables, or by the one that was chosen.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

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

/// A public key of age, of nobody.
const KEY: &str = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";

/// A folder with names that shells, patterns and logs know.
fn hostile_folder() -> tempfile::TempDir {
    let place = folder();
    for name in ["core.zst", "a;b*", "x]##vso[task.complete]", "-rf"] {
        fs::write(place.path().join(name), name).unwrap();
    }
    place
}

#[test]
fn buildkite_s_agent_uploads_a_folder() {
    let (out, bin) = (hostile_folder(), folder());
    // It tells its arguments and where it is, and fails where it is told to.
    let agent = bin.path().join("buildkite-agent");
    fs::write(&agent, "#!/bin/sh\necho \"$#:$*:$PWD\"\nexit ${FAIL:-0}\n").unwrap();
    fs::set_permissions(&agent, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.path().display(), std::env::var("PATH").unwrap());
    let push = |what: &Path, options: &[&str]| {
        epitaph().arg("push").arg(what).arg("buildkite:").args(options).env("PATH", &path)
    };
    let answer = push(out.path(), &[]).run().code(0);
    let within = out.path().canonicalize().unwrap();
    assert_eq!(answer.stdout(), format!("3:artifact upload **/*:{}\n", within.display()));
    let answer = push(&out.path().join("core.zst"), &[]).run().code(0);
    assert_eq!(answer.stdout(), format!("3:artifact upload core.zst:{}\n", within.display()));
    push(&out.path().join("a;b*"), &[])
        .run()
        .code(1)
        .tells(&["would take for a pattern", "hint: push the folder"]);
    push(out.path(), &[]).env("FAIL", "3").run().code(1).tells(&["could not upload"]);
    push(&out.path().join("none"), &[]).run().code(1).tells(&["error: cannot read"]);
    push(out.path(), &["--destination", "x"])
        .run()
        .code(1)
        .tells(&["--destination can't be had with buildkite"]);
    let alone = epitaph().arg("push").arg(out.path()).arg("buildkite:").env("PATH", "/nonexistent");
    alone.run().code(1).tells(&["cannot run buildkite-agent"]);
}

#[test]
fn azure_s_agent_is_told_of_a_folder() {
    let out = hostile_folder();
    let push = |what: &Path, url: &str| epitaph().arg("push").arg(what).arg(url);
    // Whoever isn't in such a job would lose the files in silence.
    let answer = push(out.path(), "azure:").run().code(1);
    answer.tells(&["this is no job of Azure Pipelines", "--ci azure"]);
    let real = out.path().canonicalize().unwrap();
    let command = |url: &str| push(out.path(), url).env("TF_BUILD", "True").run().code(0).stdout().to_owned();
    let upload = |name: &str| {
        format!("##vso[artifact.upload containerfolder={name};artifactname={name}]{}\n", real.display())
    };
    assert_eq!(command("azure:"), upload("crashes"));
    assert_eq!(command("azure:a;b]"), upload("a%3Bb%5D"));
    let hostile =
        push(&out.path().join("x]##vso[task.complete]"), "azure:").args(["--ci", "azure"]).run().code(0);
    assert_eq!(hostile.stdout().lines().count(), 1, "{hostile}");
    let none = push(&out.path().join("none"), "azure:").env("TF_BUILD", "True").run().code(1);
    assert_eq!(none.stdout(), "");
    let encrypted = push(out.path(), "azure:").env("TF_BUILD", "True").args(["--encrypt", KEY]).run().code(1);
    assert_eq!(encrypted.tells(&["--encrypt can't be had with azure"]).stdout(), "");
}
