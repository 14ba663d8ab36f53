//! `epitaph pull` and `ls` of a CircleCI job, against a server that answers as API v1.1 is documented to.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use epitaph_testkit::crash::{Crash, program};

use crate::circle_server::{Artifact, How, JOB, Request, Server, TOKEN};
use crate::fixtures::{assert_chain, functions};
use crate::support::{Answer, Epitaph, epitaph, files, folder};

/// `epitaph` as somebody who has set server and token.
fn with_token(server: &Server) -> Epitaph {
    epitaph().env("EPITAPH_CIRCLECI_URL", server.url()).env("CIRCLE_TOKEN", TOKEN)
}

fn pull(server: &Server, to: &Path) -> Answer {
    with_token(server).args(["pull", JOB]).arg(to).run().hides(&[TOKEN])
}

/// What was pulled, without what pulls remember for themselves.
fn pulled(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    files(folder).into_iter().filter(|(name, _)| !name.starts_with('.')).collect()
}

fn sees_token(request: &Request) -> bool {
    request.header("circle-token").is_some()
        || request.header("authorization").is_some()
        || request.path.contains(TOKEN)
}

#[test]
fn every_nodes_artifacts_are_pulled() {
    let server = Server::start(vec![
        Artifact::new(0, "tmp/core dumps/core.17", "of node 0"),
        Artifact::new(1, "tmp/core dumps/core.17", "of node 1"),
        Artifact::new(1, "empty", ""),
    ]);
    let target = folder();
    let answer = pull(&server, target.path()).code(0);
    let expected = [
        ("0/tmp/core dumps/core.17", "of node 0"),
        ("1/empty", ""),
        ("1/tmp/core dumps/core.17", "of node 1"),
    ];
    let expected = expected.map(|(name, content)| (name.to_owned(), content.as_bytes().to_vec()));
    assert_eq!(pulled(target.path()), BTreeMap::from(expected));
    answer.tells(&["job 42 of acme/app: 3 files copied", "0 failed"]);
    assert!(server.requests().iter().all(|request| !request.path.contains(TOKEN)), "the token is in no URL");
    let list = &server.requests()[0];
    assert_eq!(list.header("accept"), Some("application/json"));

    let one = folder();
    with_token(&server).args(["pull", "--node", "1", JOB]).arg(one.path()).run().code(0);
    assert_eq!(pulled(one.path()).into_keys().collect::<Vec<_>>(), ["1/empty", "1/tmp/core dumps/core.17"]);
}

#[test]
fn artifacts_are_listed() {
    let server = Server::start(vec![Artifact::new(0, "a/b", "x"), Artifact::new(1, "a/b", "x")]);
    let text = with_token(&server).args(["ls", JOB]).run().code(0).hides(&[TOKEN]);
    text.says(&["circleci  acme/app  job 42", "0/a/b", "1/a/b"]);
    let lines = with_token(&server).args(["ls", "--json", JOB]).run().code(0).hides(&[TOKEN]).json_lines();
    let nodes: Vec<&str> = lines.iter().map(|line| line["node"].as_str().unwrap()).collect();
    assert_eq!(
        (nodes, &lines[0]["path"], &lines[0]["repo"]),
        (vec!["0", "1"], &"a/b".into(), &"acme/app".into())
    );
}

#[test]
fn a_redirect_is_followed_without_the_token() {
    let storage = Server::start(vec![Artifact::new(0, "core.17", "from the storage")]);
    let moved = Artifact::new(0, "core.17", "").how(How::Elsewhere(storage.url()));
    let server = Server::start(vec![moved]);
    let target = folder();
    pull(&server, target.path()).code(0);
    assert_eq!(pulled(target.path())["0/core.17"], b"from the storage");
    assert!(server.requests().iter().all(sees_token), "the server itself asks for it");
    assert_eq!(storage.requests().len(), 1);
    assert!(!storage.requests().iter().any(sees_token), "{:?}", storage.requests());
}

#[test]
fn a_wrong_token_and_none_are_told_apart_from_a_wrong_job() {
    let server = Server::start(vec![Artifact::new(0, "a", "x")]);
    let target = folder();
    let wrong = "wrong-token-0123456789";
    let answer =
        with_token(&server).env("CIRCLE_TOKEN", wrong).args(["pull", JOB]).arg(target.path()).run().code(1);
    answer
        .hides(&[wrong])
        .tells(&["answered 401", "hint: the token is wrong, expired, or may not see this project"]);

    let answer =
        with_token(&server).without_env("CIRCLE_TOKEN").args(["pull", JOB]).arg(target.path()).run().code(1);
    answer.tells(&["answered 404", "set CIRCLE_TOKEN"]);

    let other = "circleci://github/acme/app/43";
    let answer = with_token(&server).args(["ls", other]).run().code(1).hides(&[TOKEN]);
    answer.tells(&[
        "/api/v2/project/github/acme/app/43/artifacts answered 404",
        "hint: check organisation, project",
    ]);
    assert_eq!(pulled(target.path()), BTreeMap::new());
}

