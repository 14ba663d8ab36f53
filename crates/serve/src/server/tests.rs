use std::io::{Read, Write};
use std::net::TcpStream as Client;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::Instant;

use epitaph_store::StoreOptions;
use tokio::sync::oneshot;

use super::*;
use crate::AccessToken;

/// A server in a thread of its own, which shows a folder.
struct Running {
    address: SocketAddr,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    _dir: tempfile::TempDir,
}

impl Running {
    fn start(limits: Limits, token: Option<&str>, fill: impl FnOnce(&Path)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("out");
        std::fs::create_dir(&root).unwrap();
        std::fs::write(root.join("log.txt"), "content").unwrap();
        fill(&root);
        let source = Source::open(root.to_str().unwrap(), &StoreOptions::default()).unwrap();
        let token = token.map(|token| AccessToken::new(token).unwrap());
        let options = Options { listen: "127.0.0.1:0".into(), token, limits, ..Options::default() };
        let server = Server::bind(source, &options, |_| ()).unwrap();
        let address = server.address();
        let (end, ended) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            server.run_until(async { drop(ended.await) }).unwrap();
        });
        Self { address, end: Some(end), thread: Some(thread), _dir: dir }
    }

    fn connect(&self) -> Client {
        let client = Client::connect(self.address).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        client
    }

    /// Sends a request with these headers, and returns all of the answer.
    fn ask(&self, path: &str, headers: &str) -> String {
        let mut client = self.connect();
        write!(client, "GET {path} HTTP/1.1\r\nConnection: close\r\n{headers}\r\n").unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        answer
    }

    /// How long it takes the server to end.
    fn end(&mut self) -> Duration {
        let started = Instant::now();
        drop(self.end.take());
        self.thread.take().unwrap().join().unwrap();
        started.elapsed()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.end();
        }
    }
}

/// More than the kernel holds of a connection, in bytes.
const HUGE: u64 = 256 << 20;

const LOG: &str = "/artifacts/local/local/out/0/log.txt";

fn quick() -> Limits {
    let moment = Duration::from_millis(200);
    Limits { connections: 2, head: moment, stall: moment, farewell: moment, ..Limits::default() }
}

#[test]
fn a_file_is_answered() {
    let server = Running::start(Limits::default(), None, |_| ());
    let answer = server.ask(LOG, "Host: localhost\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\ncontent"), "{answer}");
    for header in
        ["content-length: 7", "x-content-type-options: nosniff", "content-security-policy: sandbox;"]
    {
        assert!(answer.contains(header), "{answer}");
    }
    let none = server.ask(&format!("{LOG}x"), "Host: localhost\r\n");
    assert!(none.starts_with("HTTP/1.1 404 "), "{none}");
}

#[test]
fn only_known_names_are_answered() {
    let server = Running::start(Limits::default(), None, |_| ());
    for (headers, status) in [
        ("Host: 127.0.0.1:1\r\n", 200),
        ("Host: evil.example\r\n", 421),
        ("Host: localhost\r\nHost: evil.example\r\n", 400),
        ("", 400),
    ] {
        let answer = server.ask(LOG, headers);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{headers}: {answer}");
        assert!(!answer.contains("evil") && (status == 200) == answer.contains("content\n") || status == 200);
    }
    let absolute = server.ask(&format!("http://evil.example{LOG}"), "Host: localhost\r\n");
    assert!(absolute.starts_with("HTTP/1.1 400 "), "{absolute}");
}

#[test]
fn without_the_token_there_is_nothing() {
    let server = Running::start(Limits::default(), Some("sesame"), |_| ());
    for (path, headers) in
        [("/", ""), (LOG, ""), (LOG, "Circle-Token: other\r\n"), ("/x", ""), ("/buildid/aa/x", "")]
    {
        let answer = server.ask(path, &format!("Host: localhost\r\n{headers}"));
        assert!(answer.starts_with("HTTP/1.1 401 ") && !answer.contains("content\n"), "{answer}");
        assert!(answer.contains("www-authenticate: Basic") && !answer.contains("other"), "{answer}");
    }
    for (path, headers) in [(LOG, "Circle-Token: sesame\r\n"), (&format!("{LOG}?circle-token=sesame"), "")] {
        let answer = server.ask(path, &format!("Host: localhost\r\n{headers}"));
        assert!(answer.ends_with("content") && !answer.contains("sesame"), "{answer}");
    }
}

#[test]
fn who_is_slow_is_given_up() {
    let server = Running::start(quick(), None, |root| {
        std::fs::File::create(root.join("huge")).unwrap().set_len(HUGE).unwrap();
    });
    // Two clients take all places: one never ends its request, the other never takes its answer.
    let mut mute = server.connect();
    mute.write_all(b"GET / HTTP/1.1\r\nHost: local").unwrap();
    let mut deaf = server.connect();
    write!(deaf, "GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", LOG.replace("log.txt", "huge")).unwrap();
    let started = Instant::now();
    let answer = server.ask(LOG, "Host: localhost\r\n");
    assert!(answer.ends_with("content") && started.elapsed() < Duration::from_secs(10), "{answer}");
    // It got no more than the kernel holds.
    std::thread::sleep(Duration::from_secs(1));
    let mut rest = Vec::new();
    let _ = deaf.read_to_end(&mut rest);
    assert!((rest.len() as u64) < HUGE / 2, "{}", rest.len());
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let server = Running::start(Limits::default(), None, |_| ());
    let answer = server.ask(LOG, &format!("Host: localhost\r\nX: {}\r\n", "x".repeat(60_000)));
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[test]
fn the_end_comes_soon() {
    let mut server = Running::start(quick(), None, |root| {
        std::fs::File::create(root.join("huge")).unwrap().set_len(HUGE).unwrap();
    });
    let mut idle = server.connect();
    write!(idle, "GET {LOG} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    idle.read_exact(&mut [0; 17]).unwrap();
    let mut busy = server.connect();
    write!(busy, "GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", LOG.replace("log.txt", "huge")).unwrap();
    assert!(server.end() < Duration::from_secs(5));
    assert!(Client::connect(server.address).is_err());
}

#[test]
fn others_are_let_in_only_with_a_token() {
    let dir = tempfile::tempdir().unwrap();
    let bind = |listen: &str, token: Option<&str>| {
        let source = Source::open(dir.path().to_str().unwrap(), &StoreOptions::default()).unwrap();
        let token = token.map(|token| AccessToken::new(token).unwrap());
        Server::bind(source, &Options { listen: listen.into(), token, ..Options::default() }, |_| ())
    };
    assert!(matches!(bind("0.0.0.0:0", None), Err(ServeError::Open { .. })));
    assert!(matches!(bind("[::]:0", None), Err(ServeError::Open { .. })));
    assert!(bind("0.0.0.0:0", Some("secret")).unwrap().url().starts_with("http://127.0.0.1:"));
    assert!(matches!(bind("nonsense", None), Err(ServeError::BadAddress { .. })));
    let first = bind("127.0.0.1:0", None).unwrap();
    let taken = bind(&first.address().to_string(), None).unwrap_err();
    assert!(matches!(taken, ServeError::Listen { .. }) && taken.hint().unwrap().contains("--listen"));
}
