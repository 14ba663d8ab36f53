//! Every fault of the way, once at each request and at every request for ever: a transfer ends well, or with a message and a
//! status; in time; nothing half is taken for whole; and the next attempt over a good way finishes it.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::elsewhere::Elsewhere;
use super::fault::Fault;
use super::proxy::{Act, Proxy};
use super::rows::End::{self, Either, Never, Told, Well};
use super::rows::When::{self, Ever, Halfway, Once};
use super::rows::rows;
use super::{Server, fill, manifests};
use crate::support::{Answer, files, folder, test_all};

/// Two parts of an object store's uploads. On the slow link, each takes longer than a server may be silent.
const CORE: usize = (9 << 20) + 5;

/// A push or a pull takes so long at most, and so much longer with each fault that it meets: two seconds of silence, and the
/// wait before another attempt. That leaves room for a busy machine.
const LONGEST: Duration = Duration::from_secs(20);
const LONGEST_FAULT: Duration = Duration::from_secs(4);

/// So many requests get through before a token expires: of a push and of a pull that is amid their content.
const HALFWAY: usize = 3;

/// Faults that are tried at once: most of their time is waiting.
const AT_ONCE: usize = 4;

/// A way that is bad when it is to be, until it is mended. Only what has content can have wrong content.
struct Way {
    address: String,
    mended: Arc<AtomicBool>,
    faults: Arc<AtomicU32>,
}

impl Way {
    fn to(server: &Server, fault: Fault, when: When) -> Way {
        let seen = Mutex::new(HashSet::new());
        let mended = Arc::<AtomicBool>::default();
        let faults = Arc::<AtomicU32>::default();
        let (good, met) = (Arc::clone(&mended), Arc::clone(&faults));
        let proxy = Proxy::start(server.address(), move |what, number| {
            let concerned = match fault {
                Fault::WrongUp => what.starts_with("PUT ") && is_content(what),
                Fault::WrongDown => what.starts_with("GET ") && is_content(what),
                _ => true,
            };
            let bad = match when {
                Ever => true,
                Once if fault.waits() => seen.lock().unwrap().insert(kind(what)),
                Once => seen.lock().unwrap().insert(what.to_owned()),
                Halfway => number >= HALFWAY,
            };
            if !concerned || !bad || good.load(Ordering::SeqCst) {
                return Act::Pass;
            }
            met.fetch_add(1, Ordering::SeqCst);
            Act::Fail(fault)
        });
        Way { address: proxy.address.to_string(), mended, faults }
    }

    /// How long a transfer over it may take.
    fn longest(&self) -> Duration {
        LONGEST + LONGEST_FAULT * self.faults.load(Ordering::SeqCst)
    }

    fn mend(&self) {
        self.mended.store(true, Ordering::SeqCst);
    }
}

/// What kind of request it is: its method, the store's folder, and what is asked of it.
fn kind(what: &str) -> String {
    let (path, query) = what.split_once('?').unwrap_or((what, ""));
    let asked: Vec<_> = query.split('&').filter_map(|item| item.split('=').next()).collect();
    let path: Vec<_> = path.split('/').filter(|part| *part != "crashes").take(3).collect();
    format!("{}?{}", path.join("/"), asked.join("&"))
}

/// Whether a request is for content, and not for a manifest.
fn is_content(what: &str) -> bool {
    what.contains("/blobs/") || what.contains("/incoming/")
}

/// What is told of a fault, and what was wrong.
#[derive(Default)]
struct Row {
    cells: Vec<String>,
    wrong: Vec<String>,
}

