//! One request, with its redirects.

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use url::{Host, Url};

use super::resolver::with_resolver;
use super::{Credential, shown, strip_user, tls};
use crate::StoreError;
use crate::options::Network;

const REDIRECTS: usize = 10;

/// So many bytes must come while a server may be silent: one that sends a byte now and then would hold up a pull for
/// ever.
const LEAST: u64 = 16 << 10;

/// Sends requests to one service and the servers it refers to.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    credential: Option<Credential>,
    pub(super) stall_timeout: Duration,
}

/// A server's answer: the status and headers, the body still to come.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(super) response: Response,
    pub(super) url: Url,
    pub(super) token_sent: bool,
    pub(super) stall_timeout: Duration,
    pace: Pace,
}

/// What came of a body since it was last enough, and how long was waited for it. The time that the reader takes for
/// itself doesn't count.
#[derive(Debug, Default)]
struct Pace {
    received: u64,
    waited: Duration,
}

/// Sets up connections: TLS by our rules, no redirect followed, a proxy only to other hosts.
pub(crate) fn connections(
    base: &Url,
    ca_file: Option<&Path>,
    network: &Network,
) -> Result<reqwest::Client, StoreError> {
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls::config(ca_file)?)
        .user_agent(concat!("epitaph/", env!("CARGO_PKG_VERSION")))
        // A redirect must not take the token along, and a connection per transfer is faster than a shared one.
        .redirect(Policy::none())
        .referer(false)
        .http1_only()
        .connect_timeout(network.connect_timeout);
    if is_loopback(base) {
        builder = builder.no_proxy();
    }
    with_resolver(builder).build().map_err(|error| network_error(base, error))
}

impl Client {
    /// Makes a client for the service at `base`.
    pub(crate) fn new(
        base: &Url,
        credential: Option<Credential>,
        ca_file: Option<&Path>,
        network: &Network,
    ) -> Result<Self, StoreError> {
        let http = connections(base, ca_file, network)?;
        Ok(Self { http, credential, stall_timeout: network.stall_timeout })
    }

    /// Sends a GET request, follows redirects, and waits for the headers of the last answer, whatever its status.
    pub(crate) async fn get(&self, url: &Url, headers: &HeaderMap) -> Result<Answer, StoreError> {
        self.send(&Method::GET, url, headers, None).await
    }

    /// Sends a request with a short body or none, and waits for the headers of the answer, whatever its status.
    /// Only requests that read follow redirects: what changes something goes where it was meant to go, or nowhere.
    pub(crate) async fn send(
        &self,
        method: &Method,
        url: &Url,
        headers: &HeaderMap,
        body: Option<&Bytes>,
    ) -> Result<Answer, StoreError> {
        let mut url = url.clone();
        strip_user(&mut url);
        for _ in 0..=REDIRECTS {
            let (mut request, token_sent) = self.request(method, &url, headers);
            if let Some(body) = body {
                request = request.body(body.clone());
            }
            let response = tokio::time::timeout(self.stall_timeout, request.send())
                .await
                .map_err(|_| StoreError::Stalled { url: shown(&url), after: self.stall_timeout })?
                .map_err(|error| network_error(&url, error))?;
            if !is_redirect(response.status()) {
                return Ok(Answer::new(response, url, token_sent, self.stall_timeout));
            }
            if !reads(method) {
                return Err(unfollowed(&url));
            }
            url = next(&url, response.headers().get(LOCATION))?;
        }
        Err(StoreError::Redirect { url: shown(&url), why: "there were ten before it" })
    }

    /// A request with the secret, if that server may see it, and whether it may.
    pub(super) fn request(&self, method: &Method, url: &Url, headers: &HeaderMap) -> (RequestBuilder, bool) {
        let request = self.http.request(method.clone(), url.clone()).headers(headers.clone());
        match self.credential.as_ref().and_then(|credential| credential.for_url(url)) {
            Some(secret) => (request.headers(secret.clone()), true),
            None => (request, false),
        }
    }
}

impl Answer {
    pub(super) fn new(response: Response, url: Url, token_sent: bool, stall_timeout: Duration) -> Self {
        Self { response, url, token_sent, stall_timeout, pace: Pace::default() }
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// Where the answer came from, after redirects.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// A header's value, if it is text.
    pub(crate) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// The length of the body in bytes, if the server tells.
    pub(crate) fn content_length(&self) -> Option<u64> {
        self.response.content_length()
    }

    /// Where the answer came from, as it may be told.
    pub(crate) fn shown_url(&self) -> String {
        shown(&self.url)
    }

    /// The next piece of the body, or nothing at its end. A server that sends a byte now and then is not waited for.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, StoreError> {
        let begun = Instant::now();
        let chunk = tokio::time::timeout(self.stall_timeout, self.response.chunk())
            .await
            .map_err(|_| StoreError::Stalled { url: shown(&self.url), after: self.stall_timeout })?
            .map_err(|error| network_error(&self.url, error))?;
        self.pace.waited += begun.elapsed();
        self.pace.received += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        let Pace { received, waited: after } = self.pace;
        if received >= LEAST {
            self.pace = Pace::default();
        } else if chunk.is_some() && after > self.stall_timeout {
            return Err(StoreError::TooSlow { url: shown(&self.url), received, after });
        }
        Ok(chunk)
    }

