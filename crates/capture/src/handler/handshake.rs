//! What comes before a core on a connection of the kernel's.
//!
//! With a core pattern of `@PATH`, nothing: the core's first bytes are the first. With `@@PATH`, the kernel says what it
//! can do and waits to be told what it shall (linux/coredump.h: `struct coredump_req`, `struct coredump_ack`, `enum
//! coredump_mark`). Which it is shows the first byte: a core begins with that of ELF, a request with its size.

use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::net::{RecvFlags, recv};

use super::error::HandlerError;

/// How long the kernel may take for each message.
const PATIENCE: Duration = Duration::from_secs(10);
/// The first byte of an ELF file, which no request's size begins with.
const ELF: u8 = 0x7f;
/// Bytes of a request and of its answer in their first versions, which later ones begin with.
const SIZE: usize = 16;
/// The longest request that is read.
const LONGEST: usize = 4096;

/// The kernel writes the core (`COREDUMP_KERNEL`).
const KERNEL: u64 = 1;
/// No core is wanted (`COREDUMP_REJECT`).
const REJECT: u64 = 4;
/// The process stays until the connection is closed (`COREDUMP_WAIT`). With `@PATH`, it always does.
const WAIT: u64 = 8;
/// The answer was understood (`COREDUMP_MARK_REQACK`).
const UNDERSTOOD: u32 = 0;

/// Gets to the first byte of the core. Where the kernel asks, it is told whether the core is wanted.
pub(super) fn begin(connection: OwnedFd, is_wanted: bool) -> Result<OwnedFd, HandlerError> {
    let stream = UnixStream::from(connection);
    greet(&stream, is_wanted)
        .map_err(|source| HandlerError::Caller { what: "does not speak as the kernel does", source })?;
    Ok(stream.into())
}

fn greet(mut stream: &UnixStream, is_wanted: bool) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut first = [0];
    let (_, count) = recv(stream, &mut first, RecvFlags::PEEK)?;
    if count == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if first != [ELF] {
        let offered = request(stream)?;
        let wanted = if is_wanted { KERNEL | WAIT } else { REJECT };
        if offered & wanted != wanted {
            return Err(nonsense("it can't do what is wanted of it"));
        }
        stream.write_all(&answer(wanted))?;
        let mut mark = [0; size_of::<u32>()];
        stream.read_exact(&mut mark)?;
        if u32::from_ne_bytes(mark) != UNDERSTOOD {
            return Err(nonsense("it refuses the answer"));
        }
    }
    // From here on, the receiver's watchdog bounds the time.
    stream.set_read_timeout(None)
}

/// Reads a request, and returns what the kernel can do.
fn request(mut stream: &UnixStream) -> io::Result<u64> {
    let mut size = [0; size_of::<u32>()];
    stream.read_exact(&mut size)?;
    let all = usize::try_from(u32::from_ne_bytes(size)).unwrap_or(usize::MAX);
    if !(SIZE..=LONGEST).contains(&all) {
        return Err(nonsense("its request has no likely size"));
    }
    let mut rest = vec![0; all - size.len()];
    stream.read_exact(&mut rest)?;
    // The size of the answer that it knows, and the mask.
    let (answer, rest) = rest.split_first_chunk::<4>().ok_or(io::ErrorKind::UnexpectedEof)?;
    let mask = rest.first_chunk::<8>().ok_or(io::ErrorKind::UnexpectedEof)?;
    if usize::try_from(u32::from_ne_bytes(*answer)).is_ok_and(|known| known < SIZE) {
        return Err(nonsense("it knows no answer of this size"));
    }
    Ok(u64::from_ne_bytes(*mask))
}

/// Its size, four spare bytes, and the mask.
fn answer(mask: u64) -> Vec<u8> {
    [(SIZE as u64).to_ne_bytes(), mask.to_ne_bytes()].concat()
}

fn nonsense(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel would send, at once.
    fn greeted(sent: &[u8], is_wanted: bool) -> (io::Result<()>, Vec<u8>, Vec<u8>) {
        let (ours, mut kernels) = UnixStream::pair().unwrap();
        kernels.write_all(sent).unwrap();
        kernels.shutdown(std::net::Shutdown::Write).unwrap();
        let greeted = greet(&ours, is_wanted);
        let (mut rest, mut told) = (Vec::new(), Vec::new());
        (&ours).read_to_end(&mut rest).unwrap();
        drop(ours);
        // What wasn't read makes the end of the connection look like a reset.
        let _ = kernels.read_to_end(&mut told);
        (greeted, rest, told)
    }

    fn request_of(size: u32, known: u32, mask: u64, mark: u32, behind: &[u8]) -> Vec<u8> {
        let front = [size.to_ne_bytes(), known.to_ne_bytes()].concat();
        [&front, &mask.to_ne_bytes()[..], behind, &mark.to_ne_bytes()].concat()
    }

    #[test]
    fn a_core_that_begins_at_once_is_left_whole() {
        let (greeted, rest, told) = greeted(b"\x7fELF and more", true);
        greeted.unwrap();
        assert_eq!((rest.as_slice(), told.as_slice()), (&b"\x7fELF and more"[..], &b""[..]));
    }

    #[test]
    fn a_request_is_answered() {
        for (is_wanted, mask) in [(true, KERNEL | WAIT), (false, REJECT)] {
            for (size, behind) in [(16, &b""[..]), (24, b"newer..!")] {
                let sent = [&request_of(size, 16, 0xf, UNDERSTOOD, behind)[..], b"\x7fELF"].concat();
                let (greeted, rest, told) = greeted(&sent, is_wanted);
                greeted.unwrap();
                assert_eq!(rest, b"\x7fELF");
                assert_eq!(told[..4], 16u32.to_ne_bytes());
                assert_eq!(told[4..], [[0; 4].as_slice(), &mask.to_ne_bytes()].concat());
            }
        }
    }

    #[test]
    fn what_the_kernel_would_not_say_is_refused() {
        let usual = request_of(16, 16, 0xf, UNDERSTOOD, b"");
        for sent in [
            Vec::new(),
            b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            usual[..3].to_vec(),
            usual[..10].to_vec(),
            usual[..16].to_vec(),
            request_of(15, 16, 0xf, UNDERSTOOD, b""),
            request_of(u32::MAX, 16, 0xf, UNDERSTOOD, b""),
            request_of(16, 8, 0xf, UNDERSTOOD, b""),
            request_of(16, 16, REJECT, UNDERSTOOD, b""),
            request_of(16, 16, 0xf, 4, b""),
        ] {
            assert!(greeted(&sent, true).0.is_err(), "{sent:?}");
        }
    }
}
