//! Overwriting secrets in what is kept of a core.
//!
//! What is overwritten, each byte with `*`, so that nothing moves and strings keep their lengths:
//!
//! - the environment that the program was started with, names and all, where the kernel put it, and copies of its variables
//!   elsewhere, known by the end of the name and the value;
//! - the values of all variables in it that are named like secrets ([`Masks::is_secret_name`]), those that arguments
//!   name as secret (`--token=…`, `--password …`), those of `NAME=value` anywhere in what is kept and in the first
//!   [`MOST_LEARNED`] bytes of what the process could write to (a program may have set variables itself), and the
//!   values of [`Masks`]: wherever they occur, also in parts of at least 16 characters, in UTF-16, percent-encoded or
//!   in base64;
//! - values of fewer than 6 bytes only where they stand beside their names: they would be found by chance.
//!
//! Not overwritten is what nothing names as a secret, what is encoded in another way (compressed, encrypted, as a hash),
//! and what is no more than the name or path of a mapped file. Addresses are never touched: a backtrace is the same
//! afterwards, but for texts among arguments.

mod around;
mod named;
mod patterns;
mod places;
mod secrets;
mod start;

use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use epitaph_elf::{CoreFile, ProcessInfo, Redact};
use epitaph_summary::Masks;
use memchr::memmem::Finder;

use around::read_before;
pub(crate) use around::read_from;
use named::{LONGEST_NAME, LONGEST_VALUE, assigned_secrets, secret_arguments};
use patterns::Patterns;
pub(crate) use places::Places;
use secrets::Secrets;
pub(crate) use start::Start;

/// What secrets are overwritten with.
const FILLER: u8 = b'*';
/// How much of what the process could write to is searched for `NAME=value`, in bytes, beside what is kept.
pub const MOST_LEARNED: u64 = 64 << 20;
/// Read at once while values are learned.
const CHUNK: u64 = 1 << 20;

/// Overwrites the secrets of one process.
pub struct Scrubber {
    core: Arc<CoreFile>,
    patterns: Patterns,
    /// Where everything but NULs is overwritten.
    ranges: Vec<Range<u64>>,
    /// Text of the notes that leads to a secret, and the secret's place in it.
    notes: Vec<(Finder<'static>, Range<usize>)>,
    left_out: usize,
}

impl std::fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scrubber").field("left_out", &self.left_out).finish_non_exhaustive()
    }
}

impl Scrubber {
    /// Learns what is secret in the process of `core`, of whose memory the addresses `kept` will be kept, beside the
    /// values of `masks`.
    pub fn new(core: Arc<CoreFile>, kept: impl IntoIterator<Item = Range<u64>>, masks: &Masks) -> Scrubber {
        let process = core.process();
        let start = Start::find(process, &*core);
        let mut secrets = Secrets::default();
        masks.values().for_each(|value| secrets.add(value.as_bytes()));
        start.secret_variables().for_each(|value| secrets.add(value));
        start.variables().for_each(|variable| secrets.add_variable(variable));
        let mut ranges = Vec::new();
        for (argument, secret) in start.secret_arguments() {
            secrets.add(argument);
            ranges.push(secret);
        }
        // Behind the arguments: the ranges are sorted.
        ranges.push(start.environment_addresses());
        for range in kept {
            learn(&core, range, &mut secrets);
        }
        let mut budget = MOST_LEARNED;
        for segment in core.parts().iter().filter(|segment| segment.write) {
            let len = segment.file_size.min(budget);
            learn(&core, segment.address..segment.address.saturating_add(len), &mut secrets);
            budget -= len;
        }
        let places = Places::of(process);
        let (parts, left_out) = secrets.parts(&places);
        let patterns = Patterns::new(parts, &places);
        let left_out = left_out + patterns.refused();
        let notes =
            process.info.as_ref().map(|info| secrets_of_command_line(info, &secrets)).unwrap_or_default();
        Scrubber { core, patterns, ranges, notes, left_out }
    }

    /// Returns how many secrets are not looked for everywhere, because there are too many.
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// Overwrites, in `bytes`, what is secret in `window`, of which they are the part from `offset` on.
    fn overwrite(&self, window: &[u8], offset: usize, bytes: &mut [u8]) {
        let end = offset + bytes.len();
        let mut fill = |range: Range<usize>| {
            let inside = range.start.clamp(offset, end) - offset..range.end.clamp(offset, end) - offset;
            bytes.get_mut(inside).unwrap_or_default().fill(FILLER);
        };
        self.patterns.find(window, |_, range| fill(range));
        assigned_secrets(window, 0..window.len()).into_iter().for_each(fill);
    }
}

impl Redact for Scrubber {
    fn memory(&self, address: u64, bytes: &mut [u8]) {
        // Names before the bytes, and the rest of what begins in them.
        let before = read_before(&*self.core, address, LONGEST_NAME + self.patterns.longest());
        let end = address.saturating_add(bytes.len() as u64);
        let after = read_from(&*self.core, end, self.patterns.longest());
        let window = [before.as_slice(), bytes, after.as_slice()].concat();
        self.overwrite(&window, before.len(), bytes);
        let first = self.ranges.partition_point(|range| range.end <= address);
        for range in self.ranges.iter().skip(first).take_while(|range| range.start < end) {
            let start = range.start.clamp(address, end) - address;
            let inside = start as usize..(range.end.clamp(address, end) - address) as usize;
            let secret = bytes.get_mut(inside).unwrap_or_default();
            secret.iter_mut().filter(|byte| **byte != 0).for_each(|byte| *byte = FILLER);
        }
    }

    fn notes(&self, bytes: &mut [u8]) {
        let window = bytes.to_vec();
        self.overwrite(&window, 0, bytes);
        for (finder, secret) in &self.notes {
            for found in finder.find_iter(&window) {
                let inside = found + secret.start..found + secret.end;
                bytes.get_mut(inside).unwrap_or_default().fill(FILLER);
            }
        }
    }
}

/// Finds, in the command line that the notes have (arguments with spaces for NULs, the last one cut), secrets that no
/// pattern finds: short ones, and a cut one.
fn secrets_of_command_line(info: &ProcessInfo, secrets: &Secrets) -> Vec<(Finder<'static>, Range<usize>)> {
    let line = info.args.as_bytes();
    let cut = Masks::start_of_cut(line, secrets.values()).filter(|_| info.args_cut);
    let cut = cut.map(|start| (Finder::new(line).into_owned(), start..line.len()));
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let named = secret_arguments(words.iter().copied()).into_iter().filter_map(|(index, offset)| {
        let start: usize = words.iter().take(index).map(|word| word.len() + 1).sum();
        let end = start + words.get(index)?.len();
        // Known by all that is before it: a cut secret may be short.
        Some((Finder::new(line.get(..end)?).into_owned(), start + offset..end))
    });
    named.chain(cut).collect()
}

/// Adds the values of `NAME=value` at these addresses that name a secret.
fn learn(core: &CoreFile, addresses: Range<u64>, secrets: &mut Secrets) {
    let mut at = addresses.start;
    while at < addresses.end {
        let size = CHUNK.min(addresses.end - at);
        // Names may begin before this chunk, and values end behind it.
        let before = read_before(core, at, LONGEST_NAME + 1);
        let chunk = read_from(core, at, size as usize + LONGEST_VALUE);
        let within = before.len()..before.len() + chunk.len().min(size as usize);
        let bytes = [before, chunk].concat();
        for range in assigned_secrets(&bytes, within) {
            secrets.add(bytes.get(range).unwrap_or_default());
        }
        at += size;
    }
}
