//! The receiver: root's half of the handler, from the kernel's arguments to a crash in the spool.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::caller::Caller;
use super::channel::{Answer, Channel, Order};
use super::config::{Config, HandlerLimits};
use super::crasher::Crasher;
use super::error::HandlerError;
use super::handshake;
use super::harden;
use super::kernel_log::log;
use super::notice::Notice;
use super::spool::{Decision, Entry, LARGEST_SLIM, Part, Spool, UserFolder};
use crate::canary::CANARY_NAME;

/// The user and group that nobody is, and whom the worker becomes where it must not be the crashed one.
const NOBODY: (u32, u32) = (65534, 65534);
/// The words after the program's name that make it a worker; the user and the group follow.
const WORKER: [&str; 2] = ["handler", "work"];

/// How long the worker may take to give up its rights.
const TO_BE_READY: Duration = Duration::from_secs(10);
/// How long it may take to write the slim core.
const TO_BE_SLIM: Duration = Duration::from_secs(60);
/// How long it may take to judge it: meanwhile the dying process waits.
const TO_JUDGE: Duration = Duration::from_secs(5);
/// How long it may take to write the whole core; within the watchdog's time.
const TO_BE_WHOLE: Duration = Duration::from_secs(500);

/// What was kept of a crash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The whole core.
    Whole,
    /// The slim core, and why not the whole one.
    Slim {
        /// The reason.
        why: String,
    },
    /// Nothing but a number: enough of its signature are kept.
    Counted {
        /// How many crashes of the signature were not kept, this one included.
        count: u64,
    },
    /// No core, and why.
    Nothing {
        /// The reason.
        why: String,
    },
}

/// What became of a crash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// What it is called in the spool, where it came so far.
    pub id: Option<String>,
    /// What was kept.
    pub kept: Kept,
}

/// Receives a core from the kernel: standard input is the core, and `arguments` are what follows `handler run`.
///
/// What became of it is written to the kernel's log as well, errors included: there is no other reader.
pub fn receive(arguments: &[OsString]) -> Result<Received, HandlerError> {
    logged(|| handle(harden::receiver()?, &Notice::parse(arguments)?))
}

/// Receives a core from the kernel by a socket: standard input is the connection. Cores are kept in `spool`.
///
/// What became of it is written to the kernel's log, as [`receive`] does.
pub fn take(spool: &Path) -> Result<Received, HandlerError> {
    logged(|| {
        let connection = harden::receiver()?;
        let caller = Caller::of(&connection, spool)?;
        let is_wanted = caller.notice.core_limit != 0;
        let core = handshake::begin(connection, is_wanted)?;
        handle(core, &caller.notice)
    })
}

fn logged(work: impl FnOnce() -> Result<Received, HandlerError>) -> Result<Received, HandlerError> {
    let outcome = work();
    match &outcome {
        Ok(received) => log(&received.to_string()),
        Err(error) => log(&with_causes(error)),
    }
    outcome
}

impl std::fmt::Display for Received {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "crash {}: ", self.id.as_deref().unwrap_or("(not kept)"))?;
        match &self.kept {
            Kept::Whole => f.write_str("the whole core is kept"),
            Kept::Slim { why } => write!(f, "a slim core is kept: {why}"),
            Kept::Counted { count } => write!(f, "counted: {count} of its signature were not kept"),
            Kept::Nothing { why } => write!(f, "no core is kept: {why}"),
        }
    }
}

pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn handle(core: OwnedFd, notice: &Notice) -> Result<Received, HandlerError> {
    log(&format!(
        "process {} ({}) of user {} got signal {}",
        notice.pid,
        String::from_utf8_lossy(&notice.name),
        notice.uid,
        notice.signal
    ));
    if !rustix::process::geteuid().is_root() {
        return Err(HandlerError::NotRoot);
    }
    let spool = Spool::at(&notice.spool);
    spool.check()?;
    if notice.core_limit == 0 {
        let why = "its limit on cores is 0 (ulimit -c)".to_owned();
        return Ok(Received { id: None, kept: Kept::Nothing { why } });
    }
    let limits = Config::read(spool.path())?.map(|config| config.limits).unwrap_or_default();
    let crasher = Crasher::look(Path::new("/proc"), notice);
    let folder = spool.open(if crasher.for_its_user { notice.uid } else { 0 })?;
    let reception = Reception { entry: folder.entry(notice), folder: &folder, notice, limits };
    let kept = reception.keep(core, crasher)?;
    Ok(Received { id: Some(reception.entry.id().to_owned()), kept })
}

/// A crash that is being received.
struct Reception<'a> {
    notice: &'a Notice,
    folder: &'a UserFolder,
    entry: Entry<'a>,
    limits: HandlerLimits,
}

