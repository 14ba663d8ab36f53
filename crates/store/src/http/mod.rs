//! Requests to servers that may be slow, broken or hostile.
//!
//! `client` sends one request and follows its redirects by hand, `upload` one with a long body, `credential` decides who
//! may see a secret, `resolver` finds hosts by their names, `retry` tells how long to wait before the next try, `tls` whom
//! to trust. No query string leaves this module: signed links have their secret there.

mod client;
mod credential;
mod resolver;
mod retry;
mod tls;
mod upload;

pub(crate) use client::{Answer, Client, connections, retry_after};
pub(crate) use credential::Credential;
pub(crate) use retry::Retry;
pub(crate) use upload::Pieces;

use url::Url;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let url = Url::parse("https://user:secret@host:8443/a/b?X-Amz-Signature=secret#secret").unwrap();
        assert_eq!(shown(&url), "https://host:8443/a/b");
    }
}
