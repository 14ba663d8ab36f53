//! Strings, containers and smart pointers of libstdc++ (`bits/basic_string.h`, `stl_vector.h`, `stl_tree.h`,
//! `hashtable.h`, `unique_ptr.h`, `shared_ptr_base.h`, `optional`, `tuple`) and strings and vectors of libc++.

use std::collections::HashSet;
use std::rc::Rc;

use super::tree::{Tree, walk};
use super::{Part, counted_text, find, find_where, plain_name, pointee};
use crate::print::{Printer, Units, View};
use crate::types::{Kind, Type};
use crate::variable::Missing;

/// Spells an object of one of the types that are known here; `None` if it is none, or isn't laid out as one.
pub(super) fn print<'u>(
    printer: &mut Printer<'_, '_, 'u>,
    ty: &Rc<Type<'u>>,
    view: View<'_, 'u>,
) -> Option<()> {
    match plain_name(ty.name()) {
        "basic_string" => string(printer, ty, view),
        "basic_string_view" => string_view(printer, ty, view),
        "vector" => vector(printer, ty, view),
        "optional" => optional(printer, ty, view),
        "unique_ptr" => unique_ptr(printer, ty, view),
        "shared_ptr" | "weak_ptr" => shared_ptr(printer, ty, view),
        name @ ("map" | "multimap" | "set" | "multiset") => tree(printer, ty, view, name),
        name @ ("unordered_map" | "unordered_set" | "unordered_multimap" | "unordered_multiset") => {
            hash_table(printer, ty, view, name)
        }
        "tuple" => tuple(printer, ty, view),
        "deque" => deque(printer, ty, view),
        _ => None,
    }
}

/// Spells what follows from two words, or why there is none.
fn with_words<'u>(
    printer: &mut Printer<'_, '_, 'u>,
    words: (Result<u64, Missing>, Result<u64, Missing>),
    print: impl FnOnce(&mut Printer<'_, '_, 'u>, u64, u64),
) {
    match words {
        (Ok(first), Ok(second)) => print(printer, first, second),
        (Err(why), _) | (_, Err(why)) => printer.missing(why),
    }
}

fn string<'u>(printer: &mut Printer<'_, '_, 'u>, ty: &Rc<Type<'u>>, view: View<'_, 'u>) -> Option<()> {
    if let (Some(data), Some(length)) =
        (find(printer, ty, view, "_M_p"), find(printer, ty, view, "_M_string_length"))
    {
        let element = data.target(printer)?;
        let units = Units::of(&element, printer.context.size_of(&element))?;
        let words = (data.word(printer), length.word(printer));
        with_words(printer, words, |printer, data, length| counted_text(printer, data, length, units));
        return Some(());
    }
    undescribed_string(printer, ty, view).or_else(|| libcxx_string(printer, ty, view))
}

/// clang leaves out what it thinks another unit describes: of libstdc++'s strings the class that is but a pointer.
fn undescribed_string<'u>(
    printer: &mut Printer<'_, '_, 'u>,
    ty: &Rc<Type<'u>>,
    view: View<'_, 'u>,
) -> Option<()> {
    let data = find(printer, ty, view, "_M_dataplus")?;
    let length = find(printer, ty, view, "_M_string_length")?;
    let within = find(printer, ty, view, "_M_local_buf")?;
    let Kind::Array { of, .. } = &within.ty.kind else { return None };
    let element = printer.context.world.resolve(of.as_ref());
    let units = Units::of(&element, printer.context.size_of(&element))?;
    let word = printer.context.world.word() as u64;
    // Nothing else has room there.
    let room = (length.view.offset.checked_sub(data.view.offset)?) as u64;
    if room != word {
        return None;
    }
    let words = (printer.word(word, data.view), length.word(printer));
    with_words(printer, words, |printer, data, length| counted_text(printer, data, length, units));
    Some(())
}

