//! Split debug information: a unit's entries in a `.dwo` file of their own, or with all others' in a `.dwp` package
//! (DWARF 5, 7.3.2 and 7.3.5; before it, the GNU extension DebugFission).

use epitaph_elf::{Object, ObjectError};
use gimli::{DebugInfo, Dwarf, DwarfPackage, DwoId, SectionId, UnitHeader, UnitType};
use thiserror::Error;

use crate::dwarf::{Slice, endian};
use crate::root::Root;
use crate::types::Types;

/// Most units of a file that are looked at for the wanted one: a `.dwo` file has one, and one for each type.
const MOST_UNITS: usize = 1 << 16;

/// Why split debug information can't be read.
#[derive(Clone, Debug, Error)]
pub(crate) enum SplitError {
    #[error("it has no unit of ID {0:016x}")]
    NoUnit(u64),
    #[error(transparent)]
    Section(#[from] ObjectError),
    #[error(transparent)]
    Dwarf(#[from] gimli::Error),
}

/// A split unit, found.
pub(crate) struct SplitUnit<'a> {
    pub(crate) dwarf: Dwarf<Slice<'a>>,
    pub(crate) header: UnitHeader<Slice<'a>>,
    /// The type units that it may refer to.
    pub(crate) types: Types<'a>,
}

/// Tells whether a `.dwo` file has the unit of this ID; if not, returns the ID of the first unit that has any.
pub(crate) fn has_unit(object: &Object, id: DwoId) -> Result<(), Option<DwoId>> {
    let mut first = None;
    for info in object.sections_named(SectionId::DebugInfo.dwo_name().unwrap_or_default()).flatten() {
        let Ok(dwarf) = sections(object, info) else { continue };
        for (_, found) in ids(&dwarf) {
            if found == id {
                return Ok(());
            }
            first = first.or(Some(found));
        }
    }
    Err(first)
}

/// Finds the unit of this ID in a `.dwo` file; `parent` has its skeleton.
///
/// The file may have several sections of entries, and type units in each; gcc writes those first.
pub(crate) fn in_file<'a>(
    object: &'a Object,
    id: DwoId,
    parent: &Dwarf<Slice<'a>>,
) -> Result<SplitUnit<'a>, SplitError> {
    for info in object.sections_named(SectionId::DebugInfo.dwo_name().unwrap_or_default()) {
        let mut dwarf = sections(object, info?)?;
        let header = ids(&dwarf).find(|(_, found)| *found == id).map(|(header, _)| header);
        if let Some(header) = header {
            dwarf.make_dwo(parent);
            return Ok(SplitUnit { dwarf, header, types: Types::split(object) });
        }
    }
    Err(SplitError::NoUnit(id.0))
}

/// Finds the unit of this ID in a `.dwp` package; `parent` has its skeleton.
pub(crate) fn in_package<'a>(
    object: &'a Object,
    id: DwoId,
    parent: &Dwarf<Slice<'a>>,
) -> Result<SplitUnit<'a>, SplitError> {
    let dwarf = package(object)?.find_cu(id, parent)?.ok_or(SplitError::NoUnit(id.0))?;
    let header = ids(&dwarf).find(|(_, found)| *found == id).map(|(header, _)| header);
    Ok(SplitUnit { header: header.ok_or(SplitError::NoUnit(id.0))?, dwarf, types: Types::package(object) })
}

/// Reads the indices of a `.dwp` package.
pub(crate) fn package(object: &Object) -> Result<DwarfPackage<Slice<'_>>, SplitError> {
    let empty = Slice::new(&[], endian(object));
    let load = |section: SectionId| -> Result<_, SplitError> {
        let bytes = section.dwo_name().map(|name| object.section(name)).transpose()?.flatten();
        Ok(Slice::new(bytes.unwrap_or_default(), endian(object)))
    };
    DwarfPackage::load(load, empty)
}

/// Reads the sections of a `.dwo` file, with one of its sections of entries.
fn sections<'a>(object: &'a Object, info: &'a [u8]) -> Result<Dwarf<Slice<'a>>, SplitError> {
    let endian = endian(object);
    let mut dwarf = Dwarf::load(|id: SectionId| -> Result<Slice<'a>, SplitError> {
        let name = id.dwo_name().filter(|_| id != SectionId::DebugInfo);
        let bytes = name.map(|name| object.section(name)).transpose()?.flatten();
        Ok(Slice::new(bytes.unwrap_or_default(), endian))
    })?;
    dwarf.debug_info = DebugInfo::from(Slice::new(info, endian));
    Ok(dwarf)
}

/// Returns the units that have an ID.
fn ids<'a>(dwarf: &Dwarf<Slice<'a>>) -> impl Iterator<Item = (UnitHeader<Slice<'a>>, DwoId)> {
    let mut units = dwarf.units();
    std::iter::from_fn(move || units.next().ok().flatten()).take(MOST_UNITS).filter_map(|header| {
        let id = match header.type_() {
            UnitType::SplitCompilation(id) => Some(id),
            UnitType::Compilation => Root::read(dwarf, &header)?.split_id.map(DwoId),
            _ => None,
        };
        Some((header, id?))
    })
}
