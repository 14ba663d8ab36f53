//! Why the handler can't do its work, or can't be put in place.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// What went wrong in the handler.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HandlerError {
    /// The kernel's arguments aren't those that this version asks for.
    #[error("the kernel's arguments are not understood: {0}")]
    Arguments(&'static str),
    /// It isn't root.
    #[error("only root can do this")]
    NotRoot,
    /// Others than root could change a file that root relies on.
    #[error("{}: {trouble}, so others than root could change what root relies on", path.display())]
    Untrusted {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        trouble: &'static str,
    },
    /// A path that a core pattern can't hold.
    #[error("{}: a core pattern can hold only absolute paths without white space, % or special letters", path.display())]
    Unquotable {
        /// The path.
        path: PathBuf,
    },
    /// The pattern is longer than the kernel keeps.
    #[error("the core pattern would have {length} bytes, and the kernel keeps {longest}")]
    TooLong {
        /// Its length in bytes.
        length: usize,
        /// The longest that is kept.
        longest: usize,
    },
    /// Cores go to another handler.
    #[error("cores go to another handler: {pattern}")]
    OtherHandler {
        /// The pattern in force.
        pattern: String,
    },
    /// Changing the host's settings from inside of a container.
    #[error("this is a container ({evidence}), and the core pattern is the whole host's")]
    Container {
        /// What shows that it is one.
        evidence: &'static str,
    },
    /// The handler isn't installed.
    #[error("the handler is not installed: {what}")]
    NotInstalled {
        /// What shows that.
        what: String,
    },
    /// The kernel kept something else than was written.
    #[error("{}: {wanted:?} was written, and the kernel keeps {kept:?}", path.display())]
    NotKept {
        /// The setting.
        path: PathBuf,
        /// What was written.
        wanted: String,
        /// What is there.
        kept: String,
    },
    /// A file could not be read or written.
    #[error("{}: cannot be {what}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What was to be done with it.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A file of ours isn't what we write.
    #[error("{}: not as epitaph wrote it", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// Another handler of this user's crashes didn't finish.
    #[error("{}: another handler holds it for too long", path.display())]
    Busy {
        /// The lock.
        path: PathBuf,
    },
    /// The worker could not be started, or broke off.
    #[error("the unprivileged worker {what}")]
    Worker {
        /// What it did.
        what: &'static str,
        /// Why, where that is known.
        source: io::Error,
    },
    /// Who connected to the socket isn't the kernel with a core.
    #[error("who connected {what}")]
    Caller {
        /// What is wrong.
        what: &'static str,
        /// Why, in more detail.
        source: io::Error,
    },
    /// Another server listens for this spool already.
    #[error("{}: another `handler serve` is at work there", spool.display())]
    Served {
        /// The spool.
        spool: PathBuf,
    },
    /// The socket was to be installed, and no server would receive the cores.
    #[error("{}: nobody listens there", socket.display())]
    NobodyListens {
        /// The socket.
        socket: PathBuf,
    },
    /// The kernel can't give cores to sockets.
    #[error("this kernel gives no cores to sockets: /proc/sys/kernel/core_modes does not list them")]
    NoSockets,
    /// The handler's process could not be prepared.
    #[error("cannot {what}")]
    Process {
        /// What was to be done.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl HandlerError {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            HandlerError::NotRoot => "run it with sudo",
            HandlerError::Arguments(_) => {
                "run `epitaph handler install` again with the version that is to be used"
            }
            HandlerError::Untrusted { .. } => {
                "copy epitaph to a folder that root alone can write to, such as /usr/libexec, and install that copy"
            }
            HandlerError::Unquotable { .. } | HandlerError::TooLong { .. } => {
                "copy epitaph to a folder with a short plain name, such as /usr/libexec"
            }
            HandlerError::OtherHandler { .. } => "use --force to take its place; uninstalling puts it back",
            HandlerError::Container { .. } => {
                "install it on the host; where this container is the whole host, use --force"
            }
            HandlerError::NobodyListens { .. } => {
                "start `epitaph handler serve` first, as a service of the host"
            }
            HandlerError::NoSockets => "install the program instead, without --socket",
            HandlerError::NotInstalled { .. } => {
                "to send cores to files, write a pattern such as core.%p to /proc/sys/kernel/core_pattern"
            }
            HandlerError::File { source, .. } if source.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                "the host's settings can't be changed from here, as in most containers"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }

    pub(super) fn file(
        path: impl Into<PathBuf>,
        what: &'static str,
    ) -> impl FnOnce(io::Error) -> HandlerError {
        let path = path.into();
        move |source| HandlerError::File { path, what, source }
    }

    pub(super) fn process(what: &'static str) -> impl FnOnce(io::Error) -> HandlerError {
        move |source| HandlerError::Process { what, source }
    }
}
