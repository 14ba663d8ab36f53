//! A client of debuginfod servers: the files of a build ID, from servers or from the cache that elfutils' client shares.
//!
//! `options` reads what is configured, `server` the list of servers, `cache` and `clean` are the folder of files that
//! came, `round` asks the servers for one file, `look_ups` holds a core's limits. Which file is right is for the
//! caller to say, who reads ELF: whatever comes is shown to a check before it is used or kept.
//!
//! Protocol: debuginfod(8), "WEBAPI". The names and rules of the variables and of the cache are those of
//! debuginfod-client-config(7) and of elfutils 0.188, which the tests run.

mod cache;
mod clean;
mod look_ups;
mod options;
mod problems;
mod round;
mod server;
mod wanted;

use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderName, HeaderValue};

pub use look_ups::{LookUpLimits, LookUps};
pub use options::DebuginfodOptions;
pub use wanted::{DebuginfodFile, DebuginfodWanted};

use cache::Cache;
use server::Servers;

use crate::files::{open_regular, read_capped};
use crate::options::Network;
use crate::runtime::Blocking;
use crate::{StoreError, Warning};

/// How long a server may need for its first bytes, and for each 100 KiB after them.
const FIRST_BYTES: Duration = Duration::from_secs(90);
const NEXT_BYTES: Duration = Duration::from_secs(10);

/// A connection that isn't there by then won't be worth its wait.
const CONNECT: Duration = Duration::from_secs(5);

/// Headers are a few lines.
const LONGEST_HEADERS_FILE: u64 = 1 << 20;

/// Looks up files by build ID. Making one touches neither the disk nor the network; the network starts with the first
/// look-up that needs it.
#[derive(Debug)]
pub struct Debuginfod {
    servers: Servers,
    cache: Cache,
    options: DebuginfodOptions,
    network: Network,
    started: Mutex<Option<Started>>,
}

/// What the network needs.
#[derive(Debug)]
struct Started {
    runtime: Blocking,
    /// Headers for the configured servers alone, and for every request.
    secret: HeaderMap,
    headers: HeaderMap,
}

impl Debuginfod {
    /// Takes the options. What is wrong with them is told by [`LookUps::warnings`].
    pub fn new(options: DebuginfodOptions) -> Self {
        let network = Network {
            attempts: options.retries.saturating_add(1),
            first_wait: Duration::from_millis(100),
            longest_wait: Duration::from_secs(2),
            longest_retry_after: Duration::from_secs(5),
            connect_timeout: options.timeout.map_or(CONNECT, |timeout| timeout.min(CONNECT)),
            stall_timeout: options.timeout.unwrap_or(FIRST_BYTES),
            ..Network::default()
        };
        let servers = Servers::parse(&options.servers);
        let cache = Cache::new(options.cache.clone());
        Self { servers, cache, options, network, started: Mutex::new(None) }
    }

    /// Starts the look-ups for one core.
    pub fn look_ups(&self, limits: LookUpLimits) -> LookUps<'_> {
        LookUps::new(self, limits)
    }

    fn patience(&self) -> Duration {
        self.options.timeout.unwrap_or(NEXT_BYTES)
    }

    fn max_size(&self) -> u64 {
        self.options.max_size.unwrap_or(DebuginfodOptions::LARGEST)
    }

    /// What is wrong with the options.
    fn problems(&self) -> Vec<Warning> {
        self.servers.problems.clone()
    }
}

impl Started {
    fn get<'s>(slot: &'s mut Option<Self>, options: &DebuginfodOptions) -> Result<&'s Self, StoreError> {
        match slot {
            Some(started) => Ok(started),
            None => Ok(slot.insert(Self::new(options)?)),
        }
    }

    fn new(options: &DebuginfodOptions) -> Result<Self, StoreError> {
        // What a server compresses on its way could be a bomb; debug files are compressed in themselves.
        let mut headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("identity"))]);
        if let Some(max_size) = options.max_size {
            headers.insert(HeaderName::from_static("x-debuginfod-maxsize"), HeaderValue::from(max_size));
        }
        let secret = options.headers_file.as_deref().map(headers_of).transpose()?.unwrap_or_default();
        let runtime = Blocking::alone()?;
        Ok(Self { runtime, secret, headers })
    }
}

/// Reads a file with a header a line. Lines that are none are passed over, as elfutils does.
fn headers_of(path: &Path) -> Result<HeaderMap, StoreError> {
    let text = open_regular(path).and_then(|mut file| {
        read_capped(&mut file, LONGEST_HEADERS_FILE).map_err(StoreError::io("read", path))
    })?;
    let lines = text.split(|byte| *byte == b'\n').filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at_checked(colon)?;
        let mut value = HeaderValue::from_bytes(value.get(1..)?.trim_ascii()).ok()?;
        value.set_sensitive(true);
        Some((HeaderName::from_bytes(name.trim_ascii()).ok()?, value))
    });
    Ok(lines.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_lines_and_secret() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("headers");
        std::fs::write(&path, "X-Token: hush\r\n\n  \nnonsense\n: none\nX-Empty:\nUser-Agent: me:2\n")
            .unwrap();
        let headers = headers_of(&path).unwrap();
        assert_eq!(headers.len(), 3);
        assert_eq!(headers["x-token"], "hush");
        assert_eq!(headers["user-agent"], "me:2");
        assert!(!format!("{headers:?}").contains("hush"));
        assert!(headers_of(&dir.path().join("absent")).is_err());
    }

    #[test]
    fn it_can_be_shared_between_threads_and_starts_nothing_by_itself() {
        fn is_shared<T: Send + Sync>(_: &T) {}
        let dir = tempfile::tempdir().unwrap();
        let cache = dir.path().join("cache");
        let mut options = DebuginfodOptions::from_variables(|_| None);
        (options.servers, options.cache) = (vec!["http://127.0.0.1:1/".to_owned()], cache.clone());
        let debuginfod = Debuginfod::new(options);
        is_shared(&debuginfod);
        is_shared(&debuginfod.look_ups(LookUpLimits { time: Duration::from_secs(1), count: 1 }));
        assert!(debuginfod.started.lock().unwrap().is_none() && !cache.exists());
    }
}
