//! The server of the socket that the kernel gives cores to, where it knows such (core(5): since Linux 6.16).
//!
//! It reads nothing of any connection: each is a receiver's, a process of its own, so that no crash can hurt the others.
//! Only so many are at work at once. The kernel lets further crashes wait until they are accepted, and their processes
//! with them, so that is bounded too.

use std::convert::Infallible;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FlockOperation, Mode, flock};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Resource, Rlimit, pidfd_open, setrlimit, umask};

use super::config::AT_ONCE;
use super::error::HandlerError;
use super::files;
use super::kernel_log::log;
use super::spool::Spool;

/// The socket's name in the spool: it tells whose a core pattern is, and where cores are kept.
pub(super) const SOCKET: &str = "epitaph.sock";
/// The lock of the one server of a spool.
const LOCK: &str = ".serve.lock";
/// How long whoever only looks whether there is a server may hold it.
const LOOKING: Duration = Duration::from_millis(200);
/// The words after the program's name that make it the receiver of a connection; the spool follows.
const RECEIVER: [&str; 3] = ["handler", "take", "--spool"];
/// How long further crashes wait for one of them to finish, before they are dropped.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// How long nothing is accepted where that has failed, as for want of memory.
const RECOVERY: Duration = Duration::from_millis(200);

/// Returns the socket that belongs to a spool.
pub(super) fn socket_of(spool: &Path) -> PathBuf {
    spool.join(SOCKET)
}

/// A server that the kernel can connect to.
#[derive(Debug)]
pub struct Server {
    spool: Spool,
    socket: PathBuf,
    listener: UnixListener,
    /// Held as long as the server lives.
    _lock: File,
}

impl Server {
    /// Makes the spool where it isn't, and listens on the socket in it. From here on, crashes wait to be received.
    ///
    /// Changes the process's mask of permissions and its limit on cores, for itself and whatever it starts: a receiver
    /// that crashes must not call for another.
    pub fn open(spool: &Path) -> Result<Server, HandlerError> {
        if !rustix::process::geteuid().is_root() {
            return Err(HandlerError::NotRoot);
        }
        umask(Mode::RWXG | Mode::RWXO);
        setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })
            .map_err(|error| HandlerError::process("limit its own cores")(error.into()))?;
        let socket = socket_of(spool);
        let spool = Spool::at(spool);
        spool.make()?;
        let path = spool.path().join(LOCK);
        let lock = files::lock(&path, LOOKING).map_err(HandlerError::file(&path, "opened"))?;
        let lock = lock.ok_or_else(|| HandlerError::Served { spool: spool.path().to_owned() })?;
        // Nobody listens on one that is there: that server would hold the lock.
        match std::fs::remove_file(&socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(HandlerError::file(socket, "replaced")(error));
            }
            _ => {}
        }
        let listener = UnixListener::bind(&socket)
            .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
            .map_err(HandlerError::file(&socket, "listened on"))?;
        Ok(Server { spool, socket, listener, _lock: lock })
    }

    /// Returns the socket's path.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Starts a receiver for each connection, and ends only where even waiting fails.
    pub fn run(self) -> Result<Infallible, HandlerError> {
        let mut receivers: Vec<Receiver> = Vec::new();
        loop {
            receivers.retain_mut(|receiver| !receiver.has_ended());
            let is_free = receivers.len() < AT_ONCE as usize;
            if !self.wait(&receivers, is_free).map_err(HandlerError::process("wait for cores"))? {
                self.drop_waiting();
                continue;
            }
            if !is_free {
                continue;
            }
            match self.listener.accept() {
                Ok((connection, _)) => match Receiver::start(connection.into(), self.spool.path()) {
                    Ok(receiver) => receivers.push(receiver),
                    Err(error) => log(&format!("a core is lost: its receiver can't be started: {error}")),
                },
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    log(&format!("no connection can be accepted: {error}"));
                    std::thread::sleep(RECOVERY);
                }
            }
        }
    }

    /// Waits for a connection, if another is to be accepted, or for a receiver to end; `false` where a connection is
    /// waiting for too long.
    fn wait(&self, receivers: &[Receiver], accept: bool) -> io::Result<bool> {
        let mut waiting: Vec<PollFd<'_>> = receivers
            .iter()
            .map(|receiver| PollFd::from_borrowed_fd(receiver.ended.as_fd(), PollFlags::IN))
            .collect();
        if accept {
            waiting.push(PollFd::from_borrowed_fd(self.listener.as_fd(), PollFlags::IN));
        }
        let timeout = Timespec::try_from(LONGEST_WAIT).map_err(io::Error::other)?;
        match poll(&mut waiting, (!accept).then_some(&timeout)) {
            Ok(0) => Ok(false),
            Ok(_) | Err(Errno::INTR) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// Lets the processes go that are waiting.
    fn drop_waiting(&self) {
        let mut count = 0;
        while self.listener.accept().is_ok() {
            count += 1;
        }
        if count > 0 {
            log(&format!("{count} cores are lost: {AT_ONCE} others have been received for too long"));
        }
    }
}

/// Checks that a server listens for a spool: only root can tell for sure, so others are told nothing.
pub(crate) fn check_listening(spool: &Path) -> Result<(), HandlerError> {
    let nobody = || HandlerError::NobodyListens { socket: socket_of(spool) };
    let lock = match File::open(spool.join(LOCK)) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(()),
        Err(_) => return Err(nobody()),
    };
    // The server holds it as long as it lives.
    match flock(&lock, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Err(nobody()),
        Err(_) => Ok(()),
    }
}

/// A process that receives a core.
#[derive(Debug)]
struct Receiver {
    child: Child,
    /// Can be read from as soon as it has ended.
    ended: OwnedFd,
}

impl Receiver {
    fn start(connection: OwnedFd, spool: &Path) -> io::Result<Receiver> {
        let mut child = Command::new("/proc/self/exe")
            .args(RECEIVER)
            .arg(spool)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(connection))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        match pidfd_open(Pid::from_child(&child), PidfdFlags::empty()) {
            Ok(ended) => Ok(Receiver { child, ended }),
            Err(error) => {
                // Nobody would see it end.
                child.kill().and_then(|()| child.wait())?;
                Err(error.into())
            }
        }
    }

    fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}
