//! A stand-in for CircleCI: its API v1.1 as documented, and artifacts with entity tags and ranges.

use std::time::Duration;

use epitaph_store::{Network, Store, StoreOptions, Token};
use serde_json::json;

use epitaph_testkit::server::{Reply, Request};

pub(crate) const TOKEN: &str = "0123456789abcdef-secret";

/// The store URL of the job that the stand-in knows.
pub(crate) const JOB: &str = "circleci://gh/acme/app/1234";

const LIST: &str = "/api/v1.1/project/github/acme/app/1234/artifacts";

/// Patience that suits a test.
pub(crate) fn network() -> Network {
    Network {
        first_wait: Duration::from_millis(5),
        longest_wait: Duration::from_millis(20),
        longest_retry_after: Duration::from_millis(150),
        stall_timeout: Duration::from_secs(5),
        ..Network::default()
    }
}

pub(crate) fn options(server: &str) -> StoreOptions {
    StoreOptions {
        circleci_token: Some(Token::new(TOKEN).unwrap()),
        circleci_url: Some(server.to_owned()),
        network: network(),
        ..StoreOptions::default()
    }
}

/// The job's store on a server.
pub(crate) fn store(server: &str) -> Store {
    Store::open_with(JOB, &options(server)).unwrap()
}

pub(crate) fn is_list(request: &Request) -> bool {
    request.path == LIST
}

/// The answer of the API. An artifact is a node, a path and a URL.
pub(crate) fn list(artifacts: &[(u32, &str, String)]) -> Reply {
    let item = |(node, path, url): &(u32, &str, String)| json!({ "path": path, "pretty_path": path, "node_index": node, "url": url });
    let items: Vec<_> = artifacts.iter().map(item).collect();
    Reply::new(200, serde_json::to_vec_pretty(&items).unwrap()).header("Content-Type", "application/json")
}

/// The URL of something on the server that a request came to.
pub(crate) fn here(request: &Request, path: &str) -> String {
    format!("http://{}{path}", request.header("host").unwrap())
}

/// A file as S3 serves it: with a tag, and in part if the request's tag matches.
pub(crate) fn file(request: &Request, content: &[u8], tag: &str) -> Reply {
    let start = range_start(request).filter(|_| request.header("if-range") == Some(tag));
    let reply = match start {
        Some(start) if start >= content.len() => {
            Reply::new(416, "").header("Content-Range", format!("bytes */{}", content.len()))
        }
        Some(start) => {
            let range = format!("bytes {start}-{}/{}", content.len() - 1, content.len());
            Reply::new(206, &content[start..]).header("Content-Range", range)
        }
        None => Reply::new(200, content),
    };
    reply.header("ETag", tag).header("Accept-Ranges", "bytes")
}

/// Where the range starts that a request asks for.
pub(crate) fn range_start(request: &Request) -> Option<usize> {
    request.header("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
}

/// Bytes that differ from each other wherever they are cut.
pub(crate) fn content(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index * 31 % 251) as u8).collect()
}
