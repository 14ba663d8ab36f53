//! Variables that an object exports by name.

use goblin::elf::sym::{STT_OBJECT, Symtab};

use crate::object::Object;

/// Section index of an undefined symbol: another object has it.
const SHN_UNDEF: usize = 0;

impl Object {
    /// Returns the address, before the load bias, of a variable that the object has and exports by this name: from
    /// `.dynsym`, which survives stripping, or else from `.symtab`, the only one that a static program has.
    pub fn exported_data(&self, name: &[u8]) -> Option<u64> {
        self.variable_in(".dynsym", ".dynstr", name).or_else(|| self.variable_in(".symtab", ".strtab", name))
    }

    fn variable_in(&self, symbols: &str, names: &str, name: &[u8]) -> Option<u64> {
        let bytes = |section: &str| self.section(section).ok().flatten().unwrap_or_default();
        let (symbols, names) = (bytes(symbols), bytes(names));
        let table = Symtab::parse(symbols, 0, symbols.len() / self.symbol_size(), self.ctx()).ok()?;
        let found = table.iter().find(|symbol| {
            let text = names.get(symbol.st_name..).unwrap_or_default();
            symbol.st_type() == STT_OBJECT
                && symbol.st_shndx != SHN_UNDEF
                && text.strip_prefix(name).is_some_and(|rest| rest.first() == Some(&0))
        });
        found.map(|symbol| symbol.st_value)
    }
}
