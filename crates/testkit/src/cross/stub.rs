//! A client of qemu's gdb stub: registers and memory of a guest that stands still, and steps.
//!
//! Source: Debugging with GDB, appendix E, "GDB Remote Serial Protocol".

use std::io::{BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::Child;
use std::time::Duration;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Most bytes of memory that are asked for at once: twice that many digits fit into a packet of qemu's.
const MOST_MEMORY: usize = 1024;

/// A guest that qemu runs, and that stands still between two calls. It ends when this is dropped.
#[derive(Debug)]
pub struct Stub {
    child: Child,
    output: UnixStream,
    input: BufReader<UnixStream>,
}

/// Why the guest stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// A signal is about to be delivered, by gdb's number; 5 (SIGTRAP) after a step and at a breakpoint.
    Signal(u8),
    /// It is gone.
    Ended,
}

impl Stopped {
    /// gdb's SIGTRAP.
    pub const TRAP: Stopped = Stopped::Signal(5);
    /// gdb's SIGSEGV.
    pub const SEGV: Stopped = Stopped::Signal(11);
}

impl Stub {
    pub(super) fn new(child: Child, stream: UnixStream) -> Stub {
        stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
        let input = BufReader::new(stream.try_clone().expect("a socket"));
        let mut stub = Stub { child, output: stream, input };
        let _first_stop = stub.ask("?");
        stub
    }

    /// Returns the bytes of the general registers, in the order and byte order of the guest's `g` packet.
    ///
    /// # Panics
    /// When qemu gives none.
    pub fn registers(&mut self) -> Vec<u8> {
        from_hex(&self.ask("g")).expect("registers")
    }

    /// Reads memory; `None` where not all of it is mapped.
    pub fn read(&mut self, address: u64, len: usize) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity(len);
        while bytes.len() < len {
            let part = (len - bytes.len()).min(MOST_MEMORY);
            let answer = self.ask(&format!("m{:x},{part:x}", address + bytes.len() as u64));
            bytes.extend(from_hex(&answer).filter(|read| read.len() == part)?);
        }
        Some(bytes)
    }

    /// Returns the auxiliary vector.
    ///
    /// # Panics
    /// When it doesn't come in one piece.
    pub fn auxv(&mut self) -> Vec<u8> {
        let answer = self.ask("qXfer:auxv:read::0,800");
        let whole = answer.strip_prefix(b"l").expect("all of the auxiliary vector");
        unescaped(whole)
    }

    /// Lets it run on.
    pub fn run(&mut self) -> Stopped {
        stopped(&self.ask("c"))
    }

    /// Lets it run on with a signal, by gdb's number.
    pub fn deliver(&mut self, signal: u8) -> Stopped {
        stopped(&self.ask(&format!("C{signal:02x}")))
    }

    /// Runs one instruction.
    pub fn step(&mut self) -> Stopped {
        stopped(&self.ask("s"))
    }

    /// Sends a packet, and returns the answer's content.
    fn ask(&mut self, request: &str) -> Vec<u8> {
        let packet = format!("${request}#{:02x}", checksum(request.as_bytes()));
        self.output.write_all(packet.as_bytes()).expect("qemu takes a request");
        let mut content = Vec::new();
        // The acknowledgement of the request comes first.
        while !matches!(self.byte(), Some(b'$') | None) {}
        loop {
            match self.byte() {
                Some(b'#') => break,
                Some(byte) => content.push(byte),
                None => return Vec::new(), // it is gone
            }
        }
        let (high, low) = (self.byte(), self.byte());
        let sum = [high, low].into_iter().flatten().collect::<Vec<u8>>();
        assert_eq!(sum, format!("{:02x}", checksum(&content)).as_bytes(), "the answer to {request}");
        // Nobody reads this if the guest has ended.
        let _ = self.output.write_all(b"+");
        content
    }

    fn byte(&mut self) -> Option<u8> {
        let mut byte = [0];
        match self.input.read(&mut byte) {
            Ok(1) => Some(byte[0]),
            Ok(_) => None,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
            Err(error) => panic!("qemu's gdb stub doesn't answer: {error}"),
        }
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

/// Reads a stop reply: `Tnn…`, `Snn`; `Xnn`, `Wnn` or nothing at all where it has ended.
fn stopped(reply: &[u8]) -> Stopped {
    match reply.first() {
        Some(b'T' | b'S') => match from_hex(reply.get(1..3).unwrap_or_default()).as_deref() {
            Some(&[signal]) => Stopped::Signal(signal),
            _ => panic!("a stop reply of qemu's: {:?}", String::from_utf8_lossy(reply)),
        },
        _ => Stopped::Ended,
    }
}

/// Reads pairs of hexadecimal digits; `None` for anything else (an error is `Enn`, of three).
fn from_hex(digits: &[u8]) -> Option<Vec<u8>> {
    let pairs = digits.chunks(2).map(|pair| {
        let text = std::str::from_utf8(pair).ok().filter(|text| text.len() == 2)?;
        u8::from_str_radix(text, 16).ok()
    });
    pairs.collect()
}

/// Undoes the escapes of binary data: `}` and the byte exclusive-or 0x20.
fn unescaped(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.iter().copied();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        let byte = if byte == b'}' { bytes.next().map_or(byte, |next| next ^ 0x20) } else { byte };
        out.push(byte);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_read_as_the_protocol_writes_them() {
        assert_eq!(checksum(b"g"), 0x67);
        assert_eq!(from_hex(b"00ff7F"), Some(vec![0, 255, 127]));
        assert_eq!(from_hex(b"E14"), None);
        assert_eq!(unescaped(b"a}\x03}]b"), b"a#}b");
        assert_eq!(stopped(b"T0bthread:01;"), Stopped::Signal(11));
        assert_eq!(stopped(b"S05"), Stopped::TRAP);
        assert_eq!(stopped(b"X0b"), Stopped::Ended);
        assert_eq!(stopped(b""), Stopped::Ended);
    }
}
