//! By which names this server answers.
//!
//! A page from anywhere can let its own name mean 127.0.0.1 (DNS rebinding), and its script would then read whatever
//! this server gives to a browser. The browser still says the page's name, though, and so only known names are answered.

use std::net::{IpAddr, SocketAddr};

use axum::http::uri::Authority;

use crate::ServeError;

/// The names that are answered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hosts {
    names: Vec<String>,
}

impl Hosts {
    /// Takes the names that a person gave.
    pub(crate) fn new(names: &[String]) -> Result<Self, ServeError> {
        let name = |name: &String| {
            let bad = || ServeError::BadHost { name: name.clone() };
            let authority: Authority = name.parse().map_err(|_| bad())?;
            let alone = authority.port().is_none() && authority.host() == name;
            if alone { Ok(name.to_ascii_lowercase()) } else { Err(bad()) }
        };
        names.iter().map(name).collect::<Result<_, _>>().map(|names| Self { names })
    }

    /// Takes one more, which was understood before.
    pub(crate) fn add(&mut self, name: &str) {
        self.names.push(name.to_owned());
    }

    /// Tells whether a client that has reached `local` may call it by that authority. The port doesn't matter: it may
    /// have been forwarded.
    pub(crate) fn allow(&self, authority: &Authority, local: SocketAddr) -> bool {
        if authority.as_str().contains('@') {
            return false;
        }
        let host = authority.host().to_ascii_lowercase();
        let local = local.ip().to_canonical();
        match host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            Ok(address) if address.to_canonical() == local => true,
            Ok(address) if address.is_loopback() && local.is_loopback() => true,
            _ => self.names.contains(&host) || (host == "localhost" && local.is_loopback()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(names: &[&str], authority: &str, local: &str) -> bool {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let local = SocketAddr::new(local.parse().unwrap(), 8080);
        Hosts::new(&names).unwrap().allow(&authority.parse().unwrap(), local)
    }

    #[test]
    fn loopback_names_on_loopback() {
        for authority in ["127.0.0.1", "127.0.0.1:8080", "localhost", "LocalHost:9", "127.0.0.2:1"] {
            assert!(allows(&[], authority, "127.0.0.1"), "{authority}");
        }
        assert!(allows(&[], "[::1]:8080", "::1") && allows(&[], "localhost", "::1"));
        assert!(allows(&[], "10.1.2.3:8080", "10.1.2.3") && allows(&[], "10.1.2.3", "::ffff:10.1.2.3"));
    }

    #[test]
    fn names_that_anybody_can_own() {
        for authority in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:8080",
            "localhost.",
            "10.0.0.1",
            "user@localhost",
            "2130706433",
        ] {
            assert!(!allows(&[], authority, "127.0.0.1"), "{authority}");
        }
        assert!(!allows(&[], "localhost", "10.1.2.3"));
        assert!(!allows(&[], "127.0.0.1", "10.1.2.3"));
    }

    #[test]
    fn names_that_a_person_gave() {
        assert!(allows(&["Crashes.example"], "crashes.EXAMPLE:443", "10.1.2.3"));
        assert!(!allows(&["crashes.example"], "x.crashes.example", "10.1.2.3"));
        for bad in ["", "https://x", "x:80", "x/y", "u@x", "a b"] {
            assert!(matches!(Hosts::new(&[bad.to_owned()]), Err(ServeError::BadHost { .. })), "{bad}");
        }
    }
}
