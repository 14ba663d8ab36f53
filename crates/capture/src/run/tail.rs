//! Keeps the end of what the command writes to standard error, and passes all of it on.
//!
//! The command's standard error is a pipe then, which a thread copies to ours: unchanged, and as it comes. The copying ends
//! with the command, not with the pipe's last writer: a daemon that the command leaves behind may hold the pipe open for
//! ever (and gets SIGPIPE if it writes to it afterwards, which is why the tail is kept only where that is asked for).

use std::io::{self, IsTerminal as _, PipeReader, PipeWriter, Read as _, Write};
use std::os::fd::AsFd;
use std::thread::JoinHandle;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;

/// The most bytes that are kept of the end.
const MOST_BYTES: usize = 64 << 10;
/// The most bytes that are read after the command's end: what a pipe can hold (`/proc/sys/fs/pipe-max-size`).
const MOST_AFTER_THE_END: usize = 1 << 20;

/// The end of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tail {
    bytes: Vec<u8>,
    cut: bool,
}

impl Tail {
    /// Makes one of all that was written.
    pub fn of(bytes: &[u8]) -> Tail {
        let mut tail = Tail { bytes: bytes.to_vec(), cut: false };
        tail.shorten();
        tail
    }

    /// Returns the last whole lines, at most 64 KiB of them: what they begin with is never a part of a line.
    pub fn lines(&self) -> &[u8] {
        if !self.cut {
            return &self.bytes;
        }
        let start = self.bytes.iter().position(|byte| *byte == b'\n').map_or(self.bytes.len(), |at| at + 1);
        self.bytes.get(start..).unwrap_or_default()
    }

    fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() > 2 * MOST_BYTES {
            self.shorten();
        }
    }

    fn shorten(&mut self) {
        let too_many = self.bytes.len().saturating_sub(MOST_BYTES);
        self.cut |= too_many > 0;
        self.bytes.drain(..too_many);
    }
}

/// Copies standard error until the command has ended.
pub(super) struct Copying {
    /// Closed to say that the command has ended.
    end: PipeWriter,
    thread: JoinHandle<Tail>,
}

impl Copying {
    /// Begins to copy, and returns what the command is to write to; `None` where our standard error is a terminal, which
    /// the command must keep.
    pub(super) fn begin() -> io::Result<Option<(Copying, PipeWriter)>> {
        let stderr = io::stderr();
        if stderr.is_terminal() {
            return Ok(None);
        }
        let (from, writer) = io::pipe()?;
        // Of this end alone: the command's own is another open file.
        fcntl_setfl(&from, OFlags::NONBLOCK)?;
        let (ended, end) = io::pipe()?;
        let thread = std::thread::Builder::new()
            .name("stderr".to_owned())
            .spawn(move || copy(from, &ended, &mut io::stderr()))?;
        Ok(Some((Copying { end, thread }, writer)))
    }

    /// Copies what the command wrote until now, and returns the end of it.
    pub(super) fn finish(self) -> Tail {
        drop(self.end);
        self.thread.join().unwrap_or_default()
    }
}

/// Copies `from` to `to` until that is over, or until `ended` is closed and what had been written by then is copied.
fn copy(mut from: PipeReader, ended: &PipeReader, to: &mut (impl Write + AsFd)) -> Tail {
    let mut tail = Tail::default();
    let mut buffer = vec![0; MOST_BYTES];
    let mut left = MOST_AFTER_THE_END;
    let mut is_over = false;
    while left > 0 {
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                let bytes = buffer.get(..count).unwrap_or_default();
                tail.add(bytes);
                if pass_on(bytes, to) == Reader::Gone {
                    break;
                }
                left -= if is_over { count.min(left) } else { 0 };
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() != io::ErrorKind::WouldBlock || is_over => break,
            Err(_) => {
                let mut both = [PollFd::new(&from, PollFlags::IN), PollFd::new(ended, PollFlags::IN)];
                match poll(&mut both, None) {
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(_) => break,
                }
                let [_, end] = &both;
                is_over = !end.revents().is_empty();
            }
        }
    }
    tail.shorten();
    tail
}

