//! Types, as far as printing needs them (DWARF 5, chapter 5): read when they are asked for, each once.

use std::cell::OnceCell;
use std::rc::Rc;

use gimli::{AttributeValue, DwAt, DwAte, DwTag, Expression, Reader as _};

use crate::context::{Context, World};
use crate::die::{Die, Entry};
use crate::location::{self, Slice};

/// Longest chain of typedefs and qualifiers.
const LONGEST_CHAIN: usize = 64;
/// Most dimensions of an array.
const MOST_DIMENSIONS: usize = 16;
/// Arrays in each other, in types of their own, whose sizes are added up.
const DEEPEST_SIZE: usize = 16;

/// A type, without its names and qualifiers.
pub(crate) struct Type<'u> {
    /// In bytes, where the entry says it.
    size: Option<u64>,
    pub(crate) name: Option<String>,
    pub(crate) kind: Kind<'u>,
    /// Whether the unit is one of Rust.
    pub(crate) rust: bool,
    parts: OnceCell<Rc<Parts<'u>>>,
    die: Option<Die<'u>>,
}

/// What kind of type it is, with what is the kind's own.
pub(crate) enum Kind<'u> {
    Void,
    Number(DwAte),
    Pointer(Option<Die<'u>>),
    Reference(Option<Die<'u>>),
    /// A structure, class or union.
    Record,
    Array {
        of: Option<Die<'u>>,
        bounds: Vec<Bound<'u>>,
    },
    Enumeration(Enumeration),
    Function,
    /// A pointer to a member: of data, by how far it is from the object's start, or a method.
    Member {
        method: bool,
    },
    /// One that is nobody's business here.
    Other,
}

/// How many elements an array has in one dimension.
pub(crate) enum Bound<'u> {
    Known(u64),
    /// The last index is to be found by an expression or in a variable.
    Last(Die<'u>),
    /// The number of elements is.
    Count(Die<'u>),
    Unknown,
}

/// The values of an enumeration.
pub(crate) struct Enumeration {
    pub(crate) values: Vec<(i128, String)>,
    pub(crate) signed: bool,
    /// Whether its values are bits that can be combined.
    pub(crate) flags: bool,
    /// What stands in front of a value's name.
    pub(crate) prefix: String,
}

/// What a structure consists of.
#[derive(Default)]
pub(crate) struct Parts<'u> {
    pub(crate) members: Vec<Member<'u>>,
    pub(crate) variants: Option<Variants<'u>>,
    /// Types that a template was made with.
    pub(crate) arguments: Vec<(Option<String>, Option<Die<'u>>)>,
    /// Types that were defined within it, by name.
    pub(crate) typedefs: Vec<(String, Die<'u>)>,
}

/// A member, or a base class.
#[derive(Clone)]
pub(crate) struct Member<'u> {
    pub(crate) name: Option<String>,
    pub(crate) of: Option<Die<'u>>,
    /// Where it is from the object's start, in bytes; nothing where that takes an expression.
    pub(crate) offset: Option<u64>,
    /// Where it is, if it takes an expression.
    pub(crate) entry: Option<Die<'u>>,
    /// Of a bit field, the first bit from `offset`, and how many there are.
    pub(crate) bits: Option<(u64, u64)>,
    pub(crate) base: bool,
}

/// The variants of an enumeration that carry data (Rust).
pub(crate) struct Variants<'u> {
    pub(crate) discriminant: Option<Member<'u>>,
    pub(crate) arms: Vec<(Option<i128>, Member<'u>)>,
}

impl<'u> Type<'u> {
    fn void() -> Type<'u> {
        Type { size: None, name: None, kind: Kind::Void, rust: false, parts: OnceCell::new(), die: None }
    }

    /// Tells whether it is printed in braces.
    pub(crate) fn is_compound(&self) -> bool {
        matches!(self.kind, Kind::Record | Kind::Array { .. })
    }

    pub(crate) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }
}

