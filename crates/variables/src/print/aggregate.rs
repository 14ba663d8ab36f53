//! Structures, unions and arrays.

use std::rc::Rc;

use super::{MOST_ELEMENTS, Printer, RUN, Units, View, literal};
use crate::content::Content;
use crate::die::Die;
use crate::library;
use crate::location;
use crate::types::{Bound, Member, Type};
use crate::variable::Missing;

impl<'u> Printer<'_, '_, 'u> {
    pub(super) fn record(&mut self, ty: &Rc<Type<'u>>, view: View<'_, 'u>) {
        if ty.rust {
            return library::rust_record(self, ty, view);
        }
        let parts = self.context.world.parts(ty);
        if parts.members.is_empty() {
            return self.push("{<No data fields>}");
        }
        self.push("{");
        let mut shown = 0;
        for member in parts.members.iter().take(MOST_ELEMENTS) {
            if self.is_full() {
                return;
            }
            // A base class that has nothing says nothing.
            if member.base && parts.members.len() > 1 {
                let base = self.context.world.resolve(member.of.as_ref());
                if self.context.world.parts(&base).members.is_empty() {
                    continue;
                }
            }
            shown += 1;
            if shown > 1 {
                self.push(", ");
            }
            match (&member.name, member.base) {
                (Some(name), false) => self.push(&format!("{name} = ")),
                (_, true) => {
                    let base = self.context.world.resolve(member.of.as_ref());
                    self.push(&format!("<{}> = ", base.name()));
                }
                (None, false) => {}
            }
            self.member(member, view);
        }
        self.push(if parts.members.len() > MOST_ELEMENTS { "...}" } else { "}" });
    }

    /// Spells a member of an object.
    pub(crate) fn member(&mut self, member: &Member<'u>, view: View<'_, 'u>) {
        let ty = self.context.world.resolve(member.of.as_ref());
        if let Some(offset) = member.offset {
            let part = View { bits: member.bits, ..view.at(offset) };
            return self.value(&ty, part);
        }
        match self.place_of(member, view) {
            Ok(address) => {
                let content = self.read(address, self.context.size_of(&ty));
                self.value(&ty, View::whole(&content));
            }
            Err(why) => self.missing(why),
        }
    }

    /// Finds a virtual base class.
    fn place_of(&self, member: &Member<'u>, view: View<'_, 'u>) -> Result<u64, Missing> {
        let lost = Missing::Unavailable;
        let object = view.address().ok_or(lost)?;
        let entry = member.entry.as_ref().and_then(Die::read).ok_or(lost)?;
        let value = entry.attr(gimli::DW_AT_data_member_location).ok_or(lost)?;
        let unit = &entry.die.unit;
        let expression = location::expression(self.context, unit, value)?.expression;
        location::address_from(self.context, unit, expression, object)
    }

    pub(super) fn array(&mut self, of: Option<&Die<'u>>, bounds: &[Bound<'u>], view: View<'_, 'u>) {
        let element = self.context.world.resolve(of);
        let counts: Option<Vec<u64>> = bounds.iter().map(|bound| self.context.count(bound)).collect();
        // Its elements follow the object, and nobody says how many; or what would say it is lost.
        let Some(counts) = counts.filter(|counts| !counts.is_empty()) else { return self.push("{...}") };
        self.dimension(&element, &counts, view);
    }

    fn dimension(&mut self, element: &Rc<Type<'u>>, counts: &[u64], view: View<'_, 'u>) {
        let Some((count, inner)) = counts.split_first() else { return self.value(element, view) };
        let size = self.context.size_of(element);
        let stride = inner.iter().fold(size, |size, count| size.saturating_mul(*count));
        if let (Some(units), [], false) = (Units::of(element, size), inner, element.rust) {
            return self.character_array(units, *count, view);
        }
        self.elements(*count, stride, view, element.rust, |printer, part| {
            printer.dimension(element, inner, part);
        });
    }

    /// Spells a number of objects that follow each other; runs of equal ones are counted.
    pub(crate) fn elements(
        &mut self,
        count: u64,
        stride: u64,
        view: View<'_, 'u>,
        rust: bool,
        print: impl Fn(&mut Self, View<'_, 'u>),
    ) {
        let (open, close) = if rust { ("[", "]") } else { ("{", "}") };
        self.push(open);
        let (mut index, mut shown) = (0, 0);
        while index < count && !self.is_full() {
            if index > 0 {
                self.push(", ");
            }
            if shown >= MOST_ELEMENTS {
                self.push("...");
                break;
            }
            let part = view.at(index.saturating_mul(stride));
            let run = run(part, stride, count - index);
            print(self, part);
            if run >= RUN as u64 {
                let more = if part.content.bytes.len() as u64 <= part.offset as u64 + run * stride
                    && index + run < count
                {
                    // No more of it was read.
                    "+"
                } else {
                    ""
                };
                self.push(&format!(" <repeats {run}{more} times>"));
                index += run;
                shown += RUN;
                if !more.is_empty() {
                    self.push("...");
                    break;
                }
            } else {
                index += 1;
                shown += 1;
            }
        }
        self.push(close);
    }

    /// Spells an array of characters.
    fn character_array(&mut self, units: Units, count: u64, view: View<'_, 'u>) {
        let size = units.size() as u64;
        let wanted = count.saturating_mul(size).min(view.content.bytes.len() as u64);
        match view.bytes(wanted) {
            Ok(bytes) => {
                // The NUL that ends it goes without saying.
                let unit = units.size();
                let end = bytes.len().saturating_sub(unit);
                let last = bytes.get(end..).unwrap_or_default();
                let is_ended = !last.is_empty() && last.iter().all(|byte| *byte == 0);
                let shown = if is_ended { bytes.get(..end).unwrap_or_default() } else { bytes };
                let text = literal(shown, units, self.context.world.arch.endian());
                self.push(&text);
            }
            Err(why) => {
                // What is known of it, up to what isn't.
                let unit = units.size() as u64;
                let one = |index: &u64| view.at(index * unit).bytes(unit).ok();
                let known: Vec<u8> =
                    (0..wanted / unit).map_while(|index| one(&index)).flatten().copied().collect();
                if !known.is_empty() {
                    let text = literal(&known, units, self.context.world.arch.endian());
                    self.push(&text);
                    self.push(" ");
                }
                self.missing(why);
            }
        }
    }

    /// Reads objects that follow each other in memory, as many as are shown.
    pub(crate) fn read_elements(&mut self, address: u64, count: u64, stride: u64) -> Content<'u> {
        // A run of equal ones may be longer than what is shown of others.
        const MOST: u64 = 4 * MOST_ELEMENTS as u64;
        self.read(address, count.min(MOST).saturating_mul(stride))
    }
}

/// Counts the objects from the first on that have the same bytes.
fn run(first: View<'_, '_>, stride: u64, most: u64) -> u64 {
    let Ok(bytes) = first.bytes(stride) else { return 1 };
    if bytes.is_empty() {
        return 1;
    }
    let mut run = 1;
    while run < most && first.at(run.saturating_mul(stride)).bytes(stride) == Ok(bytes) {
        run += 1;
    }
    run
}