impl Reception<'_> {
    fn keep(&self, core: OwnedFd, crasher: Crasher) -> Result<Kept, HandlerError> {
        let kept = self.keep_what_fits(core, crasher);
        // The process that died waits no longer. What was not sealed by now never will be.
        self.entry.abandon();
        // Where other handlers are busy with this user's crashes, they do it.
        if let Ok(locked) = self.folder.lock() {
            locked.sweep();
            locked.evict(&self.entry, &self.limits);
        }
        kept
    }

    fn keep_what_fits(&self, core: OwnedFd, crasher: Crasher) -> Result<Kept, HandlerError> {
        if !self.folder.has_room_for_slim() {
            return Ok(Kept::Nothing { why: "the disk is full".to_owned() });
        }
        self.keep_facts(&crasher)?;
        let (slim, whole) = (self.entry.begin(Part::Slim)?, self.entry.begin(Part::Whole)?);
        let user = if crasher.for_its_user && self.notice.uid != 0 {
            (self.notice.uid, self.notice.gid)
        } else {
            NOBODY
        };
        let room = self.folder.room_for_whole(&self.limits);
        // The worker inherits this, and can't raise it.
        harden::limit_files(room.max(LARGEST_SLIM))?;
        let worker = Worker::start(user)?;
        let mut files = vec![core.as_fd(), slim.as_fd(), whole.as_fd()];
        files.extend(crasher.memory.as_ref().map(File::as_fd));
        worker.order(&Order::Begin, &files)?;
        // From here on the worker alone holds the pipe: when it ends, the dying process goes on.
        drop(core);
        drop(crasher.memory);
        self.with_worker(worker, &slim, &whole, room)
    }

    fn keep_facts(&self, crasher: &Crasher) -> Result<(), HandlerError> {
        let mut file = self.entry.begin(Part::Facts)?;
        let path = self.entry.path(Part::Facts);
        let text = serde_json::to_vec(&crasher.facts)
            .map_err(|source| HandlerError::Config { path: path.clone(), source })?;
        file.write_all(&text).map_err(HandlerError::file(path, "written"))?;
        self.entry.seal(Part::Facts, &file)
    }

    fn with_worker(
        &self,
        worker: Worker,
        slim: &File,
        whole: &File,
        room: u64,
    ) -> Result<Kept, HandlerError> {
        match worker.answer(TO_BE_SLIM)? {
            Answer::Slim => self.entry.seal(Part::Slim, slim)?,
            Answer::NoSlim { why } => return Ok(Kept::Nothing { why }),
            _ => return Err(unexpected()),
        }
        // The slim core is safe: whatever happens now, it is what is kept, unless it is one too many.
        let kept = self.judge(worker, whole, room);
        Ok(kept.unwrap_or_else(|error| Kept::Slim { why: with_causes(&error) }))
    }

    fn judge(&self, worker: Worker, whole: &File, room: u64) -> Result<Kept, HandlerError> {
        if self.notice.name == CANARY_NAME.as_bytes() {
            // One crash of a canary is as good as another, and somebody waits for each.
            return Ok(Kept::Slim { why: "it crashed on purpose".to_owned() });
        }
        let judged = match worker.answer(TO_JUDGE) {
            Ok(Answer::Judged { signature }) => Ok(signature),
            Ok(_) => Err(unexpected()),
            Err(error) => Err(error),
        };
        let signature = judged.as_ref().ok().cloned().flatten().unwrap_or_else(|| self.rough_signature());
        let decision = self.folder.lock()?.decide(&signature, self.notice.time, self.limits.first)?;
        if let Decision::Count { count } = decision {
            self.entry.discard_all();
            return Ok(Kept::Counted { count });
        }
        judged?;
        if room == 0 {
            return Ok(Kept::Slim { why: "the disk has no room for more".to_owned() });
        }
        self.keep_whole(worker, whole, room)
    }

    /// What a crash is counted by that could not be judged.
    fn rough_signature(&self) -> String {
        format!("{} by signal {}", String::from_utf8_lossy(&self.notice.name), self.notice.signal)
    }

    fn keep_whole(&self, worker: Worker, whole: &File, room: u64) -> Result<Kept, HandlerError> {
        worker.order(&Order::Full, &[])?;
        let answer = worker.answer(TO_BE_WHOLE);
        // The pipe is closed before anything is waited for on disk.
        drop(worker);
        match answer? {
            Answer::Full { whole: true } if whole.metadata().is_ok_and(|file| file.len() > room) => {
                Ok(Kept::Slim { why: "the whole one is larger than the quota allows".to_owned() })
            }
            Answer::Full { whole: true } => {
                self.entry.seal(Part::Whole, whole)?;
                self.entry.discard(Part::Slim);
                Ok(Kept::Whole)
            }
            Answer::Full { whole: false } => Ok(Kept::Slim { why: "the whole one broke off".to_owned() }),
            Answer::NoFull { why } => Ok(Kept::Slim { why }),
            _ => Err(unexpected()),
        }
    }
}

fn unexpected() -> HandlerError {
    worker_error("said something else than it was asked")(io::ErrorKind::InvalidData.into())
}

fn worker_error(what: &'static str) -> impl FnOnce(io::Error) -> HandlerError {
    move |source| HandlerError::Worker { what, source }
}

/// The unprivileged half: this program again, which becomes another user. It ends with the value.
struct Worker {
    child: Child,
    channel: Channel,
}

impl Worker {
    /// Starts it, and waits until it has given up its rights.
    ///
    /// It does that itself: a program that is started as the user can be traced by the user's other processes until it
    /// has forbidden it.
    fn start((uid, gid): (u32, u32)) -> Result<Worker, HandlerError> {
        let (channel, theirs) = Channel::pair().map_err(worker_error("could not be reached"))?;
        let child = Command::new("/proc/self/exe")
            .args(WORKER)
            .args([uid.to_string(), gid.to_string()])
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(worker_error("could not be started"))?;
        let worker = Worker { child, channel };
        match worker.answer(TO_BE_READY)? {
            Answer::Ready => Ok(worker),
            _ => Err(unexpected()),
        }
    }

    fn order(&self, order: &Order, files: &[std::os::fd::BorrowedFd<'_>]) -> Result<(), HandlerError> {
        self.channel.send(order, files).map_err(worker_error("takes no orders"))
    }

    fn answer(&self, patience: Duration) -> Result<Answer, HandlerError> {
        let (answer, _files) = self.channel.receive(patience).map_err(worker_error("does not answer"))?;
        Ok(answer)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // One that has ended is not there to be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
