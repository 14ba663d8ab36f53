//! Getting a large file to the disk while it is still being written.
//!
//! A file is only given its name when its bytes are on the disk. Waiting for all of them at the end would take as long
//! again as a slow disk took for nothing while they were made.

use std::fs::File;
use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Bytes that are written between two rounds; a smaller file is left to the end.
const STRIDE: u64 = 32 << 20;

/// Sends a file's bytes on to the disk, in a thread of its own, as they come.
#[derive(Default)]
pub(super) struct SyncAhead {
    written: u64,
    ask: Option<SyncSender<()>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl SyncAhead {
    /// Says that `count` more bytes were written to `file`, which is always the same one.
    pub(super) fn wrote(&mut self, file: &File, count: usize) {
        let rounds = self.written / STRIDE;
        self.written += count as u64;
        if self.written / STRIDE == rounds {
            return;
        }
        if rounds == 0 {
            // Where no thread is to be had, all is left to the end.
            (self.ask, self.thread) = start(file).ok().unzip();
        }
        if let Some(ask) = &self.ask {
            // One that is still busy takes these bytes along the next time.
            let _ = ask.try_send(());
        }
    }

    /// Waits for the round that goes on. An error of any round is told here, and by nobody else: the kernel reports it
    /// once to all handles of one opened file.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.ask = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(done)) => done,
            Some(Err(_)) => Err(io::Error::other("the thread that writes ahead has died")),
            None => Ok(()),
        }
    }
}

/// A file that is given up gives its space back at once, not when a thread lets go of it.
impl Drop for SyncAhead {
    fn drop(&mut self) {
        // Nobody is left to be told.
        let _ = self.finish();
    }
}

fn start(file: &File) -> io::Result<(SyncSender<()>, JoinHandle<io::Result<()>>)> {
    let file = file.try_clone()?;
    let (ask, asked) = sync_channel(1);
    let thread = std::thread::Builder::new()
        .name("sync".to_owned())
        .spawn(move || asked.into_iter().try_for_each(|()| file.sync_data()))?;
    Ok((ask, thread))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_large_file_starts_a_thread() {
        let file = tempfile::tempfile().unwrap();
        let mut ahead = SyncAhead::default();
        ahead.wrote(&file, STRIDE as usize - 1);
        assert!(ahead.thread.is_none());
        for _ in 0..3 {
            ahead.wrote(&file, STRIDE as usize);
            assert!(ahead.thread.is_some());
        }
        ahead.finish().unwrap();
    }

    #[test]
    fn an_error_of_any_round_is_told() {
        // What can't be synced says so: a pipe.
        let (_reader, writer) = io::pipe().unwrap();
        let pipe = File::from(std::os::fd::OwnedFd::from(writer));
        let mut ahead = SyncAhead::default();
        ahead.wrote(&pipe, STRIDE as usize);
        assert_eq!(ahead.finish().unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
