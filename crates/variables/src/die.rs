//! Debugging entries, wherever they are: in the unit of the code, in another unit of its file, in the file that dwz made,
//! or in a type unit (DWARF 5, 3.1 and 7.5.5.9).

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Deref;
use std::rc::Rc;

use epitaph_symbols::{CodeUnit, Home, Slice};
use gimli::{
    AttributeValue, DebugInfoOffset, DebuggingInformationEntry, DwAt, DwTag, Dwarf, Unit as DwarfUnit,
    UnitOffset, UnitRef,
};

/// Longest chain of entries about one thing: real ones have two or three.
const LONGEST_CHAIN: usize = 16;
/// Most children of an entry that are read: the largest real structures and functions have some thousand.
const MOST_CHILDREN: usize = 1 << 14;

/// A unit that entries are in.
pub(crate) struct Unit<'u> {
    dwarf: Sections<'u>,
    pub(crate) opened: Lent<'u>,
    home: Home,
    /// Whether it is a type unit: what refers within a file refers within its own there.
    is_type: bool,
    /// Which of the code units it belongs to.
    pub(crate) family: usize,
    /// Tells units apart.
    id: usize,
}

enum Sections<'u> {
    Of(&'u Dwarf<Slice<'u>>),
    Own(Box<Dwarf<Slice<'u>>>),
}

pub(crate) enum Lent<'u> {
    Of(&'u DwarfUnit<Slice<'u>>),
    Own(Box<DwarfUnit<Slice<'u>>>),
}

impl<'u> Deref for Lent<'u> {
    type Target = DwarfUnit<Slice<'u>>;

    fn deref(&self) -> &DwarfUnit<Slice<'u>> {
        match self {
            Lent::Of(unit) => unit,
            Lent::Own(unit) => unit,
        }
    }
}

impl<'u> Unit<'u> {
    pub(crate) fn sections(&self) -> &Dwarf<Slice<'u>> {
        match &self.dwarf {
            Sections::Of(dwarf) => dwarf,
            Sections::Own(dwarf) => dwarf,
        }
    }

    pub(crate) fn borrowed(&self) -> UnitRef<'_, Slice<'u>> {
        UnitRef::new(self.sections(), &self.opened)
    }
}

/// Where an entry is.
#[derive(Clone)]
pub(crate) struct Die<'u> {
    pub(crate) unit: Rc<Unit<'u>>,
    pub(crate) offset: UnitOffset,
}

impl<'u> Die<'u> {
    /// Tells entries apart.
    pub(crate) fn key(&self) -> (usize, usize) {
        (self.unit.id, self.offset.0)
    }

    /// Reads the entry's attributes.
    pub(crate) fn read(&self) -> Option<Entry<'u>> {
        let entry = self.unit.opened.entry(self.offset).ok()?;
        Some(Entry { die: self.clone(), entry })
    }

    /// Reads the entries right beneath this one, in their order, as far as they can be read.
    pub(crate) fn children(&self) -> Vec<Entry<'u>> {
        let mut children = Vec::new();
        let Ok(mut tree) = self.unit.opened.entries_tree(Some(self.offset)) else { return children };
        let Ok(root) = tree.root() else { return children };
        let mut nodes = root.children();
        while let Ok(Some(node)) = nodes.next() {
            if children.len() >= MOST_CHILDREN {
                break;
            }
            let entry = node.entry().clone();
            let offset = entry.offset();
            children.push(Entry { die: Die { unit: Rc::clone(&self.unit), offset }, entry });
        }
        children
    }
}

/// An entry with its attributes.
pub(crate) struct Entry<'u> {
    pub(crate) die: Die<'u>,
    entry: DebuggingInformationEntry<Slice<'u>>,
}

impl<'u> Entry<'u> {
    pub(crate) fn tag(&self) -> DwTag {
        self.entry.tag()
    }

    pub(crate) fn attr(&self, name: DwAt) -> Option<AttributeValue<Slice<'u>>> {
        self.entry.attr_value(name)
    }

    /// Returns an attribute that is a number.
    pub(crate) fn number(&self, name: DwAt) -> Option<u64> {
        match self.attr(name)? {
            AttributeValue::Sdata(value) => u64::try_from(value).ok(),
            value => value.udata_value(),
        }
    }

    pub(crate) fn flag(&self, name: DwAt) -> bool {
        matches!(self.attr(name), Some(AttributeValue::Flag(true)))
    }

    /// Returns an attribute that is a text.
    pub(crate) fn text(&self, name: DwAt) -> Option<String> {
        let text = self.die.unit.borrowed().attr_string(self.attr(name)?).ok()?;
        Some(text.to_string_lossy().into_owned())
    }

    /// Returns the addresses that it covers.
    pub(crate) fn ranges(&self) -> Option<gimli::RangeIter<Slice<'u>>> {
        self.die.unit.borrowed().die_ranges(&self.entry).ok()
    }

    pub(crate) fn name(&self) -> Option<String> {
        self.text(gimli::DW_AT_name)
    }
}

