//! Who asks a store behind a web server.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};

use crate::StoreError;

/// What proves to a web server who asks. It can be sent in a header and nothing else: it can't be printed, compared or
/// read back.
#[derive(Clone)]
pub struct HttpLogin(HeaderValue);

impl HttpLogin {
    /// A bearer token (RFC 6750) as it comes from the environment or a file: white space around it is dropped.
    pub fn bearer(token: &str) -> Result<Self, StoreError> {
        let token = token.trim();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(StoreError::BadToken);
        }
        Self::of(&format!("Bearer {token}"))
    }

    /// A user's name and password (RFC 7617): neither holds a control character, and the name no colon.
    pub fn basic(user: &str, password: &str) -> Result<Self, StoreError> {
        if user.contains(':') || [user, password].iter().any(|text| text.contains(char::is_control)) {
            return Err(StoreError::BadToken);
        }
        Self::of(&format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
    }

    fn of(header: &str) -> Result<Self, StoreError> {
        let mut value = HeaderValue::from_str(header).map_err(|_| StoreError::BadToken)?;
        value.set_sensitive(true);
        Ok(Self(value))
    }

    pub(crate) fn headers(&self) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, self.0.clone())])
    }
}

impl fmt::Debug for HttpLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HttpLogin(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(login: &HttpLogin) -> String {
        login.headers().get(AUTHORIZATION).unwrap().to_str().unwrap().to_owned()
    }

    #[test]
    fn headers_are_those_of_the_documents() {
        // The examples of RFC 6750, 2.1, and RFC 7617, 2.
        assert_eq!(header(&HttpLogin::bearer(" mF_9.B5f-4.1JqM\n").unwrap()), "Bearer mF_9.B5f-4.1JqM");
        let login = HttpLogin::basic("Aladdin", "open sesame").unwrap();
        assert_eq!(header(&login), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(format!("{login:?} {:?}", login.headers()).matches("QWxh").count(), 0);
    }

    #[test]
    fn what_is_no_login() {
        for (user, password) in [("a:b", "c"), ("a\n", "c"), ("a", "c\0")] {
            assert!(matches!(HttpLogin::basic(user, password), Err(StoreError::BadToken)), "{user:?}");
        }
        for token in ["", "a b", "a\r\nHost: evil", "é"] {
            assert!(matches!(HttpLogin::bearer(token), Err(StoreError::BadToken)), "{token:?}");
        }
    }
}
