//! The table of faults: each one, on the way up and down, between the real program and a real server.
//!
//! A fault either passes (it hits every third request) and is survived, or it stays and is told, in bounded time. In both
//! cases nothing is lost, and no file has its name before it is whole. With `EPITAPH_TEST_ALL=1` the whole table is tried
//! and printed (`--nocapture`), else a few rows of it.

use std::fmt;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

use super::proxy::{Act, Proxy};
use super::{Server, fill, manifests};
use crate::support::{files, folder, test_all};

/// Two parts of an object store's uploads.
const CORE: usize = (9 << 20) + 5;

/// How long a push or a pull may take under any fault: patience is 3 s and there are 4 attempts.
const LONGEST: Duration = Duration::from_secs(55);

/// What becomes of a transfer.
#[derive(Clone, Copy)]
enum End {
    /// It is done.
    Done,
    /// It fails, and this is told.
    Told(&'static str),
}

/// Which requests are hit.
#[derive(Clone, Copy)]
enum Hits {
    /// Every third one.
    Some,
    All,
    /// All from the so manieth on.
    From(usize),
}

/// What the program talks to.
#[derive(Clone, Copy)]
enum Way {
    /// A proxy before the server.
    Through(Act, Hits),
    /// A port on which nobody listens.
    Refused,
    /// A name that no one has.
    NoSuchHost,
    /// TLS is spoken to something that doesn't.
    NoTls,
}

/// A row of the table.
struct Row {
    name: &'static str,
    way: Way,
    /// What becomes of a push to an object store, of a pull from one, of a push to a web server, and of a pull from one.
    ends: [End; 4],
    /// Whether it is tried in every run of the tests.
    always: bool,
}

const BUSY: Act = Act::Answer(503, "", "");
const BUSY_FOR_A_WHILE: Act = Act::Answer(503, "retry-after: 1\r\n", "");
const TOO_MANY: Act = Act::Answer(429, "retry-after: 1\r\n", "");
const EXPIRED: Act = Act::Answer(
    400,
    "",
    "<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>",
);
const UNAUTHORIZED: Act = Act::Answer(401, "www-authenticate: Bearer\r\n", "");

const fn row(name: &'static str, act: Act, hits: Hits, ends: [End; 4]) -> Row {
    Row { name, way: Way::Through(act, hits), ends, always: false }
}

const SURVIVED: [End; 4] = [End::Done; 4];

const fn told(text: &'static str) -> [End; 4] {
    [End::Told(text); 4]
}

const TABLE: &[Row] = &[
    row("503", BUSY, Hits::Some, SURVIVED),
    row("503 with Retry-After", BUSY_FOR_A_WHILE, Hits::Some, SURVIVED),
    row("503 for ever", BUSY, Hits::All, told("503")),
    row("429 with Retry-After", TOO_MANY, Hits::Some, SURVIVED),
    row("reset before the body", Act::ResetBefore, Hits::Some, SURVIVED),
    row("reset in the body", Act::CutUp(300_000), Hits::Some, SURVIVED),
    Row { always: true, ..row("reset after the body", Act::ResetAfter, Hits::Some, SURVIVED) },
    row("reset for ever", Act::ResetBefore, Hits::All, told("failed")),
    Row { always: true, ..row("silence", Act::Stall, Hits::Some, SURVIVED) },
    row("silence for ever", Act::Stall, Hits::All, told("for 3 s")),
    row("silence in the answer", Act::StallDown(100_000), Hits::Some, SURVIVED),
    row("answer cut short", Act::CutDown(100_000), Hits::Some, SURVIVED),
    row("slow link", Act::Slow(3 << 20), Hits::All, SURVIVED),
    row("length told too long", Act::Lie(7), Hits::Some, SURVIVED),
    row("length told too short", Act::Lie(-7), Hits::Some, SURVIVED),
    row("redirect to itself", Act::Redirect, Hits::All, told("edirect")),
    Row { always: true, ..row("token expires", EXPIRED, Hits::From(4), EXPIRES) },
    row("not authorized from then on", UNAUTHORIZED, Hits::From(4), told("401")),
    Row { name: "connection refused", way: Way::Refused, ends: told("refused"), always: true },
    Row { name: "no such host", way: Way::NoSuchHost, ends: told("no-such-host.invalid"), always: false },
    Row { name: "no TLS", way: Way::NoTls, ends: told("failed"), always: false },
];

/// A web server doesn't say it so.
const EXPIRES: [End; 4] =
    [End::Told("ExpiredToken"), End::Told("ExpiredToken"), End::Told("400"), End::Told("400")];

/// Answers whatever comes with what no one understands.
fn garbage() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let _ = client.read(&mut [0; 1024]);
            let _ = client.write_all(b"220 mail.example ESMTP\r\n");
        }
    });
    address
}

