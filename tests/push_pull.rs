//! `epitaph push`, `pull` and `ls` with a folder as the store.

use std::fs;
use std::path::Path;

use epitaph_testkit::crash::{Crash, program};
use serde_json::Value;

use crate::fixtures::{assert_chain, functions, sha256};
use crate::support::{Answer, epitaph, files, folder, text};

fn push(paths: &[&Path], store: &Path, options: &[&str]) -> Answer {
    epitaph().arg("push").args(options).args(paths).arg(store).run()
}

fn pull(store: &Path, to: &Path, options: &[&str]) -> Answer {
    epitaph().arg("pull").args(options).arg(store).arg(to).run()
}

fn listed(store: &Path, options: &[&str]) -> Vec<Value> {
    epitaph().args(["ls", "--json"]).args(options).arg(store).run().code(0).json_lines()
}

/// Writes two files, one of them in a folder of its own, and returns their names.
fn fill(folder: &Path) -> [&'static str; 2] {
    fs::create_dir(folder.join("sub")).unwrap();
    fs::write(folder.join("a file"), "one").unwrap();
    fs::write(folder.join("sub/ünïcode.bin"), [0, 1, 254, 255]).unwrap();
    ["a file", "sub/ünïcode.bin"]
}

#[test]
fn a_folder_comes_back_as_it_was() {
    let (source, store, target) = (folder(), folder(), folder());
    fill(source.path());
    let answer = push(&[source.path()], store.path(), &["--destination", "artifacts"]).code(0);
    answer.tells(&["2 artifacts (", "as job local of local"]);
    let answer = pull(store.path(), target.path(), &[]).code(0);
    assert!(files(&target.path().join("artifacts")) == files(source.path()), "{answer}");
    let answer =
        answer.tells(&["2 files copied", "0 failed", &format!("`epitaph show {}`", text(target.path()))]);
    assert_eq!(answer.stdout(), "");
    // Once more, nothing is copied twice.
    pull(store.path(), target.path(), &[]).code(0).tells(&["0 files copied", "2 were there already"]);
}

#[test]
fn files_are_named_as_store_artifacts_names_them() {
    let (source, store) = (folder(), folder());
    fill(source.path());
    let (file, sub) = (source.path().join("a file"), source.path().join("sub"));
    push(&[&file], store.path(), &["--destination", "logs/x", "--job", "1"]).code(0);
    push(&[&file, &sub], store.path(), &["--job", "2"]).code(0);
    let paths = |job: &str| -> Vec<Value> {
        listed(store.path(), &["--job", job]).iter().map(|line| line["path"].clone()).collect()
    };
    // For a single file it is the file's own name.
    assert_eq!(paths("1"), ["logs/x"]);
    // The folder that the file is in is the default.
    let place = text(source.path().strip_prefix("/").unwrap());
    assert_eq!(paths("2"), [format!("{place}/a file"), format!("{place}/sub/ünïcode.bin")]);
}

#[test]
fn a_file_url_is_the_same_store() {
    let (source, store, target) = (folder(), folder(), folder());
    fill(source.path());
    let url = format!("file://{}", text(store.path()));
    epitaph().args(["push", "--destination=x"]).arg(source.path()).arg(&url).run().code(0);
    assert_eq!(listed(store.path(), &[]).len(), 2);
    epitaph().args(["pull", &url]).arg(target.path()).run().code(0);
    // Beside what it knows of them itself.
    let pulled = files(target.path());
    assert_eq!(pulled.keys().filter(|path| !path.starts_with(".epitaph-pull/")).count(), 2);
}

