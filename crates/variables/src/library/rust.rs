//! Rust's own way of values, and what its library's types hold: text, vectors, options, boxes, counted references, maps.

use std::rc::Rc;

use super::{Part, counted_text, find, find_where, plain_name, pointee};
use crate::content::Content;
use crate::print::{Printer, Units, View};
use crate::types::{Kind, Parts, Type, Variants};

/// Spells an object of one of the library's types that are known here; `None` if it is none, or isn't laid out as one.
pub(super) fn print<'u>(
    printer: &mut Printer<'_, '_, 'u>,
    ty: &Rc<Type<'u>>,
    view: View<'_, 'u>,
) -> Option<()> {
    let parts = printer.context.world.parts(ty);
    let is_slice = |member: &str| parts.members.iter().any(|part| part.name.as_deref() == Some(member));
    if parts.members.len() == 2 && is_slice("data_ptr") && is_slice("length") {
        return slice(printer, ty, view);
    }
    match plain_name(ty.name()) {
        "String" | "PathBuf" | "OsString" => text(printer, ty, view),
        "Vec" => vec(printer, ty, view),
        "Rc" | "Arc" => counted(printer, ty, view),
        "HashMap" | "HashSet" => hash_table(printer, ty, view),
        _ => None,
    }
}

/// `&[T]`, `&str`, `Box<[T]>`: an address and how many.
fn slice<'u>(printer: &mut Printer<'_, '_, 'u>, ty: &Rc<Type<'u>>, view: View<'_, 'u>) -> Option<()> {
    let data = find(printer, ty, view, "data_ptr")?;
    let length = find(printer, ty, view, "length")?;
    let element = data.target(printer)?;
    match (data.word(printer), length.word(printer)) {
        (Ok(data), Ok(length)) => {
            let name = ty.name();
            if name.ends_with("str") || name.ends_with("str>") {
                counted_text(printer, data, length, Units::Bytes);
            } else {
                printer.push(if name.starts_with('&') { "&" } else { "" });
                sequence(printer, data, length, &element);
            }
        }
        (Err(why), _) | (_, Err(why)) => printer.missing(why),
    }
    Some(())
}

fn sequence<'u>(printer: &mut Printer<'_, '_, 'u>, start: u64, count: u64, element: &Rc<Type<'u>>) {
    let size = printer.context.size_of(element);
    let content = printer.read_elements(start, count, size);
    printer.deeper(|printer| {
        printer.elements(count, size, View::whole(&content), true, |printer, part| {
            printer.value(element, part);
        });
    });
}

/// Finds the buffer of a vector: where it is, how many elements are in it, and how many fit.
fn buffer<'v, 'u>(
    printer: &Printer<'_, '_, 'u>,
    ty: &Rc<Type<'u>>,
    view: View<'v, 'u>,
) -> Option<(Part<'v, 'u>, Part<'v, 'u>)> {
    let buffer = find(printer, ty, view, "buf")?;
    let length = find(printer, ty, view, "len")?;
    let data = find_where(printer, &buffer.ty, buffer.view, &mut |member, ty| {
        member.name.as_deref() == Some("pointer") && matches!(ty.kind, Kind::Pointer(_))
    })?;
    Some((data, length))
}

fn text<'u>(printer: &mut Printer<'_, '_, 'u>, ty: &Rc<Type<'u>>, view: View<'_, 'u>) -> Option<()> {
    let (data, length) = buffer(printer, ty, view)?;
    match (data.word(printer), length.word(printer)) {
        (Ok(data), Ok(length)) => counted_text(printer, data, length, Units::Bytes),
        (Err(why), _) | (_, Err(why)) => printer.missing(why),
    }
    Some(())
}

fn vec<'u>(printer: &mut Printer<'_, '_, 'u>, ty: &Rc<Type<'u>>, view: View<'_, 'u>) -> Option<()> {
    let (data, length) = buffer(printer, ty, view)?;
    let parts = printer.context.world.parts(ty);
    let (_, element) = parts.arguments.first()?;
    let element = printer.context.world.resolve(element.as_ref());
    match (data.word(printer), length.word(printer)) {
        (Ok(data), Ok(length)) => {
            printer.push(&format!("Vec({length}) "));
            sequence(printer, data, length, &element);
        }
        (Err(why), _) | (_, Err(why)) => printer.missing(why),
    }
    Some(())
}

/// `Rc<T>` and `Arc<T>`: a pointer to two counts and the value.
fn counted<'u>(printer: &mut Printer<'_, '_, 'u>, ty: &Rc<Type<'u>>, view: View<'_, 'u>) -> Option<()> {
    let pointer = find(printer, ty, view, "pointer")?;
    let inner = pointer.target(printer)?;
    let name = plain_name(ty.name()).to_owned();
    let address = match pointer.word(printer) {
        Ok(address) => address,
        Err(why) => {
            printer.missing(why);
            return Some(());
        }
    };
    let content = printer.read(address, printer.context.size_of(&inner));
    let view = View::whole(&content);
    let held = ["value", "data"];
    let is_held = |name: &Option<String>| name.as_deref().is_some_and(|name| held.contains(&name));
    let parts = printer.context.world.parts(&inner);
    let member = parts.members.iter().find(|member| is_held(&member.name))?;
    printer.push(&format!("{name}("));
    printer.deeper(|printer| printer.member(member, view));
    printer.push(")");
    Some(())
}