impl Row {
    /// Checks an answer, and notes it.
    fn note(&mut self, what: &str, answer: &Answer, (took, longest): (Duration, Duration), expected: End) {
        let told = answer.stderr();
        let error = told.lines().find(|line| line.starts_with("error:")).unwrap_or_default().to_owned();
        let code = answer.any_code();
        let says =
            |texts: &[&str]| code == 1 && !error.is_empty() && texts.iter().any(|text| told.contains(text));
        let right = match expected {
            Well => code == 0,
            Told(texts) => says(texts),
            Either(texts) => code == 0 || says(texts),
            Never => true,
        };
        let cell = if code == 0 { "done".to_owned() } else { format!("status {code}: {error}") };
        self.cells.push(format!("{cell} ({:.1} s)", took.as_secs_f32()));
        if !right {
            self.wrong.push(format!("{what} should end {expected:?}: {answer}"));
        }
        if took > longest {
            self.wrong.push(format!("{what} took {took:?}: {answer}"));
        }
    }
}

/// Tries a fault on one server, and returns its row.
fn try_fault(server: &Server, source: &Path, (fault, when, up, down): (Fault, When, End, End)) -> Row {
    if fault == Fault::WrongUp && matches!(server, Server::Web(_)) {
        return try_unchecked(server, source);
    }
    let (expected, place, back) = (files(source), folder(), folder());
    let direct = server.address().to_string();
    let mut row = Row::default();
    if up == Never {
        row.cells.push("–".to_owned());
        let push = server.impatient(&direct, "push").arg("--destination=up").arg(source);
        push.arg(server.url(&direct)).run().code(0);
    } else {
        let way = Way::to(server, fault, when);
        let spool = place.path().join("spool");
        let begun = Instant::now();
        let push = server.impatient(&way.address, "push").args(["--destination=up", "--spool"]).arg(&spool);
        let answer = push.arg(source).arg(server.url(&way.address)).run();
        row.note("push", &answer, (begun.elapsed(), way.longest()), up);
        let arrived = answer.any_code() == 0;
        row.wrong.extend(half_pushed(&server.keys(), &expected));
        way.mend();
        let resume = server.impatient(&way.address, "push").args(["--resume", "--spool"]).arg(&spool);
        let answer = resume.arg(server.url(&way.address)).run().code(0);
        if arrived != answer.stderr().contains("0 pushes") {
            row.wrong.push(format!("the spool after a push that should end {up:?}: {answer}"));
        }
    }
    row.wrong.extend(half_pushed(&server.keys(), &expected));
    if down == Never {
        row.cells.push("–".to_owned());
    } else {
        let way = Way::to(server, fault, when);
        let begun = Instant::now();
        let pull = server.impatient(&way.address, "pull").arg(server.url(&way.address)).arg(back.path());
        let answer = pull.run();
        row.note("pull", &answer, (begun.elapsed(), way.longest()), down);
        row.wrong.extend(half_pulled(back.path(), &expected));
    }
    server.impatient(&direct, "pull").arg(server.url(&direct)).arg(back.path()).run().code(0);
    if files(&back.path().join("up")) != expected {
        row.wrong.push("what was pulled over a good way differs".to_owned());
    }
    row
}

/// A web server checks nothing, so that wrong bytes which the way lets through are found by who pulls them.
fn try_unchecked(server: &Server, source: &Path) -> Row {
    let (direct, back, mut row) = (server.address().to_string(), folder(), Row::default());
    let way = Way::to(server, Fault::WrongUp, Once);
    let begun = Instant::now();
    let push = server.impatient(&way.address, "push").arg("--destination=up").arg(source);
    let answer = push.arg(server.url(&way.address)).run();
    row.note("push", &answer, (begun.elapsed(), way.longest()), Well);
    let begun = Instant::now();
    let pull = server.impatient(&direct, "pull").arg(server.url(&direct)).arg(back.path()).run();
    row.note("pull", &pull, (begun.elapsed(), LONGEST), Told(&["damaged in the store"]));
    row.wrong.extend(half_pulled(back.path(), &files(source)));
    row
}

