//! CircleCI on a bad day: outages, broken bodies, impatient and silent servers.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use epitaph_store::{Network, NoProgress, Pulled, Selection, Store, StoreError, StoreOptions};

use crate::support::Log;
use crate::support::circle::{self, content, file, here, is_list, list, range_start, store};
use epitaph_testkit::server::{End, Reply, Request, Server};

const SIZE: usize = 100_000;

/// A server with one artifact, `core`; `answer` gets the number of earlier requests for it.
fn one_file(answer: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> Server {
    let count = AtomicUsize::new(0);
    Server::start(move |request: &Request| {
        if is_list(request) {
            return list(&[(0, "core", here(request, "/files/core"))]);
        }
        answer(request, count.fetch_add(1, Ordering::SeqCst))
    })
}

/// Pulls that artifact, and checks it if it arrived.
fn pull(server: &Server, options: &StoreOptions, log: &Log) -> (tempfile::TempDir, Pulled) {
    let dir = tempfile::tempdir().unwrap();
    let pulled = pull_into(server, options, log, dir.path());
    (dir, pulled)
}

fn pull_into(server: &Server, options: &StoreOptions, log: &Log, dir: &std::path::Path) -> Pulled {
    let options = StoreOptions { circleci_url: Some(server.url()), ..options.clone() };
    let pulled =
        Store::open_with(circle::JOB, &options).unwrap().pull(dir, &Selection::default(), log).unwrap();
    if pulled.failed.is_empty() {
        assert!(fs::read(dir.join("0/core")).unwrap() == content(SIZE), "the file is not what was served");
    } else {
        assert!(!dir.join("0/core").exists(), "an unfinished file has the name of a finished one");
    }
    pulled
}

fn options() -> StoreOptions {
    circle::options("set by the pull")
}

fn impatient(stall: u64, attempts: u32) -> StoreOptions {
    let network = Network { stall_timeout: Duration::from_millis(stall), attempts, ..circle::network() };
    StoreOptions { network, ..options() }
}

#[test]
fn an_outage_passes() {
    let server = one_file(|request, earlier| match earlier {
        0 | 1 => Reply::new(503, "try later"),
        _ => file(request, &content(SIZE), "\"a\""),
    });
    let log = Log::default();
    let (_dir, pulled) = pull(&server, &options(), &log);
    assert_eq!((pulled.fetched, pulled.bytes), (1, SIZE as u64));
    assert_eq!(log.count("retrying 0/core"), 2);
    assert_eq!((log.count("started"), log.count("finished")), (1, 1));
}

#[test]
fn the_list_is_retried_as_well() {
    let count = AtomicUsize::new(0);
    let server = Server::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::new(502, ""),
        1 => Reply::new(200, "[]   ").cut(2, End::Close),
        _ => list(&[]),
    });
    assert!(store(&server.url()).ls(&Selection::default()).is_ok());
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn a_server_that_asks_for_time_gets_it_within_reason() {
    let server = one_file(|request, earlier| match earlier {
        0 => Reply::new(429, "").header("Retry-After", "3600"),
        _ => file(request, &content(SIZE), "\"a\""),
    });
    let log = Log::default();
    let start = Instant::now();
    let (_dir, pulled) = pull(&server, &options(), &log);
    assert_eq!(pulled.fetched, 1);
    assert!(start.elapsed() >= circle::network().longest_retry_after);
    assert!(log.lines().iter().any(|line| line.starts_with("retrying 0/core 1 150: ")), "{:?}", log.lines());
}

#[test]
fn a_body_that_is_cut_short_goes_on_where_it_ended() {
    let server = one_file(|request, earlier| {
        let reply = file(request, &content(SIZE), "\"a\"");
        if earlier < 2 { reply.cut(30_000, End::Close) } else { reply }
    });
    let (_dir, pulled) = pull(&server, &options(), &Log::default());
    assert_eq!((pulled.fetched, pulled.bytes), (1, SIZE as u64), "nothing is transferred twice");
    let requests = server.requests_for("/files/");
    let starts: Vec<Option<usize>> = requests.iter().map(range_start).collect();
    assert_eq!(starts, [None, Some(30_000), Some(60_000)]);
    assert_eq!(requests[1].header("if-range"), Some("\"a\""));
}

#[test]
fn a_date_serves_where_there_is_no_strong_tag() {
    let date = "Sun, 22 Nov 2026 10:00:00 GMT";
    let server = one_file(move |request, earlier| {
        let all = content(SIZE);
        let reply = match range_start(request) {
            Some(start) => Reply::new(206, &all[start..])
                .header("Content-Range", format!("bytes {start}-{}/*", SIZE - 1)),
            None => Reply::new(200, all),
        };
        let reply = reply.header("Last-Modified", date).header("ETag", "W/\"weak\"");
        if earlier == 0 { reply.cut(10, End::Close) } else { reply }
    });
    let (_dir, pulled) = pull(&server, &options(), &Log::default());
    assert_eq!(pulled.bytes, SIZE as u64);
    assert_eq!(server.requests_for("/files/")[1].header("if-range"), Some(date));
}

