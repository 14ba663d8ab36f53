//! `epitaph init`: what it prints is a configuration of its system, and a job that runs by it keeps its crash.
//!
//! Each step's script is run by the shell that the system uses, in order, those for failures after a failure. What the
//! systems do themselves (checkout, storing) is not done; that the folder they are told to store has the crash is
//! checked. The Jenkinsfile has no schema: only its scripts are tried.

mod jobs;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use epitaph_testkit::crash::{Built, CoresHere, or_skip, program};
use epitaph_testkit::need_tool;
use epitaph_testkit::skip::skipped;
use epitaph_testkit::tools::find;
use serde_json::Value;

use crate::support::{alone_by, epitaph, folder, plain_environment, program as program_path, test_all, text};
use jobs::{Job, Step, When};

/// The systems with what they tell a job of themselves.
const SYSTEMS: [(&str, &[(&str, &str)]); 6] = [
    (
        "circleci",
        &[
            ("CIRCLECI", "true"),
            ("CIRCLE_PROJECT_USERNAME", "acme"),
            ("CIRCLE_PROJECT_REPONAME", "app"),
            ("CIRCLE_BUILD_NUM", "42"),
            ("CIRCLE_WORKFLOW_JOB_ID", "6c57"),
            ("CIRCLE_NODE_INDEX", "0"),
        ],
    ),
    (
        "github",
        &[
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_REPOSITORY", "acme/app"),
            ("GITHUB_STEP_SUMMARY", "step-summary.md"),
        ],
    ),
    (
        "gitlab",
        &[
            ("GITLAB_CI", "true"),
            ("CI_PROJECT_PATH", "acme/app"),
            ("CI_JOB_URL", "https://gitlab.example/acme/app/-/jobs/7"),
            ("CI_JOB_STATUS", "failed"),
        ],
    ),
    (
        "buildkite",
        &[("BUILDKITE", "true"), ("BUILDKITE_ORGANIZATION_SLUG", "acme"), ("BUILDKITE_PIPELINE_SLUG", "app")],
    ),
    (
        "jenkins",
        &[
            ("JENKINS_URL", "http://jenkins/"),
            ("JOB_NAME", "acme/app"),
            ("BUILD_URL", "http://jenkins/job/app/7/"),
        ],
    ),
    ("azure", &[("TF_BUILD", "True"), ("BUILD_REPOSITORY_NAME", "acme/app")]),
];

/// Where the core will be, as the systems' own addresses go; `None` where they have none that can be known before.
fn stored_core(system: &str) -> Option<&'static str> {
    match system {
        "circleci" => {
            Some("https://output.circle-artifacts.com/output/job/6c57/artifacts/0/crashes/crashes/")
        }
        "gitlab" => Some("https://gitlab.example/acme/app/-/jobs/7/artifacts/file/epitaph-out/crashes/"),
        "jenkins" => Some("http://jenkins/job/app/7/artifact/epitaph-out/crashes/"),
        _ => None,
    }
}

fn sha256(path: &Path) -> String {
    let output = Command::new("sha256sum").arg(path).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split_whitespace().next().unwrap().to_owned()
}

/// Prints the lines of a system for a job that runs `command`, with this very program to install.
fn printed(system: &str, command: &str) -> String {
    let url = format!("file://{}", program_path().display());
    let init = epitaph().args(["init", system, "--command", command, "--download-url", &url]);
    let answer = init.args(["--sha256", &sha256(program_path())]).run().code(0);
    assert!(answer.stderr().is_empty(), "nothing is left to be set: {answer}");
    answer.stdout().to_owned()
}

