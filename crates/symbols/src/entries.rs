//! What debugging entries tell about a thing, and where they stand.
//!
//! One thing may have several entries, each referring to the next: an inlined call to the function, the function to
//! its declaration (DWARF 5, 2.13.2 and 3.3.8). Link-time optimization puts them into different units, and dwz into a
//! supplementary file.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry as MapEntry;
use std::ops::Deref;
use std::rc::Rc;

use gimli::{AttributeValue, DebugInfoOffset, DwTag, Dwarf, Unit, UnitOffset, UnitRef};

use crate::dwarf::Slice;
use crate::lines;
use crate::scopes::{Parent, Scopes};
use crate::types::Types;
use crate::unit::OpenUnit;

/// Most references from one entry to the next: real chains have two or three.
const LONGEST_CHAIN: usize = 16;

/// Which of two files a unit is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Home {
    /// The one that is being read.
    Main,
    /// The one that holds what it has in common with others.
    Supplementary,
}

/// Start and end of every unit, which is where references lead to: listed once, when the first one is followed.
#[derive(Debug, Default)]
pub(crate) struct Extents {
    main: OnceCell<Vec<(usize, usize)>>,
    supplementary: OnceCell<Vec<(usize, usize)>>,
}

impl Extents {
    /// Returns the offset of the unit that an offset in `.debug_info` is in; `dwarf` is that of the home.
    pub(crate) fn unit_of(
        &self,
        dwarf: &Dwarf<Slice<'_>>,
        home: Home,
        offset: DebugInfoOffset,
    ) -> Option<usize> {
        let extents = match home {
            Home::Main => &self.main,
            Home::Supplementary => &self.supplementary,
        };
        let extents = extents.get_or_init(|| extents_of(dwarf));
        let index = extents.partition_point(|(start, _)| *start <= offset.0).checked_sub(1)?;
        let (start, end) = *extents.get(index)?;
        (offset.0 < end).then_some(start)
    }
}

/// The entries of some units.
#[derive(Default)]
pub(crate) struct Entries<'c, 'a> {
    /// By offset in `.debug_info`.
    units: BTreeMap<(Home, usize), Known<'c, 'a>>,
    extents: Rc<Extents>,
    types: Types<'a>,
}

/// A unit, and what was read of it.
struct Known<'c, 'a> {
    unit: Source<'c, 'a>,
    scopes: Scopes,
}

enum Source<'c, 'a> {
    /// One that the caller has.
    Lent(&'c Unit<Slice<'a>>),
    /// One that another refers to.
    Own(Box<Unit<Slice<'a>>>),
}

/// Where an entry is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    home: Home,
    /// The unit's offset in `.debug_info`.
    unit: usize,
    offset: UnitOffset,
}

impl Place {
    fn key(&self) -> (Home, usize) {
        (self.home, self.unit)
    }
}

/// What the entries of one thing tell.
#[derive(Debug)]
pub(crate) struct Told<'a> {
    /// The last of the entries: what encloses it encloses the thing.
    pub(crate) place: Place,
    /// The last entry's kind.
    pub(crate) tag: DwTag,
    pub(crate) name: Option<Slice<'a>>,
    pub(crate) linkage_name: Option<Slice<'a>>,
    /// Where it is declared: by which unit's index of files, and the index.
    pub(crate) file: Option<(Place, u64)>,
    /// Whether the rest stands in a type unit that can't be read.
    pub(crate) is_elsewhere: bool,
}

impl<'c, 'a> Entries<'c, 'a> {
    /// Has read nothing yet; the extents may be known already.
    pub(crate) fn new(extents: Rc<Extents>, types: Types<'a>) -> Entries<'c, 'a> {
        Entries { units: BTreeMap::new(), extents, types }
    }

    /// Returns the place of one of a unit's entries.
    pub(crate) fn place(&mut self, unit: UnitRef<'c, Slice<'a>>, offset: UnitOffset) -> Option<Place> {
        let DebugInfoOffset(start) = unit.header.debug_info_offset()?;
        let place = Place { home: Home::Main, unit: start, offset };
        self.units.entry(place.key()).or_insert_with(|| Known::new(Source::Lent(unit.unit)));
        Some(place)
    }

    /// Returns the place of what encloses a scope, or nothing if only the unit does. An error if the place is no
    /// scope's.
    pub(crate) fn parent(&mut self, place: Place) -> Result<Option<Place>, NoScope> {
        let known = self.units.get_mut(&place.key()).ok_or(NoScope)?;
        match known.scopes.parent(&known.unit, place.offset).ok_or(NoScope)? {
            Parent::Scope(offset) => Ok(Some(Place { offset, ..place })),
            Parent::Unit => Ok(None),
        }
    }

