//! From a red CircleCI job to a desk that has nothing of it: what people paste, what they download by hand, and what
//! `show` makes of either.

use std::path::Path;
use std::process::Command;

use epitaph_testkit::crash::{Crash, program};
use epitaph_testkit::need_tool;
use epitaph_testkit::skip::skipped;
use epitaph_testkit::tools;
use serde_json::Value;

use crate::circle_server::{Artifact, JOB, PIPELINE, Server, TOKEN, WORKFLOW};
use crate::fixtures::{assert_chain, functions};
use crate::support::{Answer, Epitaph, alone_by, epitaph, files, folder, plain_environment};

/// The programs that die on the two nodes, the innermost functions of each, and how sure one can be of its file elsewhere.
const PROGRAMS: [(&str, [&str; 3], &str); 2] = [
    ("dump_no_build_id", ["abort", "give_up", "main"], "unverified"),
    ("null_deref", ["quantity_of", "price_of", "main"], "verified"),
];

/// What two nodes of a job store: each a crash of a program of its own, with the binaries. The programs are gone.
fn two_nodes() -> Option<Vec<Artifact>> {
    let mut artifacts = Vec::new();
    for (node, (name, ..)) in (0..).zip(PROGRAMS) {
        let crash = Crash::of_or_skip(program(name))?;
        let out = folder();
        epitaph().args(["collect", "--out"]).arg(out.path()).arg(&crash.core).run().code(0);
        let of_node = files(out.path()).into_iter();
        artifacts.extend(of_node.map(|(path, bytes)| Artifact::new(node, format!("crashes/{path}"), bytes)));
    }
    Some(artifacts)
}

fn at_home(server: &Server) -> Epitaph {
    epitaph().env("EPITAPH_CIRCLECI_URL", server.url()).env("CIRCLE_TOKEN", TOKEN)
}

/// Shows a folder on a machine that has none of the job's files.
fn show(dir: &Path) -> Answer {
    let empty = folder();
    epitaph().args(["show", "--json"]).arg(dir).env("EPITAPH_SYSROOT", empty.path()).run().code(0)
}

/// Asserts that every frame of both crashes has its name, found in the binaries of its own node.
fn assert_both_crashes(answer: &Answer) {
    let mut summaries: Vec<Value> = answer.json_lines();
    let state = |summary: &Value| summary["modules"][0]["file_state"].as_str().unwrap().to_owned();
    summaries.sort_by_key(state);
    assert_eq!(summaries.len(), PROGRAMS.len(), "{answer}");
    for (summary, (name, chain, expected)) in summaries.iter().zip(PROGRAMS) {
        assert_eq!(state(summary), expected, "{name}: {summary:#}");
        assert_chain(&functions(summary), &chain);
    }
}

#[test]
fn whatever_is_pasted_is_pulled_and_shown() {
    let Some(artifacts) = two_nodes() else { return };
    let server = Server::start(artifacts);
    let base = server.url();
    let (pipeline, _) = PIPELINE;
    let page = format!("{base}/pipelines/github/acme/app/{pipeline}");
    for (pasted, folder_of_job) in [
        (JOB.to_owned(), ""),
        (format!("{page}/workflows/{WORKFLOW}/jobs/42/artifacts"), ""),
        ("https://app.circleci.com/jobs/github/acme/app/42".to_owned(), ""),
        ("https://circleci.com/gh/acme/app/42".to_owned(), ""),
        ("circleci://gh/acme/app/latest?branch=main&filter=failed".to_owned(), ""),
        (format!("{page}/workflows/{WORKFLOW}"), "42-build___test"),
        (page, "42-build___test"),
    ] {
        let target = folder();
        let answer =
            at_home(&server).args(["pull", &pasted]).arg(target.path()).run().code(0).hides(&[TOKEN]);
        let answer = answer.tells(&["0 failed"]);
        let job = target.path().join(folder_of_job);
        for node in ["0", "1"] {
            assert!(job.join(node).join("crashes/manifest.json").is_file(), "{pasted}: {answer}");
        }
        assert_both_crashes(&show(target.path()));
    }
}

