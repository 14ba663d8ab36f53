//! What is known of an address.

/// One logical frame at an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceFrame {
    /// The function's name, demangled.
    pub function: Option<String>,
    /// The name as the linker knows it, where it is another.
    pub raw_name: Option<String>,
    /// Bytes from the start of the symbol, where the name came from a symbol table.
    pub offset: Option<u64>,
    /// The source file that declares the function. Its code may come from others: what compilers inline, and calls that
    /// they merge, keep the lines that they had.
    pub declared_in: Option<String>,
    /// Source file.
    pub file: Option<String>,
    /// Line, from 1.
    pub line: Option<u32>,
    /// Column, from 1.
    pub column: Option<u32>,
    /// Whether this function was inlined into the next frame's.
    pub inlined: bool,
    /// Where the name came from.
    pub source: Option<SymbolSource>,
}

/// Where a name came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SymbolSource {
    /// DWARF.
    Dwarf,
    /// `.symtab`
    Static,
    /// `.dynsym`
    Dynamic,
    /// Go's own table of functions.
    GoTable,
    /// The relocation of a stub of the procedure linkage table
    Stub,
}
