//! What a server speaks besides GET and PUT.

use reqwest::Method;
use reqwest::header::{ALLOW, HeaderMap, HeaderName};

use super::session::{Session, refusal};
use crate::StoreError;
use crate::http::Answer;

/// The WebDAV classes of a server (RFC 4918, 10.1).
const DAV: HeaderName = HeaderName::from_static("dav");

/// What a server says it can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ability {
    /// It lists folders by PROPFIND.
    pub(super) lists: bool,
    /// It gives files another name by MOVE.
    pub(super) moves: bool,
}

impl Ability {
    /// Asks the server. One that refuses OPTIONS is taken for a plain one, unless it wants to know who asks.
    pub(super) async fn ask(session: &Session) -> Result<Self, StoreError> {
        let url = session.address().url();
        let answer = session.ask(&Method::OPTIONS, url, &HeaderMap::new(), None).await?;
        match answer.status().as_u16() {
            401 => Err(refusal("OPTIONS", &answer)),
            _ => Ok(Self::of(&answer)),
        }
    }

    fn of(answer: &Answer) -> Self {
        if !answer.status().is_success() {
            return Self { lists: false, moves: false };
        }
        // A folder that isn't there yet doesn't allow all that it will, so the class counts as well.
        let class_1 = has(answer.header(&DAV), "1");
        let allows = |method| class_1 || has(answer.header(&ALLOW), method);
        Self { lists: allows("PROPFIND"), moves: allows("MOVE") }
    }
}

/// Whether a list of words has one.
fn has(list: Option<&str>, word: &str) -> bool {
    list.is_some_and(|list| list.split(',').any(|entry| entry.trim().eq_ignore_ascii_case(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_whole() {
        assert!(has(Some("1, 2"), "1") && has(Some("GET,move"), "MOVE"));
        assert!(!has(Some("1"), "2") && !has(Some("REMOVE"), "MOVE") && !has(None, "1"));
    }
}
