//! Which functions are at an address? One walk through a unit's entries, for all its addresses at once.

use gimli::{AttributeValue, UnitOffset, UnitRef};
use thiserror::Error;

use crate::dwarf::Slice;
use crate::extent::{Extent, TooMany};
use crate::shape::{Shape, Shapes, role};
use crate::skim::{Met, Skim};

/// Longest chain of inlined calls at one address: real ones have a few dozen.
const DEEPEST_INLINE: usize = 999;
/// Most functions and calls that are open at once.
const DEEPEST: usize = 1 << 12;
/// Most ranges that are read of one unit: the largest real units have some hundred thousand.
const MOST_RANGES: usize = 1 << 22;

/// The functions at one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chain {
    /// The entry of the function that the code is part of.
    pub(crate) function: UnitOffset,
    /// The calls that were inlined there, outermost first.
    pub(crate) calls: Vec<Call>,
    /// Size of the range that has the address: of two functions, the one with the smaller range is inside.
    size: u64,
}

/// An inlined call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// Its entry, which leads to that of the called function.
    pub(crate) entry: UnitOffset,
    /// Where the call is, as an index of the line program's files.
    pub(crate) file: Option<u64>,
    pub(crate) line: Option<u32>,
    pub(crate) column: Option<u32>,
}

/// Why a unit could not be read to its end.
#[derive(Clone, Debug, Error)]
pub(crate) enum Broken {
    #[error(transparent)]
    Entry(#[from] gimli::Error),
    #[error("it has more address ranges than any real unit")]
    Ranges,
    #[error("its entries are nested deeper than in any real unit")]
    Depth,
}

impl From<TooMany> for Broken {
    fn from(TooMany: TooMany) -> Broken {
        Broken::Ranges
    }
}

/// Finds the functions at `addresses` (sorted). A range that doesn't begin in code is that of a function that the
/// linker threw away: `is_code` tells.
///
/// What was found before the unit turned out to be broken is right, and is returned with what is wrong.
pub(crate) fn find(
    unit: UnitRef<'_, Slice<'_>>,
    addresses: &[u64],
    is_code: &dyn Fn(u64) -> bool,
) -> (Vec<Option<Chain>>, Option<Broken>) {
    let mut walk = Walk::new(unit, addresses, is_code, true);
    let mut broken = walk.run().err();
    let mut chains = walk.chains;
    if walk.skipped && chains.iter().any(Option::is_none) {
        // A function may be inside of an entry that was passed over (GNU C and Fortran have nested functions).
        let (indices, rest): (Vec<usize>, Vec<u64>) = addresses
            .iter()
            .copied()
            .enumerate()
            .filter(|(index, _)| chains.get(*index) == Some(&None))
            .unzip();
        let mut walk = Walk::new(unit, &rest, is_code, false);
        broken = broken.or(walk.run().err());
        for (index, chain) in indices.into_iter().zip(walk.chains) {
            if let Some(slot) = chains.get_mut(index) {
                *slot = chain;
            }
        }
    }
    (chains, broken)
}

struct Walk<'w, 'a> {
    unit: UnitRef<'w, Slice<'a>>,
    addresses: &'w [u64],
    is_code: &'w dyn Fn(u64) -> bool,
    /// Whether entries without a wanted address may be passed over, by `DW_AT_sibling`.
    may_skip: bool,
    skipped: bool,
    /// By the same index as the addresses.
    chains: Vec<Option<Chain>>,
    /// The functions and calls that the next entry is in, outermost first.
    open: Vec<Open>,
    ranges_left: usize,
}

/// A function or an inlined call whose children are being read.
struct Open {
    depth: isize,
    /// How many calls lead to it within its function.
    level: usize,
    /// Indices of the addresses that are in it.
    within: Vec<u32>,
}

/// What the attributes of a function or a call say.
#[derive(Default)]
struct Attributes {
    extent: Extent,
    sibling: Option<UnitOffset>,
    file: Option<u64>,
    line: Option<u32>,
    column: Option<u32>,
}

impl<'w, 'a> Walk<'w, 'a> {
    fn new(
        unit: UnitRef<'w, Slice<'a>>,
        addresses: &'w [u64],
        is_code: &'w dyn Fn(u64) -> bool,
        may_skip: bool,
    ) -> Walk<'w, 'a> {
        Walk {
            unit,
            addresses,
            is_code,
            may_skip,
            skipped: false,
            chains: vec![None; addresses.len()],
            open: Vec::new(),
            ranges_left: MOST_RANGES,
        }
    }

