//! Functions' names composed from the tree of debugging entries.
//!
//! Linkage names don't tell everything: Rust's legacy mangling leaves generic arguments out, its runtime's hooks have
//! symbols that are not their paths, and C++ functions that nothing outside the unit can name have none at all.
//! Debuggers put such names together from the entries: the function's own name, behind the names of all that encloses
//! its declaration (DWARF 5, 3.3.1, 3.3.8.1, 5.7.8). So does this.

use std::rc::Rc;

use gimli::{DwLang, UnitOffset, UnitRef};

use crate::demangle::{LONGEST_RESULT, demangle};
use crate::dwarf::Slice;
use crate::entries::{Entries, Extents, Told};
use crate::types::Types;

/// Most names put together to one: real paths have a dozen.
const MOST_PARTS: usize = 64;

/// How a language's functions are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// C++: by linkage name, where there is one, as nothing else has the overload.
    Cpp,
    /// Rust: by path, as the linkage name may not have the generic arguments.
    Rust,
}

impl Style {
    /// Returns how the functions of a language are named; `None` where plain and linkage names will do.
    pub(crate) fn of(language: DwLang) -> Option<Style> {
        match language {
            gimli::DW_LANG_Rust => Some(Style::Rust),
            gimli::DW_LANG_C_plus_plus
            | gimli::DW_LANG_C_plus_plus_03
            | gimli::DW_LANG_C_plus_plus_11
            | gimli::DW_LANG_C_plus_plus_14
            | gimli::DW_LANG_C_plus_plus_17
            | gimli::DW_LANG_C_plus_plus_20 => Some(Style::Cpp),
            _ => None,
        }
    }
}

/// What a function's entries tell without those around them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plain {
    /// The linkage name, or else the one in the source.
    pub(crate) name: String,
    /// The path of the file that declares it.
    pub(crate) declared_in: Option<String>,
}

/// A function's composed name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Composed {
    /// The name, with the path to it.
    pub(crate) name: String,
    /// Whether the function has a linkage name too.
    pub(crate) is_linked: bool,
}

/// Composes the names of functions, and remembers what it has read of their units.
#[derive(Default)]
pub(crate) struct DieNames<'c, 'a> {
    entries: Entries<'c, 'a>,
}

impl<'c, 'a> DieNames<'c, 'a> {
    /// Has read nothing yet; see [`Entries::new`].
    pub(crate) fn new(extents: Rc<Extents>, types: Types<'a>) -> DieNames<'c, 'a> {
        DieNames { entries: Entries::new(extents, types) }
    }

    /// Returns the name of the function at an entry as the linker has it, or else as the source has it; and the file
    /// that declares it.
    pub(crate) fn plain(&mut self, unit: UnitRef<'c, Slice<'a>>, entry: UnitOffset) -> Option<Plain> {
        let place = self.entries.place(unit, entry)?;
        let function = self.entries.follow(unit.dwarf, place)?;
        let name = text(function.linkage_name.or(function.name)?)?;
        Some(Plain { name, declared_in: self.entries.file(unit.dwarf, &function) })
    }

    /// Composes the name of the function at an entry of a unit; `None` where the linkage name is the one to take, or
    /// where the entries don't tell all of it.
    pub(crate) fn name(
        &mut self,
        unit: UnitRef<'c, Slice<'a>>,
        entry: UnitOffset,
        style: Style,
    ) -> Option<Composed> {
        let place = self.entries.place(unit, entry)?;
        let function = self.entries.follow(unit.dwarf, place)?;
        let is_linked = function.linkage_name.is_some();
        if style == Style::Cpp && is_linked {
            return None;
        }
        // Innermost first.
        let mut parts = vec![text(function.name?)?];
        let mut len = parts.iter().map(String::len).sum::<usize>();
        let mut place = function.place;
        while let Some(parent) = self.entries.parent(place).ok()? {
            let scope = self.entries.follow(unit.dwarf, parent)?;
            let inner = parts.last().map(String::as_str).unwrap_or_default();
            let part = part(&scope, inner, style)?;
            len += part.text.len();
            if parts.len() >= MOST_PARTS || len > LONGEST_RESULT {
                return None;
            }
            parts.push(part.text);
            if part.is_whole {
                break;
            }
            place = scope.place;
        }
        parts.reverse();
        Some(Composed { name: parts.join("::"), is_linked })
    }
}

