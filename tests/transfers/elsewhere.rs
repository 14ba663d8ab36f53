//! Another server, to which a redirect leads: it must not be told who asks.

use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::{io, thread};

use super::proxy::read_head;

/// What it answers to everything.
const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-length: 8\r\nconnection: close\r\n\r\nnot that";

/// The server. Its thread lives as long as the tests.
pub(super) struct Elsewhere {
    pub(super) address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Elsewhere {
    pub(super) fn start() -> Elsewhere {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::<Mutex<Vec<String>>>::default();
        let ours = Arc::clone(&heard);
        thread::spawn(move || {
            for client in listener.incoming() {
                let mut client = client?;
                let head = read_head(&mut BufReader::new(client.try_clone()?))?;
                ours.lock().unwrap().extend(head);
                // Who is gone wanted no answer.
                let _ = client.write_all(ANSWER.as_bytes());
            }
            io::Result::Ok(())
        });
        Elsewhere { address, heard }
    }

    /// The lines of all requests' heads.
    pub(super) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}
