//! The secret that clients must send.

use std::fmt;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use subtle::ConstantTimeEq as _;

use crate::ServeError;

/// The header that CircleCI's clients send their token in.
const CIRCLE_TOKEN: &str = "circle-token";

/// A secret that clients must send. It can't be printed or read back.
#[derive(Clone)]
pub struct AccessToken(String);

impl AccessToken {
    /// Takes a token as it comes from the environment or a file: white space around it is dropped.
    pub fn new(text: &str) -> Result<Self, ServeError> {
        let text = text.trim();
        let printable = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        if printable { Ok(Self(text.to_owned())) } else { Err(ServeError::BadToken) }
    }

    /// Tells whether a request holds the token in one of the ways that clients know:
    ///
    /// - `Authorization: Bearer TOKEN`, or `Basic` with it as the password, as browsers ask for one, or as the user, as
    ///   CircleCI's documentation has it (`curl -u TOKEN:`);
    /// - `Circle-Token: TOKEN`;
    /// - `?circle-token=TOKEN`, the oldest form, which ends up in the logs of whatever stands in between.
    pub(crate) fn is_in(&self, headers: &HeaderMap, query: Option<&str>) -> bool {
        let authorized = headers.get(AUTHORIZATION).is_some_and(|value| self.authorizes(value.as_bytes()));
        let header = headers.get(CIRCLE_TOKEN).is_some_and(|value| self.equals(value.as_bytes()));
        authorized || header || query.is_some_and(|query| self.is_in_query(query))
    }

    fn authorizes(&self, value: &[u8]) -> bool {
        let Some((scheme, secret)) = str::from_utf8(value).ok().and_then(|value| value.split_once(' '))
        else {
            return false;
        };
        let secret = secret.trim_start();
        if scheme.eq_ignore_ascii_case("bearer") {
            return self.equals(secret.as_bytes());
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return false;
        }
        let Ok(pair) = STANDARD.decode(secret) else { return false };
        let mut parts = pair.splitn(2, |byte| *byte == b':');
        let (user, password) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        self.equals(password) | (password.is_empty() && self.equals(user))
    }

    fn is_in_query(&self, query: &str) -> bool {
        let mut values = query.split('&').filter_map(|pair| pair.split_once('='));
        // A shell puts the token in as it is, a library percent-encodes it.
        values.any(|(name, value)| {
            let decoded: Vec<u8> = percent_decode_str(value).collect();
            name == CIRCLE_TOKEN && (self.equals(value.as_bytes()) | self.equals(&decoded))
        })
    }

    /// Compares in a time that doesn't tell how much is right; how long the token is may be known.
    fn equals(&self, given: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(given).into()
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn accepted(header: Option<(&str, &str)>, query: Option<&str>) -> bool {
        let headers = header.map(|(name, value)| {
            (HeaderName::try_from(name).unwrap(), HeaderValue::from_str(value).unwrap())
        });
        AccessToken::new(" s3cr+t%2F\n").unwrap().is_in(&headers.into_iter().collect(), query)
    }

    #[test]
    fn every_way_to_send_it() {
        assert!(accepted(Some(("authorization", "Bearer s3cr+t%2F")), None));
        assert!(accepted(Some(("authorization", "bearer  s3cr+t%2F")), None));
        assert!(accepted(Some(("circle-token", "s3cr+t%2F")), None));
        let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
        assert!(accepted(Some(("authorization", &basic("anybody:s3cr+t%2F"))), None));
        assert!(accepted(Some(("authorization", &basic("s3cr+t%2F:"))), None));
        assert!(accepted(Some(("authorization", &basic("s3cr+t%2F"))), None));
        assert!(accepted(None, Some("circle-token=s3cr+t%2F")));
        assert!(accepted(None, Some("branch=main&circle-token=s3cr%2Bt%252F")));
    }

    #[test]
    fn nothing_else_will_do() {
        assert!(!accepted(None, None));
        for value in ["", "Bearer", "Bearer ", "Bearer s3cr+t", "Bearer s3cr+t%2Fx", "s3cr+t%2F", "Basic !"] {
            assert!(!accepted(Some(("authorization", value)), None), "{value}");
        }
        let basic = format!("Basic {}", STANDARD.encode("s3cr+t%2F:other"));
        assert!(!accepted(Some(("authorization", &basic)), None));
        for query in [
            "",
            "circle-token",
            "circle-token=",
            "circle-token=s3cr+t",
            "token=s3cr+t%2F",
            "x=circle-token=s3cr+t%2F",
        ] {
            assert!(!accepted(None, Some(query)), "{query}");
        }
    }

    #[test]
    fn it_is_never_printed() {
        assert_eq!(format!("{:?}", AccessToken::new("secret").unwrap()), "AccessToken(…)");
        for text in ["", " \n", "hush hush", "hush\nhush", "é"] {
            let error = AccessToken::new(text).unwrap_err();
            assert!(!format!("{error}{error:?}").contains("hush"), "{text:?}");
            assert!(matches!(error, ServeError::BadToken));
        }
    }
}
