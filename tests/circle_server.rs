//! A stand-in for CircleCI on loopback: API v1.1's list of artifacts as it is documented, and the artifacts.
//!
//! It speaks just enough HTTP/1.1 for that, one request a connection, and remembers every request.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;

/// The token that the stand-in takes.
pub(crate) const TOKEN: &str = "0123456789abcdef-personal";
/// The job that it has.
pub(crate) const JOB: &str = "circleci://github/acme/app/42";
/// Where the API lists the job's artifacts.
const LIST: &str = "/api/v1.1/project/github/acme/app/42/artifacts";

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
}

/// An artifact of the job.
#[derive(Clone, Debug)]
pub(crate) struct Artifact {
    pub(crate) node: u32,
    pub(crate) path: &'static str,
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
    pub(crate) fn new(node: u32, path: &'static str, content: impl Into<Vec<u8>>) -> Artifact {
        Artifact { node, path, content: content.into(), how: How::Plain }
    }

    pub(crate) fn how(mut self, how: How) -> Artifact {
        self.how = how;
        self
    }

    /// The path of its URL: the public service has the node and the path in it as well.
    fn url_path(&self) -> String {
        format!("/{}/{}", self.node, self.path.replace(' ', "%20"))
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
            None => match request.header("circle-token") {
                Some(TOKEN) if path == LIST => {
                    send(&mut stream, "200 OK", &[], self.list(address).as_bytes())
                }
                None | Some(TOKEN) => {
                    send(&mut stream, "404 Not Found", &[], br#"{"message":"Project not found"}"#)
                }
                Some(_) => {
                    send(&mut stream, "401 Unauthorized", &[], br#"{"message":"You must log in first."}"#)
                }
            },
        };
    }

    fn list(&self, address: SocketAddr) -> String {
        let item = |artifact: &Artifact| {
            json!({
                "path": artifact.path, "pretty_path": artifact.path, "node_index": artifact.node,
                "url": format!("http://{address}{}", artifact.url_path()),
            })
        };
        serde_json::to_string_pretty(&self.artifacts.iter().map(item).collect::<Vec<_>>()).unwrap()
    }
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
