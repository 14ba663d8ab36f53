//! A module's call frame information: which section has it, and the row for an address.

use std::cell::OnceCell;

use epitaph_elf::{Arch, Endian, LoadedModules, Object};
use gimli::{
    BaseAddresses, DebugFrame, EhFrame, EhFrameHdr, FrameDescriptionEntry, ParsedEhFrameHdr, Pointer,
    RunTimeEndian, UnwindContext, UnwindSection, Vendor,
};

use crate::exidx::{Entry, ExceptionIndex};
use crate::go::GoRows;
use crate::index::FrameIndex;
use crate::row::Row;
use crate::section::{Section, SectionKind, Slice};

/// The CFI of one module.
pub(crate) struct ModuleCfi<'a> {
    eh_frame: Option<EhFrameCfi<'a>>,
    go: Option<GoRows<'a>>,
    debug_frame: OnceCell<Option<DebugFrameCfi<'a>>>,
    mini_debug_frame: OnceCell<Option<DebugFrameCfi<'a>>>,
    exception_index: Option<ExceptionIndex<'a>>,
}

/// `.eh_frame`, loaded with the program.
pub(crate) struct EhFrameCfi<'a> {
    pub(crate) section: EhFrame<Slice<'a>>,
    /// The section's address (before the load bias).
    start: u64,
    bases: BaseAddresses,
    table: Option<ParsedEhFrameHdr<Slice<'a>>>,
    index: OnceCell<FrameIndex>,
}

/// A section `.debug_frame`: of the file, of its separate debug file, or of its MiniDebugInfo.
pub(crate) struct DebugFrameCfi<'a> {
    pub(crate) section: DebugFrame<Slice<'a>>,
    index: FrameIndex,
}

impl<'a> ModuleCfi<'a> {
    pub(crate) fn new(modules: &'a LoadedModules<'a>, module: usize) -> ModuleCfi<'a> {
        let object = modules.object(module);
        ModuleCfi {
            eh_frame: object.and_then(EhFrameCfi::new),
            go: object.and_then(GoRows::new),
            debug_frame: OnceCell::new(),
            mini_debug_frame: OnceCell::new(),
            exception_index: object.and_then(ExceptionIndex::new),
        }
    }

    /// Returns the row for `address` (before the load bias).
    pub(crate) fn row(
        &self,
        arch: &Arch,
        modules: &'a LoadedModules<'a>,
        module: usize,
        address: u64,
        context: &mut UnwindContext<usize>,
    ) -> Option<Row> {
        if let Some(eh_frame) = &self.eh_frame
            && let Some(fde) = eh_frame.find(address)
        {
            return Row::read(
                &fde,
                &eh_frame.section,
                &eh_frame.bases,
                SectionKind::EhFrame,
                module,
                address,
                context,
            );
        }
        // Go's linker makes `.debug_frame` from the same table, and puts it where stripping takes it away.
        if let Some(row) = self.go.as_ref().and_then(|go| go.row(arch, module, address)) {
            return Some(row);
        }
        // Only now is the separate debug file looked for: it may be large, and most code needs none to unwind.
        let bases = BaseAddresses::default();
        let mut row = |cfi: &DebugFrameCfi<'a>, kind| {
            let fde = cfi.index.find(&cfi.section, &bases, address)?;
            Some(Row::read(&fde, &cfi.section, &bases, kind, module, address, context))
        };
        if let Some(row) = self.debug_frame(modules, module).and_then(|cfi| row(cfi, SectionKind::DebugFrame))
        {
            return row;
        }
        // And only now is the MiniDebugInfo unpacked.
        row(self.mini_debug_frame(modules, module)?, SectionKind::MiniDebugInfo)?
    }

    /// Returns what 32-bit ARM's exception tables say of `address` (before the load bias).
    pub(crate) fn exception_entry(&self, address: u64) -> Option<Entry> {
        self.exception_index.as_ref()?.find(address)
    }

    pub(crate) fn section(&self, kind: SectionKind) -> Option<Section<'_, 'a>> {
        match kind {
            SectionKind::EhFrame => self.eh_frame.as_ref().map(|cfi| Section::EhFrame(&cfi.section)),
            SectionKind::DebugFrame => {
                self.debug_frame.get()?.as_ref().map(|cfi| Section::DebugFrame(&cfi.section))
            }
            SectionKind::MiniDebugInfo => {
                self.mini_debug_frame.get()?.as_ref().map(|cfi| Section::DebugFrame(&cfi.section))
            }
        }
    }

    fn debug_frame(&self, modules: &'a LoadedModules<'a>, module: usize) -> Option<&DebugFrameCfi<'a>> {
        self.debug_frame
            .get_or_init(|| {
                let in_image = modules.object(module).and_then(DebugFrameCfi::new);
                in_image.or_else(|| modules.debug_object(module).and_then(DebugFrameCfi::new))
            })
            .as_ref()
    }

    /// Whoever names the module's functions says it where the MiniDebugInfo can't be read.
    fn mini_debug_frame(&self, modules: &'a LoadedModules<'a>, module: usize) -> Option<&DebugFrameCfi<'a>> {
        self.mini_debug_frame
            .get_or_init(|| modules.mini_debug_info(module)?.ok().and_then(DebugFrameCfi::new))
            .as_ref()
    }
}