#[test]
fn a_listing_is_for_people_or_for_programs() {
    let (source, store) = (folder(), folder());
    let names = fill(source.path());
    let ci = |push: crate::support::Epitaph, build: &str| {
        let variables =
            [("CIRCLECI", "true"), ("CIRCLE_PROJECT_USERNAME", "acme"), ("CIRCLE_PROJECT_REPONAME", "app")];
        let push = variables.into_iter().fold(push, |push, (name, value)| push.env(name, value));
        push.env("CIRCLE_BUILD_NUM", build).env("CIRCLE_NODE_INDEX", "3").run().code(0)
    };
    ci(epitaph().args(["push", "--destination=d"]).arg(source.path()).arg(store.path()), "42");
    let lines = listed(store.path(), &["--repo", "acme/app"]);
    let sums = sha256(source.path(), &names);
    for ((line, name), sum) in lines.iter().zip(names).zip(sums) {
        let job = (&line["provider"], &line["repo"], &line["job"], &line["node"]);
        assert_eq!(job, (&"circleci".into(), &"acme/app".into(), &"42".into(), &"3".into()));
        assert_eq!((&line["path"], &line["sha256"]), (&format!("d/{name}").into(), &sum.into()));
        assert_eq!(line["size"].as_u64(), Some(fs::metadata(source.path().join(name)).unwrap().len()));
        assert!(line["created"].as_str().unwrap().ends_with('Z'), "{line}");
    }
    assert_eq!(lines.len(), 2);
    let answer = epitaph().arg("ls").arg(store.path()).run().code(0);
    answer.says(&["circleci  acme/app  job 42", "3 B  3/d/a file", "4 B  3/d/sub/ünïcode.bin"]);
    assert_eq!(listed(store.path(), &["--repo", "acme/other"]).len(), 0);
}

#[test]
fn one_job_of_several_is_pulled() {
    let (source, store) = (folder(), folder());
    let file = source.path().join("log");
    for job in ["41", "42"] {
        fs::write(&file, format!("of job {job}")).unwrap();
        push(&[&file], store.path(), &["--destination=d/log", "--job", job]).code(0);
    }
    let target = folder();
    pull(store.path(), target.path(), &["--job", "41"]).code(0).tells(&["job 41 of local: 1 files copied"]);
    assert_eq!(fs::read_to_string(target.path().join("d/log")).unwrap(), "of job 41");
    let answer = pull(store.path(), &target.path().join("none"), &["--job", "43"]).code(1);
    answer.tells(&["error: no artifacts in ", "for job `43`"]);
}

#[test]
fn a_crash_keeps_its_names_where_the_program_is_gone() {
    let Some(crash) = Crash::of_or_skip(program("null_deref")) else { return };
    let (out, store, target) = (folder(), folder(), folder());
    epitaph().arg("collect").arg("--out").arg(out.path()).arg(&crash.core).run().code(0);
    push(&[out.path()], store.path(), &["--destination=artifacts"]).code(0);
    drop(crash);
    fs::remove_dir_all(out.path()).unwrap();
    pull(store.path(), target.path(), &[]).code(0);
    // What the summary says was known before: the core and the binaries alone must tell as much.
    for summary in files(target.path()).keys().filter(|name| name.contains(".json")) {
        fs::remove_file(target.path().join(summary)).unwrap();
    }
    let answer = epitaph().args(["show", "--json"]).arg(target.path()).run().code(0);
    let summary = answer.json();
    assert_chain(&functions(&summary), &["quantity_of", "price_of", "main"]);
    assert_eq!(summary["threads"][0]["frames"][0]["line"], 14);
    assert!(
        summary["modules"][0]["file_found"].as_str().unwrap().starts_with(&text(target.path())),
        "{answer}"
    );
}

#[test]
fn an_unknown_kind_of_store_is_refused() {
    let folder = folder();
    fs::write(folder.path().join("a"), "a").unwrap();
    let hint = "hint: a store is a folder (a plain path, or file:///absolute/path)";
    for (url, error) in [
        ("s3://key@bucket/x", "error: bad store URL `s3://bucket/x`: credentials come from the environment"),
        ("ftp://host/x", "error: unknown kind of store `ftp://`"),
        ("file://host/x", "error: bad store URL `file://host/x`: it names a host"),
    ] {
        epitaph().arg("push").arg(folder.path()).arg(url).run().code(1).tells(&[error, hint]);
        epitaph().args(["pull", url]).arg(folder.path().join("to")).run().code(1).tells(&[error, hint]);
        epitaph().args(["ls", url]).run().code(1).tells(&[error, hint]);
    }
    let answer = epitaph().arg("push").arg(folder.path()).arg("circleci://github/acme/app/42").run().code(1);
    answer.tells(&[
        "error: can't push to circleci://github/acme/app/42: it can only be read",
        "store_artifacts",
    ]);
    assert!(!folder.path().join("to").exists());
}

#[test]
fn a_store_that_is_not_there_is_told() {
    let folder = folder();
    let store = folder.path().join("no-store");
    pull(&store, &folder.path().join("to"), &[])
        .code(1)
        .tells(&[&format!("error: can't read {}", text(&store))]);
    epitaph().arg("ls").arg(&store).run().code(1).tells(&[&text(&store)]);
    assert!(!store.exists());
}

