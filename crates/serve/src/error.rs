//! Why a store can't be shown.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use epitaph_store::StoreError;

/// Why the server doesn't start, or can't answer a request. No variant ever holds a token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file or folder of a plain folder can't be read.
    #[error("can't {action} {}", path.display())]
    Read {
        /// A verb: `list`, `open`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A folder's file is not a regular one any more.
    #[error("{} is not a regular file", path.display())]
    NotRegular {
        /// The file.
        path: PathBuf,
    },
    /// A folder holds more files than are listed.
    #[error("{} holds more than {most} files", path.display())]
    TooManyFiles {
        /// The folder.
        path: PathBuf,
        /// How many are listed.
        most: usize,
    },
    /// A file became another one between two looks at it.
    #[error("a file has changed while it was being opened: expected {expected} bytes, found {found}")]
    Changed {
        /// The length in bytes that it had.
        expected: u64,
        /// The length in bytes that it has.
        found: u64,
    },
    /// A file broke off while it was sent.
    #[error("a download broke off")]
    Content {
        /// The reason.
        source: io::Error,
    },
    /// The address to listen on is none.
    #[error("bad address `{address}`")]
    BadAddress {
        /// As it was given.
        address: String,
        /// The reason.
        source: io::Error,
    },
    /// Others than this machine's users could read everything.
    #[error("{address} can be reached from other machines, and no token is set")]
    Open {
        /// The address.
        address: SocketAddr,
    },
    /// The address can't be listened on.
    #[error("can't listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The reason.
        source: io::Error,
    },
    /// A name for the server that no client would send.
    #[error("bad host name `{name}`")]
    BadHost {
        /// As it was given.
        name: String,
    },
    /// The public address is not one of a first page.
    #[error("bad public URL `{url}`")]
    BadPublicUrl {
        /// As it was given, without what may be a secret.
        url: String,
    },
    /// The token can't be sent in a header. Its value is not told.
    #[error("the token is empty, or holds characters that no HTTP header can carry")]
    BadToken,
    /// The system gives no thread or timer.
    #[error("can't start the server")]
    Start {
        /// The reason.
        source: io::Error,
    },
    /// What should have read the store is gone.
    #[error("reading the store was given up")]
    GivenUp {
        /// The reason.
        source: tokio::task::JoinError,
    },
}

impl ServeError {
    /// What a person can do about it, where the crate knows.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Store(StoreError::Io { source, .. }) | Self::Read { source, .. }
                if source.kind() == io::ErrorKind::NotFound =>
            {
                "give a store, or the folder that `collect` or `pull` has written"
            }
            Self::Store(error) => return error.hint(),
            Self::TooManyFiles { .. } => {
                "give the folder that `collect` or `pull` has written, not one above it"
            }
            Self::BadAddress { .. } => "write ADDRESS:PORT, such as 127.0.0.1:8080; port 0 takes a free one",
            Self::Open { .. } => {
                "set EPITAPH_SERVE_TOKEN to a secret that every client must send, or --token-file to a file with one; \
                 or listen on 127.0.0.1"
            }
            Self::Listen { source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
                "another program listens there: choose another port with --listen; port 0 takes a free one"
            }
            Self::Listen { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "ports below 1024 are root's: choose another with --listen"
            }
            Self::Listen { source, .. } if source.kind() == io::ErrorKind::AddrNotAvailable => {
                "that is no address of this machine: 127.0.0.1 is one, and 0.0.0.0 means all of them"
            }
            Self::BadHost { .. } => "write the name alone, without scheme, port or path: crashes.example.com",
            Self::BadPublicUrl { .. } => {
                "write https://NAME or https://NAME:PORT, without a path: the proxy must pass the whole name on to this server"
            }
            Self::BadToken => "the token must be one line of printable ASCII, without quotes or spaces",
            _ => return None,
        };
        Some(hint.to_owned())
    }

    /// Wraps a failed system call: `.map_err(ServeError::read("open", path))`.
    pub(crate) fn read(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Read { action, path, source }
    }
}
