//! What receiver and worker say to each other, and how files are handed over.
//!
//! A socket of whole messages (`SOCK_SEQPACKET`, unix(7)), each of them JSON. The receiver takes whatever comes from the
//! worker as hostile: a number or a short text, never a path.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Longest message in bytes.
const LONGEST: usize = 16 << 10;
/// Most files that are handed over at once.
const MOST_FILES: usize = 4;

/// What the receiver says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// Begin: the pipe, the file of the slim core, that of the whole one, and the process's memory where it could be
    /// opened, come along.
    Begin,
    /// Write the whole core.
    Full,
}

/// What the worker says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// It has given up its rights.
    Ready,
    /// The slim core is written.
    Slim,
    /// There is none, and there will be none.
    NoSlim { why: String },
    /// What the crash is told from others by.
    Judged { signature: Option<String> },
    /// The whole core is written. `whole` says whether it was all that its headers promise.
    Full { whole: bool },
    /// The whole core could not be written.
    NoFull { why: String },
}

/// One end of the socket.
#[derive(Debug)]
pub(super) struct Channel(OwnedFd);

impl Channel {
    /// Makes both ends.
    pub(super) fn pair() -> io::Result<(Channel, OwnedFd)> {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Channel(ours), theirs))
    }

    /// Takes the end that was inherited.
    pub(super) fn of(end: OwnedFd) -> Channel {
        Channel(end)
    }

    /// Sends a message, and files with it.
    pub(super) fn send(&self, message: &impl Serialize, files: &[BorrowedFd<'_>]) -> io::Result<()> {
        let text = serde_json::to_vec(message)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_FILES))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !files.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(files)) {
            return Err(io::Error::other("too many files for one message"));
        }
        sendmsg(&self.0, &[IoSlice::new(&text)], &mut ancillary, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// Waits for a message and the files that come with it. The other end being closed is an error, as is silence.
    pub(super) fn receive<T: DeserializeOwned>(&self, patience: Duration) -> io::Result<(T, Vec<OwnedFd>)> {
        let timeout = Timespec::try_from(patience).map_err(io::Error::other)?;
        let mut waiting = [PollFd::from_borrowed_fd(self.0.as_fd(), PollFlags::IN)];
        if poll(&mut waiting, Some(&timeout))? == 0 {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let mut text = vec![0; LONGEST];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_FILES))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let got = {
            let mut parts = [IoSliceMut::new(&mut text)];
            recvmsg(&self.0, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?
        };
        let files = ancillary.drain().flat_map(|message| match message {
            RecvAncillaryMessage::ScmRights(files) => files.collect(),
            _ => Vec::new(),
        });
        let files = files.collect();
        if got.bytes == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if got.flags.contains(ReturnFlags::TRUNC) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a message is too long"));
        }
        Ok((serde_json::from_slice(text.get(..got.bytes).unwrap_or_default())?, files))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read as _, Seek as _, Write as _};

    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    #[test]
    fn files_travel_with_messages() {
        let (ours, theirs) = Channel::pair().unwrap();
        let theirs = Channel::of(theirs);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"core").unwrap();
        file.rewind().unwrap();
        ours.send(&Order::Begin, &[file.as_fd()]).unwrap();
        ours.send(&Order::Full, &[]).unwrap();
        let (order, files): (Order, _) = theirs.receive(SOON).unwrap();
        assert!(matches!(order, Order::Begin));
        let mut text = String::new();
        for file in files {
            File::from(file).read_to_string(&mut text).unwrap();
        }
        assert_eq!(text, "core");
        let (order, files): (Order, _) = theirs.receive(SOON).unwrap();
        assert!(matches!(order, Order::Full) && files.is_empty());
    }

    #[test]
    fn silence_and_an_end_are_errors() {
        let (ours, theirs) = Channel::pair().unwrap();
        let silent = ours.receive::<Answer>(Duration::from_millis(10)).unwrap_err();
        assert_eq!(silent.kind(), io::ErrorKind::TimedOut);
        drop(theirs);
        assert_eq!(ours.receive::<Answer>(SOON).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_worker_that_talks_nonsense_is_refused() {
        let (ours, theirs) = Channel::pair().unwrap();
        let theirs = Channel::of(theirs);
        for nonsense in ["x".repeat(10), "x".repeat(LONGEST + 1)] {
            theirs.send(&nonsense, &[]).unwrap();
            assert!(ours.receive::<Answer>(SOON).is_err());
        }
    }
}
