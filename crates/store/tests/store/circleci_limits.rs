//! Where patience ends: lists without end, tokens that expire, storms of refusals, and servers that drip.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use epitaph_store::{Failed, Network, NoProgress, Pulled, Selection, Store, StoreError, StoreOptions, Token};

use crate::support::Log;
use crate::support::circle::{self, TOKEN, content, file, here, is_list, list, page};
use epitaph_testkit::server::{End, Reply, Request, Server};

fn names(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("f{index:03}")).collect()
}

/// A server with so many artifacts; `answer` gets the number of earlier requests for any of them.
fn many(count: usize, answer: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> Server {
    let earlier = AtomicUsize::new(0);
    Server::start(move |request: &Request| {
        if is_list(request) {
            let names = names(count);
            let listed: Vec<_> =
                names.iter().map(|name| (0, name.as_str(), here(request, &format!("/f/{name}")))).collect();
            return list(&listed);
        }
        answer(request, earlier.fetch_add(1, Ordering::SeqCst))
    })
}

fn pull(server: &Server, options: StoreOptions, dir: &std::path::Path) -> Pulled {
    let options = StoreOptions { circleci_url: Some(server.url()), ..options };
    Store::open_with(circle::JOB, &options).unwrap().pull(dir, &Selection::default(), &NoProgress).unwrap()
}

#[test]
fn pages_that_go_round_in_a_circle() {
    let server = Server::start(|request: &Request| {
        let next = if request.path.ends_with("=b") { "a" } else { "b" };
        page(&[(0, "a", here(request, "/f"))], Some(next))
    });
    let error = circle::store(&server.url()).ls(&Selection::default()).unwrap_err();
    assert!(error.to_string().contains("round in a circle"), "{error}");
    assert!(server.requests().len() <= 4);
}

#[test]
fn pages_without_end() {
    let count = AtomicUsize::new(0);
    // Each a little longer than a tenth of what is taken in all.
    let server = Server::start(move |_| {
        let number = count.fetch_add(1, Ordering::SeqCst);
        let text = format!(r#"{{"items":[],"next_page_token":"{number}"}}{}"#, " ".repeat(7 << 20));
        Reply::new(200, text)
    });
    let error = circle::store(&server.url()).ls(&Selection::default()).unwrap_err();
    assert!(matches!(error, StoreError::BadAnswer { .. }), "{error}");
    assert!(server.requests().len() <= 11, "{}", server.requests().len());
}

#[test]
fn a_token_that_expires_halfway() {
    let fresh = "a-fresh-token";
    let server = many(40, move |request, earlier| match request.header("circle-token") {
        Some(token) if token == fresh => file(request, b"x", "\"x\""),
        Some(TOKEN) if earlier < 10 => file(request, b"x", "\"x\""),
        _ => Reply::new(401, r#"{"message":"You must log in first."}"#),
    });
    let dir = tempfile::tempdir().unwrap();
    let first = pull(&server, circle::options(""), dir.path());
    assert_eq!((first.fetched, first.failed.len()), (10, 30));
    let refused =
        first.failed.iter().filter(|failed| matches!(failed.error, StoreError::Status { .. })).count();
    assert!((1..=4).contains(&refused), "{refused}");
    assert!(server.requests_for("/f/").len() <= 14, "what is refused once is not asked for thirty times");
    let left =
        first.failed.iter().find(|failed| matches!(failed.error, StoreError::NotAskedFor { .. })).unwrap();
    assert!(left.error.to_string().contains("the token was refused before"));

    let options = StoreOptions { circleci_token: Some(Token::new(fresh).unwrap()), ..circle::options("") };
    let second = pull(&server, options, dir.path());
    assert_eq!((second.fetched, second.present, second.failed.len()), (30, 10, 0));
    assert_eq!(fs::read_dir(dir.path().join("0")).unwrap().count(), 40);
}

#[test]
fn a_storm_of_refusals_is_sat_out_for_a_while_only() {
    let server = many(300, |_, _| Reply::new(429, "").header("Retry-After", "3600"));
    let dir = tempfile::tempdir().unwrap();
    let network = Network { attempts: 3, ..circle::network() };
    let start = Instant::now();
    let pulled = pull(&server, StoreOptions { network, ..circle::options("") }, dir.path());
    assert_eq!((pulled.fetched, pulled.failed.len()), (0, 300));
    // Four at once, three times each; the ones that began meanwhile end with them.
    assert!(server.requests_for("/f/").len() <= 21, "{}", server.requests_for("/f/").len());
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    // Those that were being tried end after the others were given up.
    let given_up = |failed: &&Failed| failed.error.to_string().contains("several times in a row");
    assert!(pulled.failed.iter().filter(given_up).count() >= 290, "{:?}", pulled.failed);
}

#[test]
fn a_storm_that_passes_costs_nothing() {
    let server = many(30, |request, earlier| match earlier {
        5..12 => Reply::new(429, "").header("Retry-After", "0"),
        _ => file(request, b"x", "\"x\""),
    });
    let dir = tempfile::tempdir().unwrap();
    let pulled = pull(&server, circle::options(""), dir.path());
    assert_eq!((pulled.fetched, pulled.failed.len()), (30, 0));
}

#[test]
fn a_server_that_breaks_late_and_knows_no_ranges_is_given_up() {
    // Each attempt brings more than what counts as progress, and nothing that was not there before.
    let all = content(3 << 20);
    let server = many(1, move |_, _| Reply::new(200, all.clone()).cut(2 << 20, End::Close));
    let dir = tempfile::tempdir().unwrap();
    let network = Network { attempts: 3, ..circle::network() };
    let pulled = pull(&server, StoreOptions { network, ..circle::options("") }, dir.path());
    assert!(matches!(pulled.failed[0].error, StoreError::Network { .. }), "{:?}", pulled.failed);
    assert!(server.requests_for("/f/").len() <= 4, "{}", server.requests_for("/f/").len());
}

#[test]
fn a_length_that_is_a_lie_is_no_whole_file() {
    let server = many(1, |_, _| Reply::new(200, content(1000)).cut(999, End::Close).header("ETag", "\"a\""));
    let dir = tempfile::tempdir().unwrap();
    let network = Network { attempts: 2, ..circle::network() };
    let pulled = pull(&server, StoreOptions { network, ..circle::options("") }, dir.path());
    assert_eq!((pulled.fetched, pulled.failed.len()), (0, 1));
    assert!(!dir.path().join("0/f000").exists());
}

#[test]
fn a_server_that_drips_is_left() {
    // The testkit's server sends a body at once: this one sends a byte of it now and then.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let drip = format!("http://{}/f", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                // A client takes no answer to what it hasn't asked yet.
                let asked = BufReader::new(stream.try_clone().unwrap()).lines();
                let _ = asked.map_while(Result::ok).find(String::is_empty);
                let _ =
                    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\nETag: \"d\"\r\n\r\n");
                while stream.write_all(b"x").is_ok() {
                    thread::sleep(Duration::from_millis(30));
                }
            });
        }
    });
    let server = Server::start(move |_| list(&[(0, "core", drip.clone())]));
    let network = Network { attempts: 2, stall_timeout: Duration::from_millis(200), ..circle::network() };
    let options = StoreOptions { network, ..circle::options(&server.url()) };
    let (log, dir) = (Log::default(), tempfile::tempdir().unwrap());
    let start = Instant::now();
    let store = Store::open_with(circle::JOB, &options).unwrap();
    let pulled = store.pull(dir.path(), &Selection::default(), &log).unwrap();
    assert!(matches!(pulled.failed[0].error, StoreError::TooSlow { .. }), "{:?}", pulled.failed);
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(log.count("retrying"), 1);
}