/// Runs a step as the system does, with no other crash in sight.
fn run_step(step: &Step, job: &Job, told: &[(&str, &str)], work: &Path) -> Option<Output> {
    let mut command = alone_by(r#"mount -t tmpfs none /tmp && exec "$0" "$@""#)?;
    command.args(&job.shell).arg(&step.script);
    plain_environment(&mut command).current_dir(work).env("HOME", work);
    let path = std::env::join_paths(
        std::iter::once(work.join("bin")).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    command.env("PATH", path.unwrap()).env("CI", "true");
    command.envs(told.iter().copied()).envs(job.environment.iter().map(|(name, value)| (name, value)));
    Some(command.output().unwrap())
}

#[test]
fn a_job_with_the_printed_lines_keeps_its_crash() {
    need_tool!("curl", "sha256sum", "bash");
    let Some(built) = or_skip(Built::of(program("dump"))) else { return };
    let Some(_here) = or_skip(CoresHere::acquire()) else { return };
    for (system, told) in SYSTEMS {
        let job = Job::of(system, &printed(system, "./dump"));
        let work = folder();
        fs::copy(&built.exe, work.path().join("dump")).unwrap();
        let agent = work.path().join("bin/buildkite-agent");
        fs::create_dir(agent.parent().unwrap()).unwrap();
        fs::write(&agent, "#!/bin/sh\necho \"$@\" && cat\n").unwrap();
        fs::set_permissions(&agent, fs::Permissions::from_mode(0o755)).unwrap();

        let mut failed = None;
        let mut log = String::new();
        for step in &job.steps {
            let runs = match step.when {
                When::Success => failed.is_none(),
                When::Failure => failed.is_some(),
            };
            if !runs {
                continue;
            }
            let Some(output) = run_step(step, &job, told, work.path()) else {
                skipped("steps can't be run among mounts of their own here");
                return;
            };
            for stream in [&output.stdout, &output.stderr] {
                log.push_str(&String::from_utf8_lossy(stream));
            }
            if !output.status.success() {
                assert!(failed.is_none(), "{system}: a step for failures fails: {output:?}\n{log}");
                failed = Some(output.status.code());
            }
        }
        assert_eq!(failed, Some(Some(134)), "{system}: the command's own status\n{log}");
        assert!(log.contains("dump died of SIGABRT"), "{system}: {log}");

        let stored = work.path().join(&job.stored);
        let crashes = fs::read_to_string(stored.join("crashes.jsonl")).unwrap();
        let crashes: Vec<Value> = crashes.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(crashes.len(), 1, "{system}: {log}");
        let ci = &crashes[0]["collection"]["ci"];
        assert_eq!((&ci["provider"], &ci["repo"]), (&system.into(), &"acme/app".into()), "{system}");
        let file = crashes[0]["core"]["file"].as_str().unwrap();
        assert!(stored.join(file).is_file(), "{system}: {log}");
        let summary = fs::read_to_string(stored.join("summary.md")).unwrap();
        let link =
            stored_core(system).map(|place| format!("{place}{}", file.strip_prefix("crashes/").unwrap()));
        match link {
            Some(link) => {
                assert!(summary.contains(&format!("](<{link}>)")) && log.contains(&link), "{summary}");
            }
            None => assert!(!summary.contains("- stored: ["), "{summary}"),
        }
        if let Some(results) = &job.results {
            let results = work.path().join(results);
            assert!(results.is_file() || results.join("epitaph.xml").is_file(), "{system}: {log}");
        }
        if system == "github" {
            let step = fs::read_to_string(work.path().join("step-summary.md")).unwrap();
            assert_eq!(step.matches("died of ").count(), 1, "told once: {step}");
        }
    }
}

#[test]
fn a_wrong_binary_is_not_run() {
    need_tool!("curl", "sha256sum", "bash");
    let init = epitaph().args(["init", "circleci", "--download-url", "file:///etc/hostname"]);
    let lines = init.args(["--sha256", &"0".repeat(64)]).run().code(0);
    let job = Job::of("circleci", lines.stdout());
    let work = folder();
    let Some(output) = run_step(&job.steps[0], &job, &[], work.path()) else {
        skipped("steps can't be run among mounts of their own here");
        return;
    };
    assert!(!output.status.success(), "{output:?}");
    let installed = work.path().join(".epitaph/epitaph");
    let mode = fs::metadata(&installed).unwrap().permissions().mode();
    assert_eq!(mode & 0o111, 0, "what doesn't match is not made executable");
}

#[test]
fn what_is_left_to_be_set_is_said() {
    let answer = epitaph().args(["init", "github"]).run().code(0);
    let answer =
        answer.says(&["EPITAPH_DOWNLOAD_URL: ${{ vars.EPITAPH_DOWNLOAD_URL }}", "run -- make check"]);
    answer.tells(&["EPITAPH_DOWNLOAD_URL", "EPITAPH_SHA256", "--sha256"]);
    let bad = epitaph().args(["init", "gitlab", "--download-url", "https://h/'; rm -rf /"]).run().code(1);
    bad.tells(&["error: --download-url", "hint: "]);
    epitaph().args(["init", "gitlab", "--sha256", "abc"]).run().code(2).tells(&["64 hex digits"]);
    epitaph().args(["init", "travis"]).run().code(2).tells(&["circleci", "jenkins"]);
}

/// By the schemas of SchemaStore and the vendors, as the package check-jsonschema has them.
#[test]
fn the_printed_lines_are_valid() {
    const SCHEMAS: [(&str, &str); 5] = [
        ("circleci", "vendor.circle-ci"),
        ("github", "vendor.github-workflows"),
        ("gitlab", "vendor.gitlab-ci"),
        ("buildkite", "vendor.buildkite"),
        ("azure", "vendor.azure-pipelines"),
    ];
    if !test_all() {
        return;
    }
    let installed = crate::support::repository().join("target/check-jsonschema/bin/check-jsonschema");
    let Some(checker) = find("check-jsonschema").or(Some(installed).filter(|path| path.is_file())) else {
        skipped("check-jsonschema is not installed (make test-all installs it)");
        return;
    };
    let place = folder();
    for (system, schema) in SCHEMAS {
        for (name, lines) in [
            ("set", printed(system, "make -j4 check && echo 'fine: yes' # all")),
            ("unset", epitaph().args(["init", system]).run().code(0).stdout().to_owned()),
        ] {
            let path = place.path().join(format!("{system}-{name}.yml"));
            fs::write(&path, lines).unwrap();
            let mut check = Command::new(&checker);
            check.args(["--builtin-schema", schema]);
            if ["gitlab", "azure"].contains(&system) {
                check.args(["--data-transform", schema.strip_prefix("vendor.").unwrap()]);
            }
            let output = check.arg(text(&path)).output().unwrap();
            assert!(output.status.success(), "{system}: {}", String::from_utf8_lossy(&output.stdout));
        }
    }
}