impl<'a> EhFrameCfi<'a> {
    fn new(object: &'a Object) -> Option<EhFrameCfi<'a>> {
        let endian = endian(object);
        let word = object.class().word();
        let mut bases = BaseAddresses::default();
        for (name, set) in [
            (".text", BaseAddresses::set_text as fn(BaseAddresses, u64) -> BaseAddresses),
            (".got", BaseAddresses::set_got),
        ] {
            if let Some(address) = object.section_address(name) {
                bases = set(bases, address);
            }
        }
        let mut table = None;
        let mut start = None;
        if let Some((address, bytes)) = object.eh_frame_hdr() {
            bases = bases.set_eh_frame_hdr(address);
            if let Ok(parsed) = EhFrameHdr::from(Slice::new(bytes, endian)).parse(&bases, word) {
                if let Pointer::Direct(eh_frame) = parsed.eh_frame_ptr() {
                    start = Some(eh_frame);
                }
                // An entry takes four bytes at least: a table that promises more than there can be is none.
                let fits =
                    |table: gimli::EhHdrTable<'_, _>| table.iter(&bases).size_hint().0 <= bytes.len() / 4;
                table = parsed.table().is_some_and(fits).then_some(parsed);
            }
        }
        let (start, bytes) = match start.and_then(|start| Some((start, object.data_from(start)?))) {
            Some(found) => found,
            None => (object.section_address(".eh_frame")?, object.section(".eh_frame").ok()??),
        };
        let mut section = EhFrame::from(Slice::new(bytes, endian));
        section.set_address_size(word);
        section.set_vendor(vendor(object));
        Some(EhFrameCfi { section, start, bases: bases.set_eh_frame(start), table, index: OnceCell::new() })
    }

    fn find(&self, address: u64) -> Option<FrameDescriptionEntry<Slice<'a>>> {
        if let Some(table) = self.table.as_ref().and_then(ParsedEhFrameHdr::table) {
            let Pointer::Direct(entry) = table.lookup(address, &self.bases).ok()? else { return None };
            let offset = usize::try_from(entry.checked_sub(self.start)?).ok()?;
            let fde = self.section.fde_from_offset(&self.bases, offset.into(), EhFrame::cie_from_offset);
            // The search table can't tell where an entry ends: the entry itself must say that it has the address.
            return fde.ok().filter(|fde| fde.contains(address));
        }
        let index = self.index.get_or_init(|| FrameIndex::new(&self.section, &self.bases));
        index.find(&self.section, &self.bases, address)
    }
}

impl<'a> DebugFrameCfi<'a> {
    fn new(object: &'a Object) -> Option<DebugFrameCfi<'a>> {
        let bytes = object.section(".debug_frame").ok()??;
        let mut section = DebugFrame::from(Slice::new(bytes, endian(object)));
        section.set_address_size(object.class().word());
        section.set_vendor(vendor(object));
        let index = FrameIndex::new(&section, &BaseAddresses::default());
        Some(DebugFrameCfi { section, index })
    }
}

fn endian(object: &Object) -> RunTimeEndian {
    match object.endian() {
        Endian::Little => RunTimeEndian::Little,
        Endian::Big => RunTimeEndian::Big,
    }
}

/// Whose instructions a section may have besides those of the DWARF standard.
fn vendor(object: &Object) -> Vendor {
    match object.arch() {
        Some(arch) if arch.name == "aarch64" => Vendor::AArch64,
        _ => Vendor::Default,
    }
}