#[test]
fn the_token_can_come_from_a_file() {
    let server = Server::start(vec![Artifact::new(0, "a", "x")]);
    let folder = folder();
    let file = folder.path().join("token");
    std::fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let listing = || with_token(&server).without_env("CIRCLE_TOKEN").args(["ls", JOB]);
    listing().env("EPITAPH_CIRCLECI_TOKEN_FILE", &file).run().code(0).says(&["0/a"]);
    let answer = listing().env("EPITAPH_CIRCLECI_TOKEN_FILE", folder.path().join("none")).run().code(1);
    answer.tells(&["error: cannot read ", "EPITAPH_CIRCLECI_TOKEN_FILE"]);
    let answer = listing().env("CIRCLE_TOKEN", "two words").run().code(1);
    answer
        .hides(&["two words"])
        .tells(&["error: the token in CIRCLE_TOKEN: ", "hint: the token must be one line"]);
}

#[test]
fn at_most_four_come_at_once() {
    let paths = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
    let artifacts = || paths.map(|path| Artifact::new(0, path, path).how(How::Slow)).to_vec();
    let (server, target) = (Server::start(artifacts()), folder());
    pull(&server, target.path()).code(0);
    assert_eq!(pulled(target.path()).len(), paths.len());
    assert_eq!(server.most_downloads(), 4);
    let (server, target) = (Server::start(artifacts()), folder());
    with_token(&server).args(["pull", "--jobs", "1", JOB]).arg(target.path()).run().code(0);
    assert_eq!(server.most_downloads(), 1);
}

#[test]
fn a_broken_connection_is_taken_up_again() {
    let content: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    let how = How::Interrupted(Arc::default());
    let server = Server::start(vec![Artifact::new(0, "core", content.clone()).how(how)]);
    let target = folder();
    let answer = pull(&server, target.path()).code(0);
    assert!(pulled(target.path())["0/core"] == content, "{answer}");
    let resumed = server.requests().last().unwrap().header("range").map(str::to_owned);
    assert!(resumed.is_some_and(|range| range.starts_with("bytes=") && range != "bytes=0-"), "{answer}");
    answer.tells(&["warning: ", "attempt 1 failed"]);
}

#[test]
fn a_killed_pull_is_taken_up_by_the_next() {
    let content: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    let half = content.len() / 2;
    let core = Artifact::new(0, "core", content.clone()).how(How::Stalled(Arc::default()));
    let server = Server::start(vec![core]);
    let target = folder();
    let running = with_token(&server).args(["pull", JOB]).arg(target.path()).start();
    let deadline = Instant::now() + Duration::from_secs(20);
    while !files(target.path()).values().any(|part| part.len() == half) {
        assert!(Instant::now() < deadline, "half of the file never arrives");
        std::thread::sleep(Duration::from_millis(10));
    }
    running.kill();
    assert_eq!(pulled(target.path()).len(), 0, "half a file has no name yet");
    pull(&server, target.path()).code(0);
    assert!(pulled(target.path())["0/core"] == content);
    let range = server.requests().last().unwrap().header("range").map(str::to_owned);
    assert_eq!(range, Some(format!("bytes={half}-")));
}

#[test]
fn a_second_pull_takes_only_what_is_missing() {
    let whole = vec![Artifact::new(0, "first", "1"), Artifact::new(0, "second", "2")];
    let server = Server::start(whole);
    let target = folder();
    pull(&server, target.path()).code(0);
    std::fs::remove_file(target.path().join("0/second")).unwrap();
    pull(&server, target.path()).code(0).tells(&["1 files copied", "1 were there already"]);
    let count = |path: &str| server.requests().iter().filter(|request| request.path == path).count();
    assert_eq!((count("/0/first"), count("/0/second")), (1, 2));
    assert_eq!(pulled(target.path()).len(), 2);
}

#[test]
fn paths_that_lead_out_of_the_folder_are_refused_and_the_rest_is_pulled() {
    let hostile = ["../../up", "/etc/absolute", "a/../../b", ""];
    let mut artifacts: Vec<Artifact> = hostile.iter().map(|path| Artifact::new(0, *path, "evil")).collect();
    artifacts.push(Artifact::new(0, "good", "good"));
    let server = Server::start(artifacts);
    let outer = folder();
    let target = outer.path().join("deep/target");
    let answer = pull(&server, &target).code(1);
    let all = files(outer.path());
    assert_eq!(all.get("deep/target/0/good").map(Vec::as_slice), Some(&b"good"[..]), "{answer}");
    assert!(
        all.iter().all(|(name, content)| name.starts_with("deep/target/") && content != b"evil"),
        "{answer}"
    );
    answer.tells(&["error: ", "unsafe artifact path", "hint: run the same command again"]);
}

#[test]
fn a_dead_server_is_told_in_time() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let answer =
        epitaph().env("EPITAPH_CIRCLECI_URL", &url).env("CIRCLE_TOKEN", TOKEN).args(["ls", JOB]).run();
    answer
        .code(1)
        .hides(&[TOKEN])
        .tells(&[&format!("error: request to {url}/api/v2/"), "hint: check the connection"]);
}

#[test]
fn what_was_uploaded_by_hand_is_shown_after_a_pull() {
    // The job of the documentation stores the bare core; the program is stored beside it.
    let Some(crash) = Crash::of_or_skip(program("null_deref")) else { return };
    let core = std::fs::read(&crash.core).unwrap();
    let exe = std::fs::read(&crash.exe).unwrap();
    let server = Server::start(vec![
        Artifact::new(0, "tmp/core_dumps/core.17", core),
        Artifact::new(0, "bin/exe", exe),
    ]);
    drop(crash);
    let target = folder();
    pull(&server, target.path()).code(0);
    let answer = epitaph().args(["show", "--json"]).arg(target.path()).run().code(0);
    assert_chain(&functions(&answer.json()), &["quantity_of", "price_of", "main"]);
}
