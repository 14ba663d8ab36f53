//! Values as text, in gdb's spelling where it has one. Everything is bounded: depth, elements, length, reads.

mod aggregate;
mod float;
mod number;
mod text;

use std::rc::Rc;

use crate::content::{Content, Implicit};
use crate::context::Context;
use crate::die::Die;
use crate::library;
use crate::location;
use crate::types::{Kind, Type};
use crate::variable::Missing;

pub(crate) use text::{Units, literal};

/// Structures in each other that are shown.
const DEEPEST: usize = 5;
/// Most elements of an array, and most characters of a string.
pub(crate) const MOST_ELEMENTS: usize = 200;
/// Runs of equal elements that are counted instead.
const RUN: usize = 10;
/// Longest text of one value, in bytes.
const LONGEST: usize = 1500;
/// Most objects that are read for one value.
const MOST_READS: usize = 1000;

/// An object, or a part of one.
#[derive(Clone, Copy)]
pub(crate) struct View<'v, 'u> {
    pub(crate) content: &'v Content<'u>,
    pub(crate) offset: usize,
    /// Of a bit field, the first bit from `offset`, and how many there are.
    pub(crate) bits: Option<(u64, u64)>,
}

impl<'v, 'u> View<'v, 'u> {
    pub(crate) fn whole(content: &'v Content<'u>) -> View<'v, 'u> {
        View { content, offset: 0, bits: None }
    }

    pub(crate) fn at(self, offset: u64) -> View<'v, 'u> {
        let offset = self.offset.saturating_add(usize::try_from(offset).unwrap_or(usize::MAX));
        View { offset, bits: None, ..self }
    }

    pub(crate) fn bytes(self, len: u64) -> Result<&'v [u8], Missing> {
        self.content.get(self.offset, usize::try_from(len).unwrap_or(usize::MAX))
    }

    /// Where it is in memory.
    pub(crate) fn address(self) -> Option<u64> {
        self.content.address?.checked_add(self.offset as u64)
    }
}

/// Spells one value.
pub(crate) struct Printer<'p, 'w, 'u> {
    pub(crate) context: &'p Context<'w, 'u>,
    out: String,
    depth: usize,
    reads: usize,
    is_cut: bool,
}

impl<'p, 'w, 'u> Printer<'p, 'w, 'u> {
    /// Spells a value.
    pub(crate) fn print(context: &'p Context<'w, 'u>, ty: &Rc<Type<'u>>, content: &Content<'u>) -> String {
        let mut printer = Printer { context, out: String::new(), depth: 0, reads: 0, is_cut: false };
        printer.value(ty, View::whole(content));
        let mut out = printer.out;
        if printer.is_cut {
            let end = (0..=LONGEST).rev().find(|end| out.is_char_boundary(*end)).unwrap_or(0);
            out.truncate(end);
            out.push_str("...");
        }
        out
    }

    pub(crate) fn push(&mut self, text: &str) {
        if !self.is_cut {
            self.out.push_str(text);
            self.is_cut = self.out.len() > LONGEST;
        }
    }

    /// Tells whether nothing more is needed.
    pub(crate) fn is_full(&self) -> bool {
        self.is_cut
    }

    pub(crate) fn missing(&mut self, why: Missing) {
        self.push(&why.to_string());
    }

