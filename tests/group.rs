//! `epitaph group`: what is the same, alike and new, from wherever summaries lie.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use epitaph_testkit::crash::{Crash, program};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::circle_server::{Artifact, How, JOB, Server, TOKEN};
use crate::fixtures::sealed;
use crate::support::{Answer, epitaph, folder, text};

/// Collects crashes of programs into an output folder of a job.
fn collect(jobs: &Path, job: &str, crashes: &[&Crash]) -> PathBuf {
    let out = jobs.join(job);
    let cores = crashes.iter().map(|crash| &crash.core);
    epitaph().arg("collect").arg("--out").arg(&out).args(cores).run().code(0);
    out
}

fn group(paths: &[&Path], options: &[&str]) -> Answer {
    epitaph().arg("group").args(options).args(paths).run()
}

fn report(paths: &[&Path], options: &[&str]) -> Value {
    group(paths, options).code(0).json()
}

/// Each group's count, with the number of signatures in it.
fn shape(report: &Value) -> Vec<(u64, usize)> {
    let groups = report["groups"].as_array().unwrap().iter();
    groups
        .map(|group| (group["count"].as_u64().unwrap(), group["buckets"].as_array().unwrap().len()))
        .collect()
}

/// Two crashes of one program and one of another, in the folders of two jobs.
fn three_crashes() -> Option<TempDir> {
    let first = Crash::of_or_skip(program("null_deref"))?;
    let again = Crash::of_or_skip(program("null_deref"))?;
    let other = Crash::of_or_skip(program("divide"))?;
    let jobs = folder();
    collect(jobs.path(), "1", &[&first]);
    collect(jobs.path(), "2", &[&again, &other]);
    Some(jobs)
}

#[test]
fn the_same_crash_of_two_jobs_is_one() {
    let Some(jobs) = three_crashes() else { return };
    let report = report(&[jobs.path()], &["--json"]);
    assert_eq!(report["schema"], "epitaph-groups/1");
    assert_eq!((&report["crashes"], &report["signatures"]), (&json!(3), &json!(2)), "{report:#}");
    assert_eq!(shape(&report), [(2, 1), (1, 1)]);
    let bucket = &report["groups"][0]["buckets"][0];
    assert_eq!(bucket["lines"][1], "quantity_of", "{bucket:#}");
    assert_eq!(bucket["job_count"], 2);
    assert_eq!(bucket["jobs"], json!([text(jobs.path().join("1")), text(jobs.path().join("2"))]));
    assert!(bucket["first_seen"].as_str() <= bucket["last_seen"].as_str());
    assert_eq!((&bucket["with_core"], &bucket["example"]["program"]), (&json!(2), &json!(true)));
    let example = Path::new(bucket["example"]["path"].as_str().unwrap());
    assert!(example.is_file(), "{}", example.display());
    group(&[jobs.path()], &[]).code(0).says(&[
        "3 crashes, 2 signatures in 2 groups",
        "2x ",
        "quantity_of",
        "average",
    ]);
}

#[test]
fn a_baseline_tells_what_is_new() {
    let Some(jobs) = three_crashes() else { return };
    let (one, two) = (jobs.path().join("1"), jobs.path().join("2"));
    let against = |crashes: &Path, baseline: &Path, options: &[&str]| {
        let baseline = text(baseline);
        group(&[crashes], &[&["--baseline", &baseline], options].concat())
    };
    let told = against(&two, &one, &["--json"]).code(0).json();
    let states: Vec<&Value> =
        told["groups"].as_array().unwrap().iter().map(|group| &group["status"]).collect();
    assert_eq!(states, ["new", "known"]);
    assert_eq!(told["groups"][0]["buckets"][0]["lines"][1], "average");
    against(&two, &one, &["--fail-on-new"]).code(3).says(&["1 new, 1 known", "NEW 1x"]);
    // The other way round, one is gone and none is new.
    let told = against(&one, &two, &["--fail-on-new"]).code(0);
    told.says(&["0 new, 1 known, 1 gone", "Only in the baseline: 1 signature"]);
    against(&one, &one, &["--format", "markdown"]).code(0).says(&["| known | 1 |"]);
    group(&[&one], &["--fail-on-new"]).code(2);
}