/// Who reads what is passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    /// Somebody may.
    Possible,
    /// Nobody any more: the command gets the same error as if it wrote there itself.
    Gone,
}

/// Writes all of `bytes`, if that is possible: what a full disk has no room for is lost, and no reason to end the command.
fn pass_on(mut bytes: &[u8], to: &mut (impl Write + AsFd)) -> Reader {
    while !bytes.is_empty() {
        match to.write(bytes) {
            Ok(0) => return Reader::Possible,
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted => {}
                io::ErrorKind::BrokenPipe => return Reader::Gone,
                // Whoever has the other end, too, may have set it to that.
                io::ErrorKind::WouldBlock => match poll(&mut [PollFd::new(to, PollFlags::OUT)], None) {
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(_) => return Reader::Possible,
                },
                _ => return Reader::Possible,
            },
        }
    }
    Reader::Possible
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Seek as _, SeekFrom};

    use super::*;

    /// Copies what `write` writes; the command ends when that returns.
    fn copied(write: impl FnOnce(&mut PipeWriter) -> Option<PipeWriter> + Send + 'static) -> (Tail, Vec<u8>) {
        let (from, mut writer) = io::pipe().unwrap();
        fcntl_setfl(&from, OFlags::NONBLOCK).unwrap();
        let (ended, end) = io::pipe().unwrap();
        let writing = std::thread::spawn(move || {
            let kept_open = write(&mut writer);
            drop((writer, end));
            kept_open
        });
        let mut to = tempfile::tempfile().unwrap();
        let tail = copy(from, &ended, &mut to);
        drop(writing.join().unwrap());
        let mut copied = Vec::new();
        to.seek(SeekFrom::Start(0)).unwrap();
        to.read_to_end(&mut copied).unwrap();
        (tail, copied)
    }

    #[test]
    fn only_a_reader_that_is_gone_ends_the_copying() {
        let mut full = File::options().write(true).open("/dev/full").unwrap();
        assert_eq!(pass_on(b"x", &mut full), Reader::Possible);
        let (reader, mut writer) = io::pipe().unwrap();
        drop(reader);
        assert_eq!(pass_on(b"x", &mut writer), Reader::Gone);
    }

    #[test]
    fn a_stream_that_does_not_block_is_waited_for() {
        let (mut reader, mut writer) = io::pipe().unwrap();
        fcntl_setfl(&writer, OFlags::NONBLOCK).unwrap();
        let reading = std::thread::spawn(move || {
            let mut all = Vec::new();
            reader.read_to_end(&mut all).unwrap();
            all.len()
        });
        assert_eq!(pass_on(&vec![b'x'; MOST_AFTER_THE_END], &mut writer), Reader::Possible);
        drop(writer);
        assert_eq!(reading.join().unwrap(), MOST_AFTER_THE_END);
    }

    #[test]
    fn all_is_passed_on_and_the_end_is_kept() {
        let text: Vec<u8> = (0..40_000).flat_map(|number| format!("line {number}\n").into_bytes()).collect();
        let expected = text.clone();
        let (tail, to) = copied(move |writer| {
            writer.write_all(&text).unwrap();
            None
        });
        assert!(to == expected);
        let lines = tail.lines();
        assert!(expected.ends_with(lines) && lines.len() <= MOST_BYTES && lines.len() > MOST_BYTES - 20);
        assert!(lines.starts_with(b"line "), "no part of a line");
    }

    #[test]
    fn it_ends_with_the_command_though_the_pipe_stays_open() {
        let (tail, to) = copied(|writer| {
            writer.write_all(b"bytes \xff\0 unchanged").unwrap();
            // A daemon has the pipe, too.
            Some(writer.try_clone().unwrap())
        });
        assert_eq!(to, b"bytes \xff\0 unchanged");
        assert_eq!(tail.lines(), b"bytes \xff\0 unchanged");
    }

    #[test]
    fn of_one_endless_line_nothing_is_kept() {
        let (tail, to) = copied(|writer| {
            writer.write_all(&vec![b'x'; 3 * MOST_BYTES]).unwrap();
            None
        });
        assert_eq!((tail.lines(), to.len()), (&b""[..], 3 * MOST_BYTES));
    }
}
