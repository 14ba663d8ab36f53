//! CircleCI as an enemy would play it: where tokens must not go, where files must not be written.

use std::error::Error;
use std::fs;

use epitaph_store::{NoProgress, Selection, StoreError};

use crate::support::circle::{TOKEN, file, here, is_list, list, store};
use crate::support::texts;
use epitaph_testkit::server::{Reply, Request, Server};

/// A server that serves every path, and must never see a secret.
fn stranger() -> Server {
    Server::start(|request: &Request| file(request, b"from elsewhere", "\"s\""))
}

fn assert_no_secret_at(server: &Server) {
    assert!(!server.requests().is_empty());
    for request in server.requests() {
        assert!(!format!("{request:?}").contains(TOKEN), "{request:?}");
        assert_eq!(request.header("circle-token"), None);
        assert_eq!(request.header("authorization"), None);
        assert_eq!(request.header("referer"), None);
        assert_eq!(request.header("cookie"), None);
    }
}

/// An error as a person or a log would see it, with all its causes.
fn told(error: &StoreError) -> String {
    let mut told = vec![format!("{error} {error:?} {:?}", error.hint())];
    let mut next = error.source();
    while let Some(error) = next {
        told.push(format!("{error} {error:?}"));
        next = error.source();
    }
    told.join(" ")
}

#[test]
fn the_token_does_not_follow_a_redirect() {
    let stranger = stranger();
    let elsewhere = stranger.url();
    let with_user = elsewhere.replace("http://", "http://user:password@");
    let server = Server::start(move |request: &Request| match request.path.as_str() {
        _ if is_list(request) => list(&[
            (0, "direct", here(request, "/direct")),
            (0, "chain", here(request, "/chain")),
            (0, "user", here(request, "/user")),
            (0, "foreign", format!("{elsewhere}/foreign")),
        ]),
        "/direct" => Reply::redirect(&format!("{elsewhere}/direct?X-Amz-Signature=1")),
        "/chain" => Reply::redirect("/chain/2").header("Set-Cookie", "a=b"),
        "/chain/2" => Reply::redirect(&format!("{elsewhere}/chain")),
        "/user" => Reply::redirect(&format!("{with_user}/user")),
        _ => Reply::new(404, ""),
    });
    let dir = tempfile::tempdir().unwrap();
    let pulled = store(&server.url()).pull(dir.path(), &Selection::default(), &NoProgress).unwrap();
    assert!(pulled.failed.is_empty(), "{:?}", pulled.failed);
    let names = ["0/chain", "0/direct", "0/foreign", "0/user"];
    assert_eq!(texts(dir.path()), names.map(|name| (name.to_owned(), "from elsewhere".to_owned())).into());
    assert_no_secret_at(&stranger);
    assert_eq!(stranger.requests().len(), 4);
    assert!(server.requests().iter().all(|request| request.header("circle-token") == Some(TOKEN)));
}

#[test]
fn the_list_may_be_redirected_without_the_token() {
    let list_of_none = Server::start(|_| list(&[]));
    let elsewhere = list_of_none.url();
    let server = Server::start(move |_| Reply::redirect(&format!("{elsewhere}/list")));
    store(&server.url()).ls(&Selection::default()).unwrap();
    assert_no_secret_at(&list_of_none);
}

#[test]
fn redirects_end() {
    let server = Server::start(|request: &Request| Reply::redirect(&format!("{}x", request.path)));
    let error = store(&server.url()).ls(&Selection::default()).unwrap_err();
    assert!(matches!(error, StoreError::Redirect { .. }), "{error}");
    assert_eq!(server.requests().len(), 11);

    let server = Server::start(|_| Reply::redirect("file:///etc/passwd"));
    let error = store(&server.url()).ls(&Selection::default()).unwrap_err();
    assert!(error.to_string().contains("away from the web"), "{error}");
}

