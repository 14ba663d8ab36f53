//! Names by symbol table: one pass over a table for all addresses at once.

use epitaph_elf::{Object, Symbol, SymbolKind, SymbolTable};

/// A symbol that an address is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) name: String,
    pub(crate) start: u64,
}

/// The best symbol so far for one address.
#[derive(Clone, Copy)]
struct Best<'a> {
    symbol: Symbol<'a>,
}

impl Best<'_> {
    /// Prefers the symbol that starts nearest, then a function, then the one most widely seen, then the name
    /// without underscores in front (`abort`, not `__GI_abort`), then the shorter and the first one.
    fn rank(&self) -> impl Ord + use<'_> {
        let name = self.symbol.name();
        let underscores = name.iter().take_while(|byte| **byte == b'_').count();
        (
            std::cmp::Reverse(self.symbol.address),
            self.symbol.kind != SymbolKind::Function,
            self.symbol.binding,
            underscores,
            name.len(),
            name,
        )
    }
}

/// Names those of `addresses` (sorted, before the load bias) that a symbol of the table has, at the same index.
///
/// A symbol with a size has the addresses within it. One without (assembler) has those up to the next symbol and
/// the end of its section, and only where no sized one does: `_start` must not name whatever follows it.
pub(crate) fn find(object: &Object, table: SymbolTable, addresses: &[u64]) -> Vec<Option<Hit>> {
    let mut best: Vec<Option<Best<'_>>> = vec![None; addresses.len()];
    for symbol in object.symbols(table) {
        let first = addresses.partition_point(|address| *address < symbol.address);
        let end = symbol.address.saturating_add(symbol.size);
        for (address, best) in addresses.iter().zip(&mut best).skip(first) {
            if *address >= end {
                break;
            }
            take_better(best, symbol);
        }
    }
    if best.iter().any(Option::is_none) {
        find_unsized(object, table, addresses, &mut best);
    }
    best.into_iter()
        .map(|best| {
            best.map(|best| Hit {
                name: strip_version(&String::from_utf8_lossy(best.symbol.name())).to_owned(),
                start: best.symbol.address,
            })
        })
        .collect()
}

/// Names the addresses (sorted) that no sized symbol has. One pass too: a symbol is noted at the first address that it
/// may be for, and then carried on to the ones after it.
fn find_unsized<'a>(
    object: &'a Object,
    table: SymbolTable,
    addresses: &[u64],
    best: &mut [Option<Best<'a>>],
) {
    let mut starts: Vec<Option<Best<'a>>> = vec![None; addresses.len()];
    let mut ends = vec![0; addresses.len()];
    for symbol in object.symbols(table) {
        let first = addresses.partition_point(|address| *address < symbol.address);
        let (Some(start), Some(end)) = (starts.get_mut(first), ends.get_mut(first)) else { continue };
        if symbol.size == 0 {
            take_better(start, symbol);
        } else {
            *end = symbol.address.saturating_add(symbol.size).max(*end);
        }
    }
    let (mut nearest, mut floor) = (None, 0);
    for ((address, best), (start, end)) in addresses.iter().zip(best).zip(starts.into_iter().zip(ends)) {
        nearest = start.or(nearest);
        // Where the last sized symbol before the address ends: an unsized one before that is not the address's.
        floor = end.max(floor);
        if best.is_none()
            && let Some(section) = object.code_section_at(*address)
        {
            *best = nearest.filter(|nearest| nearest.symbol.address >= section.start.max(floor));
        }
    }
}

fn take_better<'a>(best: &mut Option<Best<'a>>, symbol: Symbol<'a>) {
    let candidate = Best { symbol };
    if best.is_none_or(|best| candidate.rank() < best.rank()) {
        *best = Some(candidate);
    }
}

/// Takes off the version that some linkers put into the name itself: `memcpy@@GLIBC_2.14`.
fn strip_version(name: &str) -> &str {
    match name.find('@') {
        Some(at) if at > 0 => name.get(..at).unwrap_or(name),
        _ => name,
    }
}