/// The library's maps are hashbrown's: groups of control bytes, and the entries before them, the first one last.
fn hash_table<'u>(printer: &mut Printer<'_, '_, 'u>, ty: &Rc<Type<'u>>, view: View<'_, 'u>) -> Option<()> {
    /// Most control bytes that are looked at.
    const MOST_SLOTS: u64 = 1 << 12;
    let table = find_where(printer, ty, view, &mut |_, ty| plain_name(ty.name()) == "RawTable")?;
    let parts = printer.context.world.parts(&table.ty);
    let (_, element) = parts.arguments.first()?;
    let element = printer.context.world.resolve(element.as_ref());
    let control = find(printer, &table.ty, table.view, "ctrl")?;
    let control =
        find_where(printer, &control.ty, control.view, &mut |_, ty| matches!(ty.kind, Kind::Pointer(_)))?;
    let word = |name| find(printer, &table.ty, table.view, name)?.word(printer).ok();
    let (mask, count) = (word("bucket_mask")?, word("items")?);
    let control = control.word(printer).ok()?;
    let size = printer.context.size_of(&element);
    let name = plain_name(ty.name());
    let is_map = name == "HashMap";
    printer.push(&format!("{name}({count}) {{"));
    let slots = mask.saturating_add(1).min(MOST_SLOTS);
    let bytes = if count == 0 { Content::default() } else { printer.read(control, slots) };
    printer.deeper(|printer| {
        let mut shown = 0;
        for slot in 0..slots {
            if shown >= count || printer.is_full() {
                break;
            }
            let state = match bytes.get(slot as usize, 1) {
                Ok([state]) => *state,
                Ok(_) => break,
                Err(why) => return printer.missing(why),
            };
            // The highest bit marks what is empty or deleted.
            if state & 0x80 != 0 {
                continue;
            }
            printer.push(if shown > 0 { ", " } else { "" });
            shown += 1;
            let Some(at) = control.checked_sub((slot + 1).saturating_mul(size)) else { break };
            let content = printer.read(at, size);
            let view = View::whole(&content);
            let pair = (find(printer, &element, view, "__0"), find(printer, &element, view, "__1"));
            if let (Some(key), Some(value)) = &pair {
                printer.value(&key.ty, key.view);
                if is_map {
                    printer.push(": ");
                    printer.value(&value.ty, value.view);
                }
            } else {
                printer.value(&element, view);
            }
        }
        if shown < count && !printer.is_full() {
            printer.push(if mask >= MOST_SLOTS { ", ..." } else { ", <corrupt: fewer elements>" });
        }
    });
    printer.push("}");
    Some(())
}

/// Spells what a reference or a box leads to. Raw pointers are addresses: nobody vouches for them.
pub(crate) fn pointer<'u>(
    printer: &mut Printer<'_, '_, 'u>,
    ty: &Type<'u>,
    target: &Rc<Type<'u>>,
    address: u64,
) -> bool {
    let name = ty.name();
    let is_box = plain_name(name) == "Box" || name.starts_with("alloc::boxed::Box<");
    let is_opaque = matches!(target.kind, Kind::Void | Kind::Function | Kind::Other);
    if address == 0 || is_opaque || !(is_box || name.starts_with('&')) {
        return false;
    }
    printer.push(if is_box { "Box(" } else { "&" });
    pointee(printer, address, target);
    printer.push(if is_box { ")" } else { "" });
    true
}

/// Spells a structure, a tuple or a variant.
pub(crate) fn record<'u>(printer: &mut Printer<'_, '_, 'u>, ty: &Rc<Type<'u>>, view: View<'_, 'u>) {
    let parts = printer.context.world.parts(ty);
    if let Some(variants) = &parts.variants {
        return variant(printer, variants, view);
    }
    fields(printer, ty, &parts, view);
}

fn variant<'u>(printer: &mut Printer<'_, '_, 'u>, variants: &Variants<'u>, view: View<'_, 'u>) {
    let mut found = None;
    if let Some(member) = &variants.discriminant {
        let ty = printer.context.world.resolve(member.of.as_ref());
        let size = printer.context.size_of(&ty);
        let place = view.at(member.offset.unwrap_or(u64::MAX));
        match printer.integer(size, false, place) {
            Ok(value) => found = Some((value, size)),
            Err(why) => return printer.missing(why),
        }
    }
    let matches = |known: i128| {
        found.is_some_and(|(value, size)| {
            let unused = 128 - (size * 8).clamp(1, 128) as u32;
            (known as u128) << unused == (value as u128) << unused
        })
    };
    let by_value = variants.arms.iter().find(|(value, _)| value.is_some_and(matches));
    let Some((_, member)) = by_value.or_else(|| variants.arms.iter().find(|(value, _)| value.is_none()))
    else {
        let value = found.map(|(value, _)| value).unwrap_or_default();
        return printer.push(&format!("<corrupt enum: no variant {value}>"));
    };
    printer.member(member, view);
}

fn fields<'u>(printer: &mut Printer<'_, '_, 'u>, ty: &Type<'u>, parts: &Parts<'u>, view: View<'_, 'u>) {
    let name = plain_name(ty.name());
    let is_tuple = name.starts_with('(');
    if !is_tuple {
        printer.push(name);
    }
    let is_numbered = parts
        .members
        .first()
        .is_some_and(|member| member.name.as_deref().is_some_and(|name| name.starts_with("__")));
    if parts.members.is_empty() {
        return printer.push(if is_tuple { "()" } else { "" });
    }
    let (open, close) = match (is_tuple, is_numbered) {
        (true, _) | (_, true) => ("(", ")"),
        _ => (" {", "}"),
    };
    printer.push(open);
    for (index, member) in parts.members.iter().enumerate() {
        if printer.is_full() {
            return;
        }
        printer.push(if index > 0 { ", " } else { "" });
        if let Some(name) = member.name.as_deref().filter(|_| !is_tuple && !is_numbered) {
            printer.push(&format!("{name}: "));
        }
        printer.member(member, view);
    }
    printer.push(close);
}
