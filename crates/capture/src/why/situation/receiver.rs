//! What stands at the place of the program or socket that cores go to.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use crate::handler::{OwnPattern, check_listening};
use crate::host::Host;
use crate::pattern::{CorePattern, Target};

/// The most bytes of a script's first line that the kernel reads (`BINPRM_BUF_SIZE`).
const LONGEST_SCRIPT_LINE: u64 = 256;
/// The flag of a socket that accepts connections (`__SO_ACCEPTCON`), as `/proc/net/unix` shows it.
const ACCEPTS: u32 = 0x0001_0000;

/// What stands at the place of a program or socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receiver {
    /// The pattern has none, or it can't be seen from here.
    Unknown,
    /// A program that can be executed, or a socket that somebody listens on.
    Usable,
    /// Nothing.
    Missing,
    /// Something else.
    Unusable,
    /// A script whose interpreter is missing or can't be executed.
    WithoutInterpreter,
    /// A socket that nobody listens on any more.
    NotListening,
}

pub(super) fn of(host: &Host, pattern: &CorePattern, container: Option<&str>) -> Receiver {
    // Programs are started, and sockets reached, outside of the container: what is seen from inside says
    // nothing.
    if container.is_some() {
        return Receiver::Unknown;
    }
    match pattern.target() {
        Target::File(_) => Receiver::Unknown,
        Target::Pipe(pipe) => program(host, &pipe.program),
        Target::Socket(socket) => match (self::socket(host, &socket.path), OwnPattern::of(pattern)) {
            // All of ours have the same name; each has a lock.
            (Receiver::Usable, Some(own)) if check_listening(&host.path(&own.spool)).is_err() => {
                Receiver::NotListening
            }
            (receiver, _) => receiver,
        },
    }
}

fn program(host: &Host, path: &[u8]) -> Receiver {
    if path.is_empty() {
        return Receiver::Missing;
    }
    let path = host.path(PathBuf::from(OsString::from_vec(path.to_vec())));
    match std::fs::metadata(&path) {
        Err(_) => Receiver::Missing,
        Ok(metadata) if !metadata.is_file() || !can_execute(&path) => Receiver::Unusable,
        Ok(_) => match interpreter(&path) {
            Some(interpreter) if !can_execute(&host.path(&interpreter)) => Receiver::WithoutInterpreter,
            _ => Receiver::Usable,
        },
    }
}

fn can_execute(path: &Path) -> bool {
    access(path, Access::EXEC_OK).is_ok()
}

/// Returns the program that a script's first line (`#!`) names.
fn interpreter(script: &Path) -> Option<PathBuf> {
    let mut line = Vec::new();
    File::open(script).ok()?.take(LONGEST_SCRIPT_LINE).read_to_end(&mut line).ok()?;
    let line = line.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let name = line.split(u8::is_ascii_whitespace).find(|word| !word.is_empty())?;
    Some(PathBuf::from(OsStr::from_bytes(name)))
}

fn socket(host: &Host, path: &[u8]) -> Receiver {
    if path.is_empty() {
        return Receiver::Missing;
    }
    let path = PathBuf::from(OsString::from_vec(path.to_vec()));
    match std::fs::metadata(host.path(&path)) {
        Err(_) => Receiver::Missing,
        Ok(metadata) if !metadata.file_type().is_socket() => Receiver::Unusable,
        Ok(_) if is_listened_on(host, &path) == Some(false) => Receiver::NotListening,
        Ok(_) => Receiver::Usable,
    }
}

