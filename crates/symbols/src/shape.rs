//! What all entries of one abbreviation have in common (DWARF 5, 7.5.3).

use gimli::{AttributeSpecification, DwForm, DwTag, Unit};

use crate::dwarf::Slice;

/// Most abbreviations that are worked out, by code: compilers number them from 1, and have some hundred.
const MOST_SHAPES: u64 = 1 << 14;

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
        self.0.get(index(code))?.as_ref()
    }

    /// Returns the shape of a code's entries.
    pub(crate) fn know(&mut self, unit: &Unit<Slice<'_>>, code: u64) -> gimli::Result<&Shape> {
        let index = index(code);
        // Without this check first, every look-up would write.
        if index == 0 || self.get(code).is_none() {
            if self.0.len() <= index {
                self.0.resize(index + 1, None);
            }
            let shape = Shape::new(unit, code)?;
            if let Some(slot) = self.0.get_mut(index) {
                *slot = Some(shape);
            }
        }
        self.get(code).ok_or(gimli::Error::InvalidAbbreviationCode(code))
    }
}

/// Returns a code's place: one beyond the limit has none of its own, and is worked out anew each time. (There is no
/// code 0.)
fn index(code: u64) -> usize {
    if code < MOST_SHAPES { code as usize } else { 0 }
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
