//! Type units: a class's entries in a unit of their own, once for all units that use it (DWARF 5, 3.1.4; DWARF 4 has
//! such units in `.debug_types`). A unit that only uses the class has a declaration of it, which may leave the class's
//! name to the type unit: `DW_AT_signature` leads there (DWARF 5, 5.7.1, 7.32).

use std::cell::OnceCell;
use std::collections::HashMap;
use std::convert::Infallible;
use std::rc::Rc;

use epitaph_elf::Object;
use gimli::{
    DebugInfo, DebugTypeSignature, DebugTypes, Dwarf, SectionId, UnitHeader, UnitOffset, UnitRef, UnitType,
};

use crate::dwarf::{Slice, endian};
use crate::split;
use crate::unit::OpenUnit;

/// Most type units that are listed of a file, some 50 bytes each: the largest real programs have some hundred
/// thousand.
const MOST: usize = 1 << 20;

/// Most units that are looked at for type units.
const MOST_UNITS: usize = 1 << 22;

/// The sections that type units are in.
const HOMES: [SectionId; 2] = [SectionId::DebugInfo, SectionId::DebugTypes];

/// What the name of a type needs besides.
const NEEDED: [SectionId; 4] =
    [SectionId::DebugAbbrev, SectionId::DebugStr, SectionId::DebugLineStr, SectionId::DebugStrOffsets];

/// The type units that a unit may refer to. Nothing is read before the first reference is followed.
#[derive(Clone, Default)]
pub(crate) struct Types<'a> {
    file: Option<(&'a Object, Kind)>,
    index: Rc<OnceCell<HashMap<u64, Spot>>>,
}

/// How a file keeps its type units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A linked file, or its separate debug file.
    Linked,
    /// A `.dwo` file: it may have a section for each type unit.
    Split,
    /// A `.dwp` package, which has an index of its own.
    Package,
}

/// Where a type unit is.
#[derive(Clone, Copy, Debug)]
struct Spot {
    home: SectionId,
    /// Which of the sections of that name.
    section: usize,
    offset: usize,
}

/// What a type unit tells of its type.
pub(crate) struct TypeTold<'a> {
    /// Its name, if it has one.
    pub(crate) name: Option<Slice<'a>>,
}

/// A type unit, found.
pub(crate) struct TypeUnit<'a> {
    pub(crate) dwarf: Dwarf<Slice<'a>>,
    pub(crate) header: UnitHeader<Slice<'a>>,
    /// The entry of the type.
    pub(crate) entry: UnitOffset,
}

impl<'a> Types<'a> {
    /// Those of a linked file.
    pub(crate) fn linked(object: &'a Object) -> Types<'a> {
        Types { file: Some((object, Kind::Linked)), index: Rc::default() }
    }

    /// Those of a `.dwo` file.
    pub(crate) fn split(object: &'a Object) -> Types<'a> {
        Types { file: Some((object, Kind::Split)), index: Rc::default() }
    }

    /// Those of a `.dwp` package.
    pub(crate) fn package(object: &'a Object) -> Types<'a> {
        Types { file: Some((object, Kind::Package)), index: Rc::default() }
    }

    /// Returns what the unit of a type tells of it; `None` if its unit isn't there or can't be read. `user` is the
    /// debug information of the unit that refers to it.
    pub(crate) fn tell(
        &self,
        user: &Dwarf<Slice<'a>>,
        signature: DebugTypeSignature,
    ) -> Option<TypeTold<'a>> {
        let TypeUnit { dwarf, header, entry } = self.unit(user, signature)?;
        let unit = OpenUnit::read(&dwarf, header).ok()?.unit;
        let unit = UnitRef::new(&dwarf, &unit);
        let name = unit.entry(entry).ok()?.attr_value(gimli::DW_AT_name);
        Some(TypeTold { name: name.map(|name| unit.attr_string(name)).transpose().ok()? })
    }

    /// Finds the unit of a type.
    pub(crate) fn unit(
        &self,
        user: &Dwarf<Slice<'a>>,
        signature: DebugTypeSignature,
    ) -> Option<TypeUnit<'a>> {
        let (object, kind) = self.file?;
        if kind != Kind::Package {
            return self.find(object, kind, user, signature);
        }
        let dwarf = split::package(object).ok()?.find_tu(signature, user).ok()??;
        let (header, _, entry) = type_units(&dwarf).find(|(_, found, _)| *found == signature.0)?;
        Some(TypeUnit { dwarf, header, entry })
    }

    /// Finds a type unit by the list of all.
    fn find(
        &self,
        object: &'a Object,
        kind: Kind,
        user: &Dwarf<Slice<'a>>,
        signature: DebugTypeSignature,
    ) -> Option<TypeUnit<'a>> {
        let spot = *self.index.get_or_init(|| index(object, kind)).get(&signature.0)?;
        let bytes = sections(object, kind, spot.home).nth(spot.section)??.get(spot.offset..)?;
        let mut dwarf = only(object, kind, spot.home, bytes);
        if kind == Kind::Split {
            dwarf.make_dwo(user);
        } else {
            dwarf.sup.clone_from(&user.sup);
        }
        let (header, _, entry) = type_units(&dwarf).next().filter(|(_, found, _)| *found == signature.0)?;
        Some(TypeUnit { dwarf, header, entry })
    }
}