#[test]
fn crashes_count_once_wherever_they_are_read() {
    let Some(jobs) = three_crashes() else { return };
    let expected = report(&[jobs.path()], &["--json"]);
    let lists = [jobs.path().join("1/crashes.jsonl"), jobs.path().join("2/crashes.jsonl")];
    let lists = [lists[0].as_path(), lists[1].as_path()];
    assert_eq!(shape(&report(&lists, &["--json"])), shape(&expected));
    let twice = report(&[lists[0], jobs.path(), lists[1]], &["--json"]);
    assert_eq!((shape(&twice), &twice["duplicates"]), (shape(&expected), &json!(3)));

    // A heap of downloads, and everything at once through a pipe.
    let heap = folder();
    let mut all = Vec::new();
    for (job, number) in [("1", 0), ("2", 1)] {
        for (place, summary) in sealed(&jobs.path().join(job)).values().enumerate() {
            fs::write(heap.path().join(format!("summary.json.{number}{place}")), summary.to_string())
                .unwrap();
            all.push(summary.clone());
        }
    }
    assert_eq!(shape(&report(&[heap.path()], &["--json"])), shape(&expected));
    let list = heap.path().join("list");
    fs::write(&list, serde_json::to_string_pretty(&all).unwrap()).unwrap();
    let answer = epitaph().args(["group", "--json", "-"]).stdin(File::open(&list).unwrap()).run().code(0);
    assert_eq!(shape(&answer.json()), shape(&expected));
}

#[test]
fn a_store_tells_the_jobs() {
    let Some(jobs) = three_crashes() else { return };
    let store = folder();
    for job in ["1", "2"] {
        let push = epitaph().args(["push", "--job", job]).arg(jobs.path().join(job)).arg(store.path());
        push.run().code(0);
    }
    let url = format!("file://{}", text(store.path()));
    for place in [Path::new(&url), store.path()] {
        let told = report(&[place], &["--json"]);
        assert_eq!(shape(&told), [(2, 1), (1, 1)]);
        let mut names: Vec<&str> = told["groups"][0]["buckets"][0]["jobs"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str)
            .collect();
        names.sort_unstable();
        assert_eq!(names, ["local 1", "local 2"]);
    }
    assert_eq!(report(&[store.path()], &["--json", "--job", "1"])["crashes"], 1);
    // What queries read, without the rest of the store.
    assert_eq!(shape(&report(&[&store.path().join("summaries")], &["--json"])), [(2, 1), (1, 1)]);
}

#[test]
fn crashes_on_purpose_are_told_apart() {
    let Some(jobs) = three_crashes() else { return };
    let rules = folder();
    let config = rules.path().join("epitaph.toml");
    fs::write(&config, "[[ignore]]\nfunction = \"average\"\nreason = \"divides to see what happens\"\n")
        .unwrap();
    let (one, two) = (jobs.path().join("1"), jobs.path().join("2"));
    let against_one = |options: &[&str]| {
        let (config, baseline) = (text(&config), text(&one));
        let all = [&["--config", &config, "--baseline", &baseline], options].concat();
        group(&[&two], &all)
    };
    let told = against_one(&["--fail-on-new"]).code(0);
    told.says(&[
        "2 crashes, 1 signature in 1 group; 1 on purpose",
        "0 new, 1 known",
        "divides to see what happens",
    ]);
    // Rules on frames make other signatures, here and in the baseline.
    fs::write(&config, "[frames]\nskip = [\"quantity_of\"]\n").unwrap();
    let told = against_one(&["--json"]).code(0).json();
    let known = &told["groups"][1];
    assert_eq!(
        (&known["status"], &known["buckets"][0]["lines"][1]),
        (&json!("known"), &json!("price_of")),
        "{told:#}"
    );
}

