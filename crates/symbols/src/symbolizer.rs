//! Naming a module's addresses.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use addr2line::Context;
use epitaph_elf::{LoadedModules, Object, SymbolTable};
use gimli::DebugInfoOffset;

use crate::demangle::demangle;
use crate::dwarf::{Sections, Slice};
use crate::frames::Frames;
use crate::root::refers_elsewhere;
use crate::source_frame::{SourceFrame, SymbolSource};
use crate::symtab::{self, Hit};
use crate::units::{ByUnit, by_index, by_root};

/// Bytes of `.debug_info` that most units don't exceed.
const USUAL_UNIT: usize = 64 << 10;

/// Something about a module's debug information that could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// A stable token.
    pub code: &'static str,
    /// What is wrong.
    pub text: String,
}

/// Names addresses of a process's modules.
#[derive(Debug)]
pub struct Symbolizer<'a> {
    modules: &'a LoadedModules<'a>,
}

/// The frames at each of a module's addresses, innermost first; and what went wrong.
#[derive(Clone, Debug, Default)]
pub(crate) struct Named {
    frames: HashMap<u64, Vec<SourceFrame>>,
    problems: Vec<Problem>,
}

impl<'a> Symbolizer<'a> {
    /// Names addresses in these modules.
    pub fn new(modules: &'a LoadedModules<'a>) -> Symbolizer<'a> {
        Symbolizer { modules }
    }

    /// Names a set of addresses of one module (as in the process, −1 rule applied) at once. An address that nothing
    /// is known of has no entry in the result; the others have at least one frame, innermost first.
    pub fn symbolize(
        &self,
        module: usize,
        lookups: &BTreeSet<u64>,
    ) -> (BTreeMap<u64, Vec<SourceFrame>>, Vec<Problem>) {
        let Some(bias) = self.modules.bias(module) else { return (BTreeMap::new(), Vec::new()) };
        let mut addresses: Vec<u64> = lookups.iter().map(|lookup| lookup.wrapping_sub(bias)).collect();
        addresses.sort_unstable();
        let image = self.modules.object(module);
        let debug = self.modules.debug_object(module);
        let mut named = Named::default();
        if let Some(mut sections) = debug.and_then(Sections::new).or_else(|| image.and_then(Sections::new)) {
            named.by_dwarf(&mut sections, &addresses);
        }
        named.by_symbols(image, debug, &addresses);
        let frames =
            named.frames.into_iter().map(|(address, frames)| (address.wrapping_add(bias), frames)).collect();
        (frames, named.problems)
    }
}

impl Named {
    fn by_dwarf(&mut self, sections: &mut Sections<'_>, addresses: &[u64]) {
        let (mut by_unit, rest, indexed) = by_index(&sections.whole(), addresses);
        if !rest.is_empty() {
            sections.need_info(usize::MAX);
            by_root(&sections.whole(), &rest, &indexed, &mut by_unit);
        }
        self.by_units(sections, &by_unit);
        // An index may place an address in a unit that knows nothing of it: the units themselves are asked then.
        let misplaced: BTreeSet<u64> = by_unit
            .values()
            .flatten()
            .copied()
            .filter(|address| !self.frames.contains_key(address))
            .collect();
        if !misplaced.is_empty() {
            let misplaced: Vec<u64> = misplaced.into_iter().collect();
            let mut by_unit = ByUnit::new();
            sections.need_info(usize::MAX);
            by_root(&sections.whole(), &misplaced, &HashSet::new(), &mut by_unit);
            self.by_units(sections, &by_unit);
        }
        self.problems.extend(
            sections
                .errors
                .iter()
                .map(|error| Problem { code: "debug_section_unreadable", text: error.to_string() }),
        );
    }