#[test]
fn refusals_come_with_hints_and_without_secrets() {
    for (status, hint) in [(401, "CIRCLE_TOKEN"), (403, "CIRCLE_TOKEN"), (404, "job number")] {
        let server = Server::start(move |_| Reply::new(status, r#"{"message":"no"}"#));
        let error = store(&server.url()).ls(&Selection::default()).unwrap_err();
        assert!(matches!(error, StoreError::Status { status: got, token_sent: true, .. } if got == status));
        assert!(error.hint().unwrap().contains(hint), "{:?}", error.hint());
        assert!(!told(&error).contains(TOKEN));
        assert_eq!(server.requests().len(), 2, "once by either API: what is refused is not asked again");
    }
}

#[test]
fn signed_urls_are_secrets_too() {
    let server = Server::start(|request: &Request| match request.path.as_str() {
        _ if is_list(request) => list(&[
            (0, "refused", here(request, "/a?signature=SIGNED")),
            (0, "dead", "http://user:SIGNED@127.0.0.1:1/b?signature=SIGNED".to_owned()),
            (0, "bad", "http://[SIGNED".to_owned()),
        ]),
        _ => Reply::new(403, ""),
    });
    let dir = tempfile::tempdir().unwrap();
    let pulled = store(&server.url()).pull(dir.path(), &Selection::default(), &NoProgress).unwrap();
    assert_eq!(pulled.failed.len(), 3);
    for failed in &pulled.failed {
        let told = told(&failed.error);
        assert!(!told.contains("SIGNED") && !told.contains(TOKEN), "{told}");
    }
    for (path, content) in texts(&dir.path().join(".epitaph-pull")) {
        assert!(!content.contains("SIGNED"), "{path}: {content}");
    }
}

#[test]
fn answers_that_are_no_list() {
    for body in ["", "<html>", "{\"message\":\"x\"}", "[{\"path\":\"a\"}]", "[[[[", "[1,2", "null"] {
        let server = Server::start(move |_| Reply::new(200, body));
        let error = store(&server.url()).ls(&Selection::default()).unwrap_err();
        assert!(matches!(error, StoreError::BadAnswer { .. }), "{body}: {error}");
        assert!(error.to_string().contains("/api/v2/project/github/acme/app/1234/artifacts"), "{error}");
        assert!(!told(&error).contains(TOKEN));
    }
}

#[test]
fn a_list_without_end() {
    let server = Server::start(|_| Reply::new(200, vec![b' '; (64 << 20) + 1]).unannounced());
    let error = store(&server.url()).ls(&Selection::default()).unwrap_err();
    assert!(error.to_string().contains("longer than 67108864 bytes"), "{error}");
}

#[test]
fn files_stay_in_the_target() {
    let server = Server::start(|request: &Request| {
        if !is_list(request) {
            return file(request, b"x", "\"x\"");
        }
        let paths = [
            "../../up",
            "/etc/absolute",
            "a/../../up",
            "",
            "a//b",
            "good",
            "nul\0",
            "%2e%2e/good",
            r"..\back",
            ".",
        ];
        list(&paths.map(|path| (0, path, here(request, "/file"))))
    });
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("deep/target");
    let pulled = store(&server.url()).pull(&target, &Selection::default(), &NoProgress).unwrap();
    assert_eq!(pulled.fetched, 3);
    let found: Vec<String> = texts(dir.path()).into_keys().collect();
    assert_eq!(found, ["deep/target/0/%2e%2e/good", "deep/target/0/..%5Cback", "deep/target/0/good"]);
    assert_eq!(pulled.failed.len(), 7);
    assert!(pulled.failed.iter().all(|failed| matches!(failed.error, StoreError::UnsafePath { .. })));
    assert_eq!(server.requests_for("/file").len(), 3, "what can't be kept is not fetched");
}

#[test]
fn links_in_the_target_are_not_followed() {
    let server = Server::start(|request: &Request| {
        if is_list(request) {
            list(&[
                (0, "link/file", here(request, "/a")),
                (1, "file", here(request, "/b")),
                (2, "x", here(request, "/c")),
            ])
        } else {
            file(request, b"new", "\"x\"")
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let (target, outside) = (dir.path().join("target"), dir.path().join("outside"));
    fs::create_dir_all(target.join("0")).unwrap();
    fs::create_dir_all(&outside).unwrap();
    fs::write(outside.join("file"), "precious").unwrap();
    std::os::unix::fs::symlink(&outside, target.join("0/link")).unwrap();
    std::os::unix::fs::symlink(&outside, target.join("1")).unwrap();
    let pulled = store(&server.url()).pull(&target, &Selection::default(), &NoProgress).unwrap();
    assert_eq!((pulled.fetched, pulled.failed.len()), (1, 2));
    assert_eq!(texts(&outside), [("file".to_owned(), "precious".to_owned())].into());
}

#[test]
fn what_is_listed_twice_is_fetched_once_or_under_two_names() {
    let server = Server::start(|request: &Request| {
        if is_list(request) {
            let listed = ["/1", "/1", "/2"].map(|url| (0, "a", here(request, url)));
            list(&listed)
        } else {
            file(request, request.path.as_bytes(), "\"x\"")
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let pulled = store(&server.url()).pull(dir.path(), &Selection::default(), &NoProgress).unwrap();
    assert_eq!((pulled.fetched, pulled.failed.len()), (2, 0));
    let expected = [("0/a", "/1"), ("0/a.1", "/2")].map(|(path, text)| (path.to_owned(), text.to_owned()));
    assert_eq!(texts(dir.path()), expected.into());
    assert_eq!(pulled.warnings[0].message, "it is kept as 0/a.1");
}

#[test]
fn names_that_no_file_can_have() {
    let long = "x".repeat(5000);
    let listed = long.clone();
    let server = Server::start(move |request: &Request| {
        if is_list(request) {
            list(
                &[&listed, "a\u{1b}[31m", "deep/".repeat(2000).as_str()]
                    .map(|path| (0, path, here(request, "/f"))),
            )
        } else {
            file(request, b"x", "\"x\"")
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let pulled = store(&server.url()).pull(dir.path(), &Selection::default(), &NoProgress).unwrap();
    assert_eq!((pulled.fetched, pulled.failed.len(), pulled.warnings.len()), (2, 1, 2));
    let found: Vec<String> = texts(dir.path()).into_keys().collect();
    assert_eq!(found[0], "0/a%1B[31m");
    assert!(found[1].starts_with("0/xxx") && found[1].len() < 255, "{found:?}");
    assert!(pulled.warnings[0].message.ends_with(&found[1]), "{:?}", pulled.warnings);
}
