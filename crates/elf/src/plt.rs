//! Stubs of procedure linkage tables: which imported function each one jumps to.
//!
//! No symbol names them. A stub jumps through a slot, and a relocation of that slot names what the dynamic linker puts
//! there (System V gABI, "Procedure Linkage Table"; `R_*_JUMP_SLOT` and `R_*_GLOB_DAT` of the processor supplements).

use goblin::elf::reloc::RelocSection;
use goblin::elf::sym::Symtab;

use crate::object::Object;

/// Bytes that the longest stub takes.
const LONGEST_STUB: u64 = 32;
/// Bytes that tell which slot a stub uses.
const STUB_CODE: usize = 16;
/// How many of the slots that may be an address's are looked for: in the middle of an instruction, bytes may look like
/// another one.
const MOST_SLOTS: usize = 2;

/// A stub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stub<'a> {
    /// The imported function, as the linker knows it; bytes, not text.
    pub import: &'a [u8],
    /// Where the stub's jump begins, before the load bias.
    pub start: u64,
}

impl Object {
    /// Finds the stub that `address` (before the load bias) is in; `None` where that isn't a stub, or its slot has no
    /// relocation with a name (the resolved functions of static programs have none).
    pub fn stub_at(&self, address: u64) -> Option<Stub<'_>> {
        if !self.is_plt(address) {
            return None;
        }
        let stub_slot = self.arch()?.stub_slot;
        let starts = (0..LONGEST_STUB).map_while(|back| address.checked_sub(back));
        let slots = starts.take_while(|start| self.is_plt(*start)).filter_map(|start| {
            let code = self.data_from(start)?;
            Some((start, stub_slot(start, code.get(..STUB_CODE).unwrap_or(code))?))
        });
        slots.take(MOST_SLOTS).find_map(|(start, slot)| Some(Stub { import: self.import_into(slot)?, start }))
    }

    /// Names the symbol whose address the dynamic linker puts into the slot at this address.
    fn import_into(&self, slot: u64) -> Option<&[u8]> {
        let relocations =
            [(".rela.plt", true), (".rel.plt", false), (".rela.dyn", true), (".rel.dyn", false)];
        let index = relocations.into_iter().find_map(|(section, with_addend)| {
            let bytes = self.section(section).ok().flatten()?;
            let relocations = RelocSection::parse(bytes, 0, bytes.len(), with_addend, self.ctx()).ok()?;
            let of_slot = relocations.iter().find(|relocation| relocation.r_offset == slot)?;
            (of_slot.r_sym > 0).then_some(of_slot.r_sym)
        })?;
        let symbols = self.section(".dynsym").ok().flatten()?;
        let names = self.section(".dynstr").ok().flatten()?;
        let symbols = Symtab::parse(symbols, 0, symbols.len() / self.symbol_size(), self.ctx()).ok()?;
        let name = names.get(symbols.get(index)?.st_name..)?.split(|byte| *byte == 0).next()?;
        (!name.is_empty()).then_some(name)
    }
}