#[test]
fn a_body_without_tag_or_date_starts_again() {
    let server = one_file(|_, earlier| {
        let reply = Reply::new(200, content(SIZE));
        if earlier == 0 { reply.cut(10, End::Close) } else { reply }
    });
    let (_dir, pulled) = pull(&server, &options(), &Log::default());
    assert_eq!((pulled.fetched, pulled.bytes), (1, SIZE as u64 + 10));
    assert_eq!(server.requests_for("/files/")[1].header("range"), None);
}

#[test]
fn a_server_without_ranges_starts_again() {
    let server = one_file(|_, earlier| {
        let reply = Reply::new(200, content(SIZE)).header("ETag", "\"a\"");
        if earlier == 0 { reply.cut(50_000, End::Close) } else { reply }
    });
    let (_dir, pulled) = pull(&server, &options(), &Log::default());
    assert_eq!((pulled.fetched, pulled.failed.len()), (1, 0));
    assert_eq!(range_start(&server.requests_for("/files/")[1]), Some(50_000));
}

#[test]
fn a_file_that_changed_starts_again() {
    let old = vec![b'o'; SIZE + 1];
    let server = one_file(move |request, earlier| match earlier {
        0 => file(request, &old, "\"old\"").cut(50_000, End::Close),
        _ => file(request, &content(SIZE), "\"new\""),
    });
    let (_dir, pulled) = pull(&server, &options(), &Log::default());
    assert_eq!((pulled.fetched, pulled.failed.len()), (1, 0));
}

#[test]
fn parts_that_do_not_fit_start_again() {
    // Each of these answers a range request; none of them continues the file.
    type Answer = fn() -> Reply;
    let misfits: [Answer; 6] = [
        || Reply::new(206, "x").header("ETag", "\"b\"").header("Content-Range", "bytes 50000-99999/100000"),
        || Reply::new(206, "x").header("ETag", "\"a\"").header("Content-Range", "bytes 40000-99999/100000"),
        || Reply::new(206, "x").header("ETag", "\"a\"").header("Content-Range", "bytes 50000-99999/200000"),
        || Reply::new(206, "x").header("ETag", "\"a\"").header("Content-Range", "nonsense"),
        || Reply::new(206, "x").header("ETag", "\"a\""),
        || Reply::new(416, "").header("Content-Range", "bytes */10"),
    ];
    for (index, misfit) in misfits.into_iter().enumerate() {
        let server = one_file(move |request, earlier| match earlier {
            0 => file(request, &content(SIZE), "\"a\"").cut(50_000, End::Close),
            1 => misfit(),
            _ => file(request, &content(SIZE), "\"a\""),
        });
        let (_dir, pulled) = pull(&server, &options(), &Log::default());
        assert_eq!((pulled.fetched, pulled.failed.len()), (1, 0), "case {index}");
        let requests = server.requests_for("/files/");
        assert_eq!((requests.len(), requests[2].header("range")), (3, None), "case {index}");
    }
}

#[test]
fn a_part_that_nobody_asked_for_is_refused() {
    let server = one_file(|_, _| Reply::new(206, "x").header("Content-Range", "bytes 0-0/100000"));
    let (_dir, pulled) = pull(&server, &options(), &Log::default());
    assert!(matches!(pulled.failed[0].error, StoreError::BadAnswer { .. }), "{:?}", pulled.failed);
    assert_eq!(server.requests_for("/files/").len(), 1);
}

#[test]
fn a_silent_server_is_left_and_asked_again() {
    let server = one_file(|request, earlier| {
        let reply = file(request, &content(SIZE), "\"a\"");
        if earlier == 0 { reply.cut(70_000, End::Stall) } else { reply }
    });
    let log = Log::default();
    let (_dir, pulled) = pull(&server, &impatient(200, 3), &log);
    assert_eq!((pulled.fetched, pulled.bytes), (1, SIZE as u64));
    assert!(log.lines().iter().any(|line| line.contains("sent nothing for 0.2 s")), "{:?}", log.lines());
}

#[test]
fn a_server_that_stays_silent_fails_one_file_only() {
    let server = Server::start(|request: &Request| match request.path.as_str() {
        _ if is_list(request) => {
            list(&[(0, "silent", here(request, "/silent")), (0, "core", here(request, "/core"))])
        }
        "/silent" => Reply::new(200, "never").cut(0, End::Stall),
        _ => file(request, &content(SIZE), "\"a\""),
    });
    let start = Instant::now();
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions { circleci_url: Some(server.url()), ..impatient(100, 2) };
    let store = Store::open_with(circle::JOB, &options).unwrap();
    let log = Log::default();
    let pulled = store.pull(dir.path(), &Selection::default(), &log).unwrap();
    assert_eq!((pulled.fetched, pulled.failed.len()), (1, 1));
    assert_eq!(pulled.failed[0].path, "0/silent");
    assert!(matches!(pulled.failed[0].error, StoreError::Stalled { .. }));
    assert!(pulled.failed[0].error.hint().unwrap().contains("goes on"));
    assert!(start.elapsed() < Duration::from_secs(4));
    assert_eq!((log.count("started"), log.count("finished"), log.count("failed")), (2, 1, 1));
}

