//! The units that a module's addresses are in, for whoever wants to read more of their entries than names.

use std::rc::Rc;
use std::sync::Arc;

use epitaph_elf::{Found, Object};
use gimli::{DebugInfoOffset, DebugTypeSignature, DwLang, Dwarf, Unit, UnitHeader, UnitOffset, UnitRef};

use crate::debug_info::DebugInfo;
use crate::dwarf::{Sections, Slice};
use crate::entries::{Extents, Home};
use crate::functions;
use crate::split;
use crate::supplementary;
use crate::types::{TypeUnit, Types};
use crate::unit::OpenUnit;

/// The units that hold some addresses of a module, found and not read yet: reading them borrows from this.
#[derive(Default)]
pub struct CodeUnits<'a> {
    bias: u64,
    module: Option<Module<'a>>,
    found: Vec<FoundUnit<'a>>,
}

/// What the units of a module have in common.
struct Module<'a> {
    object: &'a Object,
    sections: Sections<'a>,
    types: Types<'a>,
}

/// A unit, found.
struct FoundUnit<'a> {
    header: UnitHeader<Slice<'a>>,
    /// Before the load bias.
    addresses: Vec<u64>,
    /// The file that holds what the unit has in common with others.
    supplementary: Option<Arc<Object>>,
    split: Option<SplitFile>,
}

/// Where a unit's split debug information is.
enum SplitFile {
    Package(Arc<Object>),
    File(Found),
}

/// A unit with the entries of some addresses' functions.
pub struct CodeUnit<'u> {
    /// The debug information that the unit is in.
    pub dwarf: Dwarf<Slice<'u>>,
    /// The unit with the functions: the linked file's own, or its split part.
    pub unit: Unit<Slice<'u>>,
    /// The language that it was written in.
    pub language: Option<DwLang>,
    /// What is added to the addresses in its entries.
    pub bias: u64,
    /// By address (as in the process), the functions there.
    pub functions: Vec<(u64, FunctionsAt)>,
    types: Types<'u>,
    extents: Rc<Extents>,
}

/// The functions at an address, as entries of a [`CodeUnit`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionsAt {
    /// The function that the code is part of.
    pub function: UnitOffset,
    /// The calls that were inlined there, outermost first.
    pub calls: Vec<UnitOffset>,
}

impl std::fmt::Debug for CodeUnits<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CodeUnits").field("units", &self.found.len()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for CodeUnit<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CodeUnit").field("functions", &self.functions).finish_non_exhaustive()
    }
}

impl<'a> CodeUnits<'a> {
    /// Finds the units of addresses (sorted, before the load bias), and the files that they continue in.
    pub(crate) fn find(mut info: DebugInfo<'a>, bias: u64, addresses: &[u64]) -> CodeUnits<'a> {
        let mut by_unit = info.place(addresses);
        let placed = by_unit.addresses();
        let rest: Vec<u64> = addresses.iter().copied().filter(|address| !placed.contains(address)).collect();
        if !rest.is_empty() {
            for (unit, addresses) in info.place_by_roots(&rest).units() {
                for address in addresses {
                    by_unit.add(*unit, *address);
                }
            }
        }
        let headers = info.headers(&by_unit);
        info.need_for(&headers);
        info.sections.need_locations();
        let mut found = Vec::with_capacity(headers.len());
        for (header, addresses) in headers {
            let Ok((opened, elsewhere)) = info.open(header) else { continue };
            let mut split = None;
            if let (Some(name), Some(id)) = (opened.split_name, opened.split_id()) {
                let dwarf = info.sections.dwarf();
                let package = info.package().filter(|object| split::in_package(object, id, &dwarf).is_ok());
                split = match package {
                    Some(object) => Some(SplitFile::Package(object)),
                    None => info.split_file(name, &opened, id).map(SplitFile::File),
                };
            }
            let mut addresses = addresses.to_vec();
            addresses.sort_unstable();
            let supplementary = info.supplementary(elsewhere);
            found.push(FoundUnit { header, addresses, supplementary, split });
        }
        let DebugInfo { object, sections, types, .. } = info;
        CodeUnits { bias, module: Some(Module { object, sections, types }), found }
    }

    /// Reads the units, each with the functions at its addresses. What can't be read is left out: naming the same
    /// addresses has said so.
    pub fn open(&self) -> Vec<CodeUnit<'_>> {
        let Some(module) = &self.module else { return Vec::new() };
        let extents = Rc::<Extents>::default();
        self.found.iter().filter_map(|found| found.open(module, self.bias, &extents)).collect()
    }
}