/// What has its name after a pull, and not its content.
fn half_pulled(target: &Path, expected: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let mut pulled = files(target);
    pulled.retain(|path, content| {
        path.strip_prefix("up/").is_some_and(|path| expected.get(path) != Some(content))
    });
    pulled.into_keys().map(|path| format!("{path} was pulled in part")).collect()
}

/// What a store names, and hasn't got whole.
fn half_pushed(keys: &BTreeMap<String, Vec<u8>>, expected: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let mut wrong = Vec::new();
    for manifest in manifests(keys) {
        // An index has none.
        for artifact in manifest["artifacts"].as_array().into_iter().flatten() {
            let (path, sum) = (artifact["path"].as_str().unwrap(), artifact["sha256"].as_str().unwrap());
            let there = keys.get(&format!("blobs/sha256/{}/{sum}", &sum[..2]));
            if there != expected.get(path.strip_prefix("up/").unwrap()) {
                wrong.push(format!("the store names {path} and hasn't got it"));
            }
            if path.ends_with("summary.json") && !keys.keys().any(|key| key.starts_with("summaries/")) {
                wrong.push("no query finds the summary".to_owned());
            }
        }
    }
    wrong
}

/// Tries faults, several at once, and prints the table.
fn survives(name: &str, start: impl Fn() -> Server + Sync, wanted: impl Fn(&Fault, When) -> bool) {
    let (source, other) = (folder(), Elsewhere::start());
    fill(source.path(), CORE);
    let rows: Vec<_> = rows(other.address)
        .into_iter()
        .filter(|(fault, when, ..)| test_all() || wanted(fault, *when))
        .collect();
    let mut table = format!("|{name}: fault|when|push|pull|\n|--|--|--|--|\n");
    let mut wrong = Vec::new();
    for some in rows.chunks(AT_ONCE) {
        let tried: Vec<Row> = thread::scope(|scope| {
            let (start, source) = (&start, source.path());
            let tries: Vec<_> =
                some.iter().map(|row| scope.spawn(move || try_fault(&start(), source, *row))).collect();
            tries.into_iter().map(|tried| tried.join().unwrap()).collect()
        });
        for ((fault, when, ..), row) in some.iter().zip(tried) {
            writeln!(table, "|{fault:?}|{when:?}|{}|", row.cells.join("|")).unwrap();
            wrong.extend(row.wrong.into_iter().map(|wrong| format!("{fault:?} {when:?}: {wrong}")));
        }
    }
    if test_all() {
        // The table is a result of its own.
        std::io::stdout().write_all(table.as_bytes()).unwrap();
    }
    assert!(wrong.is_empty(), "{table}\n{}", wrong.join("\n"));
    let told: Vec<String> = other.heard().into_iter().filter(|line| tells_who_asks(line)).collect();
    assert_eq!(told, [""; 0]);
}

/// Whether a line of a request's head holds a secret.
fn tells_who_asks(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    line.starts_with("authorization:") || line.contains("sesame") || line.contains("signature")
}

#[test]
fn of_an_object_store() {
    survives("s3", Server::s3, |fault, when| {
        matches!(
            (fault, when),
            (Fault::Busy | Fault::Cut | Fault::TooShort | Fault::WrongDown, Once) | (Fault::Silent, Ever)
        )
    });
}

#[test]
fn of_a_web_server() {
    if Server::web().is_some() {
        survives(
            "webdav",
            || Server::web().unwrap(),
            |fault, when| {
                matches!(
                    (fault, when),
                    (Fault::ResetMidway | Fault::TooShort, Once) | (Fault::Away(_) | Fault::Silent, Ever)
                )
            },
        );
    }
}

#[test]
fn of_a_web_server_that_cannot_list() {
    if Server::plain().is_some() {
        survives(
            "put",
            || Server::plain().unwrap(),
            |fault, when| {
                matches!((fault, when), (Fault::TooMany | Fault::Stalled, Once) | (Fault::Expired, Halfway))
            },
        );
    }
}
