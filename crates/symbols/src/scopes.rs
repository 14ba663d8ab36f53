//! Which entry encloses which? DWARF's entries know their children, not their parents, so this reads on through a
//! unit, once, only as far as it is asked, and notes the parents of what can enclose a function. What the entries
//! themselves say how to pass over is read when something in it is asked for.

use gimli::{Unit, UnitOffset};

use crate::dwarf::Slice;
use crate::shape::{Shapes, role};
use crate::skim::Skim;

/// Most entries noted in one unit, some 32 bytes each: the largest real units have some hundred thousand.
const MOST: usize = 1 << 22;

/// Most scopes open at once: real ones have a few dozen.
const DEEPEST: usize = 1 << 12;

/// What encloses a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parent {
    /// Another scope of the unit.
    Scope(UnitOffset),
    /// Nothing but the unit.
    Unit,
}

/// The parents of a unit's scopes, as far as the unit has been read.
#[derive(Debug)]
pub(crate) struct Scopes {
    /// Scopes and their parents, by offset.
    parents: Vec<(UnitOffset, Parent)>,
    /// What was passed over, by offset.
    gaps: Vec<(UnitOffset, Gap)>,
    /// Offset and depth of the next entry; `None` at the unit's end, or where it can't be read on.
    next: Option<(UnitOffset, isize)>,
    /// The scopes that the next entry is in.
    open: Vec<Open>,
    shapes: Shapes,
}

/// A scope that is being read, and its depth.
type Open = (isize, UnitOffset);

/// What is in an entry, passed over.
#[derive(Clone, Copy, Debug)]
struct Gap {
    /// Where it ends.
    end: UnitOffset,
    /// Depth of the first entry.
    depth: isize,
    /// The innermost scope that all of it is in.
    scope: Option<Open>,
}

/// What one reading finds, in order; and the scopes that it is in.
#[derive(Default)]
struct Part {
    parents: Vec<(UnitOffset, Parent)>,
    gaps: Vec<(UnitOffset, Gap)>,
    open: Vec<Open>,
}

impl Scopes {
    /// Has read nothing yet.
    pub(crate) fn new(unit: &Unit<Slice<'_>>) -> Scopes {
        Scopes {
            parents: Vec::new(),
            gaps: Vec::new(),
            next: Some((unit.header.root_offset(), 0)),
            open: Vec::new(),
            shapes: Shapes::default(),
        }
    }

    /// Returns what encloses a scope; `None` if there is no scope at that offset.
    pub(crate) fn parent(&mut self, unit: &Unit<Slice<'_>>, scope: UnitOffset) -> Option<Parent> {
        if let Some((next, depth)) = self.next.filter(|(next, _)| *next <= scope) {
            let mut part = Part { open: std::mem::take(&mut self.open), ..Part::default() };
            let end = UnitOffset(scope.0.saturating_add(1));
            // What can't be read ends the reading: the rest of the unit has no known structure.
            self.next = self.read(unit, (next, depth), end, &mut part, scope).ok().flatten();
            self.open = part.open;
            self.parents.append(&mut part.parents);
            self.gaps.append(&mut part.gaps);
        } else if self.known(scope).is_none() {
            self.read_gap(unit, scope);
        }
        self.known(scope)
    }

    fn known(&self, scope: UnitOffset) -> Option<Parent> {
        let at = self.parents.binary_search_by_key(&scope, |(offset, _)| *offset).ok()?;
        self.parents.get(at).map(|(_, parent)| *parent)
    }

    /// Reads what was passed over and holds `wanted`, and passes over what doesn't hold it there.
    fn read_gap(&mut self, unit: &Unit<Slice<'_>>, wanted: UnitOffset) {
        let Some(at) = self.gaps.partition_point(|(start, _)| *start <= wanted).checked_sub(1) else {
            return;
        };
        let Some((start, gap)) = self.gaps.get(at).copied().filter(|(_, gap)| wanted < gap.end) else {
            return;
        };
        let mut part = Part { open: gap.scope.into_iter().collect(), ..Part::default() };
        // What can't be read ends the reading here too.
        let _ = self.read(unit, (start, gap.depth), gap.end, &mut part, wanted);
        self.gaps.splice(at..=at, part.gaps);
        let after = self.parents.partition_point(|(offset, _)| *offset < start);
        self.parents.splice(after..after, part.parents);
    }

