//! Reading what grouping needs of many summaries: thousands of files, or one after the other from a stream.
//!
//! Files are read by several threads, in portions, and told in their order, so that the outcome is the same each time.
//! Memory is bounded by a portion's digests, whatever the files hold.

mod files;
mod problems;
mod records;

use std::fmt;
use std::io::{self, Read};
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use epitaph_summary::group::{Digest, Entry, Source};
use epitaph_summary::{Rules, SCHEMA};

pub use files::{SummaryFile, summary_files};
pub use problems::{Problem, Problems};
use records::{Record, Records};

/// How many sources are read before their crashes are told.
const PORTION: usize = 1024;
/// A source that is larger, in bytes, or has more crashes, is read by itself, and its crashes are told as they come.
const LARGE: u64 = 16 << 20;
const MANY: usize = 64;

/// Something that may hold summaries as JSON: one, a list of them, or one after the other.
pub trait SummarySource: Send + Sync {
    /// Where it is.
    fn source(&self) -> Source;
    /// Whether it is sure to be meant as summaries, so that anything else in it is worth a word.
    fn is_named(&self) -> bool;
    /// Whether it can be opened only once.
    fn is_stream(&self) -> bool;
    /// Opens it.
    fn open(&self) -> io::Result<OpenSource<'_>>;
}

/// An open [`SummarySource`].
pub struct OpenSource<'a> {
    /// Its content.
    pub content: Box<dyn Read + 'a>,
    /// Its size in bytes, where it is known.
    pub size: Option<u64>,
}

impl fmt::Debug for OpenSource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenSource").field("size", &self.size).finish_non_exhaustive()
    }
}

/// Reads all sources and calls `take` with each crash, in order. What can't be read is noted in `problems`, and the others
/// are read.
pub fn read_digests<S: SummarySource>(
    sources: impl Iterator<Item = Result<S, Problem>>,
    rules: &Rules,
    problems: &mut Problems,
    take: &mut dyn FnMut(Digest, &Source),
) {
    let mut sources = sources.peekable();
    let mut buffers = vec![Vec::new(); thread::available_parallelism().map_or(1, NonZero::get)];
    while sources.peek().is_some() {
        let portion: Vec<Result<S, Problem>> = sources.by_ref().take(PORTION).collect();
        let outcomes = read_portion(&portion, rules, &mut buffers);
        for (source, outcome) in portion.into_iter().zip(outcomes) {
            let (Ok(source), Some(outcome)) = (source.map_err(|problem| problems.add(problem)), outcome)
            else {
                continue;
            };
            let name = source.source();
            match outcome {
                Outcome::Read(digests, found) => {
                    for problem in found {
                        problems.add(problem);
                    }
                    for digest in digests {
                        take(digest, &name);
                    }
                }
                Outcome::ByItself => {
                    let buffer = &mut Vec::new();
                    let mut take = |digest| {
                        take(digest, &name);
                        true
                    };
                    read(&source, source.open(), rules, buffer, &mut take, &mut |problem| {
                        problems.add(problem);
                    });
                }
            }
        }
    }
}

/// What became of one source of a portion.
enum Outcome {
    Read(Vec<Digest>, Vec<Problem>),
    /// It is too large to be held.
    ByItself,
}

/// Reads some sources, with a thread for each buffer; gives an outcome for each that there is.
fn read_portion<S: SummarySource>(
    portion: &[Result<S, Problem>],
    rules: &Rules,
    buffers: &mut [Vec<u8>],
) -> Vec<Option<Outcome>> {
    let next = AtomicUsize::new(0);
    let work = |buffer: &mut Vec<u8>| {
        let mut done = Vec::new();
        while let number = next.fetch_add(1, Ordering::Relaxed)
            && let Some(source) = portion.get(number)
        {
            if let Ok(source) = source {
                done.push((number, read_small(source, rules, buffer)));
            }
        }
        done
    };
    let work = &work;
    let mut outcomes: Vec<Option<Outcome>> = portion.iter().map(|_| None).collect();
    // One source isn't worth a thread.
    let threads = buffers.len().min(portion.len());
    thread::scope(|scope| {
        let mut buffers = buffers.iter_mut().take(threads);
        let first = buffers.next();
        let others: Vec<_> = buffers.map(|buffer| scope.spawn(move || work(buffer))).collect();
        let mut done = first.map(work).unwrap_or_default();
        for other in others {
            done.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        for (number, outcome) in done {
            if let Some(slot) = outcomes.get_mut(number) {
                *slot = Some(outcome);
            }
        }
    });
    outcomes
}

fn read_small(source: &impl SummarySource, rules: &Rules, buffer: &mut Vec<u8>) -> Outcome {
    if source.is_stream() {
        return Outcome::ByItself;
    }
    let opened = match source.open() {
        Ok(opened) if opened.size.is_some_and(|size| size > LARGE) => return Outcome::ByItself,
        opened => opened,
    };
    let (mut digests, mut problems) = (Vec::new(), Vec::new());
    let mut take = |digest| {
        digests.push(digest);
        digests.len() <= MANY
    };
    let whole = read(source, opened, rules, buffer, &mut take, &mut |problem| problems.push(problem));
    if whole { Outcome::Read(digests, problems) } else { Outcome::ByItself }
}

/// Reads a source for as long as `take` wants more; tells whether all was read.
fn read(
    source: &impl SummarySource,
    opened: io::Result<OpenSource<'_>>,
    rules: &Rules,
    buffer: &mut Vec<u8>,
    take: &mut dyn FnMut(Digest) -> bool,
    note: &mut dyn FnMut(Problem),
) -> bool {
    let name = source.source().path;
    let opened = match opened {
        Ok(opened) => opened,
        Err(error) => {
            note(Problem::new(name, error));
            return true;
        }
    };
    let mut records = Records::new(opened.content, buffer);
    let mut found = false;
    while let Some(record) = records.next() {
        match record {
            Record::Entry(Entry::Crash(digest), text) => {
                found = true;
                if !take(signed(*digest, text, rules)) {
                    return false;
                }
            }
            Record::Entry(Entry::Other(schema), _) => {
                let schema = schema.unwrap_or_default();
                if source.is_named() || is_ours(&schema) {
                    found = true;
                    let why = format!("schema {schema:?} is not {SCHEMA:?}, which this version reads");
                    note(Problem::new(&name, why));
                }
            }
            Record::Broken { why, start } => {
                if source.is_named() || is_ours(&String::from_utf8_lossy(&start)) {
                    found = true;
                    note(Problem::new(&name, why));
                }
            }
            Record::Unreadable(error) => {
                found = true;
                note(Problem::new(&name, error));
            }
        }
    }
    if source.is_named() && !found {
        note(Problem::new(name, "there is no summary in it"));
    }
    true
}

/// Tells whether a text names a schema of summaries: of this version's or another's.
fn is_ours(text: &str) -> bool {
    SCHEMA.split_once('/').is_some_and(|(name, _)| text.contains(&format!("{name}/")))
}

/// Signs a crash anew if its signature is missing or by other rules, and notes whether it is on purpose.
fn signed(digest: Digest, text: &[u8], rules: &Rules) -> Digest {
    let anew = || Digest::signed(serde_json::from_slice(text).ok()?, rules);
    // What can't be read as a whole is grouped by what could be read.
    let mut digest = if digest.is_signed_by(rules) { digest } else { anew().unwrap_or(digest) };
    digest.note_ignored(rules);
    digest
}

#[cfg(test)]
mod tests;
