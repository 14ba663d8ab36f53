//! Skims through a unit's entries: what stands where, and how deep.
//!
//! A unit may have a million entries, of which a handful is wanted, and nothing says where. So what is passed over must
//! cost next to nothing: what it takes to pass an entry (how many bytes its attributes have) is the same for all entries
//! of one abbreviation, and is worked out once. Layout: DWARF 5, 7.5.

use gimli::{AttributeSpecification, DwForm, DwTag, Reader as _, Unit, UnitOffset};

use crate::dwarf::Slice;

/// Most abbreviations that are worked out, by code: compilers number them from 1, and have some hundred.
const MOST_SHAPES: u64 = 1 << 14;

/// What all entries of one abbreviation have in common.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) tag: DwTag,
    pub(crate) has_children: bool,
    /// Whether it may have addresses of its own.
    pub(crate) has_extent: bool,
    /// How to pass the attributes.
    steps: Box<[Step]>,
}

/// A step on the way past an entry's attributes.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// As many bytes.
    Bytes(usize),
    /// A number of variable length.
    Leb128,
    /// As many bytes as the number in front of them says.
    Block,
    /// The place of the next entry that isn't in this one, in 4 bytes.
    Sibling,
    /// Whatever gimli makes of it.
    Other(AttributeSpecification),
}

/// An entry that was met.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Met {
    pub(crate) offset: UnitOffset,
    /// How deep it is: the unit's root is at 0.
    pub(crate) depth: isize,
    /// The code of its abbreviation.
    pub(crate) code: u64,
}

/// The shapes of a unit's entries, each worked out when the first such entry is met; by code.
#[derive(Debug, Default)]
pub(crate) struct Shapes(Vec<Option<Shape>>);

/// Where a unit is read.
pub(crate) struct Skim<'u, 'a> {
    unit: &'u Unit<Slice<'a>>,
    /// What is left of the unit, from the next entry on.
    input: Slice<'a>,
    /// Where the unit ends.
    end: usize,
    depth: isize,
}

impl Shape {
    fn new(unit: &Unit<Slice<'_>>, code: u64) -> gimli::Result<Shape> {
        let abbreviation = unit.abbreviations.get(code).ok_or(gimli::Error::InvalidAbbreviationCode(code))?;
        let mut steps = Vec::new();
        let mut has_extent = false;
        for specification in abbreviation.attributes() {
            has_extent |= [gimli::DW_AT_low_pc, gimli::DW_AT_ranges].contains(&specification.name());
            let step = match (specification.name(), specification.form()) {
                (gimli::DW_AT_sibling, gimli::DW_FORM_ref4) => Step::Sibling,
                (_, form) if is_leb128(form) => Step::Leb128,
                (_, gimli::DW_FORM_exprloc | gimli::DW_FORM_block) => Step::Block,
                _ => match specification.size(&unit.header) {
                    Some(size) => Step::Bytes(size),
                    None => Step::Other(*specification),
                },
            };
            match (steps.last_mut(), step) {
                (Some(Step::Bytes(before)), Step::Bytes(size)) => *before += size,
                (_, Step::Bytes(0)) => {}
                _ => steps.push(step),
            }
        }
        Ok(Shape {
            tag: abbreviation.tag(),
            has_children: abbreviation.has_children(),
            has_extent,
            steps: steps.into_boxed_slice(),
        })
    }
}

fn is_leb128(form: DwForm) -> bool {
    [
        gimli::DW_FORM_udata,
        gimli::DW_FORM_sdata,
        gimli::DW_FORM_ref_udata,
        gimli::DW_FORM_strx,
        gimli::DW_FORM_addrx,
        gimli::DW_FORM_loclistx,
        gimli::DW_FORM_rnglistx,
        gimli::DW_FORM_GNU_str_index,
        gimli::DW_FORM_GNU_addr_index,
    ]
    .contains(&form)
}

