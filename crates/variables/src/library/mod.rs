//! What the C++ and Rust libraries' types hold, in place of how they hold it. Members are found by their names in the
//! debugging entries, never at known offsets; what doesn't fit is printed as the structure that it is, and what
//! contradicts itself is called corrupt.

mod cxx;
mod rust;
mod tree;

use std::rc::Rc;

use crate::content::Content;
use crate::print::{MOST_ELEMENTS, Printer, Units, View, literal};
use crate::types::{Kind, Member, Type};
use crate::variable::Missing;

pub(crate) use rust::{pointer as rust_pointer, record as rust_record};

/// Structures in each other that are searched for a member.
const DEEPEST: usize = 8;

/// Spells an object of a library's type; tells whether it is one.
pub(crate) fn print<'u>(printer: &mut Printer<'_, '_, 'u>, ty: &Rc<Type<'u>>, view: View<'_, 'u>) -> bool {
    if !matches!(ty.kind, Kind::Record) {
        return false;
    }
    let printed = if ty.rust { rust::print(printer, ty, view) } else { cxx::print(printer, ty, view) };
    printed.is_some()
}

/// A member of an object, with its type.
struct Part<'v, 'u> {
    ty: Rc<Type<'u>>,
    view: View<'v, 'u>,
}

/// Finds the nearest member of this name, in the object or in what it is made of.
fn find<'v, 'u>(
    printer: &Printer<'_, '_, 'u>,
    ty: &Rc<Type<'u>>,
    view: View<'v, 'u>,
    name: &str,
) -> Option<Part<'v, 'u>> {
    find_where(printer, ty, view, &mut |member, _| member.name.as_deref() == Some(name))
}

/// Finds the nearest member that is wanted.
fn find_where<'v, 'u>(
    printer: &Printer<'_, '_, 'u>,
    ty: &Rc<Type<'u>>,
    view: View<'v, 'u>,
    wanted: &mut dyn FnMut(&Member<'u>, &Type<'u>) -> bool,
) -> Option<Part<'v, 'u>> {
    /// Most members that are looked at.
    const MOST: usize = 200;
    let mut level = vec![Part { ty: Rc::clone(ty), view }];
    let mut left = MOST;
    for _ in 0..DEEPEST {
        let mut next = Vec::new();
        for Part { ty, view } in level {
            for member in &printer.context.world.parts(&ty).members {
                left = left.checked_sub(1)?;
                let Some(offset) = member.offset else { continue };
                let part = Part {
                    ty: printer.context.world.resolve(member.of.as_ref()),
                    view: View { bits: member.bits, ..view.at(offset) },
                };
                if wanted(member, &part.ty) {
                    return Some(part);
                }
                if matches!(part.ty.kind, Kind::Record) {
                    next.push(part);
                }
            }
        }
        level = next;
    }
    None
}

impl<'u> Part<'_, 'u> {
    /// Reads it as a pointer or a size.
    fn word(&self, printer: &Printer<'_, '_, 'u>) -> Result<u64, Missing> {
        printer.word(printer.context.size_of(&self.ty), self.view)
    }

    /// Returns the type that it points to, if it is a pointer.
    fn target(&self, printer: &Printer<'_, '_, 'u>) -> Option<Rc<Type<'u>>> {
        match &self.ty.kind {
            Kind::Pointer(to) => Some(printer.context.world.resolve(to.as_ref())),
            _ => None,
        }
    }
}

/// Spells a text of a known length.
fn counted_text(printer: &mut Printer<'_, '_, '_>, address: u64, length: u64, units: Units) {
    let unit = units.size() as u64;
    // A run of equal ones may be longer than what is shown of others.
    let wanted = length.min(4 * MOST_ELEMENTS as u64);
    let content = if length == 0 { Content::default() } else { printer.read(address, wanted * unit) };
    match content.get(0, (wanted * unit) as usize) {
        Ok(bytes) => {
            let text = literal(bytes, units, printer.context.world.arch.endian());
            printer.push(&text);
            if length > wanted && !text.ends_with("...") {
                printer.push("...");
            }
        }
        Err(why) => printer.missing(why),
    }
}

/// Spells what an address leads to, one level further in.
fn pointee<'u>(printer: &mut Printer<'_, '_, 'u>, address: u64, ty: &Rc<Type<'u>>) {
    let content = printer.read(address, printer.context.size_of(ty));
    printer.deeper(|printer| printer.value(ty, View::whole(&content)));
}

/// Returns a type's name without what a template or a generic was made with.
fn plain_name(name: &str) -> &str {
    name.split('<').next().unwrap_or_default()
}
