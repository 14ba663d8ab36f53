//! The frames at the addresses of one unit, as its debug information tells them.

use std::rc::Rc;

use gimli::{DwLang, Dwarf, UnitOffset, UnitRef};

use crate::demangle::demangle;
use crate::die_names::{DieNames, Plain, Style};
use crate::dwarf::Slice;
use crate::entries::Extents;
use crate::functions::{self, Broken, Chain};
use crate::lines::{self, Place};
use crate::source_frame::{SourceFrame, SymbolSource};
use crate::types::Types;

/// A unit that is asked.
pub(crate) struct Asked<'c, 'a> {
    /// The unit with the line program: that of the linked file.
    pub(crate) lines: UnitRef<'c, Slice<'a>>,
    /// The unit with the functions: the same, or its split part.
    pub(crate) functions: UnitRef<'c, Slice<'a>>,
    /// The language that its functions are named in.
    pub(crate) language: Option<DwLang>,
    /// Where its functions' file has its units.
    pub(crate) extents: Rc<Extents>,
    /// The type units that its functions' file has.
    pub(crate) types: Types<'a>,
    /// Tells whether there is code at an address.
    pub(crate) is_code: &'c dyn Fn(u64) -> bool,
}

/// What a unit tells.
#[derive(Default)]
pub(crate) struct Answer {
    /// The addresses that it knows, each with its frames, innermost first.
    pub(crate) frames: Vec<(u64, Vec<SourceFrame>)>,
    /// Those of them whose function has no path, and not because its language has none.
    pub(crate) bare: Vec<u64>,
    /// Why its entries or its lines could not all be read.
    pub(crate) broken: Vec<Broken>,
}

impl<'c, 'a> Asked<'c, 'a> {
    /// Finds the frames at `addresses` (sorted). `alone` is debug information with no unit but this one's lines.
    pub(crate) fn frames(&self, alone: Dwarf<Slice<'_>>, addresses: &[u64]) -> Answer {
        let (chains, broken_entries) = functions::find(self.functions, addresses, self.is_code);
        let (places, broken_lines) = lines::find(self.lines, alone, addresses, self.is_code);
        let mut names = DieNames::new(Rc::clone(&self.extents), self.types.clone());
        let frames = addresses.iter().zip(chains).zip(places).filter_map(|((address, chain), place)| {
            let frames = match (chain, place) {
                (Some(chain), place) => self.chain(&mut names, &chain, place.unwrap_or_default()),
                (None, Some(place)) => vec![at(place)],
                (None, None) => return None,
            };
            Some((*address, frames))
        });
        let frames: Vec<(u64, Vec<SourceFrame>)> = frames.collect();
        let style = self.language.and_then(Style::of);
        let is_bare = |frames: &[SourceFrame]| frames.last().is_some_and(|frame| is_bare(frame, style));
        let bare = frames.iter().filter(|(_, frames)| is_bare(frames));
        let bare = bare.map(|(address, _)| *address).collect();
        let broken = broken_entries.into_iter().chain(broken_lines.map(Broken::from)).collect();
        Answer { frames, bare, broken }
    }

    /// Lays out the functions at an address: each call stands in the function that is next.
    fn chain(&self, names: &mut DieNames<'c, 'a>, chain: &Chain, innermost: Place) -> Vec<SourceFrame> {
        let mut out = Vec::with_capacity(chain.calls.len() + 1);
        let mut place = innermost;
        for call in chain.calls.iter().rev() {
            out.push(SourceFrame { inlined: true, ..self.named(names, call.entry, place) });
            let file = call.file.and_then(|file| lines::file(self.lines, file));
            place = Place { file, line: call.line, column: call.column };
        }
        out.push(self.named(names, chain.function, place));
        out
    }

    fn named(&self, names: &mut DieNames<'c, 'a>, entry: UnitOffset, place: Place) -> SourceFrame {
        let frame = at(place);
        let Some(Plain { name: raw, declared_in }) = names.plain(self.functions, entry) else { return frame };
        let demangled = demangle(&raw);
        let style = self.language.and_then(Style::of);
        let is_wanted = match style {
            Some(Style::Rust) => true,
            // A mangled name is a linkage name. `main` has none, is in nearly every stack, and is in no namespace.
            Some(Style::Cpp) => demangled.is_none() && raw != "main",
            None => false,
        };
        let style = style.filter(|_| is_wanted);
        let composed = style.and_then(|style| names.name(self.functions, entry, style));
        let is_linked = demangled.is_some() || composed.as_ref().is_some_and(|composed| composed.is_linked);
        let function = composed.map(|composed| composed.name).or(demangled).unwrap_or_else(|| raw.clone());
        SourceFrame {
            source: Some(SymbolSource::Dwarf),
            raw_name: Some(raw).filter(|raw| is_linked && function != *raw),
            function: Some(function),
            declared_in,
            ..frame
        }
    }
}

/// Tells whether a function's name may lack its path.
fn is_bare(frame: &SourceFrame, style: Option<Style>) -> bool {
    let Some(name) = frame.function.as_ref().filter(|_| frame.raw_name.is_none()) else { return false };
    match style {
        Some(Style::Rust) => !name.contains("::"),
        Some(Style::Cpp) => !name.contains("::") && name != "main",
        None => false,
    }
}

