//! A stand-in for CircleCI on loopback: lists of artifacts and jobs as API v1.1 and v2 document them, and the artifacts.
//!
//! Its workflow has one job. Of API v2 it answers what CircleCI's own client asks for (`tests/circleci_peers.rs`), with the
//! required fields of CircleCI's published OpenAPI description.
//!
//! It speaks just enough HTTP/1.1 for that, one request a connection, and remembers every request.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

/// The token that the stand-in takes.
pub(crate) const TOKEN: &str = "0123456789abcdef-personal";
/// The job that it has.
pub(crate) const JOB: &str = "circleci://github/acme/app/42";
/// The workflow that it has, with that job in it.
pub(crate) const WORKFLOW: &str = "b0cd9930-1f53-4e24-9f59-b4b53b5a4645";
/// The pipeline that it has, with that workflow in it, and its ID.
pub(crate) const PIPELINE: (u32, &str) = (7, "5034e4b1-72bb-4c6c-8c2d-9fbb4ab0fdbe");
/// How many artifacts it puts on a page of API v2.
const PAGE: usize = 2;

/// A request: its path with the query, and its headers by lower-case name.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) path: String,
    headers: BTreeMap<String, String>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The token: in a header or, as CircleCI once documented, in the query.
    fn token(&self) -> Option<&str> {
        let query = self.path.split_once('?').map_or("", |(_, query)| query);
        let in_query = query.split('&').find_map(|pair| pair.strip_prefix("circle-token="));
        self.header("circle-token").or(in_query)
    }
}

/// An artifact of the job.
#[derive(Clone, Debug)]
pub(crate) struct Artifact {
    pub(crate) node: u32,
    pub(crate) path: String,
    pub(crate) content: Vec<u8>,
    pub(crate) how: How,
}

/// How an artifact is served.
#[derive(Clone, Debug)]
pub(crate) enum How {
    /// At once, to those who have the token.
    Plain,
    /// After a while.
    Slow,
    /// By a redirect to this address, as to a storage service.
    Elsewhere(String),
    /// The first half, and then the connection breaks, the first time; from then on wholly.
    Interrupted(Arc<AtomicBool>),
    /// The first half, and then nothing more, the first time; from then on wholly.
    Stalled(Arc<AtomicBool>),
}

impl Artifact {
    pub(crate) fn new(node: u32, path: impl Into<String>, content: impl Into<Vec<u8>>) -> Artifact {
        Artifact { node, path: path.into(), content: content.into(), how: How::Plain }
    }

    pub(crate) fn how(mut self, how: How) -> Artifact {
        self.how = how;
        self
    }

    /// The path of its URL: the public service has the node and the path in it as well, encoded as Java's `URLEncoder`
    /// does, but for the slashes.
    fn url_path(&self) -> String {
        format!("/{}/{}", self.node, self.path.replace('!', "%21").replace(' ', "+"))
    }
}

/// A running server; it ends when this is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    artifacts: Vec<Artifact>,
    requests: Mutex<Vec<Request>>,
    downloads: AtomicUsize,
    most_downloads: AtomicUsize,
    stop: AtomicBool,
}