    /// The whole body, unless it is longer than `limit` bytes.
    pub(crate) async fn body(mut self, limit: usize) -> Result<Vec<u8>, StoreError> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if body.len() + chunk.len() > limit {
                let why = format!("it is longer than {limit} bytes");
                return Err(StoreError::BadAnswer { url: self.shown_url(), why });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// The error that a status other than success is.
    pub(crate) fn refusal(&self) -> StoreError {
        StoreError::Status {
            url: self.shown_url(),
            status: self.status().as_u16(),
            token_sent: self.token_sent,
            retry_after: self.header(&RETRY_AFTER).and_then(|text| retry_after(text, Timestamp::now())),
        }
    }
}

/// Requests that change nothing (RFC 9110, 9.2.1; RFC 4918, 9.1).
fn reads(method: &Method) -> bool {
    method.is_safe() || method.as_str() == "PROPFIND"
}

/// The error that a redirect is for a request that changes something.
pub(super) fn unfollowed(url: &Url) -> StoreError {
    StoreError::Redirect { url: shown(url), why: "what is written goes only to the address that was given" }
}

/// Those redirects that a GET request follows.
pub(super) fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Where a redirect leads.
fn next(url: &Url, location: Option<&HeaderValue>) -> Result<Url, StoreError> {
    let refuse = |why| StoreError::Redirect { url: shown(url), why };
    let location = location.ok_or_else(|| refuse("it has no Location"))?;
    let location = location.to_str().map_err(|_| refuse("its Location is not ASCII"))?;
    let mut next = url.join(location).map_err(|_| refuse("its Location can't be parsed"))?;
    strip_user(&mut next);
    match (url.scheme(), next.scheme()) {
        (_, "https") | ("http", "http") => Ok(next),
        ("https", "http") => Err(refuse("it leads from https to http")),
        _ => Err(refuse("it leads away from the web")),
    }
}

/// RFC 9110, 10.2.3: seconds, or a date.
pub(crate) fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Duration::try_from(date.duration_since(now)).unwrap_or_default())
}

/// A proxy from the environment is meant for the world outside.
/// Whether a URL is of this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// The HTTP library's messages hold the URL with its query, so that is taken out.
pub(super) fn network_error(url: &Url, error: reqwest::Error) -> StoreError {
    StoreError::Network { url: shown(url), source: Box::new(error.without_url()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_in_seconds_or_as_a_date() {
        let now: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        assert_eq!(retry_after("7", now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Sun, 22 Nov 2026 10:01:00 GMT", now), Some(Duration::from_secs(60)));
        assert_eq!(retry_after("Sun, 22 Nov 2026 09:00:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("-1", now), None);
        assert_eq!(retry_after("soon", now), None);
    }

    #[test]
    fn this_host_needs_no_proxy() {
        let is = |url: &str| is_loopback(&Url::parse(url).unwrap());
        assert!(is("http://127.0.0.1:1/") && is("http://localhost/") && is("http://[::1]/"));
        assert!(
            !is("https://circleci.com/") && !is("http://127.0.0.1.evil.example/") && !is("http://10.0.0.1/")
        );
    }

    #[test]
    fn where_redirects_lead() {
        let follow = |url: &str, location: &str| {
            let location = HeaderValue::from_str(location).unwrap();
            next(&Url::parse(url).unwrap(), Some(&location)).map(String::from)
        };
        assert_eq!(follow("https://h/a/b", "c?q#f").unwrap(), "https://h/a/c?q");
        assert_eq!(follow("https://h/a", "//user:secret@g/").unwrap(), "https://g/");
        assert_eq!(follow("http://h/a", "https://g/").unwrap(), "https://g/");
        assert_eq!(follow("http://h/a", "http://g/").unwrap(), "http://g/");
        for location in ["http://h/a", "file:///etc/passwd", "data:,x", "https://", "ftp://h/"] {
            assert!(
                matches!(follow("https://h/a?secret", location), Err(StoreError::Redirect { .. })),
                "{location}"
            );
        }
        assert!(next(&Url::parse("https://h/").unwrap(), None).is_err());
    }
}