/// A scope's part of the path to what is in it.
struct Part {
    text: String,
    /// Whether it is all of the path up to there.
    is_whole: bool,
}

/// Returns a scope's part of the path to something in it called `inner`.
fn part(scope: &Told<'_>, inner: &str, style: Style) -> Option<Part> {
    if scope.tag == gimli::DW_TAG_subprogram
        && style == Style::Cpp
        && let Some(text) = scope.linkage_name.and_then(text).and_then(|name| demangle(&name))
    {
        // Without parameters, as every function's name here.
        return Some(Part { text, is_whole: true });
    }
    if let Some(name) = scope.name {
        return Some(Part { text: text(name)?, is_whole: false });
    }
    if scope.is_elsewhere {
        return None;
    }
    let text = match scope.tag {
        gimli::DW_TAG_namespace => "(anonymous namespace)",
        // gcc gives a lambda's type no name. Its functions are the call, and the thunk behind a function pointer.
        gimli::DW_TAG_structure_type | gimli::DW_TAG_class_type
            if inner.starts_with("operator()") || inner == "_FUN" =>
        {
            "{lambda}"
        }
        gimli::DW_TAG_structure_type => "(anonymous struct)",
        gimli::DW_TAG_class_type => "(anonymous class)",
        gimli::DW_TAG_union_type => "(anonymous union)",
        _ => return None,
    };
    Some(Part { text: text.to_owned(), is_whole: false })
}