/// libc++ keeps short texts in the object, and a bit says so.
fn libcxx_string<'u>(printer: &mut Printer<'_, '_, 'u>, ty: &Rc<Type<'u>>, view: View<'_, 'u>) -> Option<()> {
    let (long, short) = (find(printer, ty, view, "__l")?, find(printer, ty, view, "__s")?);
    let is_long = find(printer, &short.ty, short.view, "__is_long_")?;
    let is_long = printer.integer(printer.context.size_of(&is_long.ty), false, is_long.view);
    let data = find(printer, &long.ty, long.view, "__data_")?;
    let element = data.target(printer)?;
    let units = Units::of(&element, printer.context.size_of(&element))?;
    match is_long {
        Ok(0) => {
            let length = find(printer, &short.ty, short.view, "__size_")?;
            let within = find(printer, &short.ty, short.view, "__data_")?;
            let length = printer.integer(printer.context.size_of(&length.ty), false, length.view);
            match length.and_then(|length| within.view.bytes(length as u64 * units.size() as u64)) {
                Ok(bytes) => {
                    let text = crate::print::literal(bytes, units, printer.context.world.arch.endian());
                    printer.push(&text);
                }
                Err(why) => printer.missing(why),
            }
        }
        Ok(_) => {
            let length = find(printer, &long.ty, long.view, "__size_")?;
            let words = (data.word(printer), length.word(printer));
            with_words(printer, words, |printer, data, length| counted_text(printer, data, length, units));
        }
        Err(why) => printer.missing(why),
    }
    Some(())
}

fn string_view<'u>(printer: &mut Printer<'_, '_, 'u>, ty: &Rc<Type<'u>>, view: View<'_, 'u>) -> Option<()> {
    let of = |name| find(printer, ty, view, name);
    let data = of("_M_str").or_else(|| of("__data_")).or_else(|| of("__data"))?;
    let length = of("_M_len").or_else(|| of("__size_")).or_else(|| of("__size"))?;
    let element = data.target(printer)?;
    let units = Units::of(&element, printer.context.size_of(&element))?;
    let words = (data.word(printer), length.word(printer));
    with_words(printer, words, |printer, data, length| counted_text(printer, data, length, units));
    Some(())
}

fn vector<'u>(printer: &mut Printer<'_, '_, 'u>, ty: &Rc<Type<'u>>, view: View<'_, 'u>) -> Option<()> {
    let of = |name| find(printer, ty, view, name);
    let begin = of("_M_start").or_else(|| of("__begin_"))?;
    let end = of("_M_finish").or_else(|| of("__end_"))?;
    let element = begin.target(printer)?;
    let size = printer.context.size_of(&element);
    let words = (begin.word(printer), end.word(printer));
    with_words(printer, words, |printer, begin, end| {
        let bytes = end.checked_sub(begin).filter(|bytes| size > 0 && bytes % size == 0);
        let Some(bytes) = bytes else {
            return printer.push(&format!("<corrupt vector: from {begin:#x} to {end:#x}>"));
        };
        let count = bytes / size;
        printer.push(&format!("vector({count}) "));
        sequence(printer, begin, count, &element);
    });
    Some(())
}

/// Spells objects that follow each other in memory.
fn sequence<'u>(printer: &mut Printer<'_, '_, 'u>, start: u64, count: u64, element: &Rc<Type<'u>>) {
    let size = printer.context.size_of(element);
    let content = printer.read_elements(start, count, size);
    printer.deeper(|printer| {
        printer.elements(count, size, View::whole(&content), false, |printer, part| {
            printer.value(element, part);
        });
    });
}

fn optional<'u>(printer: &mut Printer<'_, '_, 'u>, ty: &Rc<Type<'u>>, view: View<'_, 'u>) -> Option<()> {
    let engaged = find(printer, ty, view, "_M_engaged")?;
    let value = find(printer, ty, view, "_M_value")?;
    match engaged.word(printer) {
        Ok(0) => printer.push("nullopt"),
        Ok(1) => {
            printer.push("optional(");
            printer.deeper(|printer| printer.value(&value.ty, value.view));
            printer.push(")");
        }
        Ok(other) => printer.push(&format!("<corrupt optional: {other} for whether it has a value>")),
        Err(why) => printer.missing(why),
    }
    Some(())
}

fn unique_ptr<'u>(printer: &mut Printer<'_, '_, 'u>, ty: &Rc<Type<'u>>, view: View<'_, 'u>) -> Option<()> {
    let pointer = find_where(printer, ty, view, &mut |member, ty| {
        let is_held = matches!(member.name.as_deref(), Some("_M_head_impl" | "__ptr_"));
        is_held && matches!(ty.kind, Kind::Pointer(_))
    })?;
    smart_pointer(printer, "unique_ptr", &pointer)
}

fn shared_ptr<'u>(printer: &mut Printer<'_, '_, 'u>, ty: &Rc<Type<'u>>, view: View<'_, 'u>) -> Option<()> {
    let pointer = find(printer, ty, view, "_M_ptr").or_else(|| find(printer, ty, view, "__ptr_"))?;
    smart_pointer(printer, plain_name(ty.name()), &pointer)
}