#[test]
fn the_documented_download_is_shown() {
    for tool in ["curl", "wget", "xargs", "bash"] {
        if !tools::have(tool) {
            return skipped(&format!("the documented download: {tool} is not installed"));
        }
    }
    let Some(mut artifacts) = two_nodes() else { return };
    // What there is besides cores and binaries: each crash must be read anew.
    artifacts.retain(|artifact| !artifact.path.contains(".json"));
    let server = Server::start(artifacts);
    let heap = folder();
    // CircleCI's documentation, with another scheme and host.
    let script = r#"set -e
        curl -s $SERVER/api/v1.1/project/github/acme/app/42/artifacts?circle-token=$CIRCLE_TOKEN | grep -o 'http://[^"]*' > ../artifacts.txt
        <../artifacts.txt xargs -P4 -I % wget -q %?circle-token=$CIRCLE_TOKEN"#;
    let here = heap.path().join("here");
    std::fs::create_dir(&here).unwrap();
    let output = Command::new("bash")
        .args(["-c", script])
        .current_dir(&here)
        .env("SERVER", server.url())
        .env("CIRCLE_TOKEN", TOKEN)
        .env("no_proxy", "127.0.0.1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names: Vec<String> = files(&here).into_keys().collect();
    let of = |start: &str| names.iter().filter(|name| name.starts_with(start)).count();
    assert!(of("core.zst") == 2 && of("executable") >= 2, "one heap for both nodes: {names:?}");
    assert_both_crashes(&show(&here));
}

/// A root file system with nothing in it but epitaph: the libraries that this build of it needs lie where no crash had its.
struct Machine(tempfile::TempDir);

impl Machine {
    fn new() -> Machine {
        let root = folder();
        for name in ["epitaph", "proc", "tmp"] {
            std::fs::create_dir(root.path().join(name)).unwrap();
        }
        let inside = root.path().join("epitaph");
        std::fs::hard_link(crate::support::program(), inside.join("epitaph")).unwrap();
        let listed = Command::new("ldd").arg(crate::support::program()).output().unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        for library in listed.split_whitespace().filter(|word| word.starts_with('/')).map(Path::new) {
            let name = library.file_name().unwrap();
            std::fs::copy(library, inside.join(name)).unwrap();
            if name.to_string_lossy().starts_with("ld-") {
                std::fs::copy(library, inside.join("loader")).unwrap();
            }
        }
        Machine(root)
    }

    /// Runs epitaph there; `None` where the system doesn't allow that. Prints what a terminal would have shown.
    #[expect(
        clippy::print_stdout,
        reason = "the harness shows it where it is asked to, and where the test fails"
    )]
    fn run(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Option<String> {
        const ENTER: &str = r#"mount --rbind /proc "$0/proc" && exec chroot "$0" /epitaph/loader --library-path /epitaph /epitaph/epitaph "$@""#;
        let mut command = alone_by(ENTER)?;
        command.arg(self.0.path()).args(arguments);
        plain_environment(&mut command).env_remove("TMPDIR").envs(variables.iter().copied());
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let told = format!("{}{}", text(&output.stderr), text(&output.stdout));
        println!("$ epitaph {}\n{told}", arguments.join(" "));
        assert!(output.status.success(), "{arguments:?}: {told}");
        Some(told)
    }
}

