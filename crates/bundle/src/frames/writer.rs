//! Cutting what is written into frames, and writing them in order.

use std::collections::VecDeque;
use std::io::{self, Write};

use super::FRAME;
use super::crew::{Crew, Parcel, Ticket};
use super::table::{Entry, table_of};
use super::zeros::{LARGEST_ZERO_FRAME, zero_frame};

/// Runs of zeros from this length on become frames of their own, in bytes.
pub(super) const LONG_RUN: u64 = 1 << 20;

/// Compresses what is written to it into `sink`.
pub(crate) struct FrameWriter<W> {
    sink: W,
    crew: Crew,
    /// The frame that is being filled.
    filling: Parcel,
    /// Zeros that were announced after it and are in no frame yet.
    pending_zeros: u64,
    /// What is to be written next, in order.
    queue: VecDeque<Next>,
    /// How many frames of data are in the queue.
    tickets: usize,
    /// Frames that were written, to be used again.
    spare: Vec<Parcel>,
    /// The frames in `sink`.
    written: Vec<Entry>,
}

/// What is written next.
enum Next {
    Data(Ticket),
    Zeros(u64),
}

impl<W: Write> FrameWriter<W> {
    /// Starts a file.
    pub(crate) fn new(sink: W) -> io::Result<FrameWriter<W>> {
        Ok(FrameWriter {
            sink,
            crew: Crew::new()?,
            filling: Parcel::default(),
            pending_zeros: 0,
            queue: VecDeque::new(),
            tickets: 0,
            spare: Vec::new(),
            written: Vec::new(),
        })
    }

    /// Adds data.
    pub(crate) fn data(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.place_zeros()?;
        while !bytes.is_empty() {
            let (part, rest) = bytes.split_at_checked(self.room()).unwrap_or((bytes, &[]));
            self.filling.content.extend_from_slice(part);
            self.cut_if_full()?;
            bytes = rest;
        }
        Ok(())
    }

    /// Adds `count` zero bytes.
    pub(crate) fn zeros(&mut self, count: u64) {
        self.pending_zeros += count;
    }

    /// Ends the file with the table of its frames; without this it is cut short.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.place_zeros()?;
        self.cut()?;
        self.write_queued(0)?;
        if self.written.is_empty() {
            self.write_zeros(0)?; // a file without a frame is no zstd file
        }
        self.sink.write_all(&table_of(&self.written))
    }

    /// Returns what was written to.
    pub(crate) fn into_sink(self) -> W {
        self.sink
    }

    fn room(&self) -> usize {
        FRAME.saturating_sub(self.filling.content.len())
    }

    /// Puts the pending zeros where they belong: many into frames of their own, few among the data.
    fn place_zeros(&mut self) -> io::Result<()> {
        let mut count = std::mem::take(&mut self.pending_zeros);
        if count >= LONG_RUN {
            self.cut()?;
            self.queue.push_back(Next::Zeros(count));
            return Ok(());
        }
        while count > 0 {
            let part = count.min(self.room() as u64);
            self.filling.content.resize(self.filling.content.len() + part as usize, 0);
            self.cut_if_full()?;
            count -= part;
        }
        Ok(())
    }

    fn cut_if_full(&mut self) -> io::Result<()> {
        if self.room() == 0 { self.cut() } else { Ok(()) }
    }

    /// Gives the frame that is being filled away, unless it is empty.
    fn cut(&mut self) -> io::Result<()> {
        if self.filling.content.is_empty() {
            return Ok(());
        }
        let empty = self.spare.pop().unwrap_or_default();
        let full = std::mem::replace(&mut self.filling, empty);
        self.queue.push_back(Next::Data(self.crew.take(full)));
        self.tickets += 1;
        self.write_queued(self.crew.capacity())
    }

    /// Writes what is queued until at most `most` frames of data are left.
    fn write_queued(&mut self, most: usize) -> io::Result<()> {
        while self.tickets > most || matches!(self.queue.front(), Some(Next::Zeros(_))) {
            match self.queue.pop_front() {
                Some(Next::Zeros(count)) => self.write_zeros(count)?,
                Some(Next::Data(ticket)) => {
                    self.tickets -= 1;
                    let mut parcel = ticket.wait()?;
                    self.write_frame(&parcel.frame, parcel.content.len() as u32)?;
                    parcel.content.clear();
                    self.spare.push(parcel);
                }
                None => break,
            }
        }
        Ok(())
    }

    fn write_zeros(&mut self, mut count: u64) -> io::Result<()> {
        loop {
            let part = count.min(u64::from(LARGEST_ZERO_FRAME)) as u32;
            self.write_frame(&zero_frame(part), part)?;
            count -= u64::from(part);
            if count == 0 {
                return Ok(());
            }
        }
    }

    fn write_frame(&mut self, frame: &[u8], content: u32) -> io::Result<()> {
        self.sink.write_all(frame)?;
        self.written.push(Entry { stored: frame.len() as u32, content });
        Ok(())
    }
}