impl Server {
    pub(crate) fn start(artifacts: Vec<Artifact>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { artifacts, ..Shared::default() });
        let server = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if server.stop.load(Ordering::Relaxed) {
                    break;
                }
                let (stream, server) = (stream.unwrap(), Arc::clone(&server));
                std::thread::spawn(move || server.serve(&stream, address));
            }
        });
        Server { address, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// The most artifacts that were on their way at once.
    pub(crate) fn most_downloads(&self) -> usize {
        self.shared.most_downloads.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        // Wakes the listener, which then ends.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn serve(&self, mut stream: &TcpStream, address: SocketAddr) {
        let Some(request) = read(stream) else { return };
        self.requests.lock().unwrap().push(request.clone());
        let path = request.path.split('?').next().unwrap_or_default();
        let artifact = self.artifacts.iter().find(|artifact| artifact.url_path() == path);
        // A client may well hang up.
        let _ = match artifact {
            Some(artifact) => {
                let now = self.downloads.fetch_add(1, Ordering::SeqCst) + 1;
                self.most_downloads.fetch_max(now, Ordering::SeqCst);
                let sent = send_artifact(&mut stream, &request, artifact, &self.stop);
                self.downloads.fetch_sub(1, Ordering::SeqCst);
                sent
            }
            None => match request.token() {
                None | Some(TOKEN) => match self.api(&request, address) {
                    Some(answer) if request.token().is_some() => {
                        let json = "Content-Type: application/json".to_owned();
                        send(&mut stream, "200 OK", &[json], answer.to_string().as_bytes())
                    }
                    _ => send(&mut stream, "404 Not Found", &[], br#"{"message":"Project not found"}"#),
                },
                Some(_) => {
                    send(&mut stream, "401 Unauthorized", &[], br#"{"message":"You must log in first."}"#)
                }
            },
        };
    }

    /// What the APIs answer, if they know what is asked for.
    fn api(&self, request: &Request, address: SocketAddr) -> Option<Value> {
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let item = |artifact: &Artifact| {
            json!({
                "path": artifact.path, "pretty_path": artifact.path, "node_index": artifact.node,
                "url": format!("http://{address}{}", artifact.url_path()),
            })
        };
        let artifacts: Vec<Value> = self.artifacts.iter().map(item).collect();
        let (old, path) = match path.strip_prefix("/api/")?.split_once('/')? {
            ("v1.1", path) => (true, path),
            ("v2", path) => (false, path),
            _ => return None,
        };
        let project = ["project/github/acme/app/", "project/gh/acme/app/"];
        let in_project = project.iter().find_map(|project| path.strip_prefix(project));
        let all = |items: Value| json!({ "items": items, "next_page_token": null });
        let (number, pipeline) = PIPELINE;
        let started = "2026-11-22T10:00:00Z";
        match (old, in_project) {
            (true, Some("42/artifacts" | "latest/artifacts")) => Some(artifacts.into()),
            (false, Some("42/artifacts")) => Some(page(artifacts, query)),
            (false, Some(path)) if path == format!("pipeline/{number}") => Some(json!({
                "id": pipeline, "number": number, "project_slug": "gh/acme/app", "state": "created", "errors": [],
                "created_at": started, "updated_at": started, "trigger": {}, "vcs": {},
            })),
            (false, None) if path == format!("pipeline/{pipeline}/workflow") => Some(all(json!([{
                "id": WORKFLOW, "name": "ci", "status": "failed", "created_at": started, "stopped_at": started,
                "pipeline_number": number, "project_slug": "gh/acme/app", "pipeline_id": pipeline,
                "started_by": "03987f6a-4c27-4dc1-b6ab-c7e83bb3e713",
            }]))),
            (false, None) if path == format!("workflow/{WORKFLOW}/job") => Some(all(json!([
                {
                    "job_number": 42, "name": "build & test", "id": "a3b8a8a4-4d2b-4e8f-9a3b-0a8a5b1d6c11",
                    "type": "build", "status": "failed", "started_at": started, "project_slug": "gh/acme/app",
                    "dependencies": [],
                },
                {
                    "name": "hold", "id": "c1d8a8a4-4d2b-4e8f-9a3b-0a8a5b1d6c12", "type": "approval",
                    "status": "blocked", "started_at": null, "project_slug": "gh/acme/app", "dependencies": [],
                },
            ]))),
            _ => None,
        }
    }
}

/// One page of a list of API v2: its token is where it begins.
fn page(items: Vec<Value>, query: &str) -> Value {
    let token = query.split('&').find_map(|pair| pair.strip_prefix("page-token="));
    let start = token.and_then(|token| token.parse().ok()).unwrap_or(0);
    let next = Some(start + PAGE).filter(|next| *next < items.len()).map(|next| next.to_string());
    let items: Vec<Value> = items.into_iter().skip(start).take(PAGE).collect();
    json!({ "items": items, "next_page_token": next })
}

fn send_artifact(
    stream: &mut &TcpStream,
    request: &Request,
    artifact: &Artifact,
    stop: &AtomicBool,
) -> std::io::Result<()> {
    let tag = r#"ETag: "the-only-version""#.to_owned();
    match &artifact.how {
        How::Plain => {}
        How::Slow => std::thread::sleep(Duration::from_millis(60)),
        How::Elsewhere(url) => {
            return send(stream, "302 Found", &[format!("Location: {url}{}", artifact.url_path())], b"");
        }
        How::Interrupted(done) if !done.swap(true, Ordering::SeqCst) => {
            return send_half(stream, &tag, &artifact.content);
        }
        How::Stalled(done) if !done.swap(true, Ordering::SeqCst) => {
            send_half(stream, &tag, &artifact.content)?;
            while !stop.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(5));
            }
            return Ok(());
        }
        How::Interrupted(_) | How::Stalled(_) => {}
    }
    let start = request
        .header("range")
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    match start {
        Some(start) if request.header("if-range") == Some(r#""the-only-version""#) => {
            let length = artifact.content.len();
            let range = format!("Content-Range: bytes {start}-{}/{length}", length - 1);
            send(stream, "206 Partial Content", &[tag, range], &artifact.content[start..])
        }
        _ => send(stream, "200 OK", &[tag], &artifact.content),
    }
}

/// Announces the whole content, and sends its first half.
fn send_half(stream: &mut &TcpStream, tag: &str, content: &[u8]) -> std::io::Result<()> {
    let length = content.len();
    write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\n{tag}\r\nContent-Length: {length}\r\n\r\n")?;
    stream.write_all(&content[..length / 2])?;
    stream.flush()
}

fn send(stream: &mut &TcpStream, status: &str, headers: &[String], body: &[u8]) -> std::io::Result<()> {
    let length = format!("Content-Length: {}", body.len());
    let fixed = [format!("HTTP/1.1 {status}"), "Connection: close".to_owned(), length];
    let head = [&fixed, headers].concat().join("\r\n");
    write!(stream, "{head}\r\n\r\n")?;
    stream.write_all(body)?;
    stream.flush()
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines();
    let path = lines.next()?.ok()?.split(' ').nth(1)?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let line = lines.next()?.ok()?;
        if line.is_empty() {
            return Some(Request { path, headers });
        }
        let (name, value) = line.split_once(':')?;
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
}
