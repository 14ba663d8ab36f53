//! When to stop asking: a server that refuses or fails everything must not be asked for the other thousand files.

use std::cell::Cell;

use crate::StoreError;

/// So many requests in a row may fail, each after all its attempts, even where fewer are sent at once.
const FEWEST: usize = 3;

/// Shared by all files of one push or pull.
#[derive(Debug)]
pub(crate) struct Fuse {
    in_a_row: Cell<usize>,
    most: usize,
    blown: Cell<Option<&'static str>>,
}

impl Fuse {
    /// A fuse for so many requests at once: if all of them fail, it is not for what they ask for.
    pub(crate) fn new(at_once: usize) -> Self {
        Self { in_a_row: Cell::new(0), most: at_once.max(FEWEST), blown: Cell::new(None) }
    }

    /// Fails for what is not worth asking for any more.
    pub(crate) fn check(&self, path: &str) -> Result<(), StoreError> {
        let Some(why) = self.blown.get() else { return Ok(()) };
        Err(StoreError::NotAskedFor { path: path.to_owned(), why })
    }

    /// Learns from what became of a request.
    pub(crate) fn note<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        match &result {
            // Nobody else's answer to a token that expired is better.
            Err(StoreError::Status { status: 401, token_sent: true, .. }) => {
                self.blown.set(Some("the token was refused before"));
            }
            Err(error) if is_the_server_s(error) => {
                self.in_a_row.set(self.in_a_row.get() + 1);
                if self.in_a_row.get() >= self.most {
                    self.blown.set(Some("the server failed several times in a row"));
                }
            }
            Ok(_) | Err(_) => self.in_a_row.set(0),
        }
        result
    }
}

/// Whether an error says more about the server than about one file.
fn is_the_server_s(error: &StoreError) -> bool {
    match error {
        StoreError::Status { .. } | StoreError::Rejected { .. } => error.is_transient(),
        StoreError::HttpStore { status, .. } => matches!(status, 429 | 500..),
        StoreError::Network { .. } | StoreError::Stalled { .. } | StoreError::NoCredentials { .. } => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16) -> Result<(), StoreError> {
        Err(StoreError::Status { url: "u".into(), status, token_sent: true, retry_after: None })
    }

    #[test]
    fn a_refused_token_is_final() {
        let fuse = Fuse::new(4);
        fuse.note(status(401)).unwrap_err();
        fuse.note(Ok(())).unwrap();
        assert!(matches!(fuse.check("a"), Err(StoreError::NotAskedFor { .. })));
    }

    #[test]
    fn failures_in_a_row_count() {
        let fuse = Fuse::new(1);
        for _ in 0..2 {
            fuse.note(status(429)).unwrap_err();
        }
        fuse.note(Ok(())).unwrap();
        for _ in 0..2 {
            fuse.note(status(503)).unwrap_err();
            fuse.check("a").unwrap();
        }
        fuse.note(status(503)).unwrap_err();
        fuse.check("a").unwrap_err();
    }

    #[test]
    fn what_is_wrong_with_one_file_does_not() {
        let fuse = Fuse::new(1);
        for _ in 0..10 {
            fuse.note(status(404)).unwrap_err();
            fuse.note(status(403)).unwrap_err();
            let cut = StoreError::CutShort { url: "u".into(), received: 1, expected: 2 };
            fuse.note::<()>(Err(cut)).unwrap_err();
        }
        fuse.check("a").unwrap();
    }
}