fn smart_pointer<'u>(printer: &mut Printer<'_, '_, 'u>, name: &str, pointer: &Part<'_, 'u>) -> Option<()> {
    let target = pointer.target(printer)?;
    match pointer.word(printer) {
        Ok(0) => printer.push(&format!("{name}(nullptr)")),
        Ok(address) => {
            printer.push(&format!("{name}({address:#x}"));
            if name != "weak_ptr" && !matches!(target.kind, Kind::Void | Kind::Function | Kind::Other) {
                printer.push(": ");
                pointee(printer, address, &target);
            }
            printer.push(")");
        }
        Err(why) => printer.missing(why),
    }
    Some(())
}

/// The types that a container was made with: that of its elements is one of them.
fn argument<'u>(printer: &Printer<'_, '_, 'u>, ty: &Type<'u>, index: usize) -> Option<Rc<Type<'u>>> {
    let parts = printer.context.world.parts(ty);
    let (_, die) = parts.arguments.get(index)?;
    Some(printer.context.world.resolve(die.as_ref()))
}

fn tree<'u>(
    printer: &mut Printer<'_, '_, 'u>,
    ty: &Rc<Type<'u>>,
    view: View<'_, 'u>,
    name: &str,
) -> Option<()> {
    let implementation = find(printer, ty, view, "_M_t")?;
    // _Rb_tree<Key, Value, …>
    let element = argument(printer, &implementation.ty, 1)?;
    let header = find(printer, ty, view, "_M_header")?;
    let count = find(printer, ty, view, "_M_node_count")?;
    let offset = |member| {
        let part = find(printer, &header.ty, header.view, member)?;
        Some((part.view.offset - header.view.offset) as u64)
    };
    let shape = Tree { parent: offset("_M_parent")?, left: offset("_M_left")?, right: offset("_M_right")? };
    let value = printer.context.size_of(&header.ty);
    let count = match count.word(printer) {
        Ok(count) => count,
        Err(why) => {
            printer.missing(why);
            return Some(());
        }
    };
    // Without its own address nobody can tell where the walk ends.
    let first = find(printer, &header.ty, header.view, "_M_left")?.word(printer);
    let (end, first) = (header.view.address()?, first.ok()?);
    let is_map = name.ends_with("map");
    printer.push(&format!("{name}({count}) {{"));
    printer.deeper(|printer| {
        let mut shown = 0_u64;
        let stopped = walk(printer, &shape, first, end, count, |printer, node| {
            if shown > 0 {
                printer.push(", ");
            }
            shown += 1;
            entry(printer, node.saturating_add(value), &element, is_map);
        });
        if let Some(stopped) = stopped {
            printer.push(if shown > 0 { ", " } else { "" });
            printer.push(&stopped);
        }
    });
    printer.push("}");
    Some(())
}

/// Spells an element of a container: of a map, key and value.
fn entry<'u>(printer: &mut Printer<'_, '_, 'u>, address: u64, element: &Rc<Type<'u>>, is_map: bool) {
    let content = printer.read(address, printer.context.size_of(element));
    let view = View::whole(&content);
    let pair = is_map
        .then(|| Some((find(printer, element, view, "first")?, find(printer, element, view, "second")?)))
        .flatten();
    match pair {
        Some((key, value)) => {
            printer.push("[");
            printer.value(&key.ty, key.view);
            printer.push("] = ");
            printer.value(&value.ty, value.view);
        }
        None => printer.value(element, view),
    }
}

fn hash_table<'u>(
    printer: &mut Printer<'_, '_, 'u>,
    ty: &Rc<Type<'u>>,
    view: View<'_, 'u>,
    name: &str,
) -> Option<()> {
    /// Most elements that are shown.
    const MOST: u64 = 200;
    let table = find(printer, ty, view, "_M_h")?;
    // _Hashtable<Key, Value, …>
    let element = argument(printer, &table.ty, 1)?;
    let count = find(printer, &table.ty, table.view, "_M_element_count")?;
    let first = find(printer, &table.ty, table.view, "_M_before_begin")?;
    let next = find(printer, &first.ty, first.view, "_M_nxt")?;
    let link = printer.context.size_of(&first.ty);
    let words = (count.word(printer), next.word(printer));
    let is_map = name.ends_with("map");
    with_words(printer, words, |printer, count, first| {
        printer.push(&format!("{name}({count}) {{"));
        printer.deeper(|printer| {
            let mut node = first;
            let mut seen = HashSet::new();
            for index in 0..count {
                if printer.is_full() {
                    return;
                }
                printer.push(if index > 0 { ", " } else { "" });
                if index >= MOST {
                    return printer.push("...");
                }
                if node == 0 {
                    return printer.push(&format!("<corrupt: {index} elements>"));
                }
                if !seen.insert(node) {
                    return printer.push("<corrupt: a cycle>");
                }
                entry(printer, node.saturating_add(link), &element, is_map);
                node = match printer.read_word(node) {
                    Ok(next) => next,
                    Err(_) => return,
                };
            }
            if node != 0 {
                printer.push(", <corrupt: more elements>");
            }
        });
        printer.push("}");
    });
    Some(())
}

