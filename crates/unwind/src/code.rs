//! What is known of a process's code: its CFI, by address, and what its modules' sections are for.

use std::cell::OnceCell;
use std::ops::Range;
use std::rc::Rc;

use epitaph_elf::{Arch, LoadedModules, Object};
use gimli::UnwindContext;

use crate::by_address::ByAddress;
use crate::cfi::ModuleCfi;
use crate::exidx::Entry;
use crate::functions::{Function, Functions};
use crate::row::Row;
use crate::section::Section;
use crate::tail::Layout;

/// Most bytes of the code that a program is entered by, up to its call of what never returns.
const LONGEST_ENTRY: u64 = 64;

/// The code of one process. Rows of CFI are kept from thread to thread: stacks of a process go through the same code.
pub(crate) struct Code<'a> {
    arch: &'static Arch,
    modules: &'a LoadedModules<'a>,
    /// Boxed: a process may have tens of thousands of modules, and stacks lead through a few.
    cfi: Vec<OnceCell<Box<ModuleCfi<'a>>>>,
    functions: Vec<OnceCell<Box<Functions>>>,
    rows: ByAddress<Option<Rc<Row>>>,
    context: UnwindContext<usize>,
}

impl<'a> Code<'a> {
    pub(crate) fn new(arch: &'static Arch, modules: &'a LoadedModules<'a>) -> Code<'a> {
        Code {
            arch,
            modules,
            cfi: modules.modules().iter().map(|_| OnceCell::new()).collect(),
            functions: modules.modules().iter().map(|_| OnceCell::new()).collect(),
            rows: ByAddress::new(),
            context: UnwindContext::new(),
        }
    }

    /// How many addresses were looked up so far.
    pub(crate) fn rows_kept(&self) -> usize {
        self.rows.len()
    }

    /// Returns the row for an address.
    pub(crate) fn row(&mut self, lookup: u64) -> Option<Rc<Row>> {
        if let Some(row) = self.rows.get(lookup) {
            return row;
        }
        let row = self.read_row(lookup).map(Rc::new);
        self.rows.insert(lookup, row.clone());
        row
    }

    /// Returns the section that a row is of.
    pub(crate) fn section(&self, row: &Row) -> Option<Section<'_, 'a>> {
        self.cfi.get(row.module)?.get()?.section(row.section?)
    }

    fn read_row(&mut self, lookup: u64) -> Option<Row> {
        let module = self.modules.find(lookup)?;
        let cfi = self.cfi.get(module)?.get_or_init(|| Box::new(ModuleCfi::new(self.modules, module)));
        let bias = self.modules.bias(module)?;
        let mut row =
            cfi.row(self.arch, self.modules, module, lookup.wrapping_sub(bias), &mut self.context)?;
        row.function = row.function.start.wrapping_add(bias)..row.function.end.wrapping_add(bias);
        Some(row)
    }

    /// Returns the function that an address is in; several where it is in the unlikely part of one of them.
    pub(crate) fn functions(&mut self, address: u64) -> Vec<Function> {
        let bounds = self.row(address).map(|row| row.function.clone());
        match bounds.filter(|bounds| self.starts_at(bounds.start)) {
            Some(bounds) => vec![Function { bounds, sure: true, parts: Vec::new() }],
            None => self.named_functions(address),
        }
    }

    fn named_functions(&self, address: u64) -> Vec<Function> {
        let found = self.modules.find(address).and_then(|module| {
            let bias = self.modules.bias(module)?;
            let functions = self.functions.get(module)?.get_or_init(|| Box::new(self.read_functions(module)));
            let here = functions.at(address.wrapping_sub(bias)).into_iter();
            Some(here.map(|function| function.loaded_at(bias)).collect())
        });
        found.unwrap_or_default()
    }

    fn read_functions(&self, module: usize) -> Functions {
        let image = self.modules.object(module);
        let with_symbols = image.filter(|image| image.has_section(".symtab"));
        // The separate debug file may be large: it is looked for only where it can tell more.
        let debug = if with_symbols.is_some() { None } else { self.modules.debug_object(module) };
        let objects: Vec<&Object> = image.into_iter().chain(debug).collect();
        Functions::read(&objects)
    }

    /// Returns what 32-bit ARM's exception tables say of an address.
    pub(crate) fn exception_entry(&self, lookup: u64) -> Option<Entry> {
        let module = self.modules.find(lookup)?;
        let bias = self.modules.bias(module)?;
        let mut entry = self.cfi.get(module)?.get()?.exception_entry(lookup.wrapping_sub(bias))?;
        entry.covers = entry.covers.start.wrapping_add(bias)..entry.covers.end.wrapping_add(bias);
        Some(entry)
    }

    /// Tells whether an address is in the code that the program is entered by: nobody called that.
    pub(crate) fn is_entry(&self, address: u64) -> bool {
        let main = self.modules.find(address).and_then(|module| self.modules.modules().get(module));
        main.is_some_and(|loaded| loaded.module.main)
            && self.object(address).is_some_and(|(object, address)| {
                address.checked_sub(object.entry()).is_some_and(|within| within < LONGEST_ENTRY)
            })
    }

    /// Finds the file of the module that `address` is in, and the address in it.
    fn object(&self, address: u64) -> Option<(&'a Object, u64)> {
        let module = self.modules.find(address)?;
        let in_file = address.wrapping_sub(self.modules.bias(module)?);
        Some((self.modules.object(module)?, in_file))
    }
}

impl Layout for Code<'_> {
    fn module(&self, address: u64) -> Option<usize> {
        self.modules.find(address)
    }

    fn function(&mut self, address: u64) -> Option<Range<u64>> {
        if let Some(row) = self.row(address) {
            return Some(row.function.clone());
        }
        self.named_functions(address).into_iter().find(|function| function.sure).map(|known| known.bounds)
    }

    fn starts_at(&mut self, address: u64) -> bool {
        let arch = self.arch;
        match self.row(address) {
            Some(row) => row.function.start == address && row.is_entry(arch),
            None => self.function(address).is_some_and(|bounds| bounds.start == address),
        }
    }

    fn is_plt(&self, address: u64) -> bool {
        self.object(address).is_some_and(|(object, address)| object.is_plt(address))
    }

    fn is_got(&self, slot: u64) -> bool {
        let Some((object, slot)) = self.object(slot) else { return false };
        [".got", ".got.plt"].into_iter().any(|name| {
            let start = object.section_address(name);
            let len = object.section(name).ok().flatten().map_or(0, <[u8]>::len) as u64;
            start.is_some_and(|start| slot.checked_sub(start).is_some_and(|within| within < len))
        })
    }
}