#[test]
fn a_second_pull_goes_on_where_the_first_was_interrupted() {
    let server = one_file(|request, earlier| {
        let reply = file(request, &content(SIZE), "\"a\"");
        if earlier == 0 { reply.cut(80_000, End::Close) } else { reply }
    });
    let dir = tempfile::tempdir().unwrap();
    let first = pull_into(&server, &impatient(5000, 1), &Log::default(), dir.path());
    assert_eq!((first.fetched, first.failed.len()), (0, 1));
    assert!(first.failed[0].error.hint().is_some());

    let log = Log::default();
    let second = pull_into(&server, &options(), &log, dir.path());
    assert_eq!((second.fetched, second.bytes), (1, 20_000));
    assert_eq!(range_start(&server.requests_for("/files/")[1]), Some(80_000));
    assert_eq!(log.lines()[1..3], ["started 0/core Some(100000)", "advanced 0/core 80000 Some(100000)"]);

    let third = pull_into(&server, &options(), &Log::default(), dir.path());
    assert_eq!((third.fetched, third.present), (0, 1));
    assert_eq!(server.requests_for("/files/").len(), 2);
}

#[test]
fn what_came_from_another_url_is_not_continued() {
    let count = AtomicUsize::new(0);
    let server = Server::start(move |request: &Request| {
        if is_list(request) {
            let url = format!("/files/{}", count.fetch_add(1, Ordering::SeqCst));
            return list(&[(0, "core", here(request, &url))]);
        }
        // Two files of one tag: nothing in the answers tells them apart.
        match request.path.as_str() {
            "/files/0" => file(request, &vec![b'o'; SIZE], "\"a\"").cut(80_000, End::Close),
            _ => file(request, &content(SIZE), "\"a\""),
        }
    });
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(pull_into(&server, &impatient(5000, 1), &Log::default(), dir.path()).failed.len(), 1);
    assert_eq!(pull_into(&server, &options(), &Log::default(), dir.path()).bytes, SIZE as u64);
}

#[test]
fn a_transfer_that_moves_on_is_not_given_up() {
    let all = content(5 << 20);
    let expected = all.clone();
    let server = Server::start(move |request: &Request| {
        if is_list(request) {
            return list(&[(0, "big", here(request, "/big"))]);
        }
        file(request, &all, "\"a\"").cut(1_200_000, End::Close)
    });
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions { circleci_url: Some(server.url()), ..impatient(5000, 2) };
    let store = Store::open_with(circle::JOB, &options).unwrap();
    let pulled = store.pull(dir.path(), &Selection::default(), &NoProgress).unwrap();
    assert_eq!(pulled.bytes, expected.len() as u64, "{:?}", pulled.failed);
    assert!(fs::read(dir.path().join("0/big")).unwrap() == expected);
}

#[test]
fn a_body_without_length_is_taken_as_it_is() {
    let server = one_file(|_, _| Reply::new(200, content(SIZE)).unannounced());
    let (_dir, pulled) = pull(&server, &options(), &Log::default());
    assert_eq!(pulled.bytes, SIZE as u64);
}

#[test]
fn an_empty_file() {
    let server = Server::start(|request: &Request| {
        if is_list(request) {
            list(&[(0, "empty", here(request, "/empty"))])
        } else {
            file(request, b"", "\"e\"")
        }
    });
    let dir = tempfile::tempdir().unwrap();
    for present in [0, 1] {
        let pulled = store(&server.url()).pull(dir.path(), &Selection::default(), &NoProgress).unwrap();
        assert_eq!((pulled.failed.len(), pulled.present), (0, present));
    }
    assert_eq!(fs::read(dir.path().join("0/empty")).unwrap(), b"");
}

#[test]
fn a_server_that_always_cuts_is_given_up() {
    let server = one_file(|_, _| Reply::new(200, content(SIZE)).cut(10, End::Close));
    let (_dir, pulled) = pull(&server, &impatient(5000, 3), &Log::default());
    assert_eq!((pulled.fetched, pulled.failed.len()), (0, 1));
    assert_eq!(server.requests_for("/files/").len(), 3);
}

#[test]
fn a_dead_server() {
    let address = Server::start(|_| list(&[])).url();
    // The server is gone by now, and its port closed.
    thread::sleep(Duration::from_millis(50));
    let error = store(&address).ls(&Selection::default()).unwrap_err();
    assert!(matches!(&error, StoreError::Network { url, .. } if url.starts_with(&address)), "{error:?}");
    assert!(error.hint().is_some());
}
