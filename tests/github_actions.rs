//! What epitaph says to GitHub Actions in one of its jobs, the composite action, and what comes back by `pull`.

use std::fs;
use std::path::Path;
use std::process::Command;

use epitaph_testkit::crash::{Crash, program};
use epitaph_testkit::server::{Reply, Request, Server};
use epitaph_testkit::skip::skipped;
use serde_json::json;

use crate::fixtures::{place_core, sealed};
use crate::support::{Epitaph, epitaph, files, folder, program as epitaph_program, repository, test_all};

/// `epitaph` in a job of GitHub Actions whose folder is `job`.
fn in_actions(job: &Path) -> Epitaph {
    epitaph()
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_WORKSPACE", job)
        .env("GITHUB_STEP_SUMMARY", job.join("step_summary.md"))
}

/// The text between the command that stops commands and the one that resumes them, and what is outside.
fn quoted(log: &str) -> (String, String) {
    let (before, rest) = log.split_once("::stop-commands::").unwrap_or_else(|| panic!("{log}"));
    let (token, rest) = rest.split_once('\n').unwrap();
    assert!(token.len() >= 32 && token.bytes().all(|byte| byte.is_ascii_hexdigit()), "{token}");
    let (inside, after) = rest.split_once(&format!("::{token}::\n")).unwrap_or_else(|| panic!("{log}"));
    (inside.to_owned(), format!("{before}{after}"))
}

#[test]
fn a_step_s_summary_errors_and_log_tell_of_its_crashes() {
    let job = folder();
    place_core(&job.path().join("cores/core.1"), 101);
    let out = job.path().join("out");
    fs::write(job.path().join("step_summary.md"), "from another command").unwrap();
    let collect =
        || in_actions(job.path()).args(["collect", "--out"]).arg(&out).arg(job.path().join("cores"));
    let answer = collect().run().code(0);
    let (inside, outside) = quoted(answer.stdout());
    assert!(inside.contains("crasher died of SIGSEGV"), "{answer}");
    assert!(!inside.contains("::error"), "{answer}");
    assert_eq!(
        outside.lines().filter(|line| line.starts_with("::error title=crasher died of SIGSEGV")).count(),
        1,
        "{answer}"
    );
    let summary = fs::read_to_string(job.path().join("step_summary.md")).unwrap();
    assert!(summary.starts_with("from another command\n\n## `crasher` died of SIGSEGV"), "{summary}");

    // What is known is not told again, and nothing is told where that isn't wanted.
    let answer = collect().run().code(0);
    assert!(!answer.stdout().contains("::error"), "{answer}");
    assert_eq!(fs::read_to_string(job.path().join("step_summary.md")).unwrap(), summary);
    fs::remove_dir_all(&out).unwrap();
    let answer = collect().env("EPITAPH_CI", "none").run().code(0);
    assert!(!answer.stdout().contains("::"), "{answer}");
    fs::remove_dir_all(&out).unwrap();
    let answer = collect().without_env("GITHUB_ACTIONS").run().code(0);
    assert!(!answer.stdout().contains("::"), "{answer}");
    assert_eq!(fs::read_to_string(job.path().join("step_summary.md")).unwrap(), summary);
}

#[test]
fn the_summary_never_grows_beyond_what_github_takes() {
    let job = folder();
    for (filled, grows) in [((1 << 20) - 4000, true), ((1 << 20) - 1000, false), (2 << 20, false)] {
        let case = job.path().join(filled.to_string());
        place_core(&case.join("cores/core.1"), 102);
        fs::write(case.join("step_summary.md"), "x".repeat(filled)).unwrap();
        let answer =
            in_actions(&case).args(["collect", "--out"]).arg(case.join("out")).arg(case.join("cores")).run();
        let answer = answer.code(0);
        let size = fs::metadata(case.join("step_summary.md")).unwrap().len() as usize;
        assert_eq!(size > filled, grows, "{filled}: {size}\n{answer}");
        assert!(size <= (1 << 20).max(filled), "{filled}: {size}");
        if !grows {
            answer.tells(&["warning: the job summary is full"]);
        }
    }
}

#[test]
fn a_command_s_own_output_is_left_alone() {
    let job = folder();
    let run = |script: &str| {
        in_actions(job.path())
            .within(job.path())
            .args(["run", "--out"])
            .arg(job.path().join("out"))
            .args(["--", "sh", "-c", script])
            .run()
    };
    let answer = run("echo ::notice::mine").code(0);
    assert_eq!(answer.stdout(), "::notice::mine\n");
    assert!(!answer.stderr().contains("::"), "{answer}");
    let Some(crash) = Crash::of_or_skip(program("null_deref")) else { return };
    let answer = run(&format!("echo ::notice::mine; ulimit -c unlimited; {}", crash.exe.display()));
    assert_eq!(answer.stdout(), "::notice::mine\n");
    if sealed(&job.path().join("out")).is_empty() {
        return skipped("what `run` says to GitHub of a crash: none left a core here");
    }
    let (inside, outside) = quoted(&answer.stderr());
    assert!(inside.contains("died of SIGSEGV"), "{answer}");
    assert!(outside.lines().any(|line| line.starts_with("::error title=")), "{answer}");
}

