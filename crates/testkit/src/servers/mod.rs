//! Servers of others, started for one test each: in a folder of their own, on a free port of loopback.
//!
//! [`web`] has web servers that take files, [`objects`] object stores with a bucket to use. A server that isn't installed
//! is none: the test says that it is skipped.

mod ceph;
pub mod objects;
pub mod web;

use std::fs::OpenOptions;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::{skip, tools};

/// How long a server may take to listen: those of clouds are slow to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// A running server. It ends when this is dropped, and its folder goes with it.
#[derive(Debug)]
pub struct Served {
    children: Vec<Child>,
    folder: TempDir,
    port: u16,
}

impl Served {
    /// Its URL, without a path and without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its folder: its settings, its messages, and in most cases what it keeps.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts what `command` gives for a folder and a free port, and waits until it listens.
    ///
    /// # Panics
    /// When it ends at once, or doesn't listen in time; its messages are told.
    pub fn start(command: impl FnOnce(&Path, u16) -> Command) -> Self {
        let folder = tempfile::tempdir().expect("a folder for a server");
        let port = free_port();
        let child = spawn(command(folder.path(), port), &folder.path().join("messages"));
        let mut served = Self { children: vec![child], folder, port };
        served.wait();
        served
    }

    /// Waits until something listens.
    fn wait(&mut self) {
        let (start, address) = (Instant::now(), SocketAddr::from(([127, 0, 0, 1], self.port)));
        while TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err() {
            let ended = self.children.iter_mut().any(|child| !matches!(child.try_wait(), Ok(None)));
            if ended || start.elapsed() > PATIENCE {
                let messages =
                    std::fs::read_to_string(self.folder.path().join("messages")).unwrap_or_default();
                panic!("a server of this test doesn't listen: {messages}");
            }
            sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        for child in self.children.iter_mut().rev() {
            // Its group, since some servers start others.
            let group = nix::unistd::Pid::from_raw(child.id() as i32);
            let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
            let _ = child.wait();
        }
    }
}

/// Starts a program whose messages go to a file.
fn spawn(mut command: Command, messages: &Path) -> Child {
    let file = OpenOptions::new().create(true).append(true).open(messages);
    let file = file.expect("a file for a server's messages");
    let errors = file.try_clone().expect("the same file");
    command.stdin(Stdio::null()).stdout(file).stderr(errors).process_group(0);
    command
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {}: {error}", command.get_program().display()))
}

/// A port that nothing listens on.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its number").port()
}

/// A server's program; if it is not installed, the test says so. Some stand where only root looks, and those that are no
/// packages of the system are where [`tools::find_peer`] looks.
fn program(name: &str) -> Option<PathBuf> {
    let system = [Path::new("/usr/sbin").join(name), Path::new("/usr/local/sbin").join(name)];
    let found = tools::find_peer(name).or_else(|| system.into_iter().find(|path| path.is_file()));
    if found.is_none() {
        skip::skipped(&format!("not installed: {name} (make setup installs it, or make test-all)"));
    }
    found
}

/// Whether this runs as root, whom servers leave for another user unless they are told not to.
fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Writes a server's settings.
fn settings(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("settings");
    std::fs::write(&path, text).expect("a server's settings");
    path
}
