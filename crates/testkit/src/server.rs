//! An HTTP server on loopback that does exactly what a test says, also what no sane server does.
//!
//! It speaks just enough HTTP/1.1 for that, one request a connection, and remembers every request.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A request: its method, its path with its query, its headers by lower-case name, and its content.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET`, `PUT` and so on.
    pub method: String,
    /// The path, with its query.
    pub path: String,
    /// The content, of as many bytes as were announced.
    pub body: Vec<u8>,
    headers: HashMap<String, String>,
}

impl Request {
    /// Returns a header's value by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// How a body ends that is shorter than announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The connection is closed.
    Close,
    /// Nothing more comes, and the connection stays.
    Stall,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// How many bytes of the body are sent.
    sent: usize,
    end: End,
    delay: Duration,
    announced: bool,
}

impl Reply {
    /// An answer of this status that is sent at once and whole, with its length.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let sent = body.len();
        Self {
            status,
            headers: Vec::new(),
            body,
            sent,
            end: End::Close,
            delay: Duration::ZERO,
            announced: true,
        }
    }

    /// A redirect to a URL.
    pub fn redirect(to: &str) -> Self {
        Self::new(302, "moved").header("Location", to)
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Its content.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Sends only the first bytes of the body that is announced.
    #[must_use]
    pub fn cut(mut self, sent: usize, end: End) -> Self {
        self.sent = sent.min(self.body.len());
        self.end = end;
        self
    }

    /// Waits before the answer.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Sends no Content-Length: the body ends with the connection.
    #[must_use]
    pub fn unannounced(mut self) -> Self {
        self.announced = false;
        self
    }

    fn send(&self, stream: &mut TcpStream, stop: &AtomicBool) -> std::io::Result<()> {
        thread::sleep(self.delay);
        let mut headers = self.headers.clone();
        headers.push(("Connection".into(), "close".into()));
        if self.announced {
            headers.push(("Content-Length".into(), self.body.len().to_string()));
        }
        write!(stream, "HTTP/1.1 {} x\r\n", self.status)?;
        for (name, value) in headers {
            write!(stream, "{name}: {value}\r\n")?;
        }
        stream.write_all(b"\r\n")?;
        stream.write_all(&self.body[..self.sent])?;
        stream.flush()?;
        while self.end == End::Stall && !stop.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

/// A running server; it ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    requests: Mutex<Vec<Request>>,
    active: AtomicUsize,
    peak: AtomicUsize,
    stop: AtomicBool,
}

impl Server {
    /// Starts a server that answers as `handler` says.
    ///
    /// # Panics
    /// When there is no port.
    pub fn start(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("the port");
        let shared = Arc::new(Shared::default());
        let (handler, server) = (Arc::new(handler), Arc::clone(&shared));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if server.stop.load(Ordering::Relaxed) {
                    break;
                }
                let (handler, server, stream) =
                    (Arc::clone(&handler), Arc::clone(&server), stream.expect("a connection"));
                thread::spawn(move || serve(stream, &*handler, &server));
            }
        });
        Self { address, shared }
    }

    /// Its URL, without a path and without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All requests so far.
    ///
    /// # Panics
    /// When the server did.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().expect("no test has panicked").clone()
    }

    /// The requests for paths that hold a text.
    pub fn requests_for(&self, part: &str) -> Vec<Request> {
        self.requests().into_iter().filter(|request| request.path.contains(part)).collect()
    }

    /// The most requests that were served at once.
    pub fn peak(&self) -> usize {
        self.shared.peak.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        // Wakes the listener.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(mut stream: TcpStream, handler: &(dyn Fn(&Request) -> Reply + Send + Sync), shared: &Shared) {
    let Some(request) = read(&stream) else { return };
    shared.requests.lock().expect("no test has panicked").push(request.clone());
    let active = shared.active.fetch_add(1, Ordering::SeqCst) + 1;
    shared.peak.fetch_max(active, Ordering::SeqCst);
    let reply = handler(&request);
    // The client may well have hung up.
    let _ = reply.send(&mut stream, &shared.stop);
    shared.active.fetch_sub(1, Ordering::SeqCst);
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut stream = BufReader::new(stream);
    let mut lines = stream.by_ref().lines();
    let first = lines.next()?.ok()?;
    let mut words = first.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut headers = HashMap::new();
    for line in lines {
        let line = line.ok()?;
        if line.is_empty() {
            let length: Option<&String> = headers.get("content-length");
            let length = length.map_or(Some(0), |length| length.parse().ok())?;
            let mut body = Vec::new();
            stream.take(length).read_to_end(&mut body).ok()?;
            return Some(Request { method, path, body, headers });
        }
        let (name, value) = line.split_once(':')?;
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    None
}
