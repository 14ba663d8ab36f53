//! A file of this host as what is sent.

use std::fs::File;
use std::io::{self, Read as _, Write};
use std::path::Path;
use std::pin::pin;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::{Either, select};
use futures_util::stream::unfold;
use reqwest::header::HeaderMap;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;
use url::Url;

use super::{Answer, Client, Pieces, shown};
use crate::StoreError;
use crate::files::{length_now, open_regular};
use crate::hash::{Copied, CopyError, copy_hashed};

/// Pieces of a file that wait for the connection, beside the one that is read and the one that is sent.
const AHEAD: usize = 2;

/// Reads a file of this host for its length and its hash.
pub(crate) async fn hashed(path: &Path) -> Result<Copied, StoreError> {
    let file = open_regular(path)?;
    let length = length_now(&file).map_err(StoreError::io("read", path))?;
    let read =
        tokio::task::spawn_blocking(move || copy_hashed(&mut file.take(length), &mut io::sink(), |_| ()));
    read.await.map_err(io::Error::other).map_err(StoreError::io("read", path))?.map_err(|error| match error {
        CopyError::Read(error) | CopyError::Write(error) => StoreError::io("read", path)(error),
    })
}

impl Client {
    /// Sends a file, whose content is known, with a PUT request. `at` is told how far it is. A file that is another one by
    /// now is an error, whatever the server answers.
    pub(crate) async fn put_file(
        &self,
        url: &Url,
        headers: &HeaderMap,
        path: &Path,
        content: &Copied,
        at: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Answer, StoreError> {
        let file = open_regular(path)?;
        let (sender, receiver) = channel(AHEAD);
        let length = content.size;
        let (wanted, unwanted) = oneshot::channel();
        let reader = tokio::task::spawn_blocking(move || read(file, length, sender, unwanted));
        let answer = self.put(url, headers, length, pieces(receiver), at).await;
        if answer.as_ref().is_ok_and(|answer| !answer.status().is_success()) {
            // Who refuses may not have taken the rest, and never will.
            drop(wanted);
            return answer;
        }
        let after = self.stall_timeout;
        let read = tokio::time::timeout(after, reader).await;
        drop(wanted);
        let read = read.map_err(|_| StoreError::Stalled { url: shown(url), after })?;
        match read.map_err(io::Error::other).and_then(|read| read) {
            Err(error) => Err(StoreError::io("read", path)(error)),
            Ok(Some(read)) if read != *content => Err(StoreError::Changed { path: path.to_owned() }),
            Ok(_) => answer,
        }
    }
}

/// Reads a file of that length into a channel. What has been read is told only if all of it was wanted. Must be called
/// on a thread of a runtime that may block.
fn read(
    file: File,
    length: u64,
    sender: Sender<io::Result<Bytes>>,
    unwanted: oneshot::Receiver<()>,
) -> io::Result<Option<Copied>> {
    let mut pipe = Pipe { sender, unwanted };
    match copy_hashed(&mut file.take(length), &mut pipe, |_| ()) {
        Ok(copied) => Ok(Some(copied)),
        // The request has ended; its own error says why.
        Err(CopyError::Write(_)) => Ok(None),
        Err(CopyError::Read(error)) => {
            let _ = pipe.send(Err(error.kind().into()));
            Err(error)
        }
    }
}

/// The writing end of a channel of pieces.
struct Pipe {
    sender: Sender<io::Result<Bytes>>,
    /// Ends when nobody takes pieces any more, although the connection still holds the other end.
    unwanted: oneshot::Receiver<()>,
}

impl Pipe {
    fn send(&mut self, piece: io::Result<Bytes>) -> io::Result<()> {
        let send = pin!(self.sender.send(piece));
        match Handle::current().block_on(select(send, &mut self.unwanted)) {
            Either::Left((Ok(()), _)) => Ok(()),
            _ => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

impl Write for Pipe {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.send(Ok(Bytes::copy_from_slice(piece)))?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn pieces(receiver: Receiver<io::Result<Bytes>>) -> Pieces {
    unfold(receiver, |mut receiver| async move { receiver.recv().await.map(|piece| (piece, receiver)) })
        .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> (tempfile::TempDir, File) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("f"), "content").unwrap();
        let file = File::open(dir.path().join("f")).unwrap();
        (dir, file)
    }

    #[tokio::test]
    async fn a_file_is_read_to_the_length_that_was_announced() {
        let (_dir, file) = source();
        let (sender, mut receiver) = channel(4);
        let (_wanted, unwanted) = oneshot::channel();
        let copied = tokio::task::spawn_blocking(move || read(file, 4, sender, unwanted));
        assert_eq!(copied.await.unwrap().unwrap().unwrap().size, 4);
        assert_eq!(receiver.try_recv().unwrap().unwrap(), "cont");
    }

    #[tokio::test]
    async fn what_nobody_takes_is_read_no_further() {
        let (_dir, file) = source();
        let (sender, receiver) = channel(1);
        sender.send(Ok(Bytes::new())).await.unwrap();
        let (wanted, unwanted) = oneshot::channel();
        let copied = tokio::task::spawn_blocking(move || read(file, 7, sender, unwanted));
        drop(wanted);
        assert_eq!(copied.await.unwrap().unwrap(), None);
        drop(receiver);
    }
}