#[test]
fn a_damaged_blob_is_refused_and_the_rest_is_pulled() {
    let (source, store, target) = (folder(), folder(), folder());
    let names = fill(source.path());
    push(&[source.path()], store.path(), &["--destination=x"]).code(0);
    let sum = &sha256(source.path(), &names)[0];
    let blobs = files(store.path());
    let blob = store.path().join(blobs.keys().find(|name| name.ends_with(sum.as_str())).unwrap());
    fs::remove_file(&blob).unwrap();
    fs::write(&blob, "two").unwrap();
    let answer = pull(store.path(), target.path(), &[]).code(1);
    let pulled: Vec<String> =
        files(target.path()).into_keys().filter(|name| name.starts_with("x/")).collect();
    assert_eq!(pulled, ["x/sub/ünïcode.bin"], "{answer}");
    let damaged = format!("`x/a file` is damaged in the store: expected sha256 {sum}, found ");
    answer.tells(&[&damaged, "hint: delete blobs/sha256/", "1 failed"]);
    // The hint helps.
    fs::remove_file(&blob).unwrap();
    push(&[source.path()], store.path(), &["--destination=x"]).code(0);
    pull(store.path(), target.path(), &[]).code(0);
    assert!(files(&target.path().join("x")) == files(source.path()));
}

#[test]
fn what_cannot_be_pushed_is_told() {
    let (source, store) = (folder(), folder());
    fs::write(source.path().join("log"), "text").unwrap();
    let missing = source.path().join("missing");
    let answer = push(&[&missing, &source.path().join("log")], store.path(), &["--destination=x"]).code(1);
    let answer = answer.tells(&[&format!("error: {}: can't read", text(&missing)), "1 artifacts ("]);
    drop(answer);
    assert_eq!(listed(store.path(), &[]).len(), 1);
    let empty = folder();
    push(&[empty.path()], store.path(), &[]).code(1).tells(&["error: there was nothing to push", "hint: "]);
    push(&[source.path()], store.path(), &["--destination", "../up"])
        .code(1)
        .tells(&["error: bad destination `../up`"]);
    let answer = epitaph().args(["pull", "--jobs", "0"]).arg(store.path()).arg(source.path()).run().code(2);
    answer.tells(&["it is a number of files, 1 or more"]);
}

#[test]
fn what_another_system_is_asked_with_is_nobody_s_trouble() {
    let (source, store, desk) = (folder(), folder(), folder());
    fill(source.path());
    let wrong = [
        ("GH_TOKEN", "two words"),
        ("EPITAPH_GITLAB_TOKEN_FILE", "/no/such/file"),
        ("EPITAPH_CIRCLECI_TOKEN_FILE", "/no/such/file"),
        ("EPITAPH_HTTP_USER", "a user without a password"),
    ];
    let asked = |arguments: &[&str]| {
        let command = wrong.iter().fold(epitaph(), |command, (name, value)| command.env(name, value));
        command.args(arguments).run()
    };
    let (source, store) = (text(source.path()), text(store.path()));
    asked(&["push", &source, &store]).code(0);
    asked(&["ls", &store]).code(0);
    asked(&["pull", &store, &text(desk.path())]).code(0);
    asked(&["gc", &store, "--older-than", "1d"]).code(0);
    // Of a push that waits for another store, too.
    let spool = folder();
    let spool = text(spool.path());
    asked(&["push", "--spool", &spool, &source, "/dev/null/store"]).code(1);
    asked(&["push", "--resume", "--spool", &spool]).code(1).hides(&["two words", "/no/such/file"]);
    // The system itself is asked with nothing that is wrong.
    for (url, told) in [
        ("github://acme/app/runs/7", "the token in GH_TOKEN"),
        ("gitlab://acme/app/-/jobs/7", "EPITAPH_GITLAB_TOKEN_FILE"),
        ("circleci://gh/acme/app/7", "EPITAPH_CIRCLECI_TOKEN_FILE"),
        ("https://127.0.0.1:1/store/", "EPITAPH_HTTP_USER is set, but no password"),
    ] {
        asked(&["ls", url]).code(1).tells(&[told]).hides(&["two words"]);
    }
}