fn tuple<'u>(printer: &mut Printer<'_, '_, 'u>, ty: &Rc<Type<'u>>, view: View<'_, 'u>) -> Option<()> {
    let mut heads = Vec::new();
    let mut level = Some((Rc::clone(ty), view));
    // tuple : _Tuple_impl<0, …> : _Tuple_impl<1, …>, _Head_base<0, …>
    while let Some((ty, view)) = level.take().filter(|_| heads.len() < 32) {
        for member in &printer.context.world.parts(&ty).members {
            let (true, Some(offset)) = (member.base, member.offset) else { continue };
            let base = printer.context.world.resolve(member.of.as_ref());
            match plain_name(base.name()) {
                "_Tuple_impl" => level = Some((base, view.at(offset))),
                "_Head_base" => {
                    if let Some(head) = find(printer, &base, view.at(offset), "_M_head_impl") {
                        heads.push(head);
                    }
                }
                _ => {}
            }
        }
    }
    if heads.is_empty() {
        return None;
    }
    printer.push("tuple(");
    printer.deeper(|printer| {
        for (index, head) in heads.iter().enumerate() {
            printer.push(if index > 0 { ", " } else { "" });
            printer.value(&head.ty, head.view);
        }
    });
    printer.push(")");
    Some(())
}

fn deque<'u>(printer: &mut Printer<'_, '_, 'u>, ty: &Rc<Type<'u>>, view: View<'_, 'u>) -> Option<()> {
    let (start, finish) = (find(printer, ty, view, "_M_start")?, find(printer, ty, view, "_M_finish")?);
    let word = |part: &Part<'_, 'u>, name| find(printer, &part.ty, part.view, name)?.word(printer).ok();
    let element = find(printer, &start.ty, start.view, "_M_cur")?.target(printer)?;
    let size = printer.context.size_of(&element);
    let (cur, last, node) = (word(&start, "_M_cur")?, word(&start, "_M_last")?, word(&start, "_M_node")?);
    let (end, end_first, end_node) =
        (word(&finish, "_M_cur")?, word(&finish, "_M_first")?, word(&finish, "_M_node")?);
    let first = word(&start, "_M_first")?;
    let step = printer.context.world.word() as u64;
    // Elements of whole nodes between the first and the last one, those at the first's end, those at the last's start.
    let count = (|| {
        let per_node = last.checked_sub(first)?.checked_div(size)?;
        if node == end_node {
            return end.checked_sub(cur)?.checked_div(size);
        }
        let whole = (end_node.checked_sub(node)? / step).checked_sub(1)?.checked_mul(per_node)?;
        let ends = last.checked_sub(cur)?.checked_add(end.checked_sub(end_first)?)?;
        whole.checked_add(ends.checked_div(size)?)
    })();
    let Some(count) = count else {
        printer.push(&format!("<corrupt deque: from {cur:#x} to {end:#x}>"));
        return Some(());
    };
    printer.push(&format!("deque({count}) {{"));
    printer.deeper(|printer| {
        let (mut at, mut stop, mut node) = (cur, last, node);
        for index in 0..count.min(200) {
            printer.push(if index > 0 { ", " } else { "" });
            if at == stop {
                node = node.saturating_add(step);
                at = match printer.read_word(node) {
                    Ok(next) => next,
                    Err(why) => return printer.missing(why),
                };
                stop = at.saturating_add(last.wrapping_sub(first));
            }
            let content = printer.read(at, size);
            printer.value(&element, View::whole(&content));
            at = at.saturating_add(size);
            if printer.is_full() {
                return;
            }
        }
        if count > 200 {
            printer.push("...");
        }
    });
    printer.push("}");
    Some(())
}
