//! An S3 server in this process, on a folder; and a proxy before it that behaves as badly as a test wants.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tempfile::TempDir;

use super::in_process::{self, Dialect};

/// The only bucket.
pub(crate) const BUCKET: &str = "crashes";

/// A running server.
#[derive(Debug)]
pub(crate) struct S3 {
    folder: TempDir,
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
}

impl S3 {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(BUCKET)).unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let address = in_process::serve(folder.path(), Dialect::S3, Arc::clone(&requests));
        Self { folder, address, requests }
    }

    /// What the environment of a program says that uses this server.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        variables(self.address)
    }

    /// How many requests it has had.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    /// Where the server keeps a key of the bucket.
    pub(crate) fn path(&self, key: &str) -> PathBuf {
        self.folder.path().join(BUCKET).join(key)
    }

    /// The names of what uploads in parts have left, of which a server's owner pays for every byte.
    pub(crate) fn unfinished(&self) -> Vec<String> {
        let names = fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        names.map(|name| name.into_string().unwrap()).filter(|name| name.starts_with(".upload")).collect()
    }

    /// Puts a proxy before the server. The fault is chosen for each connection by its number, from 0.
    pub(crate) fn behind(&self, fault: impl Fn(usize) -> Fault + Send + Sync + 'static) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, server) = (listener.local_addr().unwrap(), self.address);
        let connections = Arc::new(AtomicUsize::new(0));
        let (count, fault) = (Arc::clone(&connections), Arc::new(fault));
        thread::spawn(move || {
            for client in listener.incoming() {
                let fault = fault(count.fetch_add(1, Ordering::SeqCst));
                thread::spawn(move || client.and_then(|client| fault.act(client, server)));
            }
            io::Result::Ok(())
        });
        Proxy { address, connections }
    }
}

/// What happens to a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// It works.
    None,
    /// A busy server: every request is answered with 503, and the connection closed.
    Busy,
    /// It breaks after so many bytes to the server.
    CutUp(u64),
    /// It breaks after so many bytes from the server.
    CutDown(u64),
    /// Nothing is answered.
    Silent,
    /// Nothing more comes after so many bytes from the server.
    StallDown(u64),
    /// Lengths that the server announces are 7 bytes too long.
    Lies,
}

/// The way to a server.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Proxy {
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        variables(self.address)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Fault {
    fn act(self, mut client: TcpStream, server: SocketAddr) -> io::Result<()> {
        match self {
            Self::Busy => {
                // One request and no more; its head is read so that the answer isn't lost.
                let _ = client.read(&mut vec![0; 65536])?;
                client.write_all(b"HTTP/1.1 503 Slow Down\r\nretry-after: 0\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")?;
                // What was sent meanwhile is taken, or else the answer would be lost with a reset.
                client.shutdown(Shutdown::Write)?;
                return io::copy(&mut client, &mut io::sink()).map(|_| ());
            }
            Self::Silent => return io::copy(&mut client, &mut io::sink()).map(|_| ()),
            _ => {}
        }
        let server = TcpStream::connect(server)?;
        let (mut up, mut down) = (client.try_clone()?, server.try_clone()?);
        let mut to_server = server.try_clone()?;
        thread::spawn(move || {
            match self {
                Self::CutUp(bytes) => io::copy(&mut (&mut up).take(bytes), &mut to_server).map(|_| ())?,
                _ => io::copy(&mut up, &mut to_server).map(|_| ())?,
            }
            let _ = up.shutdown(Shutdown::Both);
            to_server.shutdown(Shutdown::Both)
        });
        match self {
            Self::CutDown(bytes) => io::copy(&mut (&mut down).take(bytes), &mut client).map(|_| ())?,
            Self::StallDown(bytes) => {
                io::copy(&mut (&mut down).take(bytes), &mut client)?;
                thread::park();
            }
            Self::Lies => lie(&mut down, &mut client)?,
            _ => io::copy(&mut down, &mut client).map(|_| ())?,
        }
        let _ = server.shutdown(Shutdown::Both);
        client.shutdown(Shutdown::Both)
    }
}

/// Passes on answers to GET requests with a wrong length, then closes: the rest never comes.
fn lie(server: &mut TcpStream, client: &mut TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; 65536];
    loop {
        let length = server.read(&mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&buffer[..length]);
        let head = text.split_once("\r\n\r\n").map_or("", |(head, _)| head);
        let told = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned));
        let Some(told) = told.filter(|told| head.starts_with("HTTP/1.1 20") && told != "0") else {
            client.write_all(&buffer[..length])?;
            continue;
        };
        let wrong = (told.parse::<u64>().unwrap() + 7).to_string();
        let changed = head.replace(&format!("ontent-length: {told}"), &format!("ontent-length: {wrong}"));
        client.write_all(changed.as_bytes())?;
        client.write_all(&buffer[head.len()..length])?;
        server.set_read_timeout(Some(std::time::Duration::from_millis(300)))?;
        let _ = io::copy(server, client);
        return Ok(());
    }
}

fn variables(address: SocketAddr) -> Vec<(String, String)> {
    let endpoint = format!("http://{address}");
    let variables = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", in_process::KEYS.0),
        ("AWS_SECRET_ACCESS_KEY", in_process::KEYS.1),
    ];
    variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}
