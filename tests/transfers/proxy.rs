//! The way to a server, on loopback: it counts requests, and does to each what a test says.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use super::fault::Fault;

/// What happens to a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    Pass,
    /// Something goes wrong.
    Fail(Fault),
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
        let address = listener.local_addr().unwrap();
        let (shared, decide) = (Arc::<Shared>::default(), Arc::new(decide));
        let ours = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (shared, decide) = (Arc::clone(&ours), Arc::clone(&decide));
                // Who hangs up in the middle was asked to, or gives up.
                thread::spawn(move || serve(&client?, server, &shared, &*decide));
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
    mut client: &TcpStream,
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
    let mut body = Vec::new();
    match act {
        Act::Fail(fault) => {
            let target = what.split_once(' ').map_or("/", |(_, target)| target);
            match fault.take(target, length, &mut from, client)? {
                Some(taken) => body = taken,
                None => return Ok(()),
            }
        }
        Act::KillBefore => {
            shared.kill();
            return Ok(());
        }
        Act::Pass | Act::KillAfter => {
            body.resize(length, 0);
            from.read_exact(&mut body)?;
        }
    }
    head.retain(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    head.push("connection: close".to_owned());
    let mut to = TcpStream::connect(server)?;
    to.write_all(format!("{}\r\n\r\n", head.join("\r\n")).as_bytes())?;
    to.write_all(&body)?;
    let mut answer = Vec::new();
    to.read_to_end(&mut answer)?;
    match act {
        Act::KillAfter => shared.kill(),
        Act::Fail(fault) => fault.give(&answer, &mut from, client)?,
        Act::KillBefore | Act::Pass => {
            client.write_all(&answer)?;
            client.shutdown(Shutdown::Write)?;
        }
    }
    Ok(())
}

/// The lines of a request's head.
pub(super) fn read_head(from: &mut impl BufRead) -> io::Result<Vec<String>> {
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