impl<'u> World<'u> {
    /// Returns the type that some entries are of.
    pub(crate) fn type_of(&self, chain: &[Entry<'u>]) -> Rc<Type<'u>> {
        let die = chain.iter().find_map(|entry| self.type_die(entry));
        self.resolve(die.as_ref())
    }

    /// Returns the entry of an entry's type.
    pub(crate) fn type_die(&self, entry: &Entry<'u>) -> Option<Die<'u>> {
        self.dies.follow(&entry.die, entry.attr(gimli::DW_AT_type)?)
    }

    /// Returns the type of an entry, without typedefs and qualifiers; no entry is `void`.
    pub(crate) fn resolve(&self, die: Option<&Die<'u>>) -> Rc<Type<'u>> {
        let Some(die) = die else { return Rc::new(Type::void()) };
        if let Some(known) = self.types.borrow().get(&die.key()) {
            return Rc::clone(known);
        }
        let resolved =
            Rc::new(self.read_type(die).unwrap_or_else(|| Type { kind: Kind::Other, ..Type::void() }));
        self.types.borrow_mut().insert(die.key(), Rc::clone(&resolved));
        resolved
    }

    fn read_type(&self, die: &Die<'u>) -> Option<Type<'u>> {
        /// What C calls characters that are not bytes: there, these are other names of numbers.
        const WIDE: [&str; 3] = ["wchar_t", "char16_t", "char32_t"];
        let mut entry = die.read()?;
        let mut wide = None;
        for _ in 0..LONGEST_CHAIN {
            // Its definition is in a unit of its own.
            if let Some(value) = entry.attr(gimli::DW_AT_signature)
                && let Some(definition) = self.dies.follow(&entry.die, value).and_then(|die| die.read())
            {
                entry = definition;
            }
            if !is_name_or_qualifier(entry.tag()) {
                let mut ty = self.of_entry(entry);
                if matches!(ty.kind, Kind::Number(_)) {
                    ty.name = wide.or(ty.name);
                }
                return Some(ty);
            }
            if entry.tag() == gimli::DW_TAG_typedef {
                wide = entry.name().filter(|name| WIDE.contains(&name.as_str())).or(wide);
            }
            match self.type_die(&entry) {
                Some(next) => entry = next.read()?,
                None => return Some(Type::void()),
            }
        }
        None
    }

    fn of_entry(&self, entry: Entry<'u>) -> Type<'u> {
        let family = self.dies.family(entry.die.unit.family);
        let rust = family.is_some_and(|code| code.language == Some(gimli::DW_LANG_Rust));
        let kind = match entry.tag() {
            gimli::DW_TAG_base_type => match entry.attr(gimli::DW_AT_encoding) {
                Some(AttributeValue::Encoding(encoding)) => Kind::Number(encoding),
                _ => Kind::Other,
            },
            gimli::DW_TAG_unspecified_type => Kind::Void,
            gimli::DW_TAG_pointer_type => Kind::Pointer(self.type_die(&entry)),
            gimli::DW_TAG_reference_type | gimli::DW_TAG_rvalue_reference_type => {
                Kind::Reference(self.type_die(&entry))
            }
            gimli::DW_TAG_structure_type | gimli::DW_TAG_class_type | gimli::DW_TAG_union_type => {
                Kind::Record
            }
            gimli::DW_TAG_array_type => {
                Kind::Array { of: self.type_die(&entry), bounds: World::bounds(&entry) }
            }
            gimli::DW_TAG_enumeration_type => Kind::Enumeration(self.enumeration(&entry)),
            gimli::DW_TAG_subroutine_type => Kind::Function,
            gimli::DW_TAG_ptr_to_member_type => {
                let to = self.type_die(&entry).map(|die| self.resolve(Some(&die)));
                Kind::Member { method: to.is_some_and(|to| matches!(to.kind, Kind::Function)) }
            }
            _ => Kind::Other,
        };
        let word = self.word() as u64;
        let size = entry.number(gimli::DW_AT_byte_size).or(match kind {
            Kind::Pointer(_) | Kind::Reference(_) => Some(word),
            Kind::Member { method } => Some(if method { 2 * word } else { word }),
            _ => None,
        });
        Type { size, name: entry.name(), kind, rust, parts: OnceCell::new(), die: Some(entry.die) }
    }

    fn bounds(array: &Entry<'u>) -> Vec<Bound<'u>> {
        let mut bounds = Vec::new();
        for entry in array.die.children() {
            if bounds.len() >= MOST_DIMENSIONS || entry.tag() != gimli::DW_TAG_subrange_type {
                continue;
            }
            let first = entry.number(gimli::DW_AT_lower_bound).unwrap_or(0);
            let last = entry.attr(gimli::DW_AT_upper_bound);
            let counted = entry.attr(gimli::DW_AT_count).is_some();
            bounds.push(match (entry.number(gimli::DW_AT_count), last) {
                (None, _) if counted => Bound::Count(entry.die),
                (Some(count), _) => Bound::Known(count),
                (None, Some(AttributeValue::Sdata(-1))) => Bound::Known(0),
                (None, Some(value)) => match value.udata_value() {
                    // gcc writes the last index of an array without elements as the largest number.
                    Some(last) => Bound::Known(last.wrapping_add(1).saturating_sub(first)),
                    None => Bound::Last(entry.die),
                },
                (None, None) => Bound::Unknown,
            });
        }
        bounds
    }

    fn enumeration(&self, entry: &Entry<'u>) -> Enumeration {
        let signed = self.type_die(entry).is_some_and(|die| {
            let is_signed = [gimli::DW_ATE_signed, gimli::DW_ATE_signed_char];
            matches!(self.resolve(Some(&die)).kind, Kind::Number(encoding) if is_signed.contains(&encoding))
        });
        let mut values = Vec::new();
        for entry in entry.die.children() {
            let value = match entry.attr(gimli::DW_AT_const_value) {
                Some(AttributeValue::Sdata(value)) => Some(i128::from(value)),
                Some(value) => value.udata_value().map(i128::from),
                None => None,
            };
            if let (Some(value), Some(name)) = (value, entry.name()) {
                values.push((value, name));
            }
        }
        // As gdb sees it: each value is one bit, or some that stand together.
        let flags = values.iter().all(|(value, _)| {
            let bits = value.checked_shr(value.trailing_zeros()).unwrap_or(0);
            *value >= 0 && bits & (bits + 1) == 0
        });
        let scoped = entry.flag(gimli::DW_AT_enum_class);
        let prefix = entry.name().filter(|_| scoped).map(|name| format!("{name}::")).unwrap_or_default();
        Enumeration { values, signed, flags, prefix }
    }

    /// Returns what a structure consists of.
    pub(crate) fn parts(&self, ty: &Type<'u>) -> Rc<Parts<'u>> {
        let read = || Rc::new(ty.die.as_ref().map(|die| self.read_parts(die)).unwrap_or_default());
        Rc::clone(ty.parts.get_or_init(read))
    }

    fn read_parts(&self, die: &Die<'u>) -> Parts<'u> {
        let mut parts = Parts::default();
        for entry in die.children() {
            match entry.tag() {
                gimli::DW_TAG_member | gimli::DW_TAG_inheritance => {
                    let is_static = entry.flag(gimli::DW_AT_external) || entry.flag(gimli::DW_AT_declaration);
                    if !is_static {
                        parts.members.push(self.member(entry));
                    }
                }
                gimli::DW_TAG_variant_part => parts.variants = Some(self.variants(&entry)),
                gimli::DW_TAG_template_type_parameter => {
                    parts.arguments.push((entry.name(), self.type_die(&entry)));
                }
                gimli::DW_TAG_typedef => {
                    if let Some(name) = entry.name() {
                        parts.typedefs.push((name, entry.die));
                    }
                }
                _ => {}
            }
        }
        parts
    }

    fn member(&self, entry: Entry<'u>) -> Member<'u> {
        let offset = match entry.attr(gimli::DW_AT_data_member_location) {
            None => Some(0),
            Some(AttributeValue::Sdata(offset)) => u64::try_from(offset).ok(),
            // DWARF 2 knows expressions alone: nearly all add a number.
            Some(AttributeValue::Block(bytes) | AttributeValue::Exprloc(Expression(bytes))) => added(bytes),
            Some(value) => value.udata_value(),
        };
        let of = self.type_die(&entry);
        let bits = entry.number(gimli::DW_AT_bit_size).map(|size| {
            let first = entry.number(gimli::DW_AT_data_bit_offset).or_else(|| {
                // Before DWARF 4: counted from the most significant bit of the storage unit.
                let skipped = entry.number(gimli::DW_AT_bit_offset)?;
                let storage = entry.number(gimli::DW_AT_byte_size);
                let storage = storage.or_else(|| self.resolve(of.as_ref()).size)?.checked_mul(8)?;
                storage.checked_sub(skipped)?.checked_sub(size)
            });
            (first.unwrap_or(0), size)
        });
        let base = entry.tag() == gimli::DW_TAG_inheritance;
        let name = entry.name();
        let entry = offset.is_none().then_some(entry.die);
        Member { name, of, offset, entry, bits, base }
    }

    fn variants(&self, part: &Entry<'u>) -> Variants<'u> {
        let discriminant = part.attr(gimli::DW_AT_discr);
        let discriminant = discriminant.and_then(|value| self.dies.follow(&part.die, value));
        let discriminant = discriminant.and_then(|die| die.read()).map(|entry| self.member(entry));
        let mut arms = Vec::new();
        for entry in part.die.children().into_iter().filter(|entry| entry.tag() == gimli::DW_TAG_variant) {
            let value = match entry.attr(gimli::DW_AT_discr_value) {
                Some(AttributeValue::Sdata(value)) => Some(i128::from(value)),
                Some(AttributeValue::Block(bytes)) => {
                    let mut wide = [0; 16];
                    let bytes = bytes.slice();
                    wide.iter_mut().zip(bytes).for_each(|(into, byte)| *into = *byte);
                    Some(i128::from_le_bytes(wide))
                }
                Some(value) => value.udata_value().map(i128::from),
                None => None,
            };
            let member = entry.die.children().into_iter().find(|entry| entry.tag() == gimli::DW_TAG_member);
            arms.extend(member.map(|member| (value, self.member(member))));
        }
        Variants { discriminant, arms }
    }
}

impl<'u> Context<'_, 'u> {
    /// Returns a type's size in bytes.
    pub(crate) fn size_of(&self, ty: &Type<'u>) -> u64 {
        self.size_within(ty, 0)
    }

    fn size_within(&self, ty: &Type<'u>, depth: usize) -> u64 {
        match (&ty.kind, ty.size) {
            (_, Some(size)) => size,
            (Kind::Array { of, bounds }, None) if depth < DEEPEST_SIZE => {
                let element = self.size_within(&self.world.resolve(of.as_ref()), depth + 1);
                bounds.iter().fold(element, |size, bound| size.saturating_mul(self.count(bound).unwrap_or(0)))
            }
            _ => 0,
        }
    }

    /// Returns how many elements an array has in a dimension, as far as it is known.
    pub(crate) fn count(&self, bound: &Bound<'u>) -> Option<u64> {
        match bound {
            Bound::Known(count) => Some(*count),
            Bound::Unknown => None,
            Bound::Count(die) => self.dynamic(die, gimli::DW_AT_count),
            Bound::Last(die) => Some(self.dynamic(die, gimli::DW_AT_upper_bound)?.wrapping_add(1)),
        }
    }

    /// Finds a property of a type that is known only when the program runs.
    fn dynamic(&self, range: &Die<'u>, name: DwAt) -> Option<u64> {
        let context = self.deeper()?;
        let entry = range.read()?;
        let value = entry.attr(name)?;
        if let AttributeValue::Exprloc(expression) = value {
            return location::single(&context, &range.unit, expression).ok();
        }
        let variable = self.world.dies.follow(range, value)?.read()?;
        let chain = self.world.dies.chain(variable);
        let ty = self.world.type_of(&chain);
        let size = ty.size.filter(|size| *size <= 8)?;
        let content = location::content(&context, &chain, size);
        location::number(&context, content.get(0, size as usize).ok()?)
    }
}

/// Returns the number that an expression adds, if that is all that it does.
fn added(mut expression: Slice<'_>) -> Option<u64> {
    let operation = expression.read_u8().ok()?;
    let number = expression.read_uleb128().ok()?;
    (operation == gimli::DW_OP_plus_uconst.0 && expression.is_empty()).then_some(number)
}

fn is_name_or_qualifier(tag: DwTag) -> bool {
    matches!(
        tag,
        gimli::DW_TAG_typedef
            | gimli::DW_TAG_const_type
            | gimli::DW_TAG_volatile_type
            | gimli::DW_TAG_restrict_type
            | gimli::DW_TAG_atomic_type
            | gimli::DW_TAG_immutable_type
            | gimli::DW_TAG_packed_type
            | gimli::DW_TAG_shared_type
            | gimli::DW_TAG_template_alias
    )
}
