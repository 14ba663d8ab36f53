//! Debug information made up for tests.

use gimli::write::{
    Address, AttributeValue, DebugInfoRef, Dwarf, EndianVec, LineProgram, Sections, Unit, UnitEntryId, UnitId,
};
use gimli::{DwAt, DwLang, DwTag, Encoding, Format, RunTimeEndian, SectionId, UnitOffset};

use crate::dwarf::Slice;

/// Debug information in the making.
pub(crate) struct Synth {
    dwarf: Dwarf,
    unit: UnitId,
    count: u64,
}

/// One of its entries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    unit: UnitId,
    entry: UnitEntryId,
    /// Its number, kept in its `DW_AT_decl_line`.
    number: u64,
}

/// Debug information as bytes.
pub(crate) struct Written {
    pub(crate) info: Vec<u8>,
    abbrev: Vec<u8>,
}

impl Synth {
    /// Begins with one unit, of code from 0x1000 to 0x2000.
    pub(crate) fn new(language: DwLang) -> Synth {
        let mut dwarf = Dwarf::new();
        let unit = dwarf.units.add(empty_unit());
        let mut synth = Synth { dwarf, unit, count: 0 };
        let root = synth.root();
        synth.set(root, gimli::DW_AT_language, AttributeValue::Language(language));
        synth.code(root, 0x1000, 0x1000);
        synth
    }

    /// Begins another unit: what is added from here on is in it.
    pub(crate) fn begin_unit(&mut self) {
        self.unit = self.dwarf.units.add(empty_unit());
    }

    /// The root entry of the latest unit.
    pub(crate) fn root(&self) -> Node {
        Node { unit: self.unit, entry: self.dwarf.units.get(self.unit).root(), number: 0 }
    }

    /// Adds an entry.
    pub(crate) fn add(&mut self, parent: Node, tag: DwTag) -> Node {
        self.count += 1;
        let entry = self.dwarf.units.get_mut(parent.unit).add(parent.entry, tag);
        let node = Node { unit: parent.unit, entry, number: self.count };
        self.set(node, gimli::DW_AT_decl_line, AttributeValue::Udata(self.count));
        node
    }

    /// Adds an entry with a name.
    pub(crate) fn named(&mut self, parent: Node, tag: DwTag, name: &str) -> Node {
        let node = self.add(parent, tag);
        self.text(node, gimli::DW_AT_name, name);
        node
    }

    /// Gives an entry a text.
    pub(crate) fn text(&mut self, node: Node, at: DwAt, text: &str) {
        self.set(node, at, AttributeValue::String(text.as_bytes().to_vec()));
    }

    /// Makes an entry refer to another.
    pub(crate) fn refer(&mut self, node: Node, at: DwAt, to: Node) {
        let value = if node.unit == to.unit {
            AttributeValue::UnitRef(to.entry)
        } else {
            AttributeValue::DebugInfoRef(DebugInfoRef::Entry(to.unit, to.entry))
        };
        self.set(node, at, value);
    }

    /// Gives an entry addresses.
    pub(crate) fn code(&mut self, node: Node, start: u64, size: u64) {
        self.set(node, gimli::DW_AT_low_pc, AttributeValue::Address(Address::Constant(start)));
        self.set(node, gimli::DW_AT_high_pc, AttributeValue::Udata(size));
    }

    /// Lets an entry say where the next one after its children is.
    pub(crate) fn sibling(&mut self, node: Node) {
        self.dwarf.units.get_mut(node.unit).get_mut(node.entry).set_sibling(true);
    }

    /// Gives an entry any attribute.
    pub(crate) fn set(&mut self, node: Node, at: DwAt, value: AttributeValue) {
        self.dwarf.units.get_mut(node.unit).get_mut(node.entry).set(at, value);
    }

    /// Ends the making.
    pub(crate) fn write(mut self) -> Written {
        let mut sections = Sections::new(EndianVec::new(RunTimeEndian::Little));
        self.dwarf.write(&mut sections).unwrap();
        let bytes = |id| sections.get(id).unwrap().slice().to_vec();
        Written { info: bytes(SectionId::DebugInfo), abbrev: bytes(SectionId::DebugAbbrev) }
    }
}

impl Written {
    pub(crate) fn dwarf(&self) -> gimli::Dwarf<Slice<'_>> {
        let section = |id| -> Result<Slice<'_>, std::convert::Infallible> {
            let bytes: &[u8] = match id {
                SectionId::DebugInfo => &self.info,
                SectionId::DebugAbbrev => &self.abbrev,
                _ => &[],
            };
            Ok(Slice::new(bytes, RunTimeEndian::Little))
        };
        match gimli::Dwarf::load(section) {
            Ok(dwarf) => dwarf,
        }
    }
}

/// Finds an entry in the unit that has it.
pub(crate) fn offset(unit: &gimli::Unit<Slice<'_>>, node: Node) -> UnitOffset {
    let mut entries = unit.entries();
    while let Some(entry) = entries.next_dfs().unwrap() {
        if entry.attr_value(gimli::DW_AT_decl_line).and_then(|value| value.udata_value()) == Some(node.number)
        {
            return entry.offset();
        }
    }
    panic!("no entry {node:?}");
}

fn empty_unit() -> Unit {
    let encoding = Encoding { format: Format::Dwarf32, version: 5, address_size: 8 };
    Unit::new(encoding, LineProgram::none())
}