impl FoundUnit<'_> {
    fn open<'u>(&'u self, module: &'u Module<'_>, bias: u64, extents: &Rc<Extents>) -> Option<CodeUnit<'u>> {
        let mut dwarf: Dwarf<Slice<'u>> = module.sections.dwarf();
        if let Some(object) = &self.supplementary {
            dwarf.set_sup(supplementary::read(object, &mut Vec::new()));
        }
        let skeleton = OpenUnit::read(&dwarf, self.header).ok()?;
        let id = skeleton.split_id();
        let split = match (&self.split, id) {
            (Some(SplitFile::Package(object)), Some(id)) => split::in_package(object, id, &dwarf).ok(),
            (Some(SplitFile::File(found)), Some(id)) => split::in_file(&found.object, id, &dwarf).ok(),
            _ => None,
        };
        let split = split.and_then(|split| {
            let mut opened = OpenUnit::read(&split.dwarf, split.header).ok()?;
            opened.unit.copy_relocated_attributes(&skeleton.unit);
            Some((split.dwarf, opened, split.types))
        });
        let (dwarf, opened, types, extents) = match split {
            Some((dwarf, opened, types)) => (dwarf, opened, types, Rc::default()),
            None => (dwarf, skeleton, module.types.clone(), Rc::clone(extents)),
        };
        let OpenUnit { unit, language, .. } = opened;
        let is_code = |address| module.object.code_section_at(address).is_some();
        let (chains, _) = functions::find(UnitRef::new(&dwarf, &unit), &self.addresses, &is_code);
        let functions = self.addresses.iter().zip(chains).filter_map(|(address, chain)| {
            let chain = chain?;
            let calls = chain.calls.iter().map(|call| call.entry).collect();
            Some((address.wrapping_add(bias), FunctionsAt { function: chain.function, calls }))
        });
        let functions = functions.collect();
        Some(CodeUnit { dwarf, unit, language, bias, functions, types, extents })
    }
}

impl<'u> CodeUnit<'u> {
    /// Returns the debug information of one of its two files.
    pub fn home(&self, home: Home) -> Option<&Dwarf<Slice<'u>>> {
        match home {
            Home::Main => Some(&self.dwarf),
            Home::Supplementary => self.dwarf.sup(),
        }
    }

    /// Returns the offset in `.debug_info` of the unit that an entry is in.
    pub fn unit_of(&self, home: Home, entry: DebugInfoOffset) -> Option<DebugInfoOffset> {
        self.extents.unit_of(self.home(home)?, home, entry).map(DebugInfoOffset)
    }

    /// Reads the unit that begins at an offset in `.debug_info`.
    pub fn read_unit(&self, home: Home, start: DebugInfoOffset) -> Option<Unit<Slice<'u>>> {
        let dwarf = self.home(home)?;
        let header = dwarf.debug_info.header_from_offset(start).ok()?;
        Some(OpenUnit::read(dwarf, header).ok()?.unit)
    }

    /// Finds the unit of a type by its signature: its debug information, the unit, and the entry of the type.
    pub fn type_unit(
        &self,
        signature: DebugTypeSignature,
    ) -> Option<(Dwarf<Slice<'u>>, Unit<Slice<'u>>, UnitOffset)> {
        let TypeUnit { dwarf, header, entry } = self.types.unit(&self.dwarf, signature)?;
        let unit = OpenUnit::read(&dwarf, header).ok()?.unit;
        Some((dwarf, unit, entry))
    }
}
