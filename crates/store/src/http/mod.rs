//! Requests to servers that may be slow, broken or hostile.
//!
//! `client` sends one request and follows its redirects by hand, `upload` one with a long body (`file`: that of a file), `service` asks an API until
//! it answers; `items` bounds its lists, `credential` decides who may see a secret, `resolver` finds hosts by their names, `retry` tells how long to
//! wait before the next try, `tls` whom to trust. No query string leaves this module: signed links have their secret there.

mod client;
mod credential;
mod file;
mod items;
mod resolver;
mod retry;
mod service;
mod tls;
mod upload;

pub(crate) use client::{Answer, Client, connections, is_loopback, retry_after};
pub(crate) use credential::Credential;
pub(crate) use file::hashed;
pub(crate) use items::{Items, LONGEST_LIST, MOST_ITEMS, too_many};
pub(crate) use retry::Retry;
pub(crate) use service::Service;
pub(crate) use upload::Pieces;

use url::Url;

use crate::StoreError;

/// A URL as it may be told: without user, password, query and fragment.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    strip_user(&mut url);
    url.to_string()
}

/// Drops what would become an `Authorization` header, and the fragment.
pub(crate) fn strip_user(url: &mut Url) {
    // Both fail only for URLs that can't have a user at all.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_fragment(None);
}

/// Reads a server's address, which must not hold anything that doesn't belong into every URL.
pub(crate) fn server_url(service: &'static str, text: &str) -> Result<Url, StoreError> {
    let bad = |why| StoreError::BadServer { service, why };
    let url = Url::parse(text).map_err(|_| bad("it can't be parsed"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad("it is neither https nor http"));
    }
    if !url.username().is_empty()
        || url.password().is_some()
        || url.query().is_some()
        || url.fragment().is_some()
    {
        return Err(bad("it holds a user, a query or a fragment"));
    }
    Ok(url)
}

/// Returns the URL of something below a server's address.
pub(crate) fn below<S: AsRef<str>>(base: &Url, segments: impl IntoIterator<Item = S>) -> Url {
    let mut url = base.clone();
    // Fails only for URLs that can't have a path, and those of the web can.
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let url = Url::parse("https://user:secret@host:8443/a/b?X-Amz-Signature=secret#secret").unwrap();
        assert_eq!(shown(&url), "https://host:8443/a/b");
    }

    #[test]
    fn the_server_s_address() {
        let url = |text| server_url("CircleCI", text);
        assert!(url("https://circleci.com").is_ok());
        assert!(url("http://127.0.0.1:8000/sub").is_ok());
        for bad in
            ["circleci.com", "ftp://h/", "https://u:secret@h/", "https://h/?t=secret", "https://h/#secret"]
        {
            let error = url(bad).unwrap_err();
            assert!(!format!("{error:?}").contains("secret"), "{bad}");
        }
    }

    #[test]
    fn what_is_below_a_server() {
        for base in ["https://h/sub", "https://h/sub/"] {
            let url = below(&Url::parse(base).unwrap(), ["a b", "c/d", ".."]);
            assert_eq!(url.as_str(), "https://h/sub/a%20b/c%2Fd");
        }
    }
}
