//! Who may see a secret.

use reqwest::header::HeaderMap;
use url::{Host, Origin, Url};

/// Headers that hold a secret, and the servers that may have it.
#[derive(Debug, Clone)]
pub(crate) struct Credential {
    pub(crate) headers: HeaderMap,
    /// The configured server: scheme, host and port.
    pub(crate) origin: Origin,
    /// A domain whose subdomains may have it as well, over https on the usual port.
    pub(crate) domain: Option<&'static str>,
}

impl Credential {
    /// The headers for a request, if that server may see them.
    pub(crate) fn for_url(&self, url: &Url) -> Option<&HeaderMap> {
        let allowed = url.origin() == self.origin || self.is_subdomain(url);
        allowed.then_some(&self.headers)
    }

    fn is_subdomain(&self, url: &Url) -> bool {
        let (Some(Host::Domain(host)), Some(domain)) = (url.host(), self.domain) else { return false };
        let below = host.strip_suffix(domain).and_then(|rest| rest.strip_suffix('.'));
        url.scheme() == "https"
            && url.port_or_known_default() == Some(443)
            && below.is_some_and(|name| !name.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sees(base: &str, domain: Option<&'static str>, url: &str) -> bool {
        let origin = Url::parse(base).unwrap().origin();
        let credential = Credential { headers: HeaderMap::new(), origin, domain };
        credential.for_url(&Url::parse(url).unwrap()).is_some()
    }

    #[test]
    fn without_a_domain_only_the_server_sees_it() {
        assert!(sees("https://h:8443/a", None, "https://h:8443/b"));
        for url in ["https://h/", "http://h:8443/", "https://x.h:8443/", "https://g:8443/"] {
            assert!(!sees("https://h:8443/a", None, url), "{url}");
        }
    }

    #[test]
    fn only_the_server_and_the_domain_see_the_token() {
        let sees = |base: &str, url: &str| sees(base, Some("circle-artifacts.com"), url);
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
