//! Which entry encloses which? DWARF's entries know their children, not their parents, so this reads on through a
//! unit, once, only as far as it is asked, and notes the parents of what can enclose a function.

use gimli::{DwTag, EntriesRaw, Unit, UnitOffset};

use crate::dwarf::Slice;

/// Most entries noted in one unit, 16 bytes each: the largest real units have some hundred thousand.
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
    /// The scopes that the next entry is in, each with its depth; outermost first.
    open: Vec<(isize, UnitOffset)>,
    /// Offset and depth of the next entry; `None` at the unit's end, or where it can't be read on.
    next: Option<(UnitOffset, isize)>,
}

impl Scopes {
    /// Has read nothing yet.
    pub(crate) fn new(unit: &Unit<Slice<'_>>) -> Scopes {
        Scopes { parents: Vec::new(), open: Vec::new(), next: Some((unit.header.root_offset(), 0)) }
    }

    /// Returns what encloses a scope; `None` if there is no scope at that offset.
    pub(crate) fn parent(&mut self, unit: &Unit<Slice<'_>>, scope: UnitOffset) -> Option<Parent> {
        if let Some((start, depth)) = self.next.filter(|(next, _)| *next <= scope) {
            // What can't be read ends the reading: the rest of the unit has no known structure.
            self.next = unit
                .header
                .entries_raw(&unit.abbreviations, Some(start))
                .and_then(|entries| self.read(entries, depth, scope))
                .ok()
                .flatten();
        }
        let at = self.parents.binary_search_by_key(&scope, |(offset, _)| *offset).ok()?;
        self.parents.get(at).map(|(_, parent)| *parent)
    }

    /// Reads from `depth` until it is past `end`; returns where to read on, if anywhere.
    fn read(
        &mut self,
        mut entries: EntriesRaw<'_, Slice<'_>>,
        depth: isize,
        end: UnitOffset,
    ) -> gimli::Result<Option<(UnitOffset, isize)>> {
        while entries.next_offset() <= end {
            if entries.is_empty() || self.parents.len() >= MOST || self.open.len() >= DEEPEST {
                return Ok(None);
            }
            let offset = entries.next_offset();
            let depth = depth + entries.next_depth();
            let Some(abbreviation) = entries.read_abbreviation()? else { continue };
            if encloses(abbreviation.tag()) {
                while self.open.last().is_some_and(|(open, _)| *open >= depth) {
                    self.open.pop();
                }
                // An inlined call is never asked for, but whatever is in it must not seem to be in the caller.
                if abbreviation.tag() != gimli::DW_TAG_inlined_subroutine {
                    let parent = self.open.last().map_or(Parent::Unit, |(_, scope)| Parent::Scope(*scope));
                    self.parents.push((offset, parent));
                }
                if abbreviation.has_children() {
                    self.open.push((depth, offset));
                }
            }
            entries.skip_attributes(abbreviation.attributes())?;
        }
        Ok(Some((entries.next_offset(), depth + entries.next_depth())))
    }
}

/// Tells whether entries of this kind are part of the names of what they enclose (or, if nothing else, stand for
/// one that is). All others, such as lexical blocks, are passed over.
fn encloses(tag: DwTag) -> bool {
    [
        gimli::DW_TAG_subprogram,
        gimli::DW_TAG_inlined_subroutine,
        gimli::DW_TAG_structure_type,
        gimli::DW_TAG_class_type,
        gimli::DW_TAG_namespace,
        gimli::DW_TAG_union_type,
        gimli::DW_TAG_enumeration_type,
        gimli::DW_TAG_interface_type,
        gimli::DW_TAG_module,
    ]
    .contains(&tag)
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
        assert_eq!(scopes.open.len(), DEEPEST);
    }
}