    fn run(&mut self) -> Result<(), Broken> {
        let unit = self.unit.unit;
        let mut shapes = Shapes::default();
        let mut skim = Skim::new(unit, unit.header.root_offset(), 0)?;
        let always = role::FUNCTION | if self.may_skip { role::CLOSED } else { 0 };
        loop {
            let is_in_wanted = self.open.iter().any(|open| !open.within.is_empty());
            let roles = always | if is_in_wanted { role::CALL } else { 0 };
            let Some((met, shape)) = skim.meet(&mut shapes, roles, UnitOffset(usize::MAX))? else { break };
            // Any entry ends those beside it: what follows in a block isn't in the call before the block.
            while self.open.last().is_some_and(|open| open.depth >= met.lowest) {
                self.open.pop();
            }
            let after = match shape.tag {
                gimli::DW_TAG_subprogram => self.function(&mut skim, met, shape)?,
                // A call in what isn't wanted isn't, either.
                gimli::DW_TAG_inlined_subroutine
                    if self.open.last().is_none_or(|open| open.within.is_empty()) =>
                {
                    skim.pass(shape)?;
                    None
                }
                gimli::DW_TAG_inlined_subroutine => self.call(&mut skim, met, shape)?,
                _ => skim.pass(shape)?,
            };
            if let Some(after) = after.filter(|after| self.may_skip && *after > skim.offset()) {
                self.skipped = true;
                skim.pass_children(after, met.depth)?;
            }
        }
        Ok(())
    }

    /// Reads a function; returns where to read on if nothing in it is wanted.
    fn function(
        &mut self,
        skim: &mut Skim<'_, 'a>,
        met: Met,
        shape: &Shape,
    ) -> Result<Option<UnitOffset>, Broken> {
        if !shape.has_extent {
            let after = skim.pass(shape)?;
            self.enter(shape, Open { depth: met.depth, level: 0, within: Vec::new() })?;
            return Ok(after);
        }
        let attributes = self.attributes(skim, met.code)?;
        let within = self.take_function(met.offset, &attributes)?;
        let nothing = within.is_empty();
        self.enter(shape, Open { depth: met.depth, level: 0, within })?;
        Ok(attributes.sibling.filter(|_| nothing))
    }

    /// Reads an inlined call; returns where to read on if nothing in it is wanted.
    fn call(
        &mut self,
        skim: &mut Skim<'_, 'a>,
        met: Met,
        shape: &Shape,
    ) -> Result<Option<UnitOffset>, Broken> {
        let attributes = self.attributes(skim, met.code)?;
        let (level, within) = self.take_call(met.offset, &attributes)?;
        let nothing = within.is_empty();
        self.enter(shape, Open { depth: met.depth, level, within })?;
        Ok(attributes.sibling.filter(|_| nothing))
    }

    /// Opens a function or a call whose children are next, if it has any.
    fn enter(&mut self, shape: &Shape, open: Open) -> Result<(), Broken> {
        if shape.has_children {
            if self.open.len() >= DEEPEST {
                return Err(Broken::Depth);
            }
            self.open.push(open);
        }
        Ok(())
    }

    /// Reads the attributes that are next.
    fn attributes(&self, skim: &mut Skim<'_, 'a>, code: u64) -> gimli::Result<Attributes> {
        let unit = self.unit.unit;
        let mut out = Attributes::default();
        let mut entries = unit.header.entries_raw(&unit.abbreviations, Some(skim.offset()))?;
        let abbreviation = unit.abbreviations.get(code).ok_or(gimli::Error::InvalidAbbreviationCode(code))?;
        for specification in abbreviation.attributes() {
            let attribute = entries.read_attribute(*specification)?;
            match (attribute.name(), attribute.value()) {
                (gimli::DW_AT_sibling, AttributeValue::UnitRef(offset)) => out.sibling = Some(offset),
                // Up to DWARF 4, file 0 means that there is none.
                (gimli::DW_AT_call_file, AttributeValue::FileIndex(file)) => {
                    out.file = Some(file).filter(|file| *file > 0 || unit.header.version() >= 5);
                }
                (gimli::DW_AT_call_line, value) => out.line = number(&value),
                (gimli::DW_AT_call_column, value) => out.column = number(&value),
                _ => out.extent.take(self.unit, &attribute)?,
            }
        }
        skim.read_on(entries.next_offset())?;
        Ok(out)
    }