/// A frame without a function.
fn at(place: Place) -> SourceFrame {
    SourceFrame { file: place.file, line: place.line, column: place.column, ..SourceFrame::default() }
}

#[cfg(test)]
mod tests {
    use gimli::{
        DW_AT_abstract_origin, DW_AT_linkage_name, DW_TAG_inlined_subroutine, DW_TAG_namespace,
        DW_TAG_subprogram,
    };

    use super::*;
    use crate::synth::{Synth, Written};
    use crate::unit::OpenUnit;

    /// Each frame's function and raw name.
    fn names(written: &Written, address: u64) -> Vec<(Option<String>, Option<String>)> {
        let dwarf = written.dwarf();
        let header = dwarf.units().next().unwrap().unwrap();
        let opened = OpenUnit::read(&dwarf, header).unwrap();
        let unit = UnitRef::new(&dwarf, &opened.unit);
        let (language, extents, types) = (opened.language, Rc::default(), Types::default());
        let asked = Asked { lines: unit, functions: unit, language, extents, types, is_code: &|_| true };
        let Answer { mut frames, broken, .. } = asked.frames(written.dwarf(), &[address]);
        assert!(broken.is_empty() && frames.len() == 1, "{broken:?} {frames:?}");
        frames.remove(0).1.into_iter().map(|frame| (frame.function, frame.raw_name)).collect()
    }

    fn pair(function: &str, raw_name: Option<&str>) -> (Option<String>, Option<String>) {
        (Some(function.to_owned()), raw_name.map(str::to_owned))
    }

    #[test]
    fn rust_frames_have_paths_and_keep_their_linkage_names() {
        let mut synth = Synth::new(gimli::DW_LANG_Rust);
        let core = synth.named(synth.root(), DW_TAG_namespace, "core");
        let callee = synth.named(core, DW_TAG_subprogram, "call_once<fn()>");
        let raw = "_ZN4core9call_once17h0123456789abcdefE";
        synth.text(callee, DW_AT_linkage_name, raw);
        let app = synth.named(synth.root(), DW_TAG_namespace, "app");
        let caller = synth.named(app, DW_TAG_subprogram, "handler");
        synth.text(caller, DW_AT_linkage_name, "exported");
        synth.code(caller, 0x1000, 0x100);
        let call = synth.add(caller, DW_TAG_inlined_subroutine);
        synth.refer(call, DW_AT_abstract_origin, callee);
        synth.code(call, 0x1010, 0x10);
        let without = synth.named(app, DW_TAG_subprogram, "hidden");
        synth.code(without, 0x1200, 0x100);
        let written = synth.write();
        assert_eq!(
            names(&written, 0x1010),
            [pair("core::call_once<fn()>", Some(raw)), pair("app::handler", Some("exported"))]
        );
        assert_eq!(names(&written, 0x1200), [pair("app::hidden", None)]);
    }

    /// The call in the block is none of the call before the block, which is over.
    #[test]
    fn calls_in_a_block_are_those_of_the_function() {
        let mut synth = Synth::new(gimli::DW_LANG_C11);
        let add = synth.named(synth.root(), DW_TAG_subprogram, "add");
        let inner = synth.named(synth.root(), DW_TAG_subprogram, "inner");
        let main = synth.named(synth.root(), DW_TAG_subprogram, "main");
        synth.code(main, 0x1000, 0x100);
        let over = synth.add(main, DW_TAG_inlined_subroutine);
        synth.refer(over, DW_AT_abstract_origin, inner);
        synth.code(over, 0x1010, 0x10);
        synth.named(over, gimli::DW_TAG_formal_parameter, "x");
        let block = synth.add(main, gimli::DW_TAG_lexical_block);
        let call = synth.add(block, DW_TAG_inlined_subroutine);
        synth.refer(call, DW_AT_abstract_origin, add);
        synth.code(call, 0x1040, 0x10);
        let written = synth.write();
        assert_eq!(names(&written, 0x1040), [pair("add", None), pair("main", None)]);
        assert_eq!(names(&written, 0x1010), [pair("inner", None), pair("main", None)]);
    }

    #[test]
    fn other_languages_keep_the_names_they_have() {
        for language in [gimli::DW_LANG_C11, gimli::DW_LANG_C_plus_plus_11] {
            let mut synth = Synth::new(language);
            let space = synth.named(synth.root(), DW_TAG_namespace, "shop");
            let linked = synth.named(space, DW_TAG_subprogram, "check");
            synth.text(linked, DW_AT_linkage_name, "_ZN4shop5checkEi");
            synth.code(linked, 0x1000, 0x100);
            let local = synth.named(space, DW_TAG_subprogram, "total");
            synth.code(local, 0x1100, 0x100);
            let written = synth.write();
            assert_eq!(names(&written, 0x1000), [pair("shop::check", Some("_ZN4shop5checkEi"))]);
            let is_cpp = language == gimli::DW_LANG_C_plus_plus_11;
            assert_eq!(names(&written, 0x1100), [pair(if is_cpp { "shop::total" } else { "total" }, None)]);
        }
    }
}
