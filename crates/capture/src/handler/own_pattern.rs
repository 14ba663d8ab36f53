//! The core patterns that send cores to our handler, written and known again.
//!
//! Every value is named, and the thread's name comes last: it is the crasher's to choose, and kernels before 5.3 split the
//! pattern into arguments only after they have put it in. A socket's pattern has room for nothing but the path, so its
//! name says whose it is, and its folder where cores are kept.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use super::error::HandlerError;
use super::notice::{DEFAULT_SPOOL, LAYOUT};
use super::server::{SOCKET, socket_of};
use crate::pattern::{CorePattern, LONGEST_PATTERN, Pipe, Target};

/// The values that the kernel puts in, by their names and specifiers (core(5)). `F` needs Linux 6.16; before, it is
/// empty.
const VALUES: &str = "P=%P I=%I u=%u g=%g s=%s t=%t c=%c d=%d F=%F";
/// The words that make the pattern's program a handler.
const COMMAND: [&str; 2] = ["handler", "run"];

/// A core pattern that sends cores to our handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnPattern {
    /// How they come to it.
    pub way: Way,
    /// Where it keeps cores.
    pub spool: PathBuf,
}

/// How the kernel gives cores to our handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// It starts a program.
    Program {
        /// The program.
        path: PathBuf,
        /// The version of its arguments.
        layout: String,
    },
    /// It connects to a socket, on which `handler serve` must listen.
    Socket {
        /// The socket, which is in the spool.
        path: PathBuf,
    },
}

impl OwnPattern {
    /// Recognises our handler in a pattern, of whatever version it is.
    pub fn of(pattern: &CorePattern) -> Option<OwnPattern> {
        match pattern.target() {
            Target::Pipe(pipe) => OwnPattern::of_pipe(pipe),
            Target::Socket(socket) => {
                let path = PathBuf::from(OsString::from_vec(socket.path.clone()));
                let is_ours = path.is_absolute() && path.file_name() == Some(OsStr::new(SOCKET));
                let spool = path.parent().filter(|_| is_ours)?.to_owned();
                Some(OwnPattern { way: Way::Socket { path }, spool })
            }
            Target::File(_) => None,
        }
    }

    fn of_pipe(pipe: &Pipe) -> Option<OwnPattern> {
        let (command, values) = pipe.arguments.split_at_checked(COMMAND.len())?;
        if !command.iter().zip(COMMAND).all(|(word, known)| word == known.as_bytes()) {
            return None;
        }
        let value = |key: &[u8]| values.iter().find_map(|value| value.strip_prefix(key)).map(<[u8]>::to_vec);
        let path = |bytes: Vec<u8>| PathBuf::from(OsString::from_vec(bytes));
        let layout = String::from_utf8(value(b"v=")?).ok()?;
        Some(OwnPattern {
            way: Way::Program { path: path(pipe.program.clone()), layout },
            spool: value(b"D=").map_or_else(|| PathBuf::from(DEFAULT_SPOOL), path),
        })
    }

    /// Returns the pattern that makes the kernel start `program` and keep cores in `spool`.
    pub(super) fn program_text(program: &Path, spool: &Path) -> Result<String, HandlerError> {
        quotable(program)?;
        quotable(spool)?;
        let is_usual = spool == Path::new(DEFAULT_SPOOL);
        let folder = if is_usual { String::new() } else { format!(" D={}", spool.display()) };
        let [word, verb] = COMMAND;
        let text = format!("|{} {word} {verb} v={LAYOUT}{folder} {VALUES} e=%e", program.display());
        short_enough(text)
    }

    /// Returns the pattern that makes the kernel connect to the socket in `spool`, and ask what it shall do.
    pub(super) fn socket_text(spool: &Path) -> Result<String, HandlerError> {
        quotable(spool)?;
        short_enough(format!("@@{}", socket_of(spool).display()))
    }
}

/// There is no quoting: the kernel splits at white space and takes any % for a specifier.
fn quotable(path: &Path) -> Result<(), HandlerError> {
    let plain = path.as_os_str().as_bytes().iter().all(|byte| byte.is_ascii_graphic() && *byte != b'%');
    if path.is_absolute() && plain {
        return Ok(());
    }
    Err(HandlerError::Unquotable { path: path.to_owned() })
}

fn short_enough(text: String) -> Result<String, HandlerError> {
    if text.len() > LONGEST_PATTERN {
        return Err(HandlerError::TooLong { length: text.len(), longest: LONGEST_PATTERN });
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::Rules;

    #[test]
    fn our_pattern_is_known_again() {
        let program = Path::new("/usr/libexec/epitaph");
        for spool in [DEFAULT_SPOOL, "/srv/cores"] {
            let text = OwnPattern::program_text(program, Path::new(spool)).unwrap();
            assert!(text.len() <= LONGEST_PATTERN, "{text}");
            let own = OwnPattern::of(&CorePattern::parse(&text, Rules::default())).unwrap();
            let way = Way::Program { path: program.into(), layout: "1".into() };
            assert_eq!(own, OwnPattern { way, spool: spool.into() });
            let text = OwnPattern::socket_text(Path::new(spool)).unwrap();
            for text in [text.as_str(), text.strip_prefix('@').unwrap()] {
                let own = OwnPattern::of(&CorePattern::parse(text, Rules::default())).unwrap();
                let way = Way::Socket { path: Path::new(spool).join("epitaph.sock") };
                assert_eq!(own, OwnPattern { way, spool: spool.into() });
            }
        }
        for other in [
            "@/run/cores",
            "core",
            "|/usr/libexec/epitaph",
            "|/usr/libexec/epitaph show run v=1",
            "|/x handler run",
        ] {
            assert_eq!(OwnPattern::of(&CorePattern::parse(other, Rules::default())), None, "{other}");
        }
    }

    #[test]
    fn a_pattern_that_the_kernel_would_not_keep_is_refused() {
        let long = Path::new("/opt").join("x".repeat(100));
        assert!(matches!(
            OwnPattern::program_text(&long, Path::new(DEFAULT_SPOOL)),
            Err(HandlerError::TooLong { length: 150.., .. })
        ));
        for odd in ["/opt/a b/epitaph", "/opt/100%/epitaph", "epitaph", "/opt/é"] {
            let refused = OwnPattern::program_text(Path::new(odd), Path::new(DEFAULT_SPOOL));
            assert!(matches!(refused, Err(HandlerError::Unquotable { .. })), "{odd}");
        }
    }
}
