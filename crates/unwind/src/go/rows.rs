//! Rows made from Go's table of functions: it has the size of every frame at every instruction.

use std::ops::Range;

use epitaph_elf::{Arch, GoFunction, GoTable, Object};

use super::runtime::Runtime;
use crate::row::Row;

/// Bytes of a function's start that are searched for the instruction that saves a register: behind the check of the
/// stack's size, which takes 30 bytes at most.
const PROLOGUE: usize = 128;

/// The rows of a module that Go code is in.
#[derive(Debug)]
pub(crate) struct GoRows<'a> {
    object: &'a Object,
    table: GoTable<'a>,
}

impl<'a> GoRows<'a> {
    /// Reads an object's table; `None` if it has none.
    pub(crate) fn new(object: &'a Object) -> Option<GoRows<'a>> {
        Some(GoRows { object, table: GoTable::find(object)? })
    }

    /// Returns the row for `address` (before the load bias).
    pub(crate) fn row(&self, arch: &Arch, module: usize, address: u64) -> Option<Row> {
        let function = self.table.function(address)?;
        let runtime = function.name().and_then(Runtime::of);
        let size = function.frame_size(address).or_else(|| (runtime == Some(Runtime::First)).then_some(0))?;
        let saved = self.saved(arch, &function, function.range().start..address, runtime);
        Some(Row::of_frame_size(arch, module, function.range().clone(), size, &saved, runtime))
    }

    /// Finds the registers that a function saves between its start and an address: DWARF number, and offset from the
    /// CFA.
    ///
    /// A Go function gives back none but the frame pointer. Those that C code calls keep what C wants back.
    fn saved(
        &self,
        arch: &Arch,
        function: &GoFunction<'_, '_>,
        passed: Range<u64>,
        runtime: Option<Runtime>,
    ) -> Vec<(u16, i64)> {
        let wanted = if runtime == Some(Runtime::FromC) { arch.callee_saved } else { 1 << arch.fp };
        let len = usize::try_from(passed.end - passed.start).unwrap_or(PROLOGUE).min(PROLOGUE);
        let Some(code) = self.object.data_at(passed.start, len) else { return Vec::new() };
        let stores = (arch.register_stores)(code);
        let stores = stores.into_iter().filter(|store| wanted >> store.register & 1 == 1);
        stores
            .filter_map(|store| {
                let size = function.frame_size(passed.start.checked_add(store.end)?)?;
                let offset = store.offset - i64::from(size) - i64::from(arch.sp_to_cfa_at_entry);
                Some((store.register, offset))
            })
            .collect()
    }
}
