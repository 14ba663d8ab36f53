//! What all entries of one abbreviation have in common (DWARF 5, 7.5.3).

use gimli::{AttributeSpecification, DwForm, DwTag, Unit};

use crate::dwarf::Slice;

/// Most abbreviations of a unit, by code: compilers number them from 1, and have some hundred.
const MOST_SHAPES: usize = 1 << 16;

/// What an entry may be to whoever looks for some: bits of [`Shape::roles`].
pub(crate) mod role {
    /// A function.
    pub(crate) const FUNCTION: u8 = 1;
    /// An inlined call.
    pub(crate) const CALL: u8 = 2;
    /// A part of the names of what is in it (or, if nothing else, it stands for one that is). All others, such as
    /// lexical blocks, are none.
    pub(crate) const SCOPE: u8 = 4;
    /// Something that says how to pass all that is in it.
    pub(crate) const PASSABLE: u8 = 8;
    /// The same, and there is usually no function with code in it.
    pub(crate) const CLOSED: u8 = 16;
}

/// What all entries of one abbreviation have in common.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) tag: DwTag,
    pub(crate) has_children: bool,
    /// Whether it may have addresses of its own.
    pub(crate) has_extent: bool,
    /// Bits of [`role`].
    pub(crate) roles: u8,
    /// How many bytes the first attributes have; all of them, if there are no steps.
    pub(crate) first: usize,
    /// How to pass the others.
    pub(crate) steps: Box<[Step]>,
}

/// A step on the way past an entry's attributes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
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

/// The shapes of a unit's entries, each worked out when the first such entry is met; by code.
#[derive(Debug, Default)]
pub(crate) struct Shapes(Vec<Option<Shape>>);

impl Shapes {
    /// Returns the shape of a code's entries, if it was worked out.
    pub(crate) fn get(&self, code: u64) -> Option<&Shape> {
        self.0.get(usize::try_from(code).ok()?)?.as_ref()
    }

    /// Works out the shape of a code's entries.
    #[cold]
    pub(crate) fn learn(&mut self, unit: &Unit<Slice<'_>>, code: u64) -> gimli::Result<()> {
        let unknown = gimli::Error::InvalidAbbreviationCode(code);
        let shape = Shape::new(unit, code)?;
        let index = usize::try_from(code).ok().filter(|code| *code < MOST_SHAPES).ok_or(unknown)?;
        if self.0.len() <= index {
            self.0.resize(index + 1, None);
        }
        *self.0.get_mut(index).ok_or(unknown)? = Some(shape);
        Ok(())
    }
}

impl Shape {
    fn new(unit: &Unit<Slice<'_>>, code: u64) -> gimli::Result<Shape> {
        let abbreviation = unit.abbreviations.get(code).ok_or(gimli::Error::InvalidAbbreviationCode(code))?;
        let (tag, has_children) = (abbreviation.tag(), abbreviation.has_children());
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
                _ => steps.push(step),
            }
        }
        let has_sibling = steps.iter().any(|step| matches!(step, Step::Sibling));
        let first = match steps.first() {
            Some(Step::Bytes(size)) => *size,
            _ => 0,
        };
        if first > 0 {
            steps.remove(0);
        }
        let roles = roles(tag, has_children && has_sibling);
        Ok(Shape { tag, has_children, has_extent, roles, first, steps: steps.into_boxed_slice() })
    }
}

fn roles(tag: DwTag, is_passable: bool) -> u8 {
    let mut roles = match tag {
        gimli::DW_TAG_subprogram => role::FUNCTION | role::SCOPE,
        gimli::DW_TAG_inlined_subroutine => role::CALL | role::SCOPE,
        gimli::DW_TAG_structure_type
        | gimli::DW_TAG_class_type
        | gimli::DW_TAG_namespace
        | gimli::DW_TAG_union_type
        | gimli::DW_TAG_enumeration_type
        | gimli::DW_TAG_interface_type
        | gimli::DW_TAG_module => role::SCOPE,
        _ => 0,
    };
    if is_passable {
        roles |= role::PASSABLE;
        let closed = [
            gimli::DW_TAG_structure_type,
            gimli::DW_TAG_class_type,
            gimli::DW_TAG_union_type,
            gimli::DW_TAG_enumeration_type,
            gimli::DW_TAG_subroutine_type,
            gimli::DW_TAG_array_type,
        ];
        if closed.contains(&tag) {
            roles |= role::CLOSED;
        }
    }
    roles
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
