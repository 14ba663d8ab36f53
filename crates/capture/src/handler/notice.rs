//! What the kernel tells the handler in its arguments.
//!
//! Every argument is named, so that a missing value can't be taken for its neighbour's, and the first one is the version
//! of the layout. The thread's name comes last: it is the crasher's to choose, and kernels before 5.3 split the pattern
//! into arguments only after they have put it in.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use super::error::HandlerError;

/// The version of the arguments. A handler refuses any other.
pub(super) const LAYOUT: &str = "1";
/// Where cores are kept unless the pattern says otherwise.
pub const DEFAULT_SPOOL: &str = "/var/spool/epitaph";
/// What the kernel tells of a crash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The process, as the host numbers it.
    pub pid: u32,
    /// The thread that got the signal, likewise.
    pub tid: u32,
    /// The process's real user, as the host numbers it.
    pub uid: u32,
    /// The process's real group, likewise.
    pub gid: u32,
    /// The signal.
    pub signal: u32,
    /// When it died, in seconds since 1970.
    pub time: u64,
    /// The process's soft limit on core files, in bytes.
    pub core_limit: u64,
    /// Whether its user may read its memory (`PR_GET_DUMPABLE`): 1 yes; 2 only root, since it has changed its user.
    pub dumpable: u32,
    /// The descriptor, open in the handler, that stands for the very process.
    pub pidfd: Option<u32>,
    /// The name of the thread.
    pub name: Vec<u8>,
    /// Where cores are kept.
    pub spool: PathBuf,
}

impl Notice {
    /// Reads the arguments that follow `handler run`.
    pub fn parse(arguments: &[OsString]) -> Result<Notice, HandlerError> {
        let mut values = BTreeMap::new();
        let mut name = None;
        for argument in arguments {
            let bytes = argument.as_bytes();
            let (key, value) = match bytes {
                _ if name.is_some() => return Err(HandlerError::Arguments("there are some after the name")),
                [key, b'=', value @ ..] => (*key, value),
                _ => return Err(HandlerError::Arguments("one of them has no name")),
            };
            if key == b'e' {
                name = Some(value.to_vec());
            } else if values.insert(key, value).is_some() {
                return Err(HandlerError::Arguments("one of them comes twice"));
            }
        }
        if values.remove(&b'v') != Some(LAYOUT.as_bytes()) {
            return Err(HandlerError::Arguments("they are of another version of epitaph"));
        }
        let mut take = |key: u8| values.remove(&key).and_then(|value| str::from_utf8(value).ok());
        let spool = take(b'D').map_or_else(|| PathBuf::from(DEFAULT_SPOOL), PathBuf::from);
        let pidfd = take(b'F').and_then(|value| value.parse().ok());
        let mut number = |key| take(key).and_then(|value| value.parse::<u64>().ok());
        let small = |value: Option<u64>| value.and_then(|value| u32::try_from(value).ok());
        let notice = Notice {
            pid: small(number(b'P')).ok_or(HandlerError::Arguments("P is no number"))?,
            tid: small(number(b'I')).ok_or(HandlerError::Arguments("I is no number"))?,
            uid: small(number(b'u')).ok_or(HandlerError::Arguments("u is no number"))?,
            gid: small(number(b'g')).ok_or(HandlerError::Arguments("g is no number"))?,
            signal: small(number(b's')).ok_or(HandlerError::Arguments("s is no number"))?,
            time: number(b't').ok_or(HandlerError::Arguments("t is no number"))?,
            core_limit: number(b'c').ok_or(HandlerError::Arguments("c is no number"))?,
            dumpable: small(number(b'd')).ok_or(HandlerError::Arguments("d is no number"))?,
            pidfd,
            name: name.ok_or(HandlerError::Arguments("the name is missing"))?,
            spool,
        };
        if !values.is_empty() {
            return Err(HandlerError::Arguments("one of them is unknown"));
        }
        Ok(notice)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;
    use std::path::Path;

    use super::*;

    fn arguments(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    const USUAL: &str =
        "v=1 P=71 I=72 u=1000 g=100 s=11 t=1800000000 c=18446744073709551615 d=1 F=3 e=parser";

    #[test]
    fn the_kernels_values_are_read_by_name() {
        let notice = Notice::parse(&arguments(USUAL)).unwrap();
        assert_eq!((notice.pid, notice.tid, notice.uid, notice.gid), (71, 72, 1000, 100));
        assert_eq!((notice.signal, notice.time, notice.core_limit), (11, 1_800_000_000, u64::MAX));
        assert_eq!((notice.dumpable, notice.pidfd, notice.name.as_slice()), (1, Some(3), &b"parser"[..]));
        assert_eq!(notice.spool, Path::new(DEFAULT_SPOOL));
        let elsewhere = Notice::parse(&arguments(&USUAL.replace("v=1", "v=1 D=/srv/cores"))).unwrap();
        assert_eq!(elsewhere.spool, Path::new("/srv/cores"));
    }

    #[test]
    fn an_old_kernel_gives_no_descriptor() {
        let notice = Notice::parse(&arguments(&USUAL.replace("F=3", "F="))).unwrap();
        assert_eq!(notice.pidfd, None);
    }

    #[test]
    fn a_name_is_whatever_the_crasher_likes() {
        for name in [&b"-rf"[..], b"", b"P=1", b"a b\n\x1b[2J", b"\xff\xfe", b"--"] {
            let mut arguments = arguments(USUAL);
            *arguments.last_mut().unwrap() = OsString::from_vec([b"e=", name].concat());
            assert_eq!(Notice::parse(&arguments).unwrap().name, name);
        }
    }

    #[test]
    fn another_layout_is_refused() {
        for (from, to) in [
            ("v=1", "v=2"),
            ("v=1 ", ""),
            ("P=71 ", ""),
            ("P=71", "P="),
            ("P=71", "P=-1"),
            ("P=71", "P=4294967296"),
            ("I=72", "P=72"),
            ("d=1", "1"),
            ("d=1", "d=1 x=1"),
            ("e=parser", "e=parser D=/etc"),
            (" e=parser", ""),
        ] {
            let text = USUAL.replace(from, to);
            assert!(matches!(Notice::parse(&arguments(&text)), Err(HandlerError::Arguments(_))), "{text}");
        }
    }
}