#[test]
fn a_run_that_is_pulled_can_be_shown() {
    let job = folder();
    let Some(crash) = Crash::of_or_skip(program("null_deref")) else { return };
    let out = job.path().join("out");
    epitaph().args(["collect", "--out"]).arg(&out).arg(&crash.work).run().code(0);
    let made = "import sys, zipfile, os
with zipfile.ZipFile('a.zip', 'w', zipfile.ZIP_DEFLATED) as z:
    for root, _, names in os.walk('out'):
        for name in names: z.write(os.path.join(root, name), os.path.relpath(os.path.join(root, name), 'out'))
";
    match Command::new("python3").args(["-c", made]).current_dir(job.path()).status() {
        Ok(status) => assert!(status.success()),
        Err(error) => {
            return skipped(&format!("a run of GitHub Actions is pulled and shown: python3: {error}"));
        }
    }
    let archive = fs::read(job.path().join("a.zip")).unwrap();
    let listed = json!({ "artifacts": [
        { "id": 5, "name": "crashes", "size_in_bytes": archive.len(), "expired": false },
    ] });
    let server = Server::start(move |request: &Request| match request.path.as_str() {
        "/api/v3/repos/acme/app/actions/runs/7/artifacts?per_page=100&page=1" => {
            Reply::new(200, listed.to_string())
        }
        "/api/v3/repos/acme/app/actions/artifacts/5/zip" => Reply::new(200, archive.clone()),
        _ => Reply::new(404, ""),
    });
    let page = format!("{}/acme/app/actions/runs/7", server.url());
    let token = "ghp_0123456789";
    let command = |name: &str| {
        epitaph().env("EPITAPH_GITHUB_URL", server.url()).env("GH_TOKEN", token).arg(name).arg(&page)
    };
    command("ls").run().code(0).hides(&[token]).says(&["github  acme/app  job 7", "crashes/crashes.zip"]);
    let desk = folder();
    command("pull")
        .arg(desk.path())
        .run()
        .code(0)
        .hides(&[token])
        .tells(&["job 7 of acme/app: ", "0 failed"]);
    assert!(files(desk.path()).keys().any(|name| name.starts_with("crashes/buildid/")));
    // Not from where it crashed: the program came along.
    fs::remove_file(&crash.exe).unwrap();
    epitaph().arg("show").arg(desk.path()).run().code(0).says(&["died of SIGSEGV", "price_of"]);
}

/// The composite action, as its schema and its runner see it.
fn action() -> String {
    fs::read_to_string(repository().join("action.yml")).unwrap()
}

#[test]
fn the_action_s_script_collects_and_counts() {
    let job = folder();
    place_core(&job.path().join("my cores/core.1"), 103);
    let action = action();
    let (_, script) = action.split_once("      run: |\n").unwrap();
    let script: String = script
        .lines()
        .take_while(|line| line.starts_with("        "))
        .flat_map(|line| [line, "\n"])
        .collect();
    assert!(!script.contains("${{"), "inputs would be run as a part of the script");
    let outputs = |paths: &str, name: &str| {
        let file = job.path().join("output");
        let _ = fs::remove_file(&file);
        let answer = Command::new("bash")
            .args(["--noprofile", "--norc", "-eo", "pipefail", "-c", &script])
            .current_dir(job.path())
            .env("PROGRAM", epitaph_program())
            .envs([
                ("PATHS", paths),
                ("EPITAPH_OUT", "out"),
                ("EPITAPH_CORE", "auto"),
                ("NAME", name),
                ("JOB", "test-1-0"),
            ])
            .env("GITHUB_OUTPUT", &file)
            .output()
            .unwrap();
        assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
        fs::read_to_string(&file).unwrap()
    };
    assert_eq!(outputs("my cores\n", ""), "crashes=1\nname=crashes-test-1-0\n");
    assert_eq!(outputs("my cores\n\nno such folder $(touch evil)\n", "linux"), "crashes=1\nname=linux\n");
    assert!(!job.path().join("evil").exists());
}

#[test]
fn the_action_fits_the_published_schema() {
    if !test_all() {
        return;
    }
    let place = folder();
    fs::copy(repository().join("action.yml"), place.path().join("action.yml")).unwrap();
    let npm = |arguments: &[&str]| Command::new("npm").args(arguments).current_dir(place.path()).output();
    match npm(&[
        "install",
        "--no-audit",
        "--no-fund",
        "--prefix",
        ".",
        "@action-validator/core",
        "@action-validator/cli",
    ]) {
        Ok(installed) if installed.status.success() => {}
        Ok(failed) => {
            return skipped(&format!(
                "the schema of actions: npm: {}",
                String::from_utf8_lossy(&failed.stderr)
            ));
        }
        Err(error) => return skipped(&format!("the schema of actions: npm: {error}")),
    }
    let validate = || {
        Command::new("node_modules/.bin/action-validator")
            .arg("action.yml")
            .current_dir(place.path())
            .output()
            .unwrap()
    };
    let answer = validate();
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&[answer.stdout, answer.stderr].concat()));
    fs::write(place.path().join("action.yml"), action().replace("using: composite", "using: nonsense"))
        .unwrap();
    assert!(!validate().status.success(), "the schema is really asked");
}
