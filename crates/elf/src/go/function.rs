//! One function of Go's table.

use std::ops::Range;

use super::header::Version;
use super::table::GoTable;
use super::values::value_at;

/// Longest name that is read, in bytes.
const LONGEST_NAME: usize = 16 << 10;
/// Longest chain of inlined calls at one address.
const DEEPEST_INLINE: usize = 256;
/// Index of the table that tells which inlined call an instruction belongs to (Go 1.16 to 1.27).
const PCDATA_INLINE_INDEX: usize = 2;
/// Index of the data that the inlined calls are in (Go 1.16 to 1.27).
const FUNCDATA_INLINE_TREE: usize = 3;

/// A function of a Go program (`runtime/runtime2.go`, `_func`).
#[derive(Clone, Debug)]
pub struct GoFunction<'t, 'a> {
    table: &'t GoTable<'a>,
    range: Range<u64>,
    /// Where its record continues behind its address.
    record: usize,
}

/// A call at an address: of the function itself, or of one that was inlined into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoCall<'a> {
    /// The function's name, as Go prints it; bytes, not text.
    pub name: &'a [u8],
    /// Source file.
    pub file: Option<&'a [u8]>,
    /// Line, from 1.
    pub line: Option<u32>,
    /// Whether it was inlined into the next call's function.
    pub inlined: bool,
}

impl<'t, 'a> GoFunction<'t, 'a> {
    pub(super) fn new(
        table: &'t GoTable<'a>,
        range: Range<u64>,
        record: usize,
    ) -> Option<GoFunction<'t, 'a>> {
        let record = record.checked_add(table.header.field())?;
        Some(GoFunction { table, range, record })
    }

    /// Returns its addresses (before the load bias), with the padding behind it.
    pub fn range(&self) -> &Range<u64> {
        &self.range
    }

    /// Returns its name, as Go prints it: path of the package, type, function; bytes, not text.
    pub fn name(&self) -> Option<&'a [u8]> {
        self.text(self.table.header.names, self.number(0)?)
    }

    /// Returns how many bytes of the stack it uses at `address`, its return address not counted. `None` if it uses
    /// the stack in a way of its own.
    pub fn frame_size(&self, address: u64) -> Option<u32> {
        u32::try_from(self.value(self.number(12)?, address)?).ok()
    }

    /// Returns the calls at `address`, innermost first: those that were inlined, and the function's own. Inlined
    /// calls are known from Go 1.16 on.
    pub fn calls(&self, address: u64) -> Vec<GoCall<'a>> {
        let mut calls = Vec::new();
        let mut at = address;
        while calls.len() < DEEPEST_INLINE
            && let Some((name, parent)) = self.inlined_at(at)
        {
            calls.push(self.call(name, at, true));
            at = parent;
        }
        if let Some(name) = self.name() {
            calls.push(self.call(name, at, false));
        }
        calls
    }

    fn call(&self, name: &'a [u8], address: u64, inlined: bool) -> GoCall<'a> {
        let line = self.number(20).and_then(|table| self.value(table, address));
        let line = line.and_then(|line| u32::try_from(line).ok()).filter(|line| *line > 0);
        GoCall { name, file: self.file(address), line, inlined }
    }

    fn file(&self, address: u64) -> Option<&'a [u8]> {
        let header = &self.table.header;
        let mut index = u32::try_from(self.value(self.number(16)?, address)?).ok()?;
        if header.version >= Version::Go1_16 {
            index = index.checked_add(self.number(28)?)?;
        }
        let offset = header.units.checked_add(usize::try_from(index).ok()?.checked_mul(4)?)?;
        self.text(header.files, header.endian.u32_at(self.table.bytes, offset)?)
    }

    /// Returns the name of the function that was inlined where `address` is, and an address of its caller's code
    /// that has the line of the call.
    fn inlined_at(&self, address: u64) -> Option<(&'a [u8], u64)> {
        let header = &self.table.header;
        let index = self.value(self.pc_data(PCDATA_INLINE_INDEX)?, address)?;
        let index = usize::try_from(index).ok()?;
        let tree = self.table.object.data_from(self.func_data(FUNCDATA_INLINE_TREE)?)?;
        // `runtime/symtab.go`, later `runtime/symtabinl.go`, `inlinedCall`: size, name, caller's code
        let (size, name, parent) = match header.version {
            Version::Go1_20 => (16, 4, 8),
            _ => (20, 12, 16),
        };
        let call = tree.get(index.checked_mul(size)?..)?.get(..size)?;
        let parent = u64::from(header.endian.u32_at(call, parent)?);
        let parent = self.range.start.checked_add(parent).filter(|parent| self.range.contains(parent))?;
        Some((self.text(header.names, header.endian.u32_at(call, name)?)?, parent))
    }

    /// Returns where one of the tables of values is that only some functions have.
    fn pc_data(&self, index: usize) -> Option<u32> {
        let count = usize::try_from(self.number(24)?).ok()?;
        if self.table.header.version < Version::Go1_16 || index >= count {
            return None;
        }
        self.number(self.fixed() + 4 * index)
    }

    /// Returns the address of one of the function's data.
    fn func_data(&self, index: usize) -> Option<u64> {
        let (table, header) = (self.table, &self.table.header);
        let count = *table.bytes.get(self.record.checked_add(self.fixed())?.checked_sub(1)?)?;
        if index >= usize::from(count) {
            return None;
        }
        let start = self.fixed().checked_add(usize::try_from(self.number(24)?).ok()?.checked_mul(4)?)?;
        if header.version >= Version::Go1_18 {
            let offset = self.number(start.checked_add(4 * index)?).filter(|offset| *offset != u32::MAX)?;
            return table.module_data()?.go_func()?.checked_add(offset.into());
        }
        let start = self.record.checked_add(start)?.checked_next_multiple_of(header.word)?;
        let offset = start.checked_add(index * header.word)?;
        table.object.pointer_at(table.address_of(offset)?)
    }

    /// Bytes of the record that every function has, up to the tables that only some have.
    fn fixed(&self) -> usize {
        match self.table.header.version {
            Version::Go1_2 => 32,
            Version::Go1_16 | Version::Go1_18 => 36,
            Version::Go1_20 => 40,
        }
    }

    fn number(&self, offset: usize) -> Option<u32> {
        self.table.header.endian.u32_at(self.table.bytes, self.record.checked_add(offset)?)
    }

    /// Returns what the table of values at `table` has for an address; there is none at 0.
    fn value(&self, table: u32, address: u64) -> Option<i32> {
        let header = &self.table.header;
        let offset = header.values.checked_add(usize::try_from(table).ok().filter(|table| *table > 0)?)?;
        value_at(self.table.bytes.get(offset..)?, self.range.start, header.quantum, address)
    }

    fn text(&self, block: usize, offset: u32) -> Option<&'a [u8]> {
        let start = block.checked_add(usize::try_from(offset).ok()?)?;
        let bytes = self.table.bytes.get(start..)?;
        let longest = bytes.get(..LONGEST_NAME).unwrap_or(bytes);
        longest.split(|byte| *byte == 0).next().filter(|text| !text.is_empty())
    }
}