    /// Reads from a place and depth on up to `end`, passing over what doesn't hold `wanted`; returns where to read on, if
    /// anywhere.
    fn read(
        &mut self,
        unit: &Unit<Slice<'_>>,
        (start, depth): (UnitOffset, isize),
        end: UnitOffset,
        Part { parents, gaps, open }: &mut Part,
        wanted: UnitOffset,
    ) -> gimli::Result<Option<(UnitOffset, isize)>> {
        let before = self.parents.len() + self.gaps.len();
        let mut skim = Skim::new(unit, start, depth)?;
        while let Some((met, shape)) = skim.meet(&mut self.shapes, role::SCOPE | role::PASSABLE, end)? {
            if before + parents.len() + gaps.len() >= MOST || open.len() >= DEEPEST {
                return Ok(None);
            }
            close(open, met.lowest);
            if shape.roles & role::SCOPE != 0 {
                // An inlined call is never asked for, but whatever is in it must not seem to be in the caller.
                if shape.tag != gimli::DW_TAG_inlined_subroutine {
                    let parent = open.last().map_or(Parent::Unit, |(_, scope)| Parent::Scope(*scope));
                    parents.push((met.offset, parent));
                }
                if shape.has_children {
                    open.push((met.depth, met.offset));
                }
            }
            let sibling = skim.pass(shape)?.filter(|sibling| *sibling > skim.offset());
            if let Some(sibling) = sibling.filter(|_| shape.roles & role::PASSABLE != 0)
                && !(skim.offset()..sibling).contains(&wanted)
            {
                let gap = Gap { end: sibling, depth: met.depth + 1, scope: open.last().copied() };
                gaps.push((skim.offset(), gap));
                skim.pass_children(sibling, met.depth)?;
            }
        }
        close(open, skim.lowest());
        Ok(Some((skim.offset(), skim.depth())))
    }
}

/// Leaves the scopes that began at a depth or deeper.
fn close(open: &mut Vec<Open>, depth: isize) {
    while open.last().is_some_and(|(open, _)| *open >= depth) {
        open.pop();
    }
}

#[cfg(test)]
mod tests {
    use gimli::{DW_TAG_inlined_subroutine, DW_TAG_lexical_block, DW_TAG_namespace, DW_TAG_subprogram};
    use gimli::{DW_TAG_structure_type, DebugInfoOffset, DwarfSections, RunTimeEndian, SectionId};

    use super::*;
    use crate::synth::{Synth, offset};

    #[test]
    fn parents_are_found_in_any_order_of_asking() {
        let mut synth = Synth::new(gimli::DW_LANG_Rust);
        let top = synth.add(synth.root(), DW_TAG_namespace);
        let first = synth.add(top, DW_TAG_subprogram);
        let call = synth.add(first, DW_TAG_inlined_subroutine);
        let block = synth.add(call, DW_TAG_lexical_block);
        let local = synth.add(block, DW_TAG_structure_type);
        let second = synth.add(top, DW_TAG_subprogram);
        let last = synth.add(synth.root(), DW_TAG_subprogram);
        let written = synth.write();
        let dwarf = written.dwarf();
        let unit = dwarf.unit(dwarf.units().next().unwrap().unwrap()).unwrap();
        let at = |node| offset(&unit, node);
        let expected = [
            (top, Some(Parent::Unit)),
            (first, Some(Parent::Scope(at(top)))),
            (call, None),
            (block, None),
            (local, Some(Parent::Scope(at(call)))),
            (second, Some(Parent::Scope(at(top)))),
            (last, Some(Parent::Unit)),
        ];
        for first_asked in 0..expected.len() {
            let mut scopes = Scopes::new(&unit);
            for step in 0..expected.len() {
                let (node, parent) = expected[(first_asked + step * 3) % expected.len()];
                assert_eq!(scopes.parent(&unit, at(node)), parent, "{node:?} after {first_asked}");
            }
            assert_eq!(scopes.parent(&unit, UnitOffset(usize::MAX)), None);
            assert_eq!(scopes.parent(&unit, at(top)), Some(Parent::Unit), "what was read stays");
        }
    }