/// `cargo test --test e2e nothing_of_the_job -- --nocapture` prints it as a terminal shows it.
#[test]
fn a_pulled_job_is_shown_on_a_machine_that_has_nothing_of_the_job() {
    need_tool!("ldd", "chroot");
    let Some(artifacts) = two_nodes() else { return };
    let server = Server::start(artifacts);
    let machine = Machine::new();
    let (pipeline, _) = PIPELINE;
    let page = format!("{}/pipelines/github/acme/app/{pipeline}/workflows/{WORKFLOW}/jobs/42", server.url());
    let url = server.url();
    let asked = [("EPITAPH_CIRCLECI_URL", url.as_str()), ("CIRCLE_TOKEN", TOKEN)];
    let Some(told) = machine.run(&asked, &["pull", &page, "/desk"]) else {
        return skipped("a root file system can't be entered here");
    };
    assert!(told.contains("0 failed") && !told.contains(TOKEN), "{told}");
    let told = machine.run(&[], &["show", "--threads", "crashed", "/desk"]).unwrap();
    assert_eq!(told.matches(" died of SIG").count(), PROGRAMS.len(), "{told}");
    for (_, chain, _) in PROGRAMS {
        assert!(chain.iter().all(|function| told.contains(function)), "{chain:?}: {told}");
    }
    // The machine's own files could not have told: it has none.
    assert!(!machine.0.path().join("lib").exists() && !machine.0.path().join("usr").exists());
}

#[test]
fn half_a_download_is_no_crash() {
    let Some(crash) = Crash::of_or_skip(program("null_deref")) else { return };
    let target = folder();
    let unfinished = target.path().join(".epitaph-pull");
    std::fs::create_dir(&unfinished).unwrap();
    std::fs::copy(&crash.core, unfinished.join("0123.part")).unwrap();
    std::fs::write(target.path().join("log"), "text").unwrap();
    let answer = epitaph().arg("show").arg(target.path()).run();
    assert!(!answer.stdout().contains("died of"), "{answer}");
    std::fs::copy(&crash.core, target.path().join("core.17")).unwrap();
    assert_eq!(show(target.path()).json_lines().len(), 1);
}

#[test]
fn the_token_of_circleci_s_own_command_line_is_for_its_server_only() {
    let server = Server::start(vec![Artifact::new(0, "a", "x")]);
    let home = folder();
    std::fs::create_dir(home.path().join(".circleci")).unwrap();
    let settings = home.path().join(".circleci/cli.yml");
    let ls =
        || epitaph().env("EPITAPH_CIRCLECI_URL", server.url()).env("HOME", home.path()).args(["ls", JOB]);

    std::fs::write(&settings, format!("host: {}\ntoken: {TOKEN}\n", server.url())).unwrap();
    ls().run().code(0).says(&["0/a"]);
    std::fs::write(&settings, format!("host: https://circleci.com\ntoken: {TOKEN}\n")).unwrap();
    let before = server.requests().len();
    ls().run().code(1).hides(&[TOKEN]).tells(&["set CIRCLE_TOKEN"]);
    assert!(server.requests()[before..].iter().all(|request| request.header("circle-token").is_none()));
    // A variable comes first.
    ls().env("CIRCLECI_CLI_TOKEN", TOKEN).run().code(0).says(&["0/a"]);
}

#[test]
fn no_file_is_larger_than_what_is_stored() {
    // As CircleCI's limit of 3 GB for a file, in small.
    const LIMIT: u64 = 1_000_000;
    let Some(crash) = Crash::of_or_skip(program("big_heap")) else { return };
    let out = folder();
    let collect = epitaph().env("CIRCLECI", "true").args(["collect", "--core", "full"]);
    let answer =
        collect.args(["--max-core-size", "1000000", "--out"]).arg(out.path()).arg(&crash.core).run().code(0);
    answer.tells(&[
        "no more is kept of the core than what debuggers need",
        "larger than the limit of 1000000 bytes",
        "over the limit of 1000000 bytes",
    ]);
    let kept = files(out.path());
    assert!(kept.values().all(|bytes| bytes.len() as u64 <= LIMIT));
    assert!(kept.keys().any(|path| path.ends_with("/core.zst")));
    drop(crash);
    let summary = show(out.path()).json();
    assert_chain(&functions(&summary), &["sum_of", "sum_of", "sum_of", "tally", "main"]);
}
