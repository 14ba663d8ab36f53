//! What Go's runtime knows of a module (`moduledata`): where its code starts, and what the linker counts from.
//!
//! The record has no section of its own in most programs. It starts with the address of the function table and that
//! of the functions' names, and is found by these two.

use super::header::{Header, Version};
use crate::object::Object;

/// Index of the word `text`: behind `pcHeader`, six slices, `findfunctab`, `minpc` and `maxpc` (Go 1.16 to 1.27).
const TEXT: u64 = 22;
/// Index of the word `gofunc` in Go 1.18 and 1.19.
const GO_FUNC_1_18: u64 = 38;
/// In Go 1.20 to 1.26, behind two words for coverage counters.
const GO_FUNC_1_20: u64 = 40;
/// In Go 1.27, behind three lengths and offsets.
const GO_FUNC_1_27: u64 = 43;
/// Index of the word `types` from Go 1.20 on; `etypes` and `rodata` follow, and from Go 1.27 on `typedesclen` and
/// `etypes`.
const TYPES: u64 = 37;

/// A module's record, as far as it is needed.
#[derive(Clone, Copy, Debug)]
pub(super) struct ModuleData {
    text: Option<u64>,
    go_func: Option<u64>,
}

impl ModuleData {
    /// Finds the record of the module whose function table is at `table`.
    pub(super) fn find(object: &Object, table: u64, header: &Header) -> Option<ModuleData> {
        let names = table.checked_add(header.names as u64)?;
        let word = header.word as u64;
        let mut places = object.pointers_to(table);
        let start = places.find(|place| object.pointer_at(place.saturating_add(word)) == Some(names))?;
        let pointer = |index: u64| object.pointer_at(start.checked_add(index * word)?);
        let go_func = match header.version {
            Version::Go1_18 => GO_FUNC_1_18,
            // The length of the types' descriptions and not the types' end: the end is behind it.
            _ if pointer(TYPES)?.checked_add(pointer(TYPES + 1)?)? <= pointer(TYPES + 2)? => GO_FUNC_1_27,
            _ => GO_FUNC_1_20,
        };
        Some(ModuleData { text: pointer(TEXT), go_func: pointer(go_func) })
    }

    /// Returns the start of the code (the symbol `runtime.text`).
    pub(super) fn text(&self) -> Option<u64> {
        self.text
    }

    /// Returns what functions' data is counted from (the symbol `go:func.*`).
    pub(super) fn go_func(&self) -> Option<u64> {
        self.go_func
    }
}