impl Shapes {
    /// Returns the shape of a code's entries.
    fn get(&mut self, unit: &Unit<Slice<'_>>, code: u64) -> gimli::Result<&Shape> {
        // A code beyond the limit has no place of its own: it is worked out anew each time.
        let index = if code < MOST_SHAPES { code as usize } else { 0 };
        if self.0.len() <= index {
            self.0.resize(index + 1, None);
        }
        let unknown = gimli::Error::InvalidAbbreviationCode(code);
        let slot = self.0.get_mut(index).ok_or(unknown)?;
        if index == 0 {
            *slot = None;
        }
        match slot {
            Some(shape) => Ok(shape),
            none => Ok(none.insert(Shape::new(unit, code)?)),
        }
    }
}

impl<'u, 'a> Skim<'u, 'a> {
    /// Reads a unit from one of its entries on, which stands at a depth: that of the root is 0.
    pub(crate) fn new(
        unit: &'u Unit<Slice<'a>>,
        from: UnitOffset,
        depth: isize,
    ) -> gimli::Result<Skim<'u, 'a>> {
        let input = unit.header.range_from(from..)?;
        Ok(Skim { unit, input, end: from.0 + input.len(), depth })
    }

    /// Tells whether nothing is left of the unit.
    pub(crate) fn is_empty(&self) -> bool {
        self.input.is_empty()
    }

    /// Returns where the next entry is; or what stands for one, at the end of those beside each other.
    pub(crate) fn offset(&self) -> UnitOffset {
        UnitOffset(self.end - self.input.len())
    }

    /// Returns how deep the next entry is.
    pub(crate) fn depth(&self) -> isize {
        self.depth
    }

    /// Reads what the next entry is; `None` where those beside each other end. Its attributes are next.
    pub(crate) fn entry<'s>(&mut self, shapes: &'s mut Shapes) -> gimli::Result<Option<(Met, &'s Shape)>> {
        let (offset, depth) = (self.offset(), self.depth);
        let code = self.input.read_uleb128()?;
        if code == 0 {
            self.depth -= 1;
            return Ok(None);
        }
        let shape = shapes.get(self.unit, code)?;
        self.depth += isize::from(shape.has_children);
        Ok(Some((Met { offset, depth, code }, shape)))
    }

    /// Passes the attributes of the entry that was read last; returns where the next one is that isn't in it, if they
    /// say so.
    pub(crate) fn pass(&mut self, shape: &Shape) -> gimli::Result<Option<UnitOffset>> {
        let mut sibling = None;
        for step in &shape.steps {
            match step {
                Step::Bytes(count) => self.input.skip(*count)?,
                Step::Leb128 => self.input.skip_leb128()?,
                Step::Block => {
                    let len = self.input.read_uleb128()?;
                    self.input.skip(usize::try_from(len).unwrap_or(usize::MAX))?;
                }
                Step::Sibling => sibling = Some(UnitOffset(self.input.read_u32()? as usize)),
                Step::Other(specification) => {
                    let nothing = gimli::Abbreviations::default();
                    let mut entries = self.unit.header.entries_raw(&nothing, Some(self.offset()))?;
                    entries.skip_attributes(&[*specification])?;
                    self.read_on(entries.next_offset())?;
                }
            }
        }
        Ok(sibling)
    }

    /// Reads on somewhere behind, at the same depth.
    pub(crate) fn read_on(&mut self, at: UnitOffset) -> gimli::Result<()> {
        let ahead = at.0.checked_sub(self.offset().0).ok_or(gimli::Error::OffsetOutOfBounds(at.0 as u64))?;
        self.input.skip(ahead)
    }

    /// Passes all that is in an entry, whose depth was `depth`, by what its attributes say.
    pub(crate) fn pass_children(&mut self, sibling: UnitOffset, depth: isize) -> gimli::Result<()> {
        self.depth = depth;
        self.read_on(sibling)
    }
}