/// Lists a file's type units by signature; of several with one signature the first.
fn index(object: &Object, kind: Kind) -> HashMap<u64, Spot> {
    let mut index = HashMap::new();
    for home in HOMES {
        for (section, bytes) in sections(object, kind, home).enumerate() {
            let dwarf = only(object, kind, home, bytes.unwrap_or_default());
            for (header, signature, _) in type_units(&dwarf) {
                if index.len() >= MOST {
                    return index;
                }
                let offset = header.offset().0;
                index.entry(signature).or_insert(Spot { home, section, offset });
            }
        }
    }
    index
}

/// Returns the bytes of each section of a kind; `None` for one that can't be read.
fn sections(object: &Object, kind: Kind, id: SectionId) -> impl Iterator<Item = Option<&[u8]>> {
    let name = section_name(kind, id).unwrap_or_default();
    object.sections_named(name).map(Result::ok)
}

fn section_name(kind: Kind, id: SectionId) -> Option<&'static str> {
    match kind {
        Kind::Linked => Some(id.name()),
        Kind::Split | Kind::Package => id.dwo_name(),
    }
}

/// Returns debug information with these units, and what their names need.
fn only<'a>(object: &'a Object, kind: Kind, home: SectionId, units: &'a [u8]) -> Dwarf<Slice<'a>> {
    let endian = endian(object);
    let load = |id: SectionId| -> Result<Slice<'a>, Infallible> {
        let name = section_name(kind, id).filter(|_| NEEDED.contains(&id));
        // What else can't be read of the section is told where the unit that refers here is read.
        let bytes = name.and_then(|name| object.section(name).ok().flatten());
        Ok(Slice::new(bytes.unwrap_or_default(), endian))
    };
    let Ok(mut dwarf) = Dwarf::load(load);
    if home == SectionId::DebugTypes {
        dwarf.debug_types = DebugTypes::new(units, endian);
    } else {
        dwarf.debug_info = DebugInfo::new(units, endian);
    }
    dwarf
}

/// Walks the type units, each with its signature and the offset of its type.
fn type_units<'a>(
    dwarf: &Dwarf<Slice<'a>>,
) -> impl Iterator<Item = (UnitHeader<Slice<'a>>, u64, UnitOffset)> + use<'a> {
    let (mut units, mut type_units) = (dwarf.units(), dwarf.type_units());
    let next = move || units.next().ok().flatten().or_else(|| type_units.next().ok().flatten());
    std::iter::from_fn(next).take(MOST_UNITS).filter_map(|header| match header.type_() {
        UnitType::Type { type_signature, type_offset }
        | UnitType::SplitType { type_signature, type_offset } => {
            Some((header, type_signature.0, type_offset))
        }
        _ => None,
    })
}