    /// Takes up a function; returns the indices of the addresses that it is the best one for so far.
    fn take_function(&mut self, entry: UnitOffset, attributes: &Attributes) -> Result<Vec<u32>, Broken> {
        let (mut within, is_code) = (Vec::new(), self.is_code);
        for (index, size) in self.inside(attributes.extent, is_code)? {
            let Some(slot) = self.chains.get_mut(index as usize) else { continue };
            // Of two names for one piece of code (assembler aliases, functions folded into one), the last one counts,
            // as it does for gdb.
            if slot.as_ref().is_none_or(|chain| size <= chain.size) {
                *slot = Some(Chain { function: entry, calls: Vec::new(), size });
                within.push(index);
            }
        }
        Ok(within)
    }

    /// Takes up an inlined call; returns its level and the indices of the addresses that are in it.
    fn take_call(&mut self, entry: UnitOffset, attributes: &Attributes) -> Result<(usize, Vec<u32>), Broken> {
        let inside = self.inside(attributes.extent, &|_| true)?;
        let Some(parent) = self.open.last() else { return Ok((0, Vec::new())) };
        let mut within = Vec::new();
        for (index, _) in inside.into_iter().filter(|(index, _)| parent.within.contains(index)) {
            let Some(Some(chain)) = self.chains.get_mut(index as usize) else { continue };
            // Of two calls at one place, the first one counts.
            if chain.calls.len() == parent.level && parent.level < DEEPEST_INLINE {
                let Attributes { file, line, column, .. } = *attributes;
                chain.calls.push(Call { entry, file, line, column });
                within.push(index);
            }
        }
        Ok((parent.level + 1, within))
    }

    /// Returns the indices of the addresses in an extent, each with the size of the range that has it.
    fn inside(&mut self, extent: Extent, is_code: &dyn Fn(u64) -> bool) -> Result<Vec<(u32, u64)>, TooMany> {
        let mut inside: Vec<(u32, u64)> = Vec::new();
        let addresses = self.addresses;
        extent.each(self.unit, &mut self.ranges_left, |start, end| {
            let first = addresses.partition_point(|address| *address < start);
            let count = addresses.iter().skip(first).take_while(|address| **address < end).count();
            if count == 0 || !is_code(start) {
                return;
            }
            for index in (first..first + count).filter_map(|index| u32::try_from(index).ok()) {
                if inside.iter().all(|(known, _)| *known != index) {
                    inside.push((index, end - start));
                }
            }
        })?;
        Ok(inside)
    }
}

/// Reads a line or column: from 1, so that 0 is none.
fn number(value: &AttributeValue<Slice<'_>>) -> Option<u32> {
    value.udata_value().and_then(|number| u32::try_from(number).ok()).filter(|number| *number > 0)
}

#[cfg(test)]
mod tests {
    use gimli::{DW_TAG_inlined_subroutine, DW_TAG_lexical_block, DW_TAG_namespace, DW_TAG_subprogram};

    use super::*;
    use crate::synth::{Node, Synth, offset};
    use crate::unit::OpenUnit;

    /// A function and the calls in it, as indices of nodes.
    type Told = (usize, Vec<usize>);

    /// Finds the functions at addresses of the only unit; there is code from 0x1000 on.
    fn look(synth: Synth, addresses: &[u64], nodes: &[Node]) -> (Vec<Option<Told>>, Option<Broken>) {
        let written = synth.write();
        let dwarf = written.dwarf();
        let opened = OpenUnit::read(&dwarf, dwarf.units().next().unwrap().unwrap()).unwrap();
        let (chains, broken) =
            find(UnitRef::new(&dwarf, &opened.unit), addresses, &|address| address >= 0x1000);
        let index = |entry| nodes.iter().position(|node| offset(&opened.unit, *node) == entry).unwrap();
        let told = |chain: Chain| {
            (index(chain.function), chain.calls.iter().map(|call| index(call.entry)).collect())
        };
        (chains.into_iter().map(|chain| chain.map(told)).collect(), broken)
    }

