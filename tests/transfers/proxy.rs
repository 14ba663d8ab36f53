//! The way to a server, on loopback: it counts requests, and does to each what a test says.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::{set_socket_linger, set_socket_recv_buffer_size, set_socket_send_buffer_size};
use rustix::process::{Pid, Signal, kill_process};

/// How often a slow link moves something, in a second.
const STEPS: u32 = 20;

/// What happens to a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    Pass,
    /// It is answered with a status, headers and a body, and never reaches the server.
    Answer(u16, &'static str, &'static str),
    /// The connection is reset before anything is read of the body.
    ResetBefore,
    /// The server has done it, but the connection is reset before the answer.
    ResetAfter,
    /// The connection is reset when so many bytes of the body have come.
    CutUp(usize),
    /// The answer ends after so many bytes of its body.
    CutDown(usize),
    /// Nothing is answered.
    Stall,
    /// Nothing more comes after so many bytes of the answer's body.
    StallDown(usize),
    /// The answer announces so many bytes more, or fewer, than there are.
    Lie(i64),
    /// So many bytes go through in a second, either way.
    Slow(usize),
    /// A redirect to the same address.
    Redirect,
    /// The client is killed before the server has seen the request.
    KillBefore,
    /// The client is killed when the server has done it, before the answer.
    KillAfter,
}

/// A running proxy.
pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    seen: Mutex<Vec<String>>,
    client: Mutex<Option<u32>>,
    told: Condvar,
}

impl Proxy {
    /// Starts one. What happens is chosen for each request by its method and path, and its number from 0.
    pub(super) fn start(
        server: SocketAddr,
        decide: impl Fn(&str, usize) -> Act + Send + Sync + 'static,
    ) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        // A slow link must be felt by who sends.
        set_socket_recv_buffer_size(&listener, 64 << 10).unwrap();
        set_socket_send_buffer_size(&listener, 64 << 10).unwrap();
        let address = listener.local_addr().unwrap();
        let (shared, decide) = (Arc::<Shared>::default(), Arc::new(decide));
        let ours = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (shared, decide) = (Arc::clone(&ours), Arc::clone(&decide));
                // Who hangs up in the middle was asked to, or gives up.
                thread::spawn(move || serve(client?, server, &shared, &*decide));
            }
        });
        Proxy { address, shared }
    }

    /// Says whom to kill.
    pub(super) fn kills(&self, process: u32) {
        *self.shared.client.lock().unwrap() = Some(process);
        self.shared.told.notify_all();
    }

    /// The method and path of each request so far.
    pub(super) fn seen(&self) -> Vec<String> {
        self.shared.seen.lock().unwrap().clone()
    }
}

impl Shared {
    fn kill(&self) {
        let waited = self.told.wait_while(self.client.lock().unwrap(), |client| client.is_none());
        let process = waited.unwrap().unwrap();
        // It is not waited for before its test says so, and so its number is nobody else's.
        let _ = kill_process(Pid::from_raw(process as i32).unwrap(), Signal::KILL);
    }
}

