//! A secret that proves who asks.

use std::fmt;

use reqwest::header::HeaderValue;

use crate::StoreError;

/// An access token. It can be sent and nothing else: it can't be printed, compared or read back.
#[derive(Clone)]
pub struct Token(HeaderValue);

impl Token {
    /// Takes a token as it comes from the environment or a file: white space around it is dropped.
    pub fn new(text: &str) -> Result<Self, StoreError> {
        let text = text.trim();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(StoreError::BadToken);
        }
        let mut value = HeaderValue::from_str(text).map_err(|_| StoreError::BadToken)?;
        value.set_sensitive(true);
        Ok(Self(value))
    }

    pub(crate) fn header(&self) -> HeaderValue {
        self.0.clone()
    }

    /// The token itself, for where no header takes it.
    pub(crate) fn text(&self) -> String {
        // It was printable ASCII when it came.
        self.0.to_str().unwrap_or_default().to_owned()
    }

    /// The value of an `Authorization` header (RFC 6750, 2.1).
    pub(crate) fn bearer(&self) -> HeaderValue {
        let mut value = b"Bearer ".to_vec();
        value.extend_from_slice(self.0.as_bytes());
        // What is printable stays so with a word before it.
        let mut value = HeaderValue::from_bytes(&value).unwrap_or_else(|_| self.0.clone());
        value.set_sensitive(true);
        value
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_never_printed() {
        let token = Token::new(" secret\n").unwrap();
        assert_eq!(format!("{token:?}"), "Token(…)");
        assert!(!format!("{:?}", token.header()).contains("secret"));
        assert_eq!(token.header().to_str().unwrap(), "secret");
        assert_eq!(token.bearer().to_str().unwrap(), "Bearer secret");
        assert!(!format!("{:?}", token.bearer()).contains("secret"));
    }

    #[test]
    fn what_is_no_token() {
        for text in ["", " \n", "a\r\nHost: evil", "a b", "é", "a\0"] {
            let error = Token::new(text).unwrap_err();
            assert!(matches!(error, StoreError::BadToken), "{text:?}");
        }
        let error = Token::new("hush\nhush").unwrap_err();
        assert!(!format!("{error}{error:?}").contains("hush"));
    }
}
