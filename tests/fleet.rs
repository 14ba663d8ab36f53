//! The queries of `tests/fleet.sql`, asked with the real DuckDB of what real pushes have left.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use epitaph_testkit::servers::objects;
use epitaph_testkit::skip::skipped;
use epitaph_testkit::tools::find_peer;
use serde_json::{Deserializer, Value, json};

use crate::support::{epitaph, folder, repository, test_all, text};

/// Crashes of the fleet: repository of `acme`, day, number on that day, and of which core the story is.
const CRASHES: [(&str, &str, &str, &str); 5] = [
    ("app", "2026-11-20", "1", "aarch64"),
    ("app", "2026-11-21", "1", "aarch64"),
    ("lib", "2026-11-21", "2", "aarch64"),
    ("lib", "2026-11-22", "1", "i386_kernel"),
    ("lib", "2026-11-22", "2", "i386_kernel"),
];

/// What epitaph says of a committed core.
fn summary(core: &str) -> Value {
    let bare = repository().join("testdata/cores").join(core);
    let mut folders: Vec<PathBuf> = fs::read_dir(&bare).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    epitaph().args(["show", "--json", "--no-debuginfod"]).arg(&folders[0]).run().code(0).json()
}

/// Pushes the crashes, each from a job of its own; returns both signatures.
fn push(store: &str, variables: &[(String, String)]) -> [Value; 2] {
    let [first, second] = ["aarch64", "i386_kernel"].map(summary);
    for (number, (repo, day, count, core)) in CRASHES.into_iter().enumerate() {
        let mut told = if core == "aarch64" { first.clone() } else { second.clone() };
        let id = format!("{day}-{count}");
        told["time"] = json!(format!("{day}T10:00:00Z"));
        told["id"] = json!(id);
        let out = folder();
        let crash = out.path().join("crashes").join(&id);
        fs::create_dir_all(&crash).unwrap();
        fs::write(crash.join("summary.json"), told.to_string()).unwrap();
        let job = [
            ("CIRCLECI", "true"),
            ("CIRCLE_PROJECT_USERNAME", "acme"),
            ("CIRCLE_PROJECT_REPONAME", repo),
            ("CIRCLE_BUILD_NUM", &number.to_string()),
        ];
        let of_store = variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let push = epitaph().args(["push", "--destination="]).arg(out.path()).arg(store);
        let push = job.into_iter().chain(of_store).fold(push, |push, (name, value)| push.env(name, value));
        push.run().code(0);
    }
    [&first, &second].map(|summary| summary["signature"]["strict"].clone())
}

/// Asks the queries, after some more commands of DuckDB, and compares what they say.
fn ask(duckdb: &Path, store: &str, before: &str, [first, second]: &[Value; 2]) {
    let queries = File::open(repository().join("tests/fleet.sql")).unwrap();
    let set = format!("{before}SET VARIABLE store = '{store}'; SET VARIABLE since = DATE '2026-11-22'");
    let asked = Command::new(duckdb).args(["-json", "-cmd", &set]).stdin(queries).output().unwrap();
    let problems = String::from_utf8_lossy(&asked.stderr);
    assert!(asked.status.success() && problems.is_empty(), "{problems}");
    let answers: Vec<Value> =
        Deserializer::from_slice(&asked.stdout).into_iter().collect::<Result<_, _>>().unwrap();
    // A secret that was made is an answer as well.
    let [.., per_day, new, repositories] = answers.as_slice() else { panic!("{answers:?}") };
    let rows = |answer: &Value, columns: &[&str]| -> Vec<Value> {
        let row = |row: &Value| columns.iter().map(|column| row[*column].clone()).collect();
        answer.as_array().unwrap().iter().map(row).collect()
    };
    let expected =
        [json!(["2026-11-20", first, 1]), json!(["2026-11-21", first, 2]), json!(["2026-11-22", second, 2])];
    assert_eq!(rows(per_day, &["date", "signature", "crashes"]), expected);
    let expected = [json!([second, "2026-11-22", 2])];
    assert_eq!(rows(new, &["signature", "first_seen", "crashes"]), expected);
    let expected = [json!([first, "[acme/app, acme/lib]", 3]), json!([second, "[acme/lib]", 2])];
    assert_eq!(rows(repositories, &["signature", "repositories", "crashes"]), expected);
    assert!(per_day[0]["title"].is_string(), "{per_day}");
}

/// The program, if the long tests were asked for.
fn duckdb() -> Option<PathBuf> {
    let found = test_all().then(|| find_peer("duckdb"))?;
    if found.is_none() {
        skipped("not installed: duckdb (make test-all installs it)");
    }
    found
}

/// The package of DuckDB's extension that reads object stores; the program would fetch it from the network.
fn object_stores_of(duckdb: &Path) -> Option<PathBuf> {
    let found =
        duckdb.ancestors().nth(2).and_then(|top| find_below(&top.join("lib"), "httpfs.duckdb_extension"));
    if found.is_none() {
        skipped("not installed: DuckDB's extension httpfs (make test-all installs it)");
    }
    found
}

fn find_below(folder: &Path, name: &str) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?.map(|entry| entry.unwrap().path());
    entries.into_iter().find_map(|path| {
        if path.is_dir() { find_below(&path, name) } else { Some(path).filter(|path| path.ends_with(name)) }
    })
}

#[test]
fn a_folder_answers_the_queries() {
    let Some(duckdb) = duckdb() else { return };
    let store = folder();
    let signatures = push(&text(store.path()), &[]);
    assert_ne!(signatures[0], signatures[1]);
    ask(&duckdb, &text(store.path()), "", &signatures);
}

#[test]
fn a_bucket_answers_the_queries_in_place() {
    let Some(duckdb) = duckdb() else { return };
    let (Some(extension), Some(bucket)) = (object_stores_of(&duckdb), objects::moto()) else { return };
    let store = format!("{}/fleet", bucket.url);
    let signatures = push(&store, &bucket.variables);
    let setting = |name: &str| &bucket.variables.iter().find(|(known, _)| known == name).unwrap().1;
    let secret = format!(
        "LOAD '{}'; CREATE SECRET (TYPE s3, KEY_ID '{}', SECRET '{}', ENDPOINT '{}', URL_STYLE 'path', \
         USE_SSL false); ",
        text(&extension),
        setting("AWS_ACCESS_KEY_ID"),
        setting("AWS_SECRET_ACCESS_KEY"),
        setting("AWS_ENDPOINT_URL").trim_start_matches("http://"),
    );
    ask(&duckdb, &store, &secret, &signatures);
}
