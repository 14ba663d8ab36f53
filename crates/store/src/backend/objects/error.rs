//! What an object store's client says, in our words.
//!
//! Its own messages hold URLs, and with them the signature that an Azure SAS token is. So only the innermost cause is
//! told, which is the server's answer or the connection's failure.

use std::error::Error;
use std::iter;

use object_store::client::{HttpError, HttpErrorKind};

use crate::StoreError;

/// How the client's error for an HTTP status begins.
const STATUS: &str = "Server returned non-2xx status code: ";

/// The addresses at which machines of the clouds ask for their own credentials.
const METADATA: [&str; 2] = ["169.254.", "metadata.google"];

/// How much of a server's answer is told.
const LONGEST: usize = 300;

/// Puts an error into our words. `url` is what it was about, as it may be shown.
#[expect(clippy::needless_pass_by_value, reason = "it ends here: this is what `map_err` hands over")]
pub(super) fn from(url: String, error: object_store::Error) -> StoreError {
    use object_store::Error as E;
    let chain: Vec<&(dyn Error + 'static)> =
        iter::successors(Some(&error as &(dyn Error + 'static)), |error| (*error).source()).collect();
    let innermost = chain.last().map(ToString::to_string).unwrap_or_default();
    if chain.iter().any(|error| METADATA.iter().any(|address| error.to_string().contains(address))) {
        return StoreError::NoCredentials { url };
    }
    if let Some(ours) = chain.iter().find_map(|error| error.downcast_ref::<StoreError>()) {
        return match ours {
            StoreError::NotTrusted { url, why } => {
                StoreError::NotTrusted { url: url.clone(), why: why.clone() }
            }
            other => StoreError::Rejected { url, status: None, why: told(&other.to_string()) },
        };
    }
    let http = chain.iter().find_map(|error| error.downcast_ref::<HttpError>());
    if let Some(http) = http {
        let passes = !matches!(http.kind(), HttpErrorKind::Unknown | HttpErrorKind::Decode);
        return if passes {
            StoreError::Network { url, source: without_queries(&innermost).into() }
        } else {
            StoreError::Rejected { url, status: None, why: told(&innermost) }
        };
    }
    if chain.iter().any(|error| error.is::<quick_xml::DeError>()) {
        return StoreError::BadAnswer { url, why: told(&innermost) };
    }
    let status = status(&innermost);
    match error {
        E::NotFound { .. } if says_no_bucket(&innermost) => {
            StoreError::Rejected { url, status, why: told(&innermost) }
        }
        E::NotFound { .. } => StoreError::Absent { url },
        _ => StoreError::Rejected { url, status, why: told(&innermost) },
    }
}

/// Drops what follows a question mark up to the next white space: a signature may be there.
fn without_queries(text: &str) -> String {
    let word = |word: &str| word.split('?').next().unwrap_or_default().to_owned();
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

fn status(text: &str) -> Option<u16> {
    text.strip_prefix(STATUS)?.get(..3)?.parse().ok()
}

fn says_no_bucket(text: &str) -> bool {
    ["NoSuchBucket", "ContainerNotFound"].iter().any(|code| text.contains(code))
}

/// The code and message of a server's answer, which is XML; or its beginning.
fn told(text: &str) -> String {
    let text = text.strip_prefix(STATUS).unwrap_or(text);
    let element = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        Some(rest.split_once('<')?.0)
    };
    let head = text.split(": ").next().unwrap_or_default();
    let parts: Vec<&str> = [Some(head), element("Code"), element("Message")].into_iter().flatten().collect();
    let told = if parts.len() > 1 { parts.join(": ") } else { text.to_owned() };
    let told = without_queries(told.trim_end_matches([':', ' ']));
    told.chars().filter(|char| !char.is_control()).take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_told_and_not_the_request() {
        let answer = format!(
            "{STATUS}403 Forbidden: <Error><Code>InvalidAccessKeyId</Code><Message>No such key\n</Message></Error>"
        );
        assert_eq!(told(&answer), "403 Forbidden: InvalidAccessKeyId: No such key");
        assert_eq!(told(&format!("{STATUS}307 Temporary Redirect: ")), "307 Temporary Redirect");
        assert_eq!(status(&answer), Some(403));
        assert_eq!(told(&format!("{STATUS}502 Bad Gateway: oops")), "502 Bad Gateway: oops");
        assert_eq!(status("connection refused"), None);
    }

    #[test]
    fn no_signature_is_told() {
        let source = "Error performing GET http://h/k?sig=secret in 1s".into();
        let error = from("az://c/k".into(), object_store::Error::Generic { store: "x", source });
        assert_eq!(error.to_string(), "az://c/k refused: Error performing GET http://h/k in 1s");
        assert!(!format!("{error:?}").contains("secret"));
    }

    #[test]
    fn what_is_missing() {
        let missing =
            |source: &str| object_store::Error::NotFound { path: "k".into(), source: source.into() };
        assert!(from("s3://b/k".into(), missing("404")).is_absent());
        let bucket = missing("Server returned non-2xx status code: 404 Not Found: <Code>NoSuchBucket</Code>");
        assert!(!from("s3://b/k".into(), bucket).is_absent());
    }
}