/// Keeps the proxy, if there is one, and says where the store seems to be.
fn way(way: Way, server: &Server) -> (Option<Proxy>, String) {
    match way {
        Way::Through(act, hits) => {
            let proxy = Proxy::start(server.address(), move |_, number| {
                let hit = match hits {
                    Hits::Some => number % 3 == 1,
                    Hits::All => true,
                    Hits::From(first) => number >= first,
                };
                if hit { act } else { Act::Pass }
            });
            let at = proxy.address.to_string();
            (Some(proxy), at)
        }
        // The port of `discard`, which nobody uses any more.
        Way::Refused => (None, "127.0.0.1:9".to_owned()),
        Way::NoSuchHost => (None, "no-such-host.invalid".to_owned()),
        Way::NoTls => (None, format!("https://{}", garbage())),
    }
}

/// Where a web server's store is.
fn url(server: &Server, at: &str) -> String {
    if at.contains("://") && matches!(server, Server::Web(_)) {
        format!("{at}/fleet")
    } else {
        server.url(at)
    }
}

/// What has become of one cell of the table.
struct Cell {
    row: &'static str,
    transfer: &'static str,
    took: Duration,
    end: String,
    wrong: Option<String>,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| {} | {} | {:.1} s | {} |", self.row, self.transfer, self.took.as_secs_f32(), self.end)
    }
}

fn run(row: &Row, end: End, transfer: &'static str, server: &Server, source: &Path, is_pull: bool) -> Cell {
    let direct = server.address().to_string();
    let there = |command: &str| server.epitaph(&direct, command);
    if is_pull {
        there("push").args(["--destination=up"]).arg(source).arg(url(server, &direct)).run().code(0);
    }
    let (proxy, at) = way(row.way, server);
    let back = folder();
    let (begun, command) = (Instant::now(), if is_pull { "pull" } else { "push" });
    let mut line = server.epitaph(&at, command);
    if !is_pull {
        line = line.args(["--destination=up"]).arg(source);
    }
    line = line.arg(url(server, &at));
    let answer = if is_pull { line.arg(back.path()).run() } else { line.run() };
    let took = begun.elapsed();
    drop(proxy);
    let (code, told) = (answer.any_code(), answer.stderr());
    let first = told.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
    let mut wrong = match end {
        End::Done if code != 0 => Some("it is not survived"),
        End::Told(_) if code != 1 => Some("it is not noticed"),
        End::Told(text) if !told.contains(text) => Some("it is not told"),
        _ if took > LONGEST => Some("it takes too long"),
        _ => None,
    };
    let expected = files(source);
    if is_pull {
        let named = files(back.path());
        let named = named.iter().filter(|(path, _)| !path.starts_with(".epitaph-pull"));
        let mut whole =
            named.map(|(path, content)| expected.get(path.strip_prefix("up/").unwrap()) == Some(content));
        if !whole.all(|whole| whole) {
            wrong = Some("a file has its name and isn't whole");
        }
    }
    // Nothing is lost: the same command does it once the fault is gone.
    if !is_pull {
        there("push").args(["--destination=up"]).arg(source).arg(url(server, &direct)).run().code(0);
        let keys = server.keys();
        if manifests(&keys).is_empty() || matches!(server, Server::S3(s3) if !s3.unfinished().is_empty()) {
            wrong = wrong.or(Some("something is left behind or missing"));
        }
    }
    there("pull").arg(url(server, &direct)).arg(back.path()).run().code(0);
    if files(&back.path().join("up")) != expected {
        wrong = wrong.or(Some("something is lost"));
    }
    let wrong = wrong.map(|wrong| format!("{}, {transfer}: {wrong}, after {took:?}\n{answer}", row.name));
    let end = if code == 0 { "done".to_owned() } else { first.to_owned() };
    Cell { row: row.name, transfer, took, end, wrong }
}

#[test]
fn every_fault_is_survived_or_told() {
    let source = folder();
    fill(source.path(), CORE);
    let has_web = Server::web().is_some();
    let rows = TABLE.iter().filter(|row| row.always || test_all());
    let cells: Vec<Cell> = std::thread::scope(|scope| {
        let mut running = Vec::new();
        for row in rows {
            let transfers = [
                ("push s3", false, false),
                ("pull s3", false, true),
                ("push http", true, false),
                ("pull http", true, true),
            ];
            for ((transfer, is_web, is_pull), end) in transfers.into_iter().zip(row.ends) {
                if is_web && !has_web {
                    continue;
                }
                let source = source.path();
                running.push(scope.spawn(move || {
                    let server = if is_web { Server::web().unwrap() } else { Server::s3() };
                    run(row, end, transfer, &server, source, is_pull)
                }));
            }
            // The machine is to be slow for nobody's sake.
            if running.len() % 8 == 0 {
                while running.iter().filter(|cell| !cell.is_finished()).count() > 8 {
                    std::thread::sleep(Duration::from_millis(50));
                }
            }
        }
        running.into_iter().map(|cell| cell.join().unwrap()).collect()
    });
    for cell in &cells {
        println!("{cell}");
    }
    let wrong: Vec<&str> = cells.iter().filter_map(|cell| cell.wrong.as_deref()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
