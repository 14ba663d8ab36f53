//! What the linker calls the places that pointers lead to: functions, variables, virtual tables.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use epitaph_elf::{LoadedModules, Object, Symbol, SymbolTable};
use epitaph_symbols::demangle;

/// Most symbols of a module that are sorted.
const MOST_SYMBOLS: usize = 1 << 20;
/// Longest name, in characters.
const LONGEST: usize = 120;

/// The symbols of modules that pointers led into, each module's sorted once.
#[derive(Default)]
pub(crate) struct Names<'u> {
    modules: RefCell<HashMap<usize, Rc<[Symbol<'u>]>>>,
}

impl<'u> Names<'u> {
    /// Names an address as `name` or `name+offset`, where a symbol covers it.
    pub(crate) fn name(&self, modules: &'u LoadedModules<'u>, address: u64) -> Option<String> {
        let (names, address) = self.of_module(modules, address)?;
        let after = names.partition_point(|symbol| symbol.address <= address);
        let candidates = names.get(..after)?.iter().rev().take(4);
        let mut candidates = candidates.filter(|symbol| address - symbol.address < symbol.size);
        let symbol = candidates.next()?;
        let raw = String::from_utf8_lossy(symbol.name());
        let plain = raw.split('@').next().unwrap_or_default();
        let name = demangle(plain).map_or_else(|| plain.to_owned(), spelled);
        let name: String = name.chars().take(LONGEST).collect();
        let offset = address - symbol.address;
        Some(if offset == 0 { name } else { format!("{name}+{offset}") })
    }

    /// Tells whether a symbol of this name stands at an address: a function may have several.
    pub(crate) fn is_called(&self, modules: &'u LoadedModules<'u>, address: u64, name: &str) -> bool {
        let Some((names, address)) = self.of_module(modules, address) else { return false };
        let first = names.partition_point(|symbol| symbol.address < address);
        let mut here = names.iter().skip(first).take_while(|symbol| symbol.address == address);
        here.any(|symbol| symbol.name().split(|byte| *byte == b'@').next() == Some(name.as_bytes()))
    }

    /// Returns the symbols of an address's module, and the address before the load bias.
    fn of_module(&self, modules: &'u LoadedModules<'u>, address: u64) -> Option<(Rc<[Symbol<'u>]>, u64)> {
        let module = modules.find(address)?;
        let address = address.wrapping_sub(modules.bias(module)?);
        let known = self.modules.borrow().get(&module).map(Rc::clone);
        let names = known.unwrap_or_else(|| {
            let objects = [modules.debug_object(module), modules.object(module)];
            let names = sorted(objects.into_iter().flatten());
            self.modules.borrow_mut().insert(module, Rc::clone(&names));
            names
        });
        Some((names, address))
    }
}

/// Sorts the symbols of objects, the more widely seen last of those that start at one address.
fn sorted<'o>(objects: impl Iterator<Item = &'o Object>) -> Rc<[Symbol<'o>]> {
    let mut symbols: Vec<Symbol<'o>> = Vec::new();
    for object in objects {
        for table in [SymbolTable::Static, SymbolTable::Dynamic] {
            let left = MOST_SYMBOLS.saturating_sub(symbols.len());
            symbols.extend(object.symbols(table).chain(object.data_symbols(table)).take(left));
        }
    }
    symbols.retain(|symbol| symbol.size > 0);
    symbols.sort_by_key(|symbol| (symbol.address, std::cmp::Reverse(symbol.binding)));
    symbols.into()
}

/// Spells the names of what a class has besides its members as every other tool does: `vtable for Item`.
fn spelled(name: String) -> String {
    for (mark, word) in [
        ("{vtable(", "vtable"),
        ("{vtt(", "VTT"),
        ("{typeinfo(", "typeinfo"),
        ("{typeinfo name(", "typeinfo name"),
    ] {
        if let Some(class) = name.strip_prefix(mark).and_then(|rest| rest.strip_suffix(")}")) {
            return format!("{word} for {class}");
        }
    }
    name
}
