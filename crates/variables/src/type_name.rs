//! The names of types, as the languages spell them: C's declarators go around what they declare.

use gimli::DwTag;

use crate::context::World;
use crate::die::{Die, Entry};
use crate::types::Bound;

/// Most types that a name is made of.
const DEEPEST: usize = 16;
/// Longest name, in bytes: templates have endless ones.
const LONGEST: usize = 200;

impl<'u> World<'u> {
    /// Returns the name of a type; no entry is `void`.
    pub(crate) fn type_name(&self, die: Option<&Die<'u>>) -> String {
        let mut name = self.declare(die, String::new(), DEEPEST);
        if name.len() > LONGEST {
            let end = (0..=LONGEST).rev().find(|end| name.is_char_boundary(*end)).unwrap_or(0);
            name.truncate(end);
            name.push_str("...");
        }
        name
    }

    /// Spells a type around a declarator.
    fn declare(&self, die: Option<&Die<'u>>, declarator: String, depth: usize) -> String {
        let Some(entry) = die.and_then(Die::read) else { return spaced("void", &declarator) };
        let Some(depth) = depth.checked_sub(1) else { return spaced("...", &declarator) };
        let to = self.type_die(&entry);
        match entry.tag() {
            tag if entry.name().is_some() && !is_qualifier(tag) => {
                spaced(&entry.name().unwrap_or_default(), &declarator)
            }
            gimli::DW_TAG_pointer_type => self.declare(to.as_ref(), format!("*{declarator}"), depth),
            gimli::DW_TAG_reference_type => self.declare(to.as_ref(), format!("&{declarator}"), depth),
            gimli::DW_TAG_rvalue_reference_type => {
                self.declare(to.as_ref(), format!("&&{declarator}"), depth)
            }
            gimli::DW_TAG_array_type => {
                let bounds = self.resolve(Some(&entry.die));
                let crate::types::Kind::Array { bounds, .. } = &bounds.kind else { return declarator };
                let mut text = enclosed(declarator);
                for bound in bounds {
                    match bound {
                        Bound::Known(count) => text = format!("{text}[{count}]"),
                        _ => text.push_str("[]"),
                    }
                }
                self.declare(to.as_ref(), text, depth)
            }
            gimli::DW_TAG_subroutine_type => {
                let parameters = self.parameters(&entry, depth);
                self.declare(to.as_ref(), format!("{}({parameters})", enclosed(declarator)), depth)
            }
            tag if is_qualifier(tag) => {
                let word = if tag == gimli::DW_TAG_const_type { "const" } else { "volatile" };
                let plain = [gimli::DW_TAG_const_type, gimli::DW_TAG_volatile_type].contains(&tag);
                let is_pointer =
                    to.as_ref().and_then(Die::read).is_some_and(|to| to.tag() == gimli::DW_TAG_pointer_type);
                match (plain, is_pointer) {
                    (true, true) => {
                        self.declare(to.as_ref(), spaced(&format!(" {word}"), &declarator), depth)
                    }
                    (true, false) => format!("{word} {}", self.declare(to.as_ref(), declarator, depth)),
                    (false, _) => self.declare(to.as_ref(), declarator, depth),
                }
            }
            tag => spaced(unnamed(tag), &declarator),
        }
    }

    fn parameters(&self, function: &Entry<'u>, depth: usize) -> String {
        /// Most parameters that are spelled.
        const MOST: usize = 8;
        let mut parameters = Vec::new();
        for entry in function.die.children() {
            match entry.tag() {
                gimli::DW_TAG_formal_parameter if parameters.len() < MOST => {
                    let of = self.type_die(&entry);
                    parameters.push(self.declare(of.as_ref(), String::new(), depth));
                }
                gimli::DW_TAG_formal_parameter | gimli::DW_TAG_unspecified_parameters => {
                    parameters.push("...".to_owned());
                    break;
                }
                _ => {}
            }
        }
        if parameters.is_empty() { "void".to_owned() } else { parameters.join(", ") }
    }
}

fn is_qualifier(tag: DwTag) -> bool {
    matches!(
        tag,
        gimli::DW_TAG_const_type
            | gimli::DW_TAG_volatile_type
            | gimli::DW_TAG_restrict_type
            | gimli::DW_TAG_atomic_type
    )
}

fn unnamed(tag: DwTag) -> &'static str {
    match tag {
        gimli::DW_TAG_structure_type => "struct {...}",
        gimli::DW_TAG_class_type => "class {...}",
        gimli::DW_TAG_union_type => "union {...}",
        gimli::DW_TAG_enumeration_type => "enum {...}",
        _ => "?",
    }
}

fn spaced(name: &str, declarator: &str) -> String {
    if declarator.is_empty() { name.to_owned() } else { format!("{name} {declarator}") }
}

/// What is applied to a pointer goes around it.
fn enclosed(declarator: String) -> String {
    if declarator.starts_with(['*', '&']) { format!("({declarator})") } else { declarator }
}