    /// Collects what an entry tells and those that it refers to; `None` where they can't all be read.
    pub(crate) fn follow(&mut self, dwarf: &Dwarf<Slice<'a>>, mut place: Place) -> Option<Told<'a>> {
        let (mut name, mut linkage_name, mut file, mut is_elsewhere) = (None, None, None, false);
        for _ in 0..LONGEST_CHAIN {
            let known = self.units.get(&place.key())?;
            let entry = Entry::read(UnitRef::new(home(dwarf, place.home)?, &known.unit), place.offset)?;
            name = name.or(entry.name);
            linkage_name = linkage_name.or(entry.linkage_name);
            file = file.or(entry.file.map(|index| (place, index)));
            // What encloses the type is known here too: only its name may be left to its unit.
            if let (None, Some(signature)) = (name, entry.signature) {
                match signature {
                    AttributeValue::DebugTypesRef(signature) => match self.types.tell(dwarf, signature) {
                        Some(told) => name = told.name,
                        None => is_elsewhere = true,
                    },
                    _ => is_elsewhere = true,
                }
            }
            let Some(next) = entry.next else {
                return Some(Told { place, tag: entry.tag, name, linkage_name, file, is_elsewhere });
            };
            place = match next {
                AttributeValue::UnitRef(offset) => Place { offset, ..place },
                AttributeValue::DebugInfoRef(offset) => self.locate(dwarf, place.home, offset)?,
                AttributeValue::DebugInfoRefSup(offset) => self.locate(dwarf, Home::Supplementary, offset)?,
                _ => return None,
            };
        }
        None
    }

    /// Returns the path of the file in which a thing is declared, as its unit knows it.
    pub(crate) fn file(&self, dwarf: &Dwarf<Slice<'a>>, told: &Told<'a>) -> Option<String> {
        let (place, index) = told.file?;
        let known = self.units.get(&place.key())?;
        lines::file(UnitRef::new(home(dwarf, place.home)?, &known.unit), index)
    }

    /// Finds the unit that an offset in `.debug_info` is in, and takes it up.
    fn locate(&mut self, dwarf: &Dwarf<Slice<'a>>, home_is: Home, offset: DebugInfoOffset) -> Option<Place> {
        let dwarf = home(dwarf, home_is)?;
        let start = self.extents.unit_of(dwarf, home_is, offset)?;
        if let MapEntry::Vacant(vacant) = self.units.entry((home_is, start)) {
            let header = dwarf.debug_info.header_from_offset(DebugInfoOffset(start)).ok()?;
            vacant.insert(Known::new(Source::Own(Box::new(OpenUnit::read(dwarf, header).ok()?.unit))));
        }
        Some(Place { home: home_is, unit: start, offset: UnitOffset(offset.0 - start) })
    }
}

/// Returns the debug information of one of the two files.
fn home<'d, 'a>(dwarf: &'d Dwarf<Slice<'a>>, home: Home) -> Option<&'d Dwarf<Slice<'a>>> {
    match home {
        Home::Main => Some(dwarf),
        Home::Supplementary => dwarf.sup(),
    }
}

/// There is no scope where one should be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoScope;

impl<'c, 'a> Known<'c, 'a> {
    fn new(unit: Source<'c, 'a>) -> Known<'c, 'a> {
        let scopes = Scopes::new(&unit);
        Known { unit, scopes }
    }
}

impl<'a> Deref for Source<'_, 'a> {
    type Target = Unit<Slice<'a>>;

    fn deref(&self) -> &Unit<Slice<'a>> {
        match self {
            Source::Lent(unit) => unit,
            Source::Own(unit) => unit,
        }
    }
}

/// What one entry tells.
#[derive(Debug)]
struct Entry<'a> {
    tag: DwTag,
    name: Option<Slice<'a>>,
    linkage_name: Option<Slice<'a>>,
    file: Option<u64>,
    /// Reference to the unit that has the rest of the type.
    signature: Option<AttributeValue<Slice<'a>>>,
    /// Reference to the next entry about the same.
    next: Option<AttributeValue<Slice<'a>>>,
}

impl<'a> Entry<'a> {
    fn read(unit: UnitRef<'_, Slice<'a>>, offset: UnitOffset) -> Option<Entry<'a>> {
        let mut attributes = unit.entries_raw(Some(offset)).ok()?;
        let abbreviation = attributes.read_abbreviation().ok()??;
        let mut entry = Entry {
            tag: abbreviation.tag(),
            name: None,
            linkage_name: None,
            file: None,
            signature: None,
            next: None,
        };
        for specification in abbreviation.attributes() {
            let attribute = attributes.read_attribute(*specification).ok()?;
            match attribute.name() {
                gimli::DW_AT_name => entry.name = unit.attr_string(attribute.value()).ok(),
                gimli::DW_AT_linkage_name | gimli::DW_AT_MIPS_linkage_name => {
                    entry.linkage_name = unit.attr_string(attribute.value()).ok();
                }
                gimli::DW_AT_decl_file => entry.file = file_index(attribute.value()),
                gimli::DW_AT_signature => entry.signature = Some(attribute.value()),
                gimli::DW_AT_abstract_origin | gimli::DW_AT_specification => {
                    entry.next = Some(attribute.value());
                }
                _ => {}
            }
        }
        Some(entry)
    }
}

fn file_index(value: AttributeValue<Slice<'_>>) -> Option<u64> {
    match value {
        AttributeValue::FileIndex(index) => Some(index),
        _ => value.udata_value(),
    }
}

/// Lists where units start and end, in order.
fn extents_of(dwarf: &Dwarf<Slice<'_>>) -> Vec<(usize, usize)> {
    let mut extents = Vec::new();
    let mut units = dwarf.units();
    while let Ok(Some(header)) = units.next() {
        if let Some(DebugInfoOffset(start)) = header.debug_info_offset() {
            extents.push((start, start.saturating_add(header.length_including_self())));
        }
    }
    extents
}
