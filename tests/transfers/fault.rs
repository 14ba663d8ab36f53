//! What the way to a server can do to one request.

use std::io::{self, BufRead, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::net::sockopt::{set_socket_linger, set_socket_recv_buffer_size};

/// By how many bytes a length lies.
const LIE: usize = 7;

/// A slow link takes so many bytes at a time.
const PIECE: usize = 32 << 10;

/// How many bytes a slow link takes in a second.
const RATE: usize = 3 << 20;

/// What a slow link holds of what is sent and not taken: little, as the sender sees that it moves by what is taken.
const HELD: usize = 64 << 10;

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The server is overloaded.
    Busy,
    /// It is asked too often, and says when to come back.
    TooMany,
    /// The token has expired.
    Expired,
    /// The connection is reset before anything is answered.
    Reset,
    /// The connection is reset when half of what is sent has come.
    ResetMidway,
    /// Nothing is ever answered.
    Silent,
    /// Nothing comes after half of the answer's body.
    Stalled,
    /// The connection ends after half of the answer's body.
    Cut,
    /// Three MiB a second, either way.
    Slow,
    /// The answer is said to be longer than it is.
    TooLong,
    /// The answer is said to be shorter than it is.
    TooShort,
    /// A redirect to where it came from.
    Circle,
    /// A redirect to another server.
    Away(SocketAddr),
    /// Some bit of the answer is another one.
    WrongDown,
    /// Some bit of what is sent is another one.
    WrongUp,
}

impl Fault {
    /// Whether a client loses its time with it, and not just an attempt.
    pub(super) fn waits(self) -> bool {
        matches!(self, Fault::TooMany | Fault::Silent | Fault::Stalled)
    }

    /// What is answered in the server's place to a request of that target.
    fn instead(self, target: &str) -> Option<String> {
        let head = match self {
            Fault::Busy => "503 Service Unavailable".to_owned(),
            Fault::TooMany => "429 Too Many Requests\r\nretry-after: 1".to_owned(),
            Fault::Expired => "401 Unauthorized\r\nwww-authenticate: Bearer".to_owned(),
            Fault::Circle => format!("307 Temporary Redirect\r\nlocation: {target}"),
            Fault::Away(other) => format!("307 Temporary Redirect\r\nlocation: http://{other}{target}"),
            _ => return None,
        };
        Some(format!("HTTP/1.1 {head}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"))
    }

    /// Takes a request's body; none if the server is not to see the request, which then has been dealt with.
    pub(super) fn take(
        self,
        target: &str,
        length: usize,
        from: &mut impl BufRead,
        mut client: &TcpStream,
    ) -> io::Result<Option<Vec<u8>>> {
        let mut body = vec![0; length];
        match self {
            Fault::Reset => return reset(client),
            Fault::ResetMidway if length > 1 => {
                from.read_exact(&mut body[..length / 2])?;
                return reset(client);
            }
            Fault::Silent => return drain(from),
            Fault::Slow => {
                set_socket_recv_buffer_size(client, HELD)?;
                let begun = Instant::now();
                for (number, piece) in body.chunks_mut(PIECE).enumerate() {
                    from.read_exact(piece)?;
                    keep_pace(begun, number);
                }
            }
            _ => from.read_exact(&mut body)?,
        }
        if let Some(answer) = self.instead(target) {
            client.write_all(answer.as_bytes())?;
            client.shutdown(Shutdown::Write)?;
            return drain(from);
        }
        if self == Fault::WrongUp {
            flip(&mut body);
        }
        Ok(Some(body))
    }

    /// Gives the client an answer of the server.
    pub(super) fn give(
        self,
        answer: &[u8],
        from: &mut impl BufRead,
        mut client: &TcpStream,
    ) -> io::Result<()> {
        let at = answer.windows(4).position(|window| window == b"\r\n\r\n").map_or(answer.len(), |at| at + 4);
        let (head, body) = answer.split_at(at);
        let (mut head, mut body) = (String::from_utf8_lossy(head).into_owned(), body.to_vec());
        match self {
            Fault::TooLong => head = lie(&head, |length| length + LIE),
            Fault::TooShort => head = lie(&head, |length| length.saturating_sub(LIE)),
            Fault::WrongDown => flip(&mut body),
            _ => {}
        }
        client.write_all(head.as_bytes())?;
        match self {
            Fault::Stalled if body.len() > 1 => {
                client.write_all(&body[..body.len() / 2])?;
                drain::<()>(from)?;
            }
            Fault::Cut => client.write_all(&body[..body.len() / 2])?,
            Fault::Slow => {
                let begun = Instant::now();
                for (number, piece) in body.chunks(PIECE).enumerate() {
                    client.write_all(piece)?;
                    keep_pace(begun, number);
                }
            }
            _ => client.write_all(&body)?,
        }
        client.shutdown(Shutdown::Write)
    }
}

/// Waits until a slow link has taken a piece, and all before it.
fn keep_pace(begun: Instant, number: usize) {
    let due = Duration::from_secs_f64(((number + 1) * PIECE) as f64 / RATE as f64);
    sleep(due.saturating_sub(begun.elapsed()));
}

/// Ends a connection as a host does that knows nothing of it.
fn reset<T>(client: &TcpStream) -> io::Result<Option<T>> {
    set_socket_linger(client, Some(Duration::ZERO))?;
    Ok(None)
}

/// Reads until the client hangs up.
fn drain<T>(from: &mut impl Read) -> io::Result<Option<T>> {
    io::copy(from, &mut io::sink())?;
    Ok(None)
}

fn flip(bytes: &mut [u8]) {
    let middle = bytes.len() / 2;
    if let Some(byte) = bytes.get_mut(middle) {
        *byte ^= 1;
    }
}

/// The head of an answer with another length. What has no content is left alone.
fn lie(head: &str, change: impl Fn(usize) -> usize) -> String {
    let lines = head.split("\r\n").map(|line| match line.split_once(':') {
        Some((name, length)) if name.eq_ignore_ascii_case("content-length") => {
            let length: usize = length.trim().parse().unwrap_or_default();
            format!("{name}: {}", if length == 0 { 0 } else { change(length) })
        }
        _ => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\r\n")
}
