//! Naming a module's addresses.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use epitaph_elf::{GoTable, LoadedModules, Object, SymbolTable};

use crate::bare_names::with_path;
use crate::code_units::CodeUnits;
use crate::debug_info::DebugInfo;
use crate::demangle::demangle;
use crate::go;
use crate::problem::{Problem, Problems};
use crate::source_frame::{SourceFrame, SymbolSource};
use crate::symtab::{self, Hit};

/// Names addresses of a process's modules.
#[derive(Debug)]
pub struct Symbolizer<'a> {
    modules: &'a LoadedModules<'a>,
}

/// The frames at each of a module's addresses, innermost first; and what went wrong.
#[derive(Clone, Debug, Default)]
pub(crate) struct Named {
    frames: HashMap<u64, Vec<SourceFrame>>,
    problems: Problems,
}

impl<'a> Symbolizer<'a> {
    /// Names addresses in these modules.
    pub fn new(modules: &'a LoadedModules<'a>) -> Symbolizer<'a> {
        Symbolizer { modules }
    }

    /// Finds the units that addresses of one module (as in the process, −1 rule applied) are in, for whoever wants to
    /// know more of the functions there than their names.
    pub fn units(&self, module: usize, lookups: &BTreeSet<u64>) -> CodeUnits<'a> {
        let Some(bias) = self.modules.bias(module) else { return CodeUnits::default() };
        let mut addresses: Vec<u64> = lookups.iter().map(|lookup| lookup.wrapping_sub(bias)).collect();
        addresses.sort_unstable();
        let objects = [self.modules.debug_object(module), self.modules.object(module)];
        let mut with_info = objects.into_iter().flatten();
        let info = with_info.find_map(|object| DebugInfo::new(self.modules, module, object));
        info.map_or_else(CodeUnits::default, |info| CodeUnits::find(info, bias, &addresses))
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
        let mut with_info = [debug, image].into_iter().flatten();
        if let Some(mut info) = with_info.find_map(|object| DebugInfo::new(self.modules, module, object)) {
            info.look_up(&addresses);
            (named.frames, named.problems) = (info.frames, info.problems);
            named.add_paths(self.modules, module, info.bare.into_iter().collect());
        }
        named.by_go_table(image, &addresses);
        named.by_symbols(self.modules, module, &addresses);
        let frames =
            named.frames.into_iter().map(|(address, frames)| (address.wrapping_add(bias), frames)).collect();
        (frames, named.problems.finish())
    }
}

impl Named {
    /// Names by a Go program's own table what DWARF didn't.
    fn by_go_table(&mut self, image: Option<&Object>, addresses: &[u64]) {
        if addresses.iter().all(|address| self.is_named(*address)) {
            return;
        }
        let Some(table) = image.and_then(GoTable::find) else { return };
        for address in addresses {
            let frames = go::frames_at(&table, *address);
            if !frames.is_empty() && !self.is_named(*address) {
                self.frames.insert(*address, frames);
            }
        }
    }

    /// Names by symbol table what DWARF didn't: an address without any frame, or a frame with a line and no name.
    fn by_symbols(&mut self, modules: &LoadedModules<'_>, module: usize, addresses: &[u64]) {
        for table in [Table::Image, Table::Debug, Table::Mini, Table::Dynamic] {
            let unnamed: Vec<u64> =
                addresses.iter().copied().filter(|address| !self.is_named(*address)).collect();
            if unnamed.is_empty() {
                return;
            }
            let Some((object, table, source)) = self.table(table, modules, module) else { continue };
            for (address, hit) in unnamed.iter().zip(symtab::find(object, table, &unnamed)) {
                if let Some(hit) = hit {
                    self.take_symbol(*address, hit, source);
                }
            }
        }
        if let Some(object) = modules.object(module) {
            self.by_stubs(object, addresses);
        }
    }

    /// Names stubs by what they jump to, as debuggers do: `puts@plt`.
    fn by_stubs(&mut self, object: &Object, addresses: &[u64]) {
        for address in addresses {
            if !self.is_named(*address)
                && let Some(stub) = object.stub_at(*address)
            {
                let name = String::from_utf8_lossy(stub.import).into_owned();
                self.take_symbol(*address, Hit { name, start: stub.start }, SymbolSource::Stub);
            }
        }
    }

    /// Completes the names of functions that DWARF has without their paths.
    fn add_paths(&mut self, modules: &LoadedModules<'_>, module: usize, mut bare: Vec<u64>) {
        for table in [Table::Image, Table::Debug, Table::Mini] {
            if bare.is_empty() {
                return;
            }
            let Some((object, table, _)) = self.table(table, modules, module) else { continue };
            let hits = symtab::find(object, table, &bare);
            let mut left = Vec::new();
            for (address, hit) in bare.iter().zip(hits) {
                let Some(hit) = hit else {
                    left.push(*address);
                    continue;
                };
                let frame = self.frames.get_mut(address).and_then(|frames| frames.last_mut());
                if let Some(frame) = frame
                    && let Some(name) = &frame.function
                    && let Some(full) = demangle(&hit.name).and_then(|symbol| with_path(&symbol, name))
                {
                    frame.function = Some(full);
                    frame.raw_name = Some(hit.name);
                }
            }
            bare = left;
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
        let suffix = if source == SymbolSource::Stub { "@plt" } else { "" };
        outermost.raw_name = demangled.is_some().then(|| format!("{}{suffix}", hit.name));
        outermost.function = Some(demangled.unwrap_or(hit.name) + suffix);
        outermost.offset = address.checked_sub(hit.start);
        outermost.source = Some(source);
    }

    /// Opens a symbol table: the packed one takes time, and is only read where the others don't have all names.
    fn table<'m>(
        &mut self,
        table: Table,
        modules: &'m LoadedModules<'m>,
        module: usize,
    ) -> Option<(&'m Object, SymbolTable, SymbolSource)> {
        let object = match table {
            Table::Image | Table::Dynamic => modules.object(module),
            Table::Debug => modules.debug_object(module),
            Table::Mini => match modules.mini_debug_info(module)? {
                Ok(object) => Some(object),
                Err(error) => {
                    self.problems.add("debug_section_unreadable", error);
                    None
                }
            },
        };
        Some(match table {
            Table::Dynamic => (object?, SymbolTable::Dynamic, SymbolSource::Dynamic),
            _ => (object?, SymbolTable::Static, SymbolSource::Static),
        })
    }
}

/// A module's symbol tables, in the order in which they are asked.
#[derive(Clone, Copy, Debug)]
enum Table {
    /// `.symtab` of the mapped file.
    Image,
    /// `.symtab` of the separate debug file.
    Debug,
    /// `.symtab` of the MiniDebugInfo.
    Mini,
    /// `.dynsym` of the mapped file.
    Dynamic,
}
