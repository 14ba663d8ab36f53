//! Symbol tables.

use goblin::elf::header::{EM_AARCH64, EM_ARM, EM_RISCV};
use goblin::elf::sym::{
    STB_GLOBAL, STB_GNU_UNIQUE, STB_WEAK, STT_FUNC, STT_GNU_IFUNC, STT_NOTYPE, STT_OBJECT, Symtab,
};

/// One of an object's two symbol tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SymbolTable {
    /// `.symtab`: everything, in files that aren't stripped.
    Static,
    /// `.dynsym`: what is exported or imported; survives stripping.
    Dynamic,
}

/// Longest name that is read, in bytes: without a NUL every name would reach to the end of the table.
const LONGEST_NAME: usize = 16 << 10;

/// A defined symbol that code may be at, or that names a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol<'a> {
    /// The table of names, from its own on: where it ends is looked for when somebody asks.
    names: &'a [u8],
    /// Address, before the load bias.
    pub address: u64,
    /// Size in bytes; 0 if it isn't known (assembler).
    pub size: u64,
    /// What it names.
    pub kind: SymbolKind,
    /// Who sees it.
    pub binding: Binding,
}

impl<'a> Symbol<'a> {
    /// Returns its name, as the linker knows it; bytes, not text.
    pub fn name(&self) -> &'a [u8] {
        let longest = self.names.get(..LONGEST_NAME).unwrap_or(self.names);
        longest.split(|byte| *byte == 0).next().unwrap_or_default()
    }
}

/// What a symbol names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SymbolKind {
    /// `STT_FUNC`, or `STT_GNU_IFUNC`
    Function,
    /// `STT_NOTYPE`: a label of an assembler source.
    Untyped,
    /// `STT_OBJECT`
    Variable,
}

/// Who sees a symbol, best name first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Binding {
    /// `STB_GLOBAL`
    Global,
    /// `STB_WEAK`
    Weak,
    /// Anything else.
    Local,
}

/// Section index of an undefined symbol.
const SHN_UNDEF: usize = 0;

/// Finds the variable of this name in a table: its address, before the load bias.
pub(crate) fn variable(table: &Symtab<'_>, names: &[u8], name: &[u8]) -> Option<u64> {
    let is_named = |at: usize| {
        let rest = names.get(at..).and_then(|names| names.strip_prefix(name));
        rest.is_some_and(|rest| rest.first() == Some(&0))
    };
    table
        .iter()
        .find(|symbol| {
            symbol.st_type() == STT_OBJECT && symbol.st_shndx != SHN_UNDEF && is_named(symbol.st_name)
        })
        .map(|symbol| symbol.st_value)
}

/// Walks the defined symbols of a table that name variables, in file order.
pub(crate) fn data_symbols<'a>(
    table: &Symtab<'a>,
    names: &'a [u8],
) -> impl Iterator<Item = Symbol<'a>> + use<'a> {
    table.iter().filter_map(move |symbol| {
        if symbol.st_type() != STT_OBJECT || symbol.st_shndx == SHN_UNDEF {
            return None;
        }
        let names =
            names.get(symbol.st_name..).filter(|names| names.first().is_some_and(|byte| *byte != 0))?;
        let binding = binding(symbol.st_bind());
        let (address, size) = (symbol.st_value, symbol.st_size);
        Some(Symbol { names, address, size, kind: SymbolKind::Variable, binding })
    })
}

fn binding(bind: u8) -> Binding {
    match bind {
        STB_GLOBAL | STB_GNU_UNIQUE => Binding::Global,
        STB_WEAK => Binding::Weak,
        _ => Binding::Local,
    }
}

/// Walks the defined symbols of a table that code may be at, in file order.
pub(crate) fn code_symbols<'a>(
    table: &Symtab<'a>,
    names: &'a [u8],
    machine: u16,
) -> impl Iterator<Item = Symbol<'a>> + use<'a> {
    /// Section index of an absolute symbol, which no code is at.
    const SHN_ABS: usize = 0xfff1;
    table.iter().filter_map(move |symbol| {
        let kind = match symbol.st_type() {
            STT_FUNC | STT_GNU_IFUNC => SymbolKind::Function,
            STT_NOTYPE => SymbolKind::Untyped,
            _ => return None,
        };
        if [SHN_UNDEF, SHN_ABS].contains(&symbol.st_shndx) {
            return None;
        }
        let names = names.get(symbol.st_name..)?;
        if kind == SymbolKind::Untyped && is_mapping_symbol(names, machine) {
            return None;
        }
        // The lowest bit of a function's value says that it is Thumb code (ELF for the Arm Architecture, 5.5.3).
        let thumb = machine == EM_ARM && kind == SymbolKind::Function;
        let binding = binding(symbol.st_bind());
        names.first().is_some_and(|first| *first != 0).then_some(Symbol {
            names,
            address: symbol.st_value & !u64::from(thumb),
            size: symbol.st_size,
            kind,
            binding,
        })
    })
}

/// Recognises the symbols that tell code from data (`$a`, `$t`, `$x` and `$d`, and whatever follows a full stop, or on
/// RISC-V the instruction set): ELF for the Arm Architecture, 5.5.5, and its like.
fn is_mapping_symbol(name: &[u8], machine: u16) -> bool {
    match machine {
        EM_ARM | EM_AARCH64 => matches!(name, [b'$', b'a' | b'd' | b't' | b'x', 0 | b'.', ..]),
        EM_RISCV => matches!(name, [b'$', b'd' | b'x', ..]),
        _ => false,
    }
}