#[test]
fn what_cannot_be_read_is_told_and_the_rest_is_grouped() {
    let Some(crash) = Crash::of_or_skip(program("null_deref")) else { return };
    let jobs = folder();
    collect(jobs.path(), "1", &[&crash]);
    let broken = jobs.path().join("2/crashes/x");
    fs::create_dir_all(&broken).unwrap();
    fs::write(broken.join("summary.json"), r#"{"schema":"epitaph-crash/1","id":"#).unwrap();
    let answer =
        group(&[jobs.path()], &["--json"]).code(1).tells(&["warning: ", "2/crashes/x/summary.json: it ends"]);
    let report = answer.json();
    assert_eq!(
        (&report["crashes"], &report["warnings"][0]["code"]),
        (&json!(1), &json!("summary_unreadable"))
    );
    let broken = broken.join("summary.json");
    group(&[&broken], &[]).code(1).tells(&["error: no summary could be read", "hint: "]);
    // What hides crashes can't say that none is new; what hides known ones makes them new.
    let known = jobs.path().join("1");
    let baseline = |path: &Path| ["--fail-on-new".to_owned(), "--baseline".to_owned(), text(path)];
    let gate = |path: &Path, known: &Path| {
        let options = baseline(known);
        group(&[path], &options.each_ref().map(String::as_str))
    };
    gate(&broken, &known).code(1).tells(&["error: no summary could be read"]);
    gate(jobs.path(), &known).code(1);
    gate(&known, &known).code(0);
    gate(&known, &broken).code(3);
    group(&[&jobs.path().join("absent")], &[]).code(1).tells(&["no such file"]);
    let empty = folder();
    group(&[empty.path()], &[]).code(0).says(&["0 crashes"]);
}

#[test]
fn a_job_of_circleci_is_read_without_its_cores() {
    let Some(crash) = Crash::of_or_skip(program("null_deref")) else { return };
    let jobs = folder();
    let out = collect(jobs.path(), "1", &[&crash]);
    let (id, summary) = sealed(&out).into_iter().next().unwrap();
    let path: &'static str = format!("epitaph-out/crashes/{id}/summary.json").leak();
    let core: &'static str = format!("epitaph-out/crashes/{id}/core.zst").leak();
    let interrupted = How::Interrupted(Arc::default());
    let server = Server::start(vec![
        Artifact::new(0, path, summary.to_string()).how(interrupted),
        Artifact::new(0, core, "not asked for"),
    ]);
    let with_token = || epitaph().env("EPITAPH_CIRCLECI_URL", server.url()).env("CIRCLE_TOKEN", TOKEN);
    let report = with_token().args(["group", "--json", JOB]).run().code(0).hides(&[TOKEN]).json();
    let bucket = &report["groups"][0]["buckets"][0];
    assert_eq!((&bucket["count"], &bucket["jobs"]), (&json!(1), &json!(["acme/app 42"])));
    assert_eq!(bucket["example"]["id"], json!(id));
    let asked: Vec<String> = server.requests().into_iter().map(|request| request.path).collect();
    assert!(!asked.iter().any(|path| path.contains("core.zst")), "{asked:?}");
}

#[test]
fn every_format_tells_what_is_new_known_and_gone() {
    let Some(jobs) = three_crashes() else { return };
    let Some(other) = Crash::of_or_skip(program("threads")) else { return };
    let known = collect(jobs.path(), "3", &[&other]);
    let (one, two) = (jobs.path().join("1"), jobs.path().join("2"));
    // Files are named as the checkout does, in which the programs were compiled.
    let all = report(&[&two], &["--json"]);
    let files = all["groups"].as_array().unwrap().iter().map(|group| &group["buckets"][0]["place"]["file"]);
    let mut files = files.filter_map(Value::as_str);
    let checkout =
        files.find_map(|file| file.strip_suffix("/testdata/programs/divide.c")).unwrap().to_owned();
    let told = |format: &str| {
        let baselines = ["--baseline", &text(&one), "--baseline", &text(&known)];
        epitaph()
            .env("WORKSPACE", &checkout)
            .args(["group", "--format", format])
            .args(baselines)
            .arg(&two)
            .run()
            .code(0)
    };
    let sarif = told("sarif").json();
    let mut states: Vec<&Value> = sarif["runs"][0]["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| &result["baselineState"])
        .collect();
    states.sort_by_key(|state| state.to_string());
    assert_eq!(states, ["absent", "new", "unchanged"]);
    let findings = told("gitlab").json();
    let severities: Vec<&Value> = findings.as_array().unwrap().iter().map(|it| &it["severity"]).collect();
    assert_eq!(severities, ["blocker", "major"]);
    assert_eq!(findings[0]["location"]["path"], "testdata/programs/divide.c", "{findings:#}");
    told("junit").says(&[
        "tests=\"3\" skipped=\"0\" failures=\"0\" errors=\"2\"",
        "message=\"new: ",
        "gone: only the baseline",
    ]);
    told("html").says(&[
        "1 new, 1 known, 1 gone",
        "Only in the baseline: 1 signature",
        "data-status=\"new\"",
    ]);
    told("github").says(&["::error title=", "::warning title="]);
    told("azure").says(&["##vso[task.logissue type=error", "##vso[task.logissue type=warning"]);
}
