//! Who may see a token.

use reqwest::header::{HeaderName, HeaderValue};
use url::{Host, Origin, Url};

use crate::Token;

/// A token, the header it travels in, and the servers that may have it.
#[derive(Debug, Clone)]
pub(crate) struct Credential {
    pub(crate) header: HeaderName,
    pub(crate) token: Token,
    /// The configured server: scheme, host and port.
    pub(crate) origin: Origin,
    /// A domain whose subdomains may have it as well, over https on the usual port.
    pub(crate) domain: &'static str,
}

impl Credential {
    /// The header for a request, if that server may see the token.
    pub(crate) fn for_url(&self, url: &Url) -> Option<(HeaderName, HeaderValue)> {
        let allowed = url.origin() == self.origin || self.is_subdomain(url);
        allowed.then(|| (self.header.clone(), self.token.header()))
    }

    fn is_subdomain(&self, url: &Url) -> bool {
        let Some(Host::Domain(host)) = url.host() else { return false };
        let below = host.strip_suffix(self.domain).and_then(|rest| rest.strip_suffix('.'));
        url.scheme() == "https"
            && url.port_or_known_default() == Some(443)
            && below.is_some_and(|name| !name.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_server_and_the_domain_see_the_token() {
        let sees = |base: &str, url: &str| {
            let credential = Credential {
                header: HeaderName::from_static("circle-token"),
                token: Token::new("t").unwrap(),
                origin: Url::parse(base).unwrap().origin(),
                domain: "circle-artifacts.com",
            };
            credential.for_url(&Url::parse(url).unwrap()).is_some()
        };
        let base = "https://circleci.com";
        for url in [
            "https://circleci.com/api",
            "https://CIRCLECI.com:443/x",
            "https://output.circle-artifacts.com/a",
            "https://1-2-gh.circle-artifacts.com/a",
        ] {
            assert!(sees(base, url), "{url}");
        }
        for url in [
            "http://circleci.com/api",
            "https://circleci.com:8443/api",
            "https://circleci.com./api",
            "https://app.circleci.com/api",
            "https://circleci.com.evil.example/",
            "https://circleci.com@evil.example/",
            "https://evil-circle-artifacts.com/",
            "https://circle-artifacts.com/",
            "https://x.circle-artifacts.com.evil.example/",
            "http://output.circle-artifacts.com/a",
            "https://output.circle-artifacts.com:444/a",
            "https://evil.example/output.circle-artifacts.com",
        ] {
            assert!(!sees(base, url), "{url}");
        }
        assert!(sees("http://127.0.0.1:8000/server", "http://127.0.0.1:8000/a"));
        assert!(!sees("http://127.0.0.1:8000", "http://127.0.0.1:8001/a"));
    }
}
