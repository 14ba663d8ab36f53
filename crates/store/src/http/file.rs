//! A file of this host as what is sent.

use std::fs::File;
use std::io::{self, Read as _, Write};
use std::path::Path;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::unfold;
use reqwest::header::HeaderMap;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use url::Url;

use super::{Answer, Client, Pieces};
use crate::StoreError;
use crate::files::open_regular;
use crate::hash::{Copied, CopyError, copy_hashed};

/// Pieces of a file that wait for the connection, beside the one that is read and the one that is sent.
const AHEAD: usize = 2;

/// Reads a file of this host for its length and its hash.
pub(crate) async fn hashed(path: &Path) -> Result<Copied, StoreError> {
    let mut file = open_regular(path)?;
    let read = tokio::task::spawn_blocking(move || copy_hashed(&mut file, &mut io::sink(), |_| ()));
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
        let reader = tokio::task::spawn_blocking(move || read(file, length, sender));
        let answer = self.put(url, headers, length, pieces(receiver), at).await;
        match reader.await.map_err(io::Error::other).and_then(|read| read) {
            Err(error) => Err(StoreError::io("read", path)(error)),
            Ok(Some(read)) if read != *content => Err(StoreError::Changed { path: path.to_owned() }),
            Ok(_) => answer,
        }
    }
}

/// Reads a file of that length into a channel. What has been read is told only if all of it was wanted.
fn read(file: File, length: u64, sender: Sender<io::Result<Bytes>>) -> io::Result<Option<Copied>> {
    let mut pipe = Pipe(sender);
    match copy_hashed(&mut file.take(length), &mut pipe, |_| ()) {
        Ok(copied) => Ok(Some(copied)),
        // The request has ended; its own error says why.
        Err(CopyError::Write(_)) => Ok(None),
        Err(CopyError::Read(error)) => {
            let _ = pipe.0.blocking_send(Err(error.kind().into()));
            Err(error)
        }
    }
}

/// The writing end of a channel of pieces.
struct Pipe(Sender<io::Result<Bytes>>);

impl Write for Pipe {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(piece)));
        sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
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

    #[test]
    fn a_file_is_read_to_the_length_that_was_announced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, "content").unwrap();
        let (sender, mut receiver) = channel(4);
        let copied = read(File::open(&path).unwrap(), 4, sender).unwrap().unwrap();
        assert_eq!(copied.size, 4);
        assert_eq!(receiver.try_recv().unwrap().unwrap(), "cont");
        let (sender, receiver) = channel(1);
        drop(receiver);
        assert_eq!(read(File::open(&path).unwrap(), 7, sender).unwrap(), None);
    }
}
