//! Which jobs an address means: pages of API v2, workflows, pipelines, the latest job, and servers of old.

use epitaph_store::{NoProgress, Selection, Store, StoreError};
use serde_json::json;

use crate::support::circle::{self, LIST, TOKEN, file, here, list, old_list, page};
use crate::support::texts;
use epitaph_testkit::server::{Reply, Request, Server};

const WORKFLOW: &str = "b0cd9930-1f53-4e24-9f59-b4b53b5a4645";
const AGAIN: &str = "140a8b03-af60-4c40-a4d5-634ee77f2a6d";
const PIPELINE: &str = "5034e4b1-72bb-4c6c-8c2d-9fbb4ab0fdbe";

fn open(url: &str, server: &Server) -> Store {
    Store::open_with(url, &circle::options(&server.url())).unwrap()
}

fn selected(job: &str) -> Selection {
    Selection { job: Some(job.to_owned()), ..Selection::default() }
}

/// A pipeline with two workflows, of which the second runs a job of the first again.
fn pipeline() -> Server {
    Server::start(|request: &Request| {
        let job = |number: u64| format!("/api/v2/project/github/acme/app/{number}/artifacts");
        let jobs = |jobs: &[(Option<u64>, &str)]| {
            let item = |(number, name): &(Option<u64>, &str)| match number {
                Some(number) => json!({ "job_number": number, "name": name, "type": "build", "id": "x" }),
                None => json!({ "name": name, "type": "approval", "id": "y" }),
            };
            circle::json(
                &json!({ "items": jobs.iter().map(item).collect::<Vec<_>>(), "next_page_token": null }),
            )
        };
        let file_of =
            |name: &str| list(&[(0, "core.17", here(request, name)), (1, "core.17", here(request, name))]);
        match request.path.as_str() {
            "/api/v2/project/github/acme/app/pipeline/7" => {
                circle::json(&json!({ "id": PIPELINE, "number": 7 }))
            }
            path if path == format!("/api/v2/pipeline/{PIPELINE}/workflow") => circle::json(
                &json!({ "items": [{ "id": WORKFLOW }, { "id": AGAIN }], "next_page_token": null }),
            ),
            path if path == format!("/api/v2/workflow/{WORKFLOW}/job") => {
                jobs(&[(Some(42), "test: x/y"), (Some(41), "build"), (None, "hold")])
            }
            path if path == format!("/api/v2/workflow/{AGAIN}/job") => {
                jobs(&[(Some(41), "build"), (Some(43), "test")])
            }
            path if path == job(41) => file_of("/of-41"),
            path if path == job(42) => file_of("/of-42"),
            path if path == job(43) => file_of("/of-43"),
            path if path.starts_with("/of-") => file(request, path.as_bytes(), "\"x\""),
            _ => Reply::new(404, r#"{"message":"not found"}"#),
        }
    })
}

#[test]
fn all_pages_are_asked_for() {
    let server = Server::start(|request: &Request| {
        let one = |name: &'static str| (0, name, here(request, "/f"));
        let next = |token: &str| format!("{LIST}?page-token={token}");
        match request.path.as_str() {
            LIST => page(&[one("a"), one("b")], Some("t/2 &x")),
            path if path == next("t%2F2+%26x") => page(&[], Some("3")),
            path if path == next("3") => page(&[one("c")], None),
            _ => file(request, b"x", "\"x\""),
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let pulled = open(circle::JOB, &server).pull(dir.path(), &Selection::default(), &NoProgress).unwrap();
    assert_eq!((pulled.fetched, pulled.failed.len()), (3, 0));
    assert_eq!(texts(dir.path()).into_keys().collect::<Vec<_>>(), ["0/a", "0/b", "0/c"]);
    assert!(server.requests().iter().all(|request| request.header("circle-token") == Some(TOKEN)));
}

#[test]
fn a_server_of_old_is_asked_in_its_own_way() {
    let server = Server::start(|request: &Request| match request.path.as_str() {
        "/api/v1.1/project/github/acme/app/1234/artifacts" => old_list(&[(0, "a", here(request, "/f"))]),
        "/f" => file(request, b"x", "\"x\""),
        _ => Reply::new(404, "no such page"),
    });
    let dir = tempfile::tempdir().unwrap();
    let pulled = open(circle::JOB, &server).pull(dir.path(), &Selection::default(), &NoProgress).unwrap();
    assert_eq!(pulled.fetched, 1);

    let error = open("circleci://gh/acme/app/99", &server).ls(&Selection::default()).unwrap_err();
    assert!(
        matches!(&error, StoreError::Status { url, status: 404, .. } if url.contains("/api/v2/")),
        "{error}"
    );
    // A project of no VCS is unknown to the older API.
    let before = server.requests().len();
    open("circleci://circleci/GM1m/5gh9/1", &server).ls(&Selection::default()).unwrap_err();
    assert_eq!(server.requests().len(), before + 1);
}

#[test]
fn a_token_of_one_project_is_known_to_the_older_api_only() {
    for status in [401, 403] {
        let server = Server::start(move |request: &Request| match request.path.as_str() {
            "/api/v1.1/project/github/acme/app/1234/artifacts" => old_list(&[(0, "a", here(request, "/f"))]),
            _ => Reply::new(status, r#"{"message":"Permission denied"}"#),
        });
        let listing = open(circle::JOB, &server).ls(&Selection::default()).unwrap();
        assert_eq!(listing.runs[0].artifacts.len(), 1);
    }
}

#[test]
fn a_workflow_is_all_its_jobs() {
    let server = pipeline();
    let dir = tempfile::tempdir().unwrap();
    let url = format!("{}/pipelines/github/acme/app/7/workflows/{WORKFLOW}", server.url());
    let pulled = open(&url, &server).pull(dir.path(), &Selection::default(), &NoProgress).unwrap();
    assert_eq!((pulled.fetched, pulled.failed.len(), pulled.job.as_str()), (4, 0, "41, 42"));
    let expected = [
        ("41-build/0/core.17", "/of-41"),
        ("41-build/1/core.17", "/of-41"),
        ("42-test__x_y/0/core.17", "/of-42"),
        ("42-test__x_y/1/core.17", "/of-42"),
    ];
    assert_eq!(texts(dir.path()), expected.map(|(path, text)| (path.into(), text.into())).into());

    let listing = open(&url, &server).ls(&Selection::default()).unwrap();
    let jobs: Vec<&str> = listing.runs.iter().map(|run| run.job.as_str()).collect();
    assert_eq!(jobs, ["42", "41"], "the newest first");
}

#[test]
fn one_job_of_a_workflow_by_number_or_name() {
    let server = pipeline();
    let url = format!("circleci://gh/acme/app/workflows/{WORKFLOW}");
    for job in ["41", "build"] {
        let dir = tempfile::tempdir().unwrap();
        let one = Selection { node: Some("1".into()), ..selected(job) };
        assert_eq!(open(&url, &server).pull(dir.path(), &one, &NoProgress).unwrap().job, "41");
        assert_eq!(texts(dir.path()).into_keys().collect::<Vec<_>>(), ["41-build/1/core.17"]);
    }
    let error = open(&url, &server).ls(&selected("43")).unwrap_err();
    assert!(matches!(error, StoreError::NothingFound { .. }), "{error}");
}

#[test]
fn a_pipeline_is_all_its_workflows_and_each_job_once() {
    let server = pipeline();
    let dir = tempfile::tempdir().unwrap();
    let pulled = open("circleci://gh/acme/app/pipelines/7", &server)
        .pull(dir.path(), &Selection::default(), &NoProgress)
        .unwrap();
    assert_eq!((pulled.fetched, pulled.job.as_str()), (6, "41, 42, 43"));
    assert_eq!(server.requests_for("/41/artifacts").len(), 1);
}

#[test]
fn a_job_that_cannot_be_listed_does_not_stop_the_others() {
    let good = pipeline();
    let behind = good.url();
    let server = Server::start(move |request: &Request| match request.path.as_str() {
        path if path.contains("/42/artifacts") => Reply::new(404, ""),
        path => Reply::redirect(&format!("{behind}{path}")),
    });
    let dir = tempfile::tempdir().unwrap();
    let url = format!("circleci://gh/acme/app/workflows/{WORKFLOW}");
    let pulled = open(&url, &server).pull(dir.path(), &Selection::default(), &NoProgress).unwrap();
    assert_eq!((pulled.fetched, pulled.failed.len()), (2, 1));
    assert_eq!(pulled.failed[0].path, "42-test__x_y");
    let listing = open(&url, &server).ls(&Selection::default()).unwrap();
    assert_eq!((listing.runs.len(), listing.warnings[0].path.as_str()), (1, "42-test__x_y"));
}

#[test]
fn ids_of_a_hostile_server_lead_nowhere_else() {
    let server = Server::start(|request: &Request| match request.path.as_str() {
        "/api/v2/project/github/acme/app/pipeline/7" => circle::json(&json!({ "id": "../../me" })),
        _ => circle::json(&json!({ "items": [] })),
    });
    let error = open("circleci://gh/acme/app/pipelines/7", &server).ls(&Selection::default()).unwrap_err();
    assert!(error.to_string().contains("no UUID"), "{error}");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn the_latest_job_by_branch_and_outcome() {
    let server =
        Server::start(|request: &Request| match request.path.split('?').next().unwrap_or_default() {
            "/api/v1.1/project/github/acme/app/latest/artifacts" => {
                old_list(&[(0, "a", here(request, "/f"))])
            }
            _ => file(request, b"x", "\"x\""),
        });
    let dir = tempfile::tempdir().unwrap();
    let store = open("circleci://gh/acme/app/latest?branch=fix/a%20b&filter=failed", &server);
    let pulled = store.pull(dir.path(), &Selection::default(), &NoProgress).unwrap();
    assert_eq!((pulled.fetched, pulled.job.as_str(), pulled.warnings.len()), (1, "latest", 0));
    let asked = &server.requests()[0].path;
    assert!(asked.ends_with("/latest/artifacts?branch=fix%2Fa+b&filter=failed"), "{asked}");

    let any = open("circleci://gh/acme/app/latest", &server).ls(&Selection::default()).unwrap();
    assert!(any.warnings[0].message.contains("latest job of any"), "{:?}", any.warnings);
}

#[test]
fn what_is_pasted_does_not_choose_whom_to_ask() {
    let server = Server::start(|_| list(&[]));
    for url in ["https://app.circleci.com/jobs/github/acme/app/1234", "https://circleci.com/gh/acme/app/1234"]
    {
        open(url, &server).ls(&Selection::default()).unwrap();
    }
    assert_eq!(server.requests_for(LIST).len(), 2);
    let elsewhere = Store::open_with("https://evil.example/gh/acme/app/1", &circle::options(&server.url()));
    let store = elsewhere.unwrap().url();
    assert!(
        store.starts_with("https://evil.example/"),
        "{store}: that of a host nobody configured is no page of CircleCI's"
    );
}
