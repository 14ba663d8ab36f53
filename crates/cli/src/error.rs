//! Errors as people read them: what failed, on what, why; then what to do.

use std::error::Error as StdError;
use std::io;
use std::path::Path;

use crate::terminal::{self, Unread};

/// An error with what the user can do about it.
#[derive(Debug)]
pub(crate) struct Error {
    error: anyhow::Error,
    hint: Option<String>,
}

impl Error {
    pub(crate) fn new(error: impl Into<anyhow::Error>, hint: Option<String>) -> Error {
        Error { error: error.into(), hint }
    }

    /// Puts what was being done, and on what, before the cause.
    pub(crate) fn context(self, what: impl std::fmt::Display + Send + Sync + 'static) -> Error {
        Error { error: self.error.context(what), hint: self.hint }
    }

    /// Tells whether it only says that nobody reads on: `epitaph show … | head` is no failure.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        let is_unread = |error: &io::Error| error.get_ref().is_some_and(|inner| inner.is::<Unread>());
        self.error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(is_unread)
    }

    /// Prints it to stderr: `error: what: why`, then `hint: what to do`.
    pub(crate) fn print(&self) {
        terminal::error(&self.text());
        if let Some(hint) = &self.hint {
            terminal::hint(hint);
        }
    }

    /// Prints it as something that didn't stop the work.
    pub(crate) fn print_as_warning(&self) {
        terminal::warning(&self.text());
        if let Some(hint) = &self.hint {
            terminal::hint(hint);
        }
    }

    fn text(&self) -> String {
        chain(self.error.chain().map(ToString::to_string))
    }
}

/// Joins an error's text with those of its causes.
pub(crate) fn with_causes(error: &(dyn StdError + 'static)) -> String {
    chain(std::iter::successors(Some(error), |error| (*error).source()).map(ToString::to_string))
}

/// Joins causes; a library's error may repeat its cause in its own text, and what was said already is left out.
fn chain(causes: impl Iterator<Item = String>) -> String {
    let mut text = String::new();
    for cause in causes {
        if !text.ends_with(&cause) {
            text.push_str(if text.is_empty() { "" } else { ": " });
            text.push_str(&cause);
        }
    }
    text
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text())
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Error {
        Error::new(error, None)
    }
}

impl From<epitaph_bundle::OpenError> for Error {
    fn from(error: epitaph_bundle::OpenError) -> Error {
        let hint = error.hint();
        Error::new(error, hint)
    }
}

impl From<epitaph_bundle::BundleError> for Error {
    fn from(error: epitaph_bundle::BundleError) -> Error {
        let hint = error.hint();
        Error::new(error, hint)
    }
}

impl From<epitaph_bundle::CipherError> for Error {
    fn from(error: epitaph_bundle::CipherError) -> Error {
        let hint = error.hint();
        Error::new(error, hint)
    }
}

impl From<epitaph_bundle::SaveError> for Error {
    fn from(error: epitaph_bundle::SaveError) -> Error {
        let hint = error.hint();
        Error::new(error, hint)
    }
}

impl From<epitaph_capture::handler::HandlerError> for Error {
    fn from(error: epitaph_capture::handler::HandlerError) -> Error {
        let hint = error.hint();
        Error::new(error, hint)
    }
}

impl From<epitaph_serve::ServeError> for Error {
    fn from(error: epitaph_serve::ServeError) -> Error {
        let hint = error.hint();
        Error::new(error, hint)
    }
}

impl From<epitaph_store::StoreError> for Error {
    fn from(error: epitaph_store::StoreError) -> Error {
        let hint = error.hint();
        Error::new(error, hint)
    }
}

/// Explains why a file that was opened as a core can't be read as one.
pub(crate) fn of_core(path: &Path, error: epitaph_elf::CoreError) -> Error {
    let hint = match &error {
        epitaph_elf::CoreError::NotACore { .. } => {
            Some("give the core file; the program that crashed is given by --exe".to_owned())
        }
        epitaph_elf::CoreError::Empty => {
            Some("the kernel could write nothing: was the disk full, or the core size limited?".to_owned())
        }
        epitaph_elf::CoreError::BrokenHeader | epitaph_elf::CoreError::NoProgramHeaders => {
            Some("the file is damaged: copy or download it again, if there is another copy".to_owned())
        }
        _ => None,
    };
    Error::new(error, hint).context(path.display().to_string())
}

/// An error of ours alone.
pub(crate) fn message(text: impl Into<String>, hint: Option<&str>) -> Error {
    let source: Box<dyn StdError + Send + Sync> = text.into().into();
    Error::new(anyhow::Error::from_boxed(source), hint.map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_output_may_break_off_in_silence() {
        let broken = || io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(!Error::from(broken()).is_broken_pipe(), "a connection to a server, say");
        let unread = io::Error::new(io::ErrorKind::BrokenPipe, Unread::from(broken()));
        assert!(Error::from(unread).context("cannot print").is_broken_pipe());
    }
}
