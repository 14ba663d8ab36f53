//! Where functions start and end, by a module's symbols: for code that has no CFI to say so.

use std::collections::HashMap;
use std::ops::Range;

use epitaph_elf::{Object, Symbol, SymbolKind, SymbolTable};

/// A function. Addresses are before the load bias.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) bounds: Range<u64>,
    /// Whether its symbol says that it is a function, and how large it is. A label of an assembler source may
    /// also stand in the middle of one.
    pub(crate) sure: bool,
    /// The unlikely parts that the compiler split off it (those of a function of its name, where there are several).
    pub(crate) parts: Vec<Range<u64>>,
}

impl Function {
    /// Moves it to where it was loaded.
    pub(crate) fn loaded_at(&self, bias: u64) -> Function {
        let moved = |range: &Range<u64>| range.start.wrapping_add(bias)..range.end.wrapping_add(bias);
        Function {
            bounds: moved(&self.bounds),
            sure: self.sure,
            parts: self.parts.iter().map(moved).collect(),
        }
    }
}

/// The functions of a module.
#[derive(Debug, Default)]
pub(crate) struct Functions {
    /// Sorted by their start. Unlikely parts are not among them.
    functions: Vec<Function>,
    /// Unlikely parts, and the starts of the functions that they may be of.
    parts: Vec<(Range<u64>, Vec<u64>)>,
}

impl Functions {
    /// Reads them from the first object that has a symbol table of its own, or else from what is exported.
    pub(crate) fn read(objects: &[&Object]) -> Functions {
        [SymbolTable::Static, SymbolTable::Dynamic]
            .into_iter()
            .flat_map(|table| objects.iter().map(move |object| (object, table)))
            .map(|(object, table)| Functions::of(object, table))
            .find(|found| !found.functions.is_empty())
            .unwrap_or_default()
    }

    fn of(object: &Object, table: SymbolTable) -> Functions {
        let mut functions = Vec::new();
        let mut parts: HashMap<&[u8], Vec<Range<u64>>> = HashMap::new();
        for symbol in object.symbols(table) {
            let bounds = symbol.address..symbol.address.saturating_add(symbol.size);
            match whole(symbol.name()) {
                Some(name) => parts.entry(name).or_default().push(bounds),
                None => functions.push(Function { bounds, sure: is_sure(&symbol), parts: Vec::new() }),
            }
        }
        functions.sort_by_key(|function| (function.bounds.start, !function.sure, function.bounds.end));
        // Of several names of one address, the one that says most.
        functions.dedup_by_key(|function| function.bounds.start);
        let mut found = Functions { functions, parts: Vec::new() };
        found.end_unsized(object);
        found.join_parts(object, table, &parts);
        found
    }

    /// A function of unknown size ends where the next one starts, or its section ends.
    fn end_unsized(&mut self, object: &Object) {
        let mut next = u64::MAX;
        for function in self.functions.iter_mut().rev() {
            if function.bounds.is_empty() {
                let section = object.code_section_at(function.bounds.start);
                function.bounds.end = section.map_or(function.bounds.start, |section| section.end.min(next));
            }
            next = function.bounds.start;
        }
    }

    fn join_parts(&mut self, object: &Object, table: SymbolTable, parts: &HashMap<&[u8], Vec<Range<u64>>>) {
        if parts.is_empty() {
            return;
        }
        let mut owners: HashMap<&[u8], Vec<u64>> = HashMap::new();
        for symbol in object.symbols(table) {
            let Some((name, own)) = parts.get_key_value(symbol.name()) else { continue };
            owners.entry(name).or_default().push(symbol.address);
            let index = self.functions.binary_search_by_key(&symbol.address, |known| known.bounds.start);
            if let Some(function) = index.ok().and_then(|index| self.functions.get_mut(index)) {
                function.parts.clone_from(own);
            }
        }
        for (name, own) in parts {
            let owners = owners.get(name).cloned().unwrap_or_default();
            self.parts.extend(own.iter().map(|part| (part.clone(), owners.clone())));
        }
    }

    /// Returns the function that an address is in, or those that it may be in where it is in an unlikely part.
    pub(crate) fn at(&self, address: u64) -> Vec<&Function> {
        let part = self.parts.iter().find(|(bounds, _)| bounds.contains(&address));
        if let Some((_, owners)) = part {
            return owners.iter().filter_map(|owner| self.around(*owner)).collect();
        }
        self.around(address).into_iter().collect()
    }

    fn around(&self, address: u64) -> Option<&Function> {
        let after = self.functions.partition_point(|function| function.bounds.start <= address);
        let function = self.functions.get(after.checked_sub(1)?)?;
        function.bounds.contains(&address).then_some(function)
    }
}

fn is_sure(symbol: &Symbol<'_>) -> bool {
    symbol.kind == SymbolKind::Function && symbol.size > 0
}

/// Returns the name of the function that an unlikely part of this name was split off: `f.cold`, `f.cold.1`.
fn whole(name: &[u8]) -> Option<&[u8]> {
    let digits = name.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let (unnumbered, number) = name.split_at_checked(name.len() - digits)?;
    if number.is_empty() { name.strip_suffix(b".cold") } else { unnumbered.strip_suffix(b".cold.") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unlikely_parts_bear_the_name_of_their_function() {
        for (name, of) in [("f.cold", "f"), ("f.cold.12", "f"), ("f.part.0.cold", "f.part.0")] {
            assert_eq!(whole(name.as_bytes()), Some(of.as_bytes()), "{name}");
        }
        for name in ["f", "f.cold.", "f.colder", "f1", "f.cold1", ""] {
            assert_eq!(whole(name.as_bytes()), None, "{name}");
        }
    }
}