    /// Entries that say where they end are passed over, and read when something in them is asked for.
    #[test]
    fn what_was_passed_over_is_read_when_it_is_asked_for() {
        let mut synth = Synth::new(gimli::DW_LANG_Rust);
        let mut nodes = Vec::new();
        for _ in 0..3 {
            let top = synth.add(synth.root(), DW_TAG_namespace);
            let plain = synth.add(top, DW_TAG_structure_type);
            let block = synth.add(top, DW_TAG_lexical_block);
            let inner = synth.add(block, DW_TAG_structure_type);
            let method = synth.add(inner, DW_TAG_subprogram);
            let after = synth.add(top, DW_TAG_subprogram);
            synth.sibling(top);
            synth.sibling(block);
            synth.sibling(inner);
            nodes.push([top, plain, inner, method, after]);
        }
        let written = synth.write();
        let dwarf = written.dwarf();
        let unit = dwarf.unit(dwarf.units().next().unwrap().unwrap()).unwrap();
        let at = |node| offset(&unit, node);
        let expected: Vec<_> = nodes
            .iter()
            .flat_map(|[top, plain, inner, method, after]| {
                let inside = Parent::Scope(at(*top));
                let (plain, inner_at, after) = (at(*plain), at(*inner), at(*after));
                let method = (at(*method), Parent::Scope(inner_at));
                [(at(*top), Parent::Unit), (plain, inside), (inner_at, inside), method, (after, inside)]
            })
            .collect();
        for step in [1, 2, 4, 7, 8, 11, 13, 14] {
            let mut scopes = Scopes::new(&unit);
            for index in 0..expected.len() {
                let (scope, parent) = expected[(index + 1) * step % expected.len()];
                assert_eq!(scopes.parent(&unit, scope), Some(parent), "{scope:?}, by steps of {step}");
            }
        }
        let mut scopes = Scopes::new(&unit);
        let (last, parent) = expected[expected.len() - 2];
        assert_eq!(scopes.parent(&unit, last), Some(parent));
        assert_eq!(scopes.gaps.len(), 2, "the others were passed over");
    }

    #[test]
    fn only_as_much_is_read_as_is_asked() {
        let mut synth = Synth::new(gimli::DW_LANG_Rust);
        let nodes: Vec<_> = (0..100).map(|_| synth.add(synth.root(), DW_TAG_subprogram)).collect();
        let written = synth.write();
        let dwarf = written.dwarf();
        let unit = dwarf.unit(dwarf.units().next().unwrap().unwrap()).unwrap();
        let mut scopes = Scopes::new(&unit);
        assert_eq!(scopes.parent(&unit, offset(&unit, nodes[9])), Some(Parent::Unit));
        assert_eq!(scopes.parents.len(), 10);
    }

    /// Entries nested deeper than any compiler would.
    #[test]
    fn nesting_without_end_is_given_up() {
        let abbrev =
            [1, gimli::DW_TAG_compile_unit.0 as u8, 1, 0, 0, 2, DW_TAG_namespace.0 as u8, 1, 0, 0, 0];
        let mut entries = vec![2; 1 << 20];
        entries[0] = 1;
        let mut info = Vec::new();
        info.extend_from_slice(&(entries.len() as u32 + 7).to_le_bytes());
        info.extend_from_slice(&[4, 0, 0, 0, 0, 0, 8]); // version 4, abbreviations at 0, addresses of 8 bytes
        info.extend_from_slice(&entries);
        let sections = DwarfSections::load(|id| -> Result<Vec<u8>, gimli::Error> {
            Ok(match id {
                SectionId::DebugInfo => info.clone(),
                SectionId::DebugAbbrev => abbrev.to_vec(),
                _ => Vec::new(),
            })
        });
        let sections = sections.unwrap();
        let dwarf = sections.borrow(|bytes| Slice::new(bytes, RunTimeEndian::Little));
        let header = dwarf.debug_info.header_from_offset(DebugInfoOffset(0)).unwrap();
        let unit = dwarf.unit(header).unwrap();
        let mut scopes = Scopes::new(&unit);
        let root = unit.header.root_offset().0;
        assert_eq!(scopes.parent(&unit, UnitOffset(root + 1)), Some(Parent::Unit));
        let parent = Some(Parent::Scope(UnitOffset(root + 99)));
        assert_eq!(scopes.parent(&unit, UnitOffset(root + 100)), parent);
        assert_eq!(scopes.parent(&unit, UnitOffset(info.len() - 1)), None);
        assert_eq!(scopes.parents.len(), DEEPEST);
    }
}