fn serve(
    client: TcpStream,
    server: SocketAddr,
    shared: &Shared,
    decide: &(dyn Fn(&str, usize) -> Act + Send + Sync),
) -> io::Result<()> {
    let mut from = BufReader::new(client.try_clone()?);
    let mut head = read_head(&mut from)?;
    let Some(first) = head.first().cloned() else { return Ok(()) };
    let what = first.rsplit_once(' ').map_or(first.as_str(), |(what, _)| what).to_owned();
    let number = {
        let mut seen = shared.seen.lock().unwrap();
        seen.push(what.clone());
        seen.len() - 1
    };
    let act = decide(&what, number);
    let length = header(&head, "content-length").and_then(|text| text.parse().ok()).unwrap_or(0usize);
    match act {
        Act::ResetBefore => return reset(&client),
        Act::CutUp(bytes) => {
            from.read_exact(&mut vec![0; bytes.min(length)])?;
            return reset(&client);
        }
        Act::KillBefore => {
            shared.kill();
            return Ok(());
        }
        Act::Stall => return swallow(from),
        _ => {}
    }
    let mut body = vec![0; length];
    match act {
        Act::Slow(rate) => {
            for piece in body.chunks_mut(rate / STEPS as usize) {
                from.read_exact(piece)?;
                thread::sleep(Duration::from_secs(1) / STEPS);
            }
        }
        _ => from.read_exact(&mut body)?,
    }
    let answer = match act {
        Act::Answer(status, headers, body) => format!(
            "HTTP/1.1 {status} x\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes(),
        Act::Redirect => {
            let path = what.split_once(' ').map_or("/", |(_, path)| path);
            format!("HTTP/1.1 307 x\r\nconnection: close\r\nlocation: {path}\r\ncontent-length: 0\r\n\r\n")
                .into_bytes()
        }
        _ => {
            head.retain(|line| !line.to_ascii_lowercase().starts_with("connection:"));
            head.push("connection: close".to_owned());
            let mut to = TcpStream::connect(server)?;
            to.write_all(format!("{}\r\n\r\n", head.join("\r\n")).as_bytes())?;
            to.write_all(&body)?;
            let mut answer = Vec::new();
            to.read_to_end(&mut answer)?;
            answer
        }
    };
    give(&client, act, &answer, shared)
}

/// Hands an answer over, as far as it may go.
fn give(mut client: &TcpStream, act: Act, answer: &[u8], shared: &Shared) -> io::Result<()> {
    let body = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").map_or(answer.len(), |at| at + 4);
    let upto = |bytes: usize| &answer[..(body + bytes).min(answer.len())];
    match act {
        Act::ResetAfter => return reset(client),
        Act::KillAfter => {
            shared.kill();
            return Ok(());
        }
        Act::CutDown(bytes) => client.write_all(upto(bytes))?,
        Act::StallDown(bytes) => {
            client.write_all(upto(bytes))?;
            return swallow(client);
        }
        Act::Lie(by) => {
            let head = String::from_utf8_lossy(&answer[..body]).into_owned();
            let lines: Vec<String> = head.trim_end().lines().map(str::to_owned).collect();
            let told: i64 = header(&lines, "content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
            let is_length = |line: &str| line.to_ascii_lowercase().starts_with("content-length:");
            let lie = |line: &String| match is_length(line) && told + by > 0 && answer.len() > body {
                true => format!("content-length: {}", told + by),
                false => line.clone(),
            };
            let lines: Vec<String> = lines.iter().map(lie).collect();
            client.write_all(format!("{}\r\n\r\n", lines.join("\r\n")).as_bytes())?;
            client.write_all(&answer[body..])?;
        }
        Act::Slow(rate) => {
            for piece in answer.chunks(rate / STEPS as usize) {
                client.write_all(piece)?;
                thread::sleep(Duration::from_secs(1) / STEPS);
            }
        }
        _ => client.write_all(answer)?,
    }
    client.shutdown(Shutdown::Write)?;
    swallow(client)
}

/// Takes what still comes until the client hangs up: an answer would be lost with a reset.
fn swallow(mut from: impl Read) -> io::Result<()> {
    io::copy(&mut from, &mut io::sink()).map(|_| ())
}

/// Lets the connection end with a reset.
fn reset(client: &TcpStream) -> io::Result<()> {
    Ok(set_socket_linger(client, Some(Duration::ZERO))?)
}

/// The lines of a request's head.
fn read_head(from: &mut impl BufRead) -> io::Result<Vec<String>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if from.read_line(&mut line)? == 0 || line.trim_end().is_empty() {
            return Ok(lines);
        }
        lines.push(line.trim_end().to_owned());
    }
}

fn header<'a>(head: &'a [String], name: &str) -> Option<&'a str> {
    head.iter().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}
