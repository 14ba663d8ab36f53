//! The worker: the unprivileged half of the handler, which reads the core.

use std::fs::File;
use std::io::{self, Cursor, Read as _, Seek as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use epitaph_bundle::{compress_stream, write_core};
use epitaph_elf::{CoreFile, CoreFront, ReadAt, SlimCore, SlimOptions, StreamLimits, keep};
use nix::fcntl::{FcntlArg, fcntl};

use super::channel::{Answer, Channel, Order};
use super::error::HandlerError;
use super::harden;
use super::live::LiveCore;
use super::receive::with_causes;
use crate::limits::survive_file_size_limit;

/// How long the receiver may think.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes that the pipe is made to hold while the whole core is read: the largest that a user may ask for.
const PIPE_SIZE: i32 = 1 << 20;
/// What errors call the files, of which the worker knows no names.
const SLIM: &str = "the slim core";
const WHOLE: &str = "the whole core";

/// Does what the receiver, on the other end of standard input, asks for. `judge` tells what a core is known by; it is
/// given the slim core.
///
/// It is started as root, and becomes the user of these numbers before it asks for the core.
pub fn work(uid: u32, gid: u32, judge: &dyn Fn(File) -> Option<String>) -> Result<(), HandlerError> {
    let end =
        io::stdin().as_fd().try_clone_to_owned().map_err(HandlerError::process("take standard input"))?;
    let channel = Channel::of(end);
    harden::worker(uid, gid)?;
    // The receiver limits what we may write.
    survive_file_size_limit().map_err(HandlerError::process("take signals"))?;
    answer(&channel, &Answer::Ready)?;
    let (order, files) = order(&channel)?;
    let Order::Begin = order else { return Err(nonsense()) };
    let mut work = Work::of(files)?;
    let slim = match work.write_slim() {
        Ok(slim) => slim,
        Err(why) => return answer(&channel, &Answer::NoSlim { why }),
    };
    answer(&channel, &Answer::Slim)?;
    answer(&channel, &Answer::Judged { signature: judge(slim) })?;
    // Where the whole core isn't wanted, we are ended here.
    let (Order::Full, _) = self::order(&channel)? else { return Err(nonsense()) };
    let done = work.write_whole();
    answer(&channel, &done.map_or_else(|why| Answer::NoFull { why }, |whole| Answer::Full { whole }))
}

fn answer(channel: &Channel, answer: &Answer) -> Result<(), HandlerError> {
    channel.send(answer, &[]).map_err(|source| HandlerError::Worker { what: "is not heard", source })
}

fn order(channel: &Channel) -> Result<(Order, Vec<OwnedFd>), HandlerError> {
    channel.receive(PATIENCE).map_err(|source| HandlerError::Worker { what: "gets no orders", source })
}

fn nonsense() -> HandlerError {
    HandlerError::Worker { what: "was asked for something else", source: io::ErrorKind::InvalidData.into() }
}

/// What the worker was handed, and how far it has come.
struct Work {
    core: File,
    slim: File,
    whole: File,
    memory: Option<File>,
    /// What was read of the core, where the rest is still in the pipe; or else why that had to be read too.
    front: Result<CoreFront, String>,
}

impl Work {
    fn of(files: Vec<OwnedFd>) -> Result<Work, HandlerError> {
        let mut files = files.into_iter().map(File::from);
        let (Some(core), Some(slim), Some(whole)) = (files.next(), files.next(), files.next()) else {
            return Err(nonsense());
        };
        Ok(Work { core, slim, whole, memory: files.next(), front: Err("it was not begun".to_owned()) })
    }

    /// Writes the slim core and returns its file; says why there is none.
    fn write_slim(&mut self) -> Result<File, String> {
        let front = CoreFront::of_stream(&mut self.core);
        let Some(core) = front.open() else { return Err("what the kernel gave is no core".to_owned()) };
        match self.slim_from_memory(&front, &core) {
            Ok(()) => self.front = Ok(front),
            Err(why) => {
                // What can be kept of one pass over the pipe must do.
                self.slim.set_len(0).and_then(|()| self.slim.rewind()).map_err(|error| error.to_string())?;
                let mut stream = Cursor::new(front.bytes().as_slice()).chain(&self.core);
                let kept = keep(&mut stream, &StreamLimits::default());
                self.try_slim(Arc::new(kept))?;
                self.front = Err(format!("it had to be read for the slim one: {why}"));
            }
        }
        self.slim.try_clone().map_err(|error| error.to_string())
    }

    /// Writes the slim core without reading on in the pipe; says why where the process is gone or can't be seen.
    fn slim_from_memory(&mut self, front: &CoreFront, core: &CoreFile) -> Result<(), String> {
        let memory = self.memory.take().ok_or("its process could not be proven")?;
        let size = front.promised_end().ok_or("its headers promise nothing")?;
        self.try_slim(Arc::new(LiveCore::new(Arc::clone(front.bytes()), core, memory, size)))
    }

    fn try_slim(&mut self, source: Arc<dyn ReadAt>) -> Result<(), String> {
        let core = CoreFile::open(source).map_err(|error| with_causes(&error))?;
        let slim = SlimCore::new(&core, &SlimOptions::default()).map_err(|error| with_causes(&error))?;
        write_core(&slim, &mut self.slim, Path::new(SLIM)).map_err(|error| with_causes(&error))
    }

    /// Writes the whole core; tells whether it is all that its headers promise, or says why there is none.
    fn write_whole(&mut self) -> Result<bool, String> {
        let front = self.front.as_ref().map_err(String::clone)?;
        // The kernel then waits less often for us. Not before: what fits the pipe is written, and the process gone.
        let _ = fcntl(&self.core, FcntlArg::F_SETPIPE_SZ(PIPE_SIZE));
        let mut stream = Cursor::new(front.bytes().as_slice()).chain(&self.core);
        let count = compress_stream(&mut stream, &mut self.whole, Path::new(WHOLE))
            .map_err(|error| with_causes(&error))?;
        Ok(front.promised_end().is_some_and(|end| count >= end))
    }
}
