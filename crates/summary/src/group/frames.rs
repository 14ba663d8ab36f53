//! The crashing thread's frames, read without those of the others.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::few::fingerprint;
use super::report::CrashPlace;
use super::text::{Taking, Text, bounded};
use super::trace::{TraceFrame, UNKNOWN, symbol};
use crate::names::normalize;
use crate::thread::{FrameRule, Trust};

/// How many frames are looked at: those that signatures are made of, with their inlined calls.
const MOST: usize = 1024;
/// How many of the user's own frames may be the one that a crash is blamed on.
const MOST_OWN: usize = 32;
/// How much of a function's name is looked at, in bytes.
const LONGEST_NAME: usize = 64 << 10;
/// How much of a name and of a path is kept of the frame that the crash is blamed on, in bytes.
const KEPT_NAME: usize = 200;
const KEPT_PATH: usize = 400;

/// What is kept of the thread that crashed, or of the first one where none did.
#[derive(Debug, Default)]
pub(super) struct CrashingThread {
    /// The innermost ones, in their order.
    pub(super) frames: Vec<TraceFrame>,
    /// Stands for the addresses of its frames.
    pub(super) place: u64,
    /// Where its own frames are, as many as may be blamed, each with its symbol.
    pub(super) own: Vec<(u64, CrashPlace)>,
}

impl<'de> Deserialize<'de> for CrashingThread {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Threads;

        impl<'de> Visitor<'de> for Threads {
            type Value = CrashingThread;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of threads")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<CrashingThread, A::Error> {
                let Some(mut thread) = items.next_element_seed(Thread { wanted: true })? else {
                    return Ok(CrashingThread::default());
                };
                while let Some(next) = items.next_element_seed(Thread { wanted: false })? {
                    if next.crashed && !thread.crashed {
                        thread = next;
                    }
                }
                let Stack { frames, place, own } = thread.frames;
                Ok(CrashingThread { frames, place, own })
            }
        }

        deserializer.deserialize_seq(Threads)
    }
}

/// Reads one thread.
struct Thread {
    /// Whether its frames are wanted also if it didn't crash.
    wanted: bool,
}

#[derive(Default)]
struct ThreadRead {
    crashed: bool,
    frames: Stack,
}

impl<'de> DeserializeSeed<'de> for Thread {
    type Value = ThreadRead;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<ThreadRead, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Thread {
    type Value = ThreadRead;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a thread")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<ThreadRead, A::Error> {
        let mut read = ThreadRead::default();
        let mut crashed = None;
        while let Some(field) = fields.next_key()? {
            match field {
                Field::Crashed => crashed = Some(fields.next_value()?),
                // Of a thread that is known by now not to have crashed, nothing is wanted.
                Field::Frames if self.wanted || crashed != Some(false) => {
                    read.frames = fields.next_value()?;
                }
                Field::Frames | Field::Other => {
                    fields.next_value::<IgnoredAny>()?;
                }
            }
        }
        read.crashed = crashed.unwrap_or_default();
        Ok(read)
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Field {
    Crashed,
    Frames,
    #[serde(other)]
    Other,
}

#[derive(Default)]
struct Stack {
    frames: Vec<TraceFrame>,
    place: u64,
    own: Vec<(u64, CrashPlace)>,
}

impl<'de> Deserialize<'de> for Stack {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;

        impl<'de> Visitor<'de> for List {
            type Value = Stack;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of frames")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Stack, A::Error> {
                let mut frames = Stack::default();
                while let Some(frame) = items.next_element::<RawFrame>()? {
                    let address = [frame.pc, frame.cfa].map(|text| text.map(|Address(address)| address));
                    frames.place = fingerprint(&(frames.place, address));
                    if frames.frames.len() < MOST {
                        let seen = TraceFrame::from(&frame);
                        if seen.in_app && frames.own.len() < MOST_OWN {
                            frames.own.push((seen.symbol, frame.place()));
                        }
                        frames.frames.push(seen);
                    }
                }
                Ok(frames)
            }
        }

        deserializer.deserialize_seq(List)
    }
}

#[derive(Deserialize)]
struct RawFrame {
    function: Option<Function>,
    in_app: Option<bool>,
    rule: Option<FrameRule>,
    trust: Option<Trust>,
    pc: Option<Address>,
    cfa: Option<Address>,
    file: Option<Text<KEPT_PATH>>,
    line: Option<u32>,
    column: Option<u32>,
}

impl RawFrame {
    fn place(self) -> CrashPlace {
        CrashPlace {
            function: self.function.map(|function| function.name),
            file: self.file.map(|file| file.0),
            line: self.line,
            column: self.column,
        }
    }
}

impl From<&RawFrame> for TraceFrame {
    fn from(frame: &RawFrame) -> TraceFrame {
        TraceFrame {
            symbol: frame.function.as_ref().map_or(UNKNOWN, |function| function.symbol),
            in_app: frame.in_app == Some(true) && frame.trust != Some(Trust::Scan),
            rule: frame.rule,
        }
    }
}

/// A function's name, as much as is kept of it, and its symbol.
struct Function {
    symbol: u64,
    name: String,
}

impl<'de> Deserialize<'de> for Function {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Taking(|name: &str| Function {
            symbol: symbol(&normalize(bounded(name, LONGEST_NAME))),
            name: bounded(name, KEPT_NAME).to_owned(),
        }))
    }
}

/// What stands for an address.
#[derive(Clone, Copy)]
struct Address(u64);

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Taking(|text: &str| Address(fingerprint(text))))
    }
}