    fn function(synth: &mut Synth, parent: Node, start: u64, size: u64) -> Node {
        let node = synth.add(parent, DW_TAG_subprogram);
        synth.code(node, start, size);
        node
    }

    fn call(synth: &mut Synth, parent: Node, start: u64, size: u64) -> Node {
        let node = synth.add(parent, DW_TAG_inlined_subroutine);
        synth.code(node, start, size);
        node
    }

    #[test]
    fn calls_are_nested_as_their_entries_are() {
        let mut synth = Synth::new(gimli::DW_LANG_C11);
        let root = synth.root();
        let outer = function(&mut synth, root, 0x1000, 0x100);
        let block = synth.add(outer, DW_TAG_lexical_block);
        let first = call(&mut synth, block, 0x1010, 0x40);
        let inner = call(&mut synth, first, 0x1020, 0x10);
        let second = call(&mut synth, outer, 0x1048, 0x20);
        let stray = call(&mut synth, second, 0x1020, 0x1);
        let (chains, broken) = look(
            synth,
            &[0xfff, 0x1000, 0x1018, 0x1020, 0x104a, 0x1060, 0x1100],
            &[outer, first, inner, second, stray],
        );
        assert!(broken.is_none());
        let expected = [
            None,
            Some((0, vec![])),
            Some((0, vec![1])),
            Some((0, vec![1, 2])),
            // Both calls claim it: the first one counts.
            Some((0, vec![1])),
            Some((0, vec![3])),
            None,
        ];
        assert_eq!(chains, expected);
    }

    /// GNU C, Fortran and Ada have functions in functions, and the outer one's entry may be passed over.
    #[test]
    fn a_function_inside_of_another_is_found() {
        let mut synth = Synth::new(gimli::DW_LANG_C11);
        let root = synth.root();
        let outer = function(&mut synth, root, 0x1000, 0x100);
        let inside = function(&mut synth, outer, 0x1400, 0x10);
        let after = function(&mut synth, root, 0x1200, 0x10);
        synth.sibling(outer);
        let (chains, broken) = look(synth, &[0x1008, 0x1208, 0x1408], &[outer, inside, after]);
        assert!(broken.is_none());
        assert_eq!(chains, [Some((0, vec![])), Some((2, vec![])), Some((1, vec![]))]);
    }

    /// What the linker throws away stays in the debug information, at address 0.
    #[test]
    fn what_was_thrown_away_is_nowhere() {
        let mut synth = Synth::new(gimli::DW_LANG_C11);
        let space = synth.named(synth.root(), DW_TAG_namespace, "n");
        let live = function(&mut synth, space, 0x1000, 0x100);
        let dead = function(&mut synth, space, 0, 0x1080);
        let (chains, _) = look(synth, &[0x10, 0x1010], &[live, dead]);
        assert_eq!(chains, [None, Some((0, vec![]))]);
    }

    #[test]
    fn of_two_functions_the_inner_counts_and_of_equals_the_last() {
        let mut synth = Synth::new(gimli::DW_LANG_C11);
        let root = synth.root();
        let small = function(&mut synth, root, 0x1010, 0x10);
        let large = function(&mut synth, root, 0x1000, 0x100);
        let equal = function(&mut synth, root, 0x1000, 0x100);
        let (chains, _) = look(synth, &[0x1000, 0x1018], &[small, large, equal]);
        assert_eq!(chains, [Some((2, vec![])), Some((0, vec![]))]);
    }

    /// A chain of calls without end is cut, and what is in front of the cut is kept.
    #[test]
    fn calls_without_end_are_cut() {
        let mut synth = Synth::new(gimli::DW_LANG_C11);
        let root = synth.root();
        let mut at = function(&mut synth, root, 0x1000, 0x100);
        for _ in 0..DEEPEST_INLINE + 10 {
            at = call(&mut synth, at, 0x1000, 0x100);
        }
        let written = synth.write();
        let dwarf = written.dwarf();
        let opened = OpenUnit::read(&dwarf, dwarf.units().next().unwrap().unwrap()).unwrap();
        let (chains, _) = find(UnitRef::new(&dwarf, &opened.unit), &[0x1000], &|_| true);
        assert_eq!(chains[0].as_ref().unwrap().calls.len(), DEEPEST_INLINE);
    }
}
