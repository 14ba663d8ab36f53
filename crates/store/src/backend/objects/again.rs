//! Requests that the client doesn't repeat by itself: those whose answer breaks off in the middle, and those that it takes
//! for unsafe to repeat.
//!
//! What it has repeated until it gave up is not begun anew: behind a server that is silent for ever, that would take its
//! attempts times ours, which are minutes.

use std::error::Error;
use std::iter;
use std::time::Instant;

use super::open::LONGEST_RETRY;
use super::{Objects, error};
use crate::backend::Backend;
use crate::http::Retry;
use crate::{NoProgress, StoreError};

/// How the client's error for a request begins, and where it says how often it has repeated it and how often it may.
const REPEATED: [&str; 3] = ["Error performing ", ", after ", " retries, max_retries: "];

/// The failures of one request.
pub(super) struct Again<'a> {
    retry: Retry<'a>,
    store: &'a Objects,
    key: &'a str,
    begun: Instant,
}

impl<'a> Again<'a> {
    /// Before the first attempt. `key` is what it is about.
    pub(super) fn new(store: &'a Objects, key: &'a str) -> Self {
        Self { retry: Retry::new(&store.network), store, key, begun: Instant::now() }
    }

    /// Waits, if it makes sense to try again; gives the error in our words if not.
    pub(super) async fn after(&mut self, error: object_store::Error) -> Result<(), StoreError> {
        let hopeless = gave_up(&error) || self.begun.elapsed() >= LONGEST_RETRY;
        let error = error::from(self.store.locate(self.key), error);
        if hopeless {
            return Err(error);
        }
        self.retry.wait(error, self.key, &NoProgress).await
    }
}

/// Whether the client has repeated the request as often as it may. Its own type for that is not to be had: only its words
/// tell, in the form of object_store 0.14 (`client::retry::RetryError`).
fn gave_up(error: &object_store::Error) -> bool {
    let [begins, after, most] = REPEATED;
    let mut chain = iter::successors(Some(error as &(dyn Error + 'static)), |error| (*error).source())
        .map(ToString::to_string);
    chain.any(|text| {
        let counts = text.strip_prefix(begins).and_then(|text| text.split_once(after)?.1.split_once(most));
        counts.is_some_and(|(done, rest)| {
            let most = rest.split(|char: char| !char.is_ascii_digit()).next();
            let (done, most) = (done.parse::<u32>(), most.unwrap_or_default().parse::<u32>());
            done.is_ok_and(|done| most.is_ok_and(|most| done >= most))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> object_store::Error {
        object_store::Error::Generic { store: "S3", source: text.into() }
    }

    #[test]
    fn what_was_repeated_to_the_end_is_not_begun_anew() {
        let performing = "Error performing GET http://h/k in 1s";
        let after = |times| {
            error(&format!("{performing}, after {times} retries, max_retries: 3, retry_timeout: 9s  - x"))
        };
        assert!(gave_up(&after(3)));
        assert!(!gave_up(&after(2)), "another attempt may have better luck");
        assert!(!gave_up(&error(&format!("{performing} - x"))), "it was not repeated at all");
        assert!(!gave_up(&error("error decoding response body")));
    }
}
