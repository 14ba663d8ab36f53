//! Compressing frames, by several threads where there is enough to compress.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use zstd::bulk::Compressor;
use zstd::zstd_safe::{CParameter, compress_bound};

use super::FRAME;

/// Compression level: the default of stock zstd.
const LEVEL: i32 = 3;
/// The most threads. Each takes some 4 MiB: two for what it works with, and two for its frame.
const MOST_WORKERS: usize = 6;
/// Frames that wait, for a worker or to be written, of some 2 MiB each: enough that on a busy machine no worker runs
/// out of them while the others are not scheduled.
const WAITING: usize = 8;
/// Frames that are compressed before the first thread is started: less isn't worth it.
const ALONE: usize = 4;

/// A frame on its way: what goes in, and what comes out.
#[derive(Debug, Default)]
pub(super) struct Parcel {
    /// What is to be compressed.
    pub(super) content: Vec<u8>,
    /// The frame.
    pub(super) frame: Vec<u8>,
}

/// A frame that is compressed now or sooner or later.
pub(super) struct Ticket(Outcome);

enum Outcome {
    Done(io::Result<Parcel>),
    Coming(Receiver<io::Result<Parcel>>),
}

impl Ticket {
    /// Returns the frame, waiting for it.
    pub(super) fn wait(self) -> io::Result<Parcel> {
        match self.0 {
            Outcome::Done(done) => done,
            Outcome::Coming(coming) => {
                coming.recv().unwrap_or_else(|_| Err(io::Error::other("a thread that compresses has died")))
            }
        }
    }
}

/// Compresses frames, each on its own.
pub(super) struct Crew {
    own: Compressor<'static>,
    /// Frames that were compressed without the workers.
    alone: usize,
    workers: Workers,
}

impl Crew {
    pub(super) fn new() -> io::Result<Crew> {
        Ok(Crew { own: compressor()?, alone: 0, workers: Workers::default() })
    }

    /// Returns how many frames may be on their way before somebody should wait for the first of them.
    pub(super) fn capacity(&self) -> usize {
        match self.workers.threads.len() {
            0 => 0,
            workers => workers + WAITING,
        }
    }

    /// Takes a frame to be compressed.
    pub(super) fn take(&mut self, parcel: Parcel) -> Ticket {
        if self.alone == ALONE {
            self.workers = Workers::start();
        }
        self.alone = self.alone.saturating_add(1);
        Ticket(match &self.workers.jobs {
            Some(jobs) => {
                let (done, coming) = sync_channel(1);
                // Where all workers have died, the receiver says so.
                let _ = jobs.send(Job { parcel, done });
                Outcome::Coming(coming)
            }
            None => Outcome::Done(compress(&mut self.own, parcel)),
        })
    }
}

struct Job {
    parcel: Parcel,
    done: std::sync::mpsc::SyncSender<io::Result<Parcel>>,
}

/// Threads that compress; none at first, and none on a single processor.
#[derive(Default)]
struct Workers {
    jobs: Option<Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    fn start() -> Workers {
        let processors = std::thread::available_parallelism().map_or(1, |count| count.get());
        let (jobs, queue) = channel();
        let queue = Arc::new(Mutex::new(queue));
        let wanted = if processors == 1 { 0 } else { processors.min(MOST_WORKERS) };
        // Where no more threads are allowed, fewer will do.
        let threads: Vec<_> = (0..wanted).map_while(|_| start_one(&queue).ok()).collect();
        Workers { jobs: (!threads.is_empty()).then_some(jobs), threads }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // Whoever waited for the frame of one that died was told.
            let _ = thread.join();
        }
    }
}

fn start_one(queue: &Arc<Mutex<Receiver<Job>>>) -> io::Result<JoinHandle<()>> {
    let queue = Arc::clone(queue);
    let mut compressor = compressor()?;
    std::thread::Builder::new().name("compress".to_owned()).spawn(move || {
        loop {
            // The lock is held while waiting: who waits next for it waits next for a job.
            let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(Job { parcel, done }) = job else { return };
            // Nobody waits for it any more where writing failed.
            let _ = done.send(compress(&mut compressor, parcel));
        }
    })
}

fn compressor() -> io::Result<Compressor<'static>> {
    let mut compressor = Compressor::new(LEVEL)?;
    compressor.set_parameter(CParameter::ChecksumFlag(true))?;
    Ok(compressor)
}

fn compress(compressor: &mut Compressor<'_>, mut parcel: Parcel) -> io::Result<Parcel> {
    parcel.frame.clear();
    parcel.frame.reserve(compress_bound(parcel.content.len().min(FRAME)));
    compressor.compress_to_buffer(&parcel.content, &mut parcel.frame)?;
    Ok(parcel)
}
