//! Which units claim some addresses? Every unit's root entry is asked: for those that no index knows.
//!
//! Big programs have ten thousands of units, so the processor's cores share the work. What comes out is the same,
//! however many they are.

use std::collections::HashSet;
use std::num::NonZero;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use gimli::{Dwarf, Section as _, UnitHeader};

use crate::dwarf::Slice;
use crate::root::{Root, offset};
use crate::units::{ByUnit, within};

/// Most ranges that are read of all units: a crafted file may have every unit claim the same long list.
const MOST_RANGES: usize = 1 << 24;
/// Most ranges that are read of one piece of work.
const MOST_RANGES_OF_PIECE: usize = 1 << 20;

/// Units whose headers are read before their root entries are.
const ROUND: usize = 4096;
/// Units that are one piece of work.
const PIECE: usize = 16;
/// Units of a round, or bytes of lists of ranges, from which on it pays to start threads: the root of a unit takes some
/// microseconds, and to start a thread takes a hundred.
const MANY_UNITS: usize = 1024;
const MANY_RANGES: usize = 8 << 20;
/// Most threads that share the work: they wait for memory more than for a processor.
const MOST_THREADS: usize = 8;

/// A unit that may know some of the addresses.
struct Candidate {
    unit: usize,
    /// Those that it claims.
    claimed: Vec<u64>,
    /// Whether it claims none at all, but has lines.
    has_only_lines: bool,
}

/// What the root entries of a piece of work say.
#[derive(Default)]
struct Piece {
    candidates: Vec<Candidate>,
    /// How many ranges were read.
    ranges: usize,
}

/// Places addresses (sorted) by the ranges that the units themselves claim, leaving out the units in `skip`: for those
/// that no index knows (clang writes none), or that an index placed in a unit that knows nothing of them.
pub(crate) fn by_root(
    dwarf: &Dwarf<Slice<'_>>,
    addresses: &[u64],
    skip: &HashSet<usize>,
    by_unit: &mut ByUnit,
) {
    let are_long = dwarf.ranges.debug_ranges().reader().len() >= MANY_RANGES
        || dwarf.ranges.debug_rnglists().reader().len() >= MANY_RANGES;
    scan(dwarf, addresses, skip, by_unit, |units| {
        let pays = units >= MANY_UNITS || are_long;
        if pays { std::thread::available_parallelism().map_or(1, NonZero::get).min(MOST_THREADS) } else { 1 }
    });
}

/// Does it with as many threads as `threads` says for so many units.
fn scan(
    dwarf: &Dwarf<Slice<'_>>,
    addresses: &[u64],
    skip: &HashSet<usize>,
    by_unit: &mut ByUnit,
    threads: impl Fn(usize) -> usize,
) {
    let mut units = dwarf.units();
    let mut headers = std::iter::from_fn(|| units.next().ok().flatten())
        .filter_map(|header| Some((offset(&header)?, header)))
        .filter(|(unit, _)| !skip.contains(unit));
    let mut left = MOST_RANGES;
    loop {
        let round: Vec<_> = headers.by_ref().take(ROUND).collect();
        if round.is_empty() {
            return;
        }
        let ask = |piece: &[_]| ask(dwarf, addresses, piece, left.min(MOST_RANGES_OF_PIECE));
        for piece in share(&round, threads(round.len()), &ask) {
            let Some(rest) = left.checked_sub(piece.ranges) else { return };
            left = rest;
            for Candidate { unit, claimed, has_only_lines } in piece.candidates {
                for address in claimed {
                    by_unit.add(unit, address);
                }
                if has_only_lines {
                    by_unit.add_without_claim(unit, addresses);
                }
            }
        }
    }
}

type Header<'a> = (usize, UnitHeader<Slice<'a>>);

/// Cuts a round in pieces, and has them done by some threads; returns what they come to, in order.
fn share<'a>(
    round: &[Header<'a>],
    threads: usize,
    ask: &(impl Fn(&[Header<'a>]) -> Piece + Sync),
) -> Vec<Piece> {
    let pieces = round.chunks(PIECE);
    if threads < 2 {
        return pieces.map(ask).collect();
    }
    let done: Vec<OnceLock<Piece>> = pieces.clone().map(|_| OnceLock::new()).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        while let index = next.fetch_add(1, Ordering::Relaxed)
            && let (Some(piece), Some(done)) = (pieces.clone().nth(index), done.get(index))
        {
            let _ = done.set(ask(piece));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            // Where no thread can be had, the others do its share.
            let _ = std::thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
    done.into_iter().map(|piece| piece.into_inner().unwrap_or_default()).collect()
}

/// Asks the root entries of some units. At most `most` ranges of lists are read.
fn ask(dwarf: &Dwarf<Slice<'_>>, addresses: &[u64], units: &[Header<'_>], most: usize) -> Piece {
    let mut left = most;
    let mut candidates = Vec::new();
    for (unit, header) in units {
        let Some(root) = Root::read(dwarf, header) else { continue };
        let mut claimed = Vec::new();
        let claims = root.ranges(dwarf, header, &mut left, |start, end| {
            claimed.extend(within(addresses, start, end));
        });
        let has_only_lines = !claims && root.lines.is_some();
        if !claimed.is_empty() || has_only_lines {
            candidates.push(Candidate { unit: *unit, claimed, has_only_lines });
        }
    }
    Piece { candidates, ranges: most - left }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::Synth;

    #[test]
    fn however_many_threads_the_result_is_the_same() {
        let mut synth = Synth::new(gimli::DW_LANG_C11);
        for unit in 0..3 * PIECE as u64 + 5 {
            if unit > 0 {
                synth.begin_unit();
            }
            let root = synth.root();
            // Every third one overlaps the next one, and every seventh claims nothing.
            if unit % 7 != 0 {
                synth.code(root, 0x1000 * unit, if unit % 3 == 0 { 0x1800 } else { 0x1000 });
            }
        }
        let written = synth.write();
        let dwarf = written.dwarf();
        let addresses: Vec<u64> = (0..120).map(|index| 0x800 * index).collect();
        let with = |threads| {
            let mut by_unit = ByUnit::default();
            scan(&dwarf, &addresses, &HashSet::new(), &mut by_unit, |_| threads);
            by_unit.units().clone()
        };
        let alone = with(1);
        assert!(alone.len() > 2 * PIECE && alone.values().any(|addresses| addresses.len() > 2), "{alone:?}");
        for threads in 2..6 {
            assert_eq!(with(threads), alone, "{threads}");
        }
    }
}