/// The units that some code needs, opened as entries refer to them.
pub(crate) struct Dies<'u> {
    families: &'u [CodeUnit<'u>],
    units: RefCell<Units<'u>>,
}

#[derive(Default)]
struct Units<'u> {
    count: usize,
    own: HashMap<usize, Rc<Unit<'u>>>,
    others: HashMap<(usize, Home, usize), Option<Rc<Unit<'u>>>>,
    types: HashMap<(usize, u64), Option<Die<'u>>>,
}

impl<'u> Dies<'u> {
    pub(crate) fn new(families: &'u [CodeUnit<'u>]) -> Dies<'u> {
        Dies { families, units: RefCell::default() }
    }

    pub(crate) fn family(&self, index: usize) -> Option<&'u CodeUnit<'u>> {
        self.families.get(index)
    }

    /// Returns an entry of a code unit itself.
    pub(crate) fn own(&self, family: usize, offset: UnitOffset) -> Option<Die<'u>> {
        let code = self.family(family)?;
        let mut units = self.units.borrow_mut();
        let id = units.count;
        let mut is_new = false;
        let unit = units.own.entry(family).or_insert_with(|| {
            is_new = true;
            Rc::new(Unit {
                dwarf: Sections::Of(&code.dwarf),
                opened: Lent::Of(&code.unit),
                home: Home::Main,
                is_type: false,
                family,
                id,
            })
        });
        let unit = Rc::clone(unit);
        units.count += usize::from(is_new);
        Some(Die { unit, offset })
    }

    /// Returns the entry that an attribute refers to.
    pub(crate) fn follow(&self, from: &Die<'u>, value: AttributeValue<Slice<'u>>) -> Option<Die<'u>> {
        match value {
            AttributeValue::UnitRef(offset) => Some(Die { unit: Rc::clone(&from.unit), offset }),
            AttributeValue::DebugInfoRef(_) if from.unit.is_type => None,
            AttributeValue::DebugInfoRef(offset) => self.at(from.unit.family, from.unit.home, offset),
            AttributeValue::DebugInfoRefSup(offset) => self.at(from.unit.family, Home::Supplementary, offset),
            AttributeValue::DebugTypesRef(signature) => self.type_of(from.unit.family, signature.0),
            _ => None,
        }
    }

    /// Returns the entry at an offset in `.debug_info`.
    pub(crate) fn at(&self, family: usize, home: Home, offset: DebugInfoOffset) -> Option<Die<'u>> {
        let code = self.family(family)?;
        let start = code.unit_of(home, offset)?;
        let own = code.unit.header.debug_info_offset();
        let within = UnitOffset(offset.0.checked_sub(start.0)?);
        if home == Home::Main && own == Some(start) {
            return self.own(family, within);
        }
        let mut units = self.units.borrow_mut();
        let key = (family, home, start.0);
        if !units.others.contains_key(&key) {
            let id = units.count;
            units.count += 1;
            let opened = code.read_unit(home, start).zip(code.home(home)).map(|(unit, dwarf)| {
                let opened = Lent::Own(Box::new(unit));
                Rc::new(Unit { dwarf: Sections::Of(dwarf), opened, home, is_type: false, family, id })
            });
            units.others.insert(key, opened);
        }
        let unit = units.others.get(&key)?.clone()?;
        Some(Die { unit, offset: within })
    }

    fn type_of(&self, family: usize, signature: u64) -> Option<Die<'u>> {
        let code = self.family(family)?;
        let mut units = self.units.borrow_mut();
        if let Some(known) = units.types.get(&(family, signature)) {
            return known.clone();
        }
        let id = units.count;
        units.count += 1;
        let found = code.type_unit(gimli::DebugTypeSignature(signature)).map(|(dwarf, unit, offset)| {
            let (dwarf, opened) = (Sections::Own(Box::new(dwarf)), Lent::Own(Box::new(unit)));
            Die { unit: Rc::new(Unit { dwarf, opened, home: Home::Main, is_type: true, family, id }), offset }
        });
        units.types.insert((family, signature), found.clone());
        found
    }

    /// Returns the entries about one thing: itself, and those that it refers to for what it doesn't say.
    pub(crate) fn chain(&self, first: Entry<'u>) -> Vec<Entry<'u>> {
        let mut chain = vec![first];
        while chain.len() < LONGEST_CHAIN {
            let Some(last) = chain.last() else { break };
            let next = last
                .attr(gimli::DW_AT_abstract_origin)
                .or_else(|| last.attr(gimli::DW_AT_specification))
                .and_then(|value| self.follow(&last.die, value))
                .and_then(|die| die.read());
            match next {
                Some(next) => chain.push(next),
                None => break,
            }
        }
        chain
    }
}