    /// Asks the units: each alone where it can be read alone, and the others together.
    fn by_units<'a>(&mut self, sections: &mut Sections<'a>, by_unit: &ByUnit) {
        let Some((last, _)) = by_unit.last_key_value() else { return };
        sections.need_info(last.saturating_add(USUAL_UNIT));
        let mut together: BTreeSet<u64> = BTreeSet::new();
        for (unit, addresses) in by_unit {
            let header = |sections: &Sections<'a>| {
                sections.whole().debug_info.header_from_offset(DebugInfoOffset(*unit)).ok()
            };
            let header = header(sections).or_else(|| {
                // Longer than most, or broken.
                sections.need_info(usize::MAX);
                header(sections)
            });
            let Some(header) = header else { continue };
            if refers_elsewhere(&sections.whole(), &header) {
                together.extend(addresses);
                continue;
            }
            let end = unit.saturating_add(header.length_including_self());
            self.ask(sections.unit(*unit..end), addresses.iter().copied());
        }
        if !together.is_empty() {
            sections.need_info(usize::MAX);
            self.ask(sections.whole(), together.into_iter());
        }
    }

    fn ask(&mut self, dwarf: gimli::Dwarf<Slice<'_>>, addresses: impl Iterator<Item = u64>) {
        let context = match Context::from_arc_dwarf(Arc::new(dwarf)) {
            Ok(context) => context,
            Err(error) => return self.problem("debug_info_unreadable", &error),
        };
        let mut lookup = Frames::new(&context);
        for address in addresses {
            let found = match lookup.at(address) {
                Ok(found) => found,
                Err(error) => {
                    self.problem("debug_info_unreadable", &error);
                    continue;
                }
            };
            for path in found.unread {
                let text = format!("functions and inlined calls are in {path}");
                self.problem("split_dwarf_not_read", &text);
            }
            if is_better(&found.frames, self.frames.get(&address)) {
                self.frames.insert(address, found.frames);
            }
        }
    }

    /// Names by symbol table what DWARF didn't: an address without any frame, or a frame with a line and no name.
    fn by_symbols(&mut self, image: Option<&Object>, debug: Option<&Object>, addresses: &[u64]) {
        let tables = [
            (image, SymbolTable::Static, SymbolSource::Static),
            (debug, SymbolTable::Static, SymbolSource::Static),
            (image, SymbolTable::Dynamic, SymbolSource::Dynamic),
        ];
        for (object, table, source) in tables {
            let Some(object) = object else { continue };
            let unnamed: Vec<u64> =
                addresses.iter().copied().filter(|address| !self.is_named(*address)).collect();
            if unnamed.is_empty() {
                return;
            }
            for (address, hit) in unnamed.iter().zip(symtab::find(object, table, &unnamed)) {
                if let Some(hit) = hit {
                    self.take_symbol(*address, hit, source);
                }
            }
        }
    }

    fn is_named(&self, address: u64) -> bool {
        self.frames
            .get(&address)
            .is_some_and(|frames| frames.last().is_some_and(|outermost| outermost.function.is_some()))
    }

    fn take_symbol(&mut self, address: u64, hit: Hit, source: SymbolSource) {
        let frames = self.frames.entry(address).or_default();
        if frames.is_empty() {
            frames.push(SourceFrame::default());
        }
        let Some(outermost) = frames.last_mut() else { return };
        let demangled = demangle(&hit.name);
        outermost.raw_name = demangled.is_some().then(|| hit.name.clone());
        outermost.function = Some(demangled.unwrap_or(hit.name));
        outermost.offset = address.checked_sub(hit.start);
        outermost.source = Some(source);
    }

    fn problem(&mut self, code: &'static str, text: &dyn std::fmt::Display) {
        let problem = Problem { code, text: text.to_string() };
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }
}

/// Tells whether another unit's answer for an address is better than the one that is there: units may overlap, and
/// the one that knows the function is right.
fn is_better(new: &[SourceFrame], old: Option<&Vec<SourceFrame>>) -> bool {
    let named = |frames: &[SourceFrame]| frames.iter().filter(|frame| frame.function.is_some()).count();
    !new.is_empty() && old.is_none_or(|old| named(old) < named(new))
}