/// Copies a name, unless it is longer than a whole path may be.
fn text(name: Slice<'_>) -> Option<String> {
    (name.len() <= LONGEST_RESULT).then(|| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use gimli::{
        DW_AT_abstract_origin, DW_AT_linkage_name, DW_AT_specification, DW_TAG_inlined_subroutine,
        DW_TAG_lexical_block, DW_TAG_namespace, DW_TAG_structure_type, DW_TAG_subprogram,
    };

    use super::*;
    use crate::synth::{Node, Synth, Written, offset};

    const RUST: gimli::DwLang = gimli::DW_LANG_Rust;
    const CPP: gimli::DwLang = gimli::DW_LANG_C_plus_plus_14;

    /// Composes the name of a function of the first unit.
    fn compose(written: &Written, node: Node, style: Style) -> Option<Composed> {
        let dwarf = written.dwarf();
        let header = dwarf.units().next().unwrap().unwrap();
        let unit = dwarf.unit(header).unwrap();
        DieNames::default().name(UnitRef::new(&dwarf, &unit), offset(&unit, node), style)
    }

    fn name(written: &Written, node: Node, style: Style) -> Option<String> {
        compose(written, node, style).map(|composed| composed.name)
    }

    #[test]
    fn a_rust_function_has_its_path_whatever_its_symbol_is() {
        let mut synth = Synth::new(RUST);
        let std = synth.named(synth.root(), DW_TAG_namespace, "std");
        let panicking = synth.named(std, DW_TAG_namespace, "panicking");
        let function = synth.named(panicking, DW_TAG_subprogram, "panic_handler");
        synth.text(function, DW_AT_linkage_name, "_RNvCsfLfy6EI15iL_7___rustc17rust_begin_unwind");
        let composed = compose(&synth.write(), function, Style::Rust);
        let expected = Composed { name: "std::panicking::panic_handler".to_owned(), is_linked: true };
        assert_eq!(composed, Some(expected));
    }

    /// An inlined call refers to a definition, and that to a declaration in a type; each may be before the others.
    #[test]
    fn references_lead_to_the_place_of_the_declaration() {
        for declared_first in [true, false] {
            let mut synth = Synth::new(RUST);
            let namespace = |synth: &mut Synth| {
                let option = synth.named(synth.root(), DW_TAG_namespace, "option");
                let kind = synth.named(option, DW_TAG_structure_type, "Option<&str>");
                synth.named(kind, DW_TAG_subprogram, "unwrap<&str>")
            };
            let before = declared_first.then(|| namespace(&mut synth));
            let caller = synth.named(synth.root(), DW_TAG_subprogram, "main");
            let block = synth.add(caller, DW_TAG_lexical_block);
            let call = synth.add(block, DW_TAG_inlined_subroutine);
            let definition = synth.add(synth.root(), DW_TAG_subprogram);
            synth.refer(call, DW_AT_abstract_origin, definition);
            let declaration = before.unwrap_or_else(|| namespace(&mut synth));
            synth.refer(definition, DW_AT_specification, declaration);
            let written = synth.write();
            for node in [call, definition, declaration] {
                let expected = "option::Option<&str>::unwrap<&str>";
                assert_eq!(name(&written, node, Style::Rust).as_deref(), Some(expected), "{declared_first}");
            }
        }
    }

    #[test]
    fn a_cpp_function_is_composed_only_without_a_linkage_name() {
        let mut synth = Synth::new(CPP);
        let std = synth.named(synth.root(), DW_TAG_namespace, "std");
        let without = synth.named(std, DW_TAG_subprogram, "for_each<int*, main()::<lambda(int)> >");
        let with = synth.named(std, DW_TAG_subprogram, "terminate");
        synth.text(with, DW_AT_linkage_name, "_ZSt9terminatev");
        let inlined = synth.add(std, DW_TAG_subprogram);
        synth.refer(inlined, DW_AT_abstract_origin, with);
        let written = synth.write();
        let composed = compose(&written, without, Style::Cpp);
        let expected = "std::for_each<int*, main()::<lambda(int)> >".to_owned();
        assert_eq!(composed, Some(Composed { name: expected, is_linked: false }));
        assert_eq!(compose(&written, with, Style::Cpp), None);
        assert_eq!(compose(&written, inlined, Style::Cpp), None);
    }

    #[test]
    fn unnamed_scopes_have_names_for_people() {
        let mut synth = Synth::new(CPP);
        let outer = synth.named(synth.root(), DW_TAG_namespace, "shop");
        let anonymous = synth.add(outer, DW_TAG_namespace);
        let run = synth.named(anonymous, DW_TAG_subprogram, "run");
        let block = synth.add(run, DW_TAG_lexical_block);
        let lambda = synth.add(block, DW_TAG_structure_type);
        let call = synth.named(lambda, DW_TAG_subprogram, "operator()<int>");
        let nested = synth.add(call, DW_TAG_structure_type);
        let thunk = synth.named(nested, DW_TAG_subprogram, "_FUN");
        let plain = synth.add(outer, gimli::DW_TAG_union_type);
        let method = synth.named(plain, DW_TAG_subprogram, "get");
        let written = synth.write();
        for (node, expected) in [
            (call, "shop::(anonymous namespace)::run::{lambda}::operator()<int>"),
            (thunk, "shop::(anonymous namespace)::run::{lambda}::operator()<int>::{lambda}::_FUN"),
            (method, "shop::(anonymous union)::get"),
        ] {
            assert_eq!(name(&written, node, Style::Cpp).as_deref(), Some(expected));
        }
    }

    /// What is in an overloaded function is told apart by the function's parameters.
    #[test]
    fn an_enclosing_cpp_function_has_its_path() {
        let mut synth = Synth::new(CPP);
        let shop = synth.named(synth.root(), DW_TAG_namespace, "shop");
        let declaration = synth.named(shop, DW_TAG_subprogram, "run");
        synth.text(declaration, DW_AT_linkage_name, "_ZN4shop3runEPKci");
        let definition = synth.add(synth.root(), DW_TAG_subprogram);
        synth.refer(definition, DW_AT_specification, declaration);
        let local = synth.named(definition, DW_TAG_structure_type, "Local");
        let method = synth.named(local, DW_TAG_subprogram, "go");
        let name = name(&synth.write(), method, Style::Cpp);
        assert_eq!(name.as_deref(), Some("shop::run::Local::go"));
    }

    /// A class that is only declared where it is used has its name in a type unit.
    #[test]
    fn what_is_told_elsewhere_is_not_made_up() {
        let mut synth = Synth::new(CPP);
        let class = synth.add(synth.root(), DW_TAG_structure_type);
        synth.set(class, gimli::DW_AT_signature, gimli::write::AttributeValue::Udata(1));
        let method = synth.named(class, DW_TAG_subprogram, "go");
        assert_eq!(name(&synth.write(), method, Style::Cpp), None);
    }

    #[test]
    fn references_to_other_units_are_followed() {
        let mut synth = Synth::new(RUST);
        let call = synth.add(synth.root(), DW_TAG_subprogram);
        synth.begin_unit();
        synth.named(synth.root(), DW_TAG_namespace, "decoy");
        synth.begin_unit();
        let core = synth.named(synth.root(), DW_TAG_namespace, "core");
        let function = synth.named(core, DW_TAG_subprogram, "call_once<fn(), ()>");
        synth.refer(call, DW_AT_abstract_origin, function);
        let name = name(&synth.write(), call, Style::Rust);
        assert_eq!(name.as_deref(), Some("core::call_once<fn(), ()>"));
    }

    #[test]
    fn circles_end() {
        let mut synth = Synth::new(RUST);
        let one = synth.named(synth.root(), DW_TAG_subprogram, "one");
        let two = synth.named(synth.root(), DW_TAG_subprogram, "two");
        synth.refer(one, DW_AT_abstract_origin, two);
        synth.refer(two, DW_AT_specification, one);
        // A type whose declaration is in itself.
        let outer = synth.named(synth.root(), DW_TAG_structure_type, "Outer");
        let inner = synth.named(outer, DW_TAG_structure_type, "Inner");
        synth.refer(outer, DW_AT_specification, inner);
        let method = synth.named(outer, DW_TAG_subprogram, "go");
        let written = synth.write();
        assert_eq!(name(&written, one, Style::Rust), None);
        assert_eq!(name(&written, method, Style::Rust), None);
    }

    #[test]
    fn paths_without_end_are_given_up() {
        let nested = |depth: usize, name: &str| {
            let mut synth = Synth::new(RUST);
            let mut at = synth.root();
            for _ in 0..depth {
                at = synth.named(at, DW_TAG_namespace, name);
            }
            let function = synth.named(at, DW_TAG_subprogram, "f");
            (synth.write(), function)
        };
        let (written, function) = nested(20, "a");
        assert_eq!(name(&written, function, Style::Rust), Some("a::".repeat(20) + "f"));
        for (depth, part) in [(100, "a"), (500, "a"), (3, &*"a".repeat(LONGEST_RESULT / 2))] {
            let (written, function) = nested(depth, part);
            assert_eq!(name(&written, function, Style::Rust), None, "{depth}");
        }
    }

    /// Whatever byte is changed, and whatever offset is asked for: an answer or none, but an end.
    #[test]
    fn broken_entries_are_survived() {
        let mut synth = Synth::new(CPP);
        let shop = synth.named(synth.root(), DW_TAG_namespace, "s");
        let class = synth.add(shop, DW_TAG_structure_type);
        let declaration = synth.named(class, DW_TAG_subprogram, "operator()");
        let definition = synth.add(synth.root(), DW_TAG_subprogram);
        synth.refer(definition, DW_AT_specification, declaration);
        let call = synth.add(definition, DW_TAG_inlined_subroutine);
        synth.refer(call, DW_AT_abstract_origin, definition);
        let mut written = synth.write();
        let mut named = 0;
        for at in 0..written.info.len() {
            let byte = written.info[at];
            for change in [0, byte.wrapping_add(1), byte.wrapping_sub(1), 0x80, 0xff] {
                written.info[at] = change;
                named += name_all(&written);
            }
            written.info[at] = byte;
        }
        assert!(named > 0);
    }

    /// Asks for a name at every offset of the first unit; returns how many there are.
    fn name_all(written: &Written) -> usize {
        let dwarf = written.dwarf();
        let Ok(Some(header)) = dwarf.units().next() else { return 0 };
        let Ok(unit) = dwarf.unit(header) else { return 0 };
        let mut names = DieNames::default();
        let offsets = (0..written.info.len() + 2).map(UnitOffset);
        offsets.filter_map(|offset| names.name(UnitRef::new(&dwarf, &unit), offset, Style::Rust)).count()
    }
}
