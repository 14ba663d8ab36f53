//! What stands before every answer: the name, the token, the time it may take, and the headers that keep a browser from
//! doing more than showing it.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Extension, Request, State};
use axum::http::Uri;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::uri::Authority;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::timeout;

use crate::failure::{Failure, Problem};
use crate::site::Site;

/// Our own pages: text, and the style within them.
const OURS: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Headers of every answer; an answer may have set the first two already. No page tells another where its reader came
/// from: the address may hold a token.
const HEADERS: [(HeaderName, &str); 6] = [
    (CONTENT_SECURITY_POLICY, OURS),
    (CACHE_CONTROL, "no-store"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// The address of this server's end of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Local(pub(crate) SocketAddr);

/// How clients call this server, as far as it is known: `http://HOST:PORT`.
#[derive(Debug, Clone)]
pub(crate) struct Base(pub(crate) String);

/// Answers a request if it may be answered.
pub(crate) async fn guard(
    State(site): State<Arc<Site>>,
    Extension(local): Extension<Local>,
    request: Request,
    next: Next,
) -> Response {
    let answer = answer(&site, local, request, next).await;
    let mut response = answer.unwrap_or_else(IntoResponse::into_response);
    if let Some(Problem(error)) = response.extensions_mut().remove() {
        (site.on_problem)(&error);
    }
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

async fn answer(site: &Site, local: Local, mut request: Request, next: Next) -> Result<Response, Failure> {
    let authority = authority(request.uri(), request.headers())?;
    if !site.hosts.allow(&authority, local.0) {
        return Err(Failure::Misdirected);
    }
    if let Some(token) = &site.token
        && !token.is_in(request.headers(), request.uri().query())
    {
        return Err(Failure::Unauthorized);
    }
    let base =
        site.public.as_ref().map_or_else(|| format!("http://{authority}"), |url| url.base().to_owned());
    request.extensions_mut().insert(Base(base));
    timeout(site.limits.answer, next.run(request)).await.map_err(|_| Failure::TooSlow)
}

/// Returns what the client calls this server: one `Host`, and the same where the request names it once more.
fn authority(uri: &Uri, headers: &HeaderMap) -> Result<Authority, Failure> {
    let bad = || Failure::BadRequest("the request has no proper Host");
    let mut values = headers.get_all(HOST).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Err(bad()) };
    let authority = Authority::try_from(value.as_bytes()).map_err(|_| bad())?;
    match uri.authority() {
        Some(named) if *named != authority => Err(bad()),
        _ => Ok(authority),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(uri: &str, hosts: &[&'static str]) -> Option<String> {
        let headers = hosts.iter().map(|host| (HOST, HeaderValue::from_static(host))).collect();
        authority(&uri.parse().unwrap(), &headers).ok().map(|authority| authority.to_string())
    }

    #[test]
    fn one_name_and_no_other() {
        assert_eq!(of("/a", &["h:1"]).as_deref(), Some("h:1"));
        assert_eq!(of("http://h:1/a", &["H:1"]).as_deref(), Some("H:1"));
        assert_eq!(of("http://evil/a", &["h:1"]), None);
        for hosts in [&[][..], &["h", "evil"], &["h", "h"], &[""], &["h/x"], &["a b"]] {
            let headers: HeaderMap = hosts.iter().fold(HeaderMap::new(), |mut headers, host| {
                headers.append(HOST, HeaderValue::from_static(host));
                headers
            });
            assert!(authority(&"/".parse().unwrap(), &headers).is_err(), "{hosts:?}");
        }
    }
}