    /// Reads an object in memory; what is beyond what one value may read is not available.
    pub(crate) fn read(&mut self, address: u64, size: u64) -> Content<'u> {
        self.reads += 1;
        if self.reads > MOST_READS {
            return Content::missing(size, Missing::Unavailable);
        }
        Content::read(self.context.world.memory, address, size)
    }

    /// Reads a word of memory.
    pub(crate) fn read_word(&mut self, address: u64) -> Result<u64, Missing> {
        self.reads += 1;
        if self.reads > MOST_READS {
            return Err(Missing::Unavailable);
        }
        let world = self.context.world;
        world.arch.read_word(world.memory, address).map_err(Missing::Memory)
    }

    /// Spells an object of some type.
    pub(crate) fn value(&mut self, ty: &Rc<Type<'u>>, view: View<'_, 'u>) {
        if self.is_full() {
            return;
        }
        if library::print(self, ty, view) {
            return;
        }
        if ty.is_compound() {
            if self.depth >= DEEPEST {
                return self.push("{...}");
            }
            self.depth += 1;
            match &ty.kind {
                Kind::Array { of, bounds } => self.array(of.as_ref(), bounds, view),
                _ => self.record(ty, view),
            }
            self.depth -= 1;
            return;
        }
        let size = self.context.size_of(ty);
        match &ty.kind {
            Kind::Number(encoding) => self.number(ty, *encoding, size, view),
            Kind::Enumeration(enumeration) => self.enumeration(enumeration, size, view),
            Kind::Pointer(to) => self.pointer(ty, to.as_ref(), size, view),
            Kind::Reference(to) => self.reference(to.as_ref(), size, view),
            Kind::Member { method } => self.member_pointer(*method, view),
            Kind::Void => self.push("void"),
            Kind::Function => self.push("{...}"),
            _ => self.raw(size, view),
        }
    }

    /// Runs something one level further in.
    pub(crate) fn deeper(&mut self, what: impl FnOnce(&mut Self)) {
        if self.depth >= DEEPEST {
            return self.push("{...}");
        }
        self.depth += 1;
        what(self);
        self.depth -= 1;
    }

    fn pointer(&mut self, ty: &Type<'u>, to: Option<&Die<'u>>, size: u64, view: View<'_, 'u>) {
        let world = self.context.world;
        let target = world.resolve(to);
        if let Some(implicit) = view.content.implicit_at(view.offset) {
            return self.implicit(implicit, &target);
        }
        let address = match self.word(size, view) {
            Ok(address) => address,
            Err(why) => return self.missing(why),
        };
        if ty.rust && library::rust_pointer(self, ty, &target, address) {
            return;
        }
        self.push(&format!("{address:#x}"));
        if !ty.rust
            && let Some(units) = Units::of(&target, self.context.size_of(&target))
        {
            if address != 0 {
                self.push(" ");
                self.string(address, units);
            }
            return;
        }
        // What no symbol covers is in no module, or in one that says nothing.
        if address != 0
            && let Some(name) = world.names.name(world.modules, address)
        {
            self.push(&format!(" <{name}>"));
        }
    }

    /// Spells a pointer that the compiler left out, by what it would have pointed to.
    fn implicit(&mut self, implicit: &Implicit<'u>, target: &Rc<Type<'u>>) {
        let context = self.context.deeper();
        let entry = implicit.target.read().filter(|_| implicit.offset == 0);
        let (Some(context), Some(entry)) = (context, entry) else { return self.push("<synthetic pointer>") };
        let chain = context.world.dies.chain(entry);
        let content = location::content(&context, &chain, context.size_of(target));
        if content.wholly_missing().is_some() {
            return self.push("<synthetic pointer>");
        }
        self.push("<synthetic pointer: ");
        self.deeper(|printer| printer.value(target, View::whole(&content)));
        self.push(">");
    }

    fn reference(&mut self, to: Option<&Die<'u>>, size: u64, view: View<'_, 'u>) {
        if let Some(implicit) = view.content.implicit_at(view.offset) {
            return self.implicit(implicit, &self.context.world.resolve(to));
        }
        let address = match self.word(size, view) {
            Ok(address) => address,
            Err(why) => return self.missing(why),
        };
        self.push(&format!("@{address:#x}"));
        // One within a structure may lead to what holds the structure.
        if self.depth > 0 {
            return;
        }
        self.push(": ");
        let target = self.context.world.resolve(to);
        let content = self.read(address, self.context.size_of(&target));
        self.deeper(|printer| printer.value(&target, View::whole(&content)));
    }

    /// Spells the string at an address, up to its NUL.
    fn string(&mut self, address: u64, units: Units) {
        let unit = units.size();
        let wanted = (MOST_ELEMENTS * unit) as u64;
        let content = self.read(address, wanted);
        let mut bytes = Vec::new();
        let mut ended = false;
        let mut why = None;
        for index in 0..MOST_ELEMENTS {
            match content.get(index * unit, unit) {
                Ok(one) if one.iter().all(|byte| *byte == 0) => {
                    ended = true;
                    break;
                }
                Ok(one) => bytes.extend_from_slice(one),
                Err(missing) => {
                    why = Some(missing);
                    break;
                }
            }
        }
        if let Some(why) = why.filter(|_| bytes.is_empty()) {
            return self.missing(why);
        }
        let more = !ended && why.is_none();
        let text = literal(&bytes, units, self.context.world.arch.endian());
        self.push(&text);
        if more {
            self.push("...");
        }
        if let Some(why) = why {
            self.push(&format!(" {why}"));
        }
    }

    /// Reads a number of up to 8 bytes.
    pub(crate) fn word(&self, size: u64, view: View<'_, 'u>) -> Result<u64, Missing> {
        let bytes = view.bytes(size)?;
        crate::location::number(self.context, bytes).ok_or(Missing::Unavailable)
    }

    /// Spells a pointer to a member (Itanium C++ ABI, 2.3): how far data is from the object's start, or a method's
    /// address; of a virtual one the place in the table, and 1.
    fn member_pointer(&mut self, method: bool, view: View<'_, 'u>) {
        let word = self.context.world.word() as u64;
        let world = self.context.world;
        match self.word(word, view) {
            Ok(value) if method && value == 0 => self.push("NULL"),
            Ok(value) if !method && value == world.arch.wrap(u64::MAX) => self.push("NULL"),
            Ok(value) if method && value & 1 == 0 => {
                self.push(&format!("{value:#x}"));
                if let Some(name) = world.names.name(world.modules, value) {
                    self.push(&format!(" <{name}>"));
                }
            }
            Ok(value) if method => self.push(&format!("<virtual method at {}>", value - 1)),
            Ok(value) => self.push(&value.to_string()),
            Err(why) => self.missing(why),
        }
    }

    /// Spells bytes that nothing more is known of.
    fn raw(&mut self, size: u64, view: View<'_, 'u>) {
        match view.bytes(size.min(16)) {
            Ok([]) => self.push("{}"),
            Ok(bytes) => {
                self.push(&format!("<bytes {}>", hex(bytes.iter())));
            }
            Err(why) => self.missing(why),
        }
    }
}

/// Writes bytes in hexadecimal.
fn hex<'b>(bytes: impl Iterator<Item = &'b u8>) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
    out
}
