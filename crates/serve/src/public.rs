//! Where clients find this server, if that is elsewhere than they seem to reach it: behind a proxy that speaks TLS.
//!
//! Only who starts the server says so. What a request says of it (`X-Forwarded-Host` and its like) any client can write.

use axum::http::Uri;

use crate::ServeError;

/// The address of the first page, without a slash at its end: `https://crashes.example.com`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicUrl {
    base: String,
    host: String,
}

impl PublicUrl {
    /// Takes what a person gave: a scheme and a name, perhaps a port, and nothing else, since the pages' own links begin at
    /// the root of their server.
    pub(crate) fn parse(text: &str) -> Result<Self, ServeError> {
        let bad = || ServeError::BadPublicUrl {
            url: text.split(['?', '#', '@']).next().unwrap_or_default().to_owned(),
        };
        let uri: Uri = text.parse().map_err(|_| bad())?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Err(bad()) };
        let is_root = uri.path() == "/" && uri.query().is_none() && !text.contains(['#', '@']);
        if !is_root || !["http", "https"].contains(&scheme) || authority.host().is_empty() {
            return Err(bad());
        }
        Ok(Self { base: format!("{scheme}://{authority}"), host: authority.host().to_ascii_lowercase() })
    }

    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// The name by which clients call the server, where the proxy passes that on.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_a_first_page_is_one() {
        let parsed = |text| PublicUrl::parse(text).map(|url| (url.base, url.host));
        let name = "crashes.example.com".to_owned();
        let expected = ("https://crashes.example.com".to_owned(), name.clone());
        assert_eq!(parsed("https://crashes.example.com/").unwrap(), expected);
        assert_eq!(parsed("https://crashes.example.com").unwrap(), expected);
        assert_eq!(parsed("http://Crashes.example.com:81").unwrap().1, name);
    }

    #[test]
    fn what_is_none() {
        for text in [
            "",
            "crashes.example.com",
            "/",
            "ftp://h",
            "https://",
            "https://h/crashes",
            "https://h/?token=x",
            "https://h/#x",
            "https://user@h",
            "https://h h",
            "javascript:alert(1)",
        ] {
            assert!(PublicUrl::parse(text).is_err(), "{text}");
        }
    }
}
