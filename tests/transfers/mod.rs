//! Pushes and pulls with the real program, when networks fail and processes die: nothing is lost, nothing is left behind,
//! and nothing takes forever.

mod elsewhere;
mod fault;
mod faults;
mod killed;
mod proxy;
mod rows;
mod s3;
mod sealed;
mod spool;

use std::net::SocketAddr;
use std::path::Path;

use epitaph_testkit::servers::{Served, web};
use serde_json::Value;

use crate::support::{Epitaph, epitaph, files};

use s3::S3;

/// A server that holds a store.
enum Server {
    S3(S3),
    Web(Served),
}

impl Server {
    fn s3() -> Server {
        Server::S3(S3::start())
    }

    /// nginx with WebDAV, if it is installed.
    fn web() -> Option<Server> {
        web::nginx_dav().map(Server::Web)
    }

    /// nginx as it comes, which takes files and lists none.
    fn plain() -> Option<Server> {
        web::nginx_plain(None).map(Server::Web)
    }

    fn address(&self) -> SocketAddr {
        match self {
            Server::S3(s3) => s3.address,
            Server::Web(web) => web.url().strip_prefix("http://").unwrap().parse().unwrap(),
        }
    }

    /// The store's URL, where the server is reached at an address.
    fn url(&self, at: &str) -> String {
        match self {
            Server::S3(_) => "s3://crashes/fleet".to_owned(),
            Server::Web(_) => format!("http://{at}/fleet"),
        }
    }

    /// Says to a command line where the server is, and who asks.
    fn reached(&self, at: &str, epitaph: Epitaph) -> Epitaph {
        match self {
            Server::S3(_) => epitaph
                .env("AWS_ENDPOINT_URL", format!("http://{at}"))
                .env("AWS_ALLOW_HTTP", "true")
                .env("AWS_REGION", "us-east-1")
                .env("AWS_ACCESS_KEY_ID", "access")
                .env("AWS_SECRET_ACCESS_KEY", "hush"),
            Server::Web(_) => epitaph,
        }
    }

    /// The store's files, by their keys.
    fn keys(&self) -> std::collections::BTreeMap<String, Vec<u8>> {
        let root = match self {
            Server::S3(s3) => s3.files(),
            Server::Web(web) => web.folder().join("files"),
        };
        let root = root.join("fleet");
        // What a server keeps beside, for its own use, begins with a dot.
        if root.exists() { files(&root) } else { std::collections::BTreeMap::new() }
    }

    /// A command line that reaches the server at an address, and is soon out of patience.
    fn epitaph(&self, at: &str, command: &str) -> Epitaph {
        self.reached(at, epitaph().args([command, "--stall-timeout", "3s", "--attempts", "4"]))
    }

    /// One that has less patience, and a token that nobody else may see.
    fn impatient(&self, at: &str, command: &str) -> Epitaph {
        let epitaph = epitaph().args([command, "--stall-timeout", "2s", "--attempts", "3"]);
        self.reached(at, epitaph.env("EPITAPH_HTTP_TOKEN", "sesame"))
    }
}

/// The artifacts of all manifests in a store.
fn manifests(keys: &std::collections::BTreeMap<String, Vec<u8>>) -> Vec<Value> {
    let manifests = keys.iter().filter(|(key, _)| key.starts_with("runs/"));
    manifests.map(|(_, content)| serde_json::from_slice(content).unwrap()).collect()
}

/// Bytes that no two parts of a file have in common.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1u64;
    let next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// Writes what `collect` leaves: a summary, and a core of so many bytes.
fn fill(folder: &Path, core: usize) {
    let crash = folder.join("crashes/x1");
    std::fs::create_dir_all(&crash).unwrap();
    std::fs::write(crash.join("summary.json"), r#"{"time":"2026-11-22T10:00:00Z"}"#).unwrap();
    std::fs::write(crash.join("core.zst"), noise(core)).unwrap();
}