/// Tells whether a socket of this file name accepts connections in the network namespace of process 1, which is the one
/// that the kernel connects in; `None` where we may not know.
///
/// By its name alone: servers may bind by a relative path, or through links.
fn is_listened_on(host: &Host, path: &Path) -> Option<bool> {
    let sockets = std::fs::read(host.path("/proc/1/net/unix")).ok()?;
    let name = path.file_name()?;
    Some(sockets.split(|byte| *byte == b'\n').any(|line| {
        let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        let flags =
            words.nth(3).and_then(|flags| u32::from_str_radix(std::str::from_utf8(flags).ok()?, 16).ok());
        let bound = words.next_back().map(|path| Path::new(OsStr::from_bytes(path)));
        flags.is_some_and(|flags| flags & ACCEPTS != 0) && bound.and_then(Path::file_name) == Some(name)
    }))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::host::tests::fake;
    use crate::why::Situation;

    fn executable(path: &Path, content: &str) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn the_program_is_looked_at_unless_we_are_in_a_container() {
        let (_root, host) = fake(&[("kernel/core_pattern", "|/lib/handler %p")]);
        assert_eq!(Situation::of(&host).receiver, Receiver::Missing);
        std::fs::create_dir(host.path("/lib")).unwrap();
        std::fs::write(host.path("/lib/handler"), "").unwrap();
        assert_eq!(Situation::of(&host).receiver, Receiver::Unusable);
        executable(&host.path("/lib/handler"), "");
        assert_eq!(Situation::of(&host).receiver, Receiver::Usable);
        std::fs::write(host.path("/.dockerenv"), "").unwrap();
        assert_eq!(Situation::of(&host).receiver, Receiver::Unknown);
    }

    #[test]
    fn a_script_needs_its_interpreter() {
        let (_root, host) = fake(&[("kernel/core_pattern", "|/lib/handler %p")]);
        executable(&host.path("/lib/handler"), "#! /usr/bin/python9 -I\nimport sys\n");
        assert_eq!(Situation::of(&host).receiver, Receiver::WithoutInterpreter);
        executable(&host.path("/usr/bin/python9"), "");
        assert_eq!(Situation::of(&host).receiver, Receiver::Usable);
    }

    #[test]
    fn a_socket_must_be_one() {
        let (_root, host) = fake(&[("kernel/core_pattern", "@/run/c")]);
        assert_eq!(Situation::of(&host).receiver, Receiver::Missing);
        std::fs::create_dir(host.path("/run")).unwrap();
        std::fs::write(host.path("/run/c"), "").unwrap();
        assert_eq!(Situation::of(&host).receiver, Receiver::Unusable);
        std::fs::remove_file(host.path("/run/c")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(host.path("/run/c")).unwrap();
        assert_eq!(Situation::of(&host).receiver, Receiver::Usable);
    }

    #[test]
    fn a_socket_must_be_listened_on() {
        let (_root, host) = fake(&[("kernel/core_pattern", "@@/run/c")]);
        std::fs::create_dir(host.path("/run")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(host.path("/run/c")).unwrap();
        let list = |flags| {
            std::fs::create_dir_all(host.path("/proc/1/net")).unwrap();
            let line =
                format!("0000000000000000: 00000002 00000000 {flags} 0001 01 24019 /elsewhere/run/c\n");
            let header = "Num       RefCount Protocol Flags    Type St Inode Path\n";
            std::fs::write(host.path("/proc/1/net/unix"), format!("{header}{line}")).unwrap();
            Situation::of(&host).receiver
        };
        assert_eq!(list("00010000"), Receiver::Usable);
        assert_eq!(list("00000000"), Receiver::NotListening);
    }

    #[test]
    fn our_own_socket_is_told_from_others_of_its_name() {
        let (_root, host) = fake(&[("kernel/core_pattern", "@@/s/epitaph.sock")]);
        std::fs::create_dir_all(host.path("/s")).unwrap();
        std::fs::create_dir_all(host.path("/proc/1/net")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(host.path("/s/epitaph.sock")).unwrap();
        let other = "0: 00000002 00000000 00010000 0001 01 7 /other/epitaph.sock\n";
        std::fs::write(host.path("/proc/1/net/unix"), other).unwrap();
        assert_eq!(Situation::of(&host).receiver, Receiver::NotListening);
        let lock = File::create(host.path("/s/.serve.lock")).unwrap();
        assert_eq!(Situation::of(&host).receiver, Receiver::NotListening);
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
        assert_eq!(Situation::of(&host).receiver, Receiver::Usable);
    }
}
