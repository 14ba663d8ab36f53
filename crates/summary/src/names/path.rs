//! Demangled names: paths of C++, Rust and Go.

use std::ops::Range;

use super::brackets::Brackets;
use super::operator::{self, Operator, is_identifier};

/// How deep types are followed into types: `<<A as B>::C as D>::f`.
const DEEPEST: usize = 16;

const ANONYMOUS: &str = "(anonymous namespace)";
/// What stands for a type that isn't worth a name.
const SOME_TYPE: &str = "_";
const CLOSURE: &str = "{closure}";

/// What may follow a function's arguments, beside spaces and `::`.
const QUALIFIERS: [&str; 6] = ["const", "volatile", "noexcept", "restrict", "&&", "&"];

/// Returns a demangled name as a path.
pub(super) fn shortened(name: &str) -> String {
    let scan = Scan { text: name, brackets: Brackets::of(name) };
    scan.path(0..name.len(), 0)
}

struct Scan<'a> {
    text: &'a str,
    brackets: Brackets,
}

impl Scan<'_> {
    fn slice(&self, range: Range<usize>) -> &str {
        self.text.get(range).unwrap_or_default()
    }

    fn byte(&self, index: usize) -> Option<u8> {
        self.text.as_bytes().get(index).copied()
    }

    /// Writes a part of the name as a path. What stands before the last space outside of brackets is a return type.
    fn path(&self, range: Range<usize>, depth: usize) -> String {
        let mut out = String::new();
        if depth > DEEPEST {
            return out;
        }
        let mut index = range.start;
        while index < range.end {
            let closing = self.brackets.closing(index).filter(|closing| *closing < range.end);
            let byte = self.byte(index).unwrap_or_default();
            index = match (byte, closing) {
                (b' ', _) => self.space(index, range.end, &mut out),
                (b'<', Some(end)) => self.angle(index, end, range.end, depth, &mut out),
                (b'(', Some(end)) => self.round(index, end, range.end, depth, &mut out),
                (b'{', Some(end)) => {
                    out.push_str(&self.curly(index, end));
                    end + 1
                }
                (b'[', Some(end)) => self.square(index, end, range.end, &mut out),
                (b'&' | b'*', _) if out.is_empty() => index + 1,
                (b'o', _) if starts_segment(&out) => self.operator(index, range.end, depth, &mut out),
                (b'$', _) if starts_segment(&out) => self.dollar(index, range.end, &mut out),
                _ => self.copy(index, &mut out),
            };
        }
        out
    }

    /// Copies a character.
    fn copy(&self, index: usize, out: &mut String) -> usize {
        let char = self.slice(index..self.text.len()).chars().next();
        out.extend(char);
        index + char.map_or(1, char::len_utf8)
    }

    /// Tells whether a name can go on at `index` after something that is left out; otherwise that was a part of the name.
    fn may_follow(&self, index: usize, end: usize) -> bool {
        index >= end
            || matches!(self.byte(index), Some(b' ' | b'(' | b'[' | b'.'))
            || ["::", "-fm"].iter().any(|next| self.slice(index..end).starts_with(next))
    }

    /// Takes a space: qualifiers and marks of clones are left out; anything else before it was a type.
    fn space(&self, index: usize, end: usize, out: &mut String) -> usize {
        let rest = self.slice(index + 1..end);
        for qualifier in QUALIFIERS {
            if rest.starts_with(qualifier) && self.may_follow(index + 1 + qualifier.len(), end) {
                return index + 1 + qualifier.len();
            }
        }
        if rest.starts_with("[clone ") || rest.starts_with("(.") {
            let closing = self.brackets.closing(index + 1).filter(|closing| *closing < end);
            if let Some(closing) = closing.filter(|closing| self.may_follow(closing + 1, end)) {
                return closing + 1;
            }
        }
        if !rest.is_empty() {
            out.clear();
        }
        index + 1
    }

    /// Takes `<…>`: a type that a Rust path begins with, a block of implementations, or arguments.
    fn angle(&self, index: usize, closing: usize, end: usize, depth: usize, out: &mut String) -> usize {
        let inner = index + 1..closing;
        let text = self.slice(inner.clone());
        if starts_segment(out) {
            if let Some(block) = text.strip_prefix("impl ") {
                let block = closing - block.len()..closing;
                out.extend(["<impl ", &self.joined(block, " for ", depth), ">"]);
                return closing + 1;
            }
            if text.starts_with("lambda") {
                out.push_str(CLOSURE);
                return closing + 1;
            }
            if out.is_empty() && self.slice(closing + 1..end).starts_with("::") {
                if self.find(inner.clone(), " as ").is_some() {
                    out.extend(["<", &self.joined(inner, " as ", depth), ">"]);
                } else {
                    out.push_str(&self.named(inner, depth));
                }
                return closing + 1;
            }
            if out.ends_with("::") && out.len() > 2 && self.may_follow(closing + 1, end) {
                out.truncate(out.len() - 2);
                return closing + 1;
            }
        }
        out.push_str("<T>");
        closing + 1
    }

    /// Takes `(…)`: arguments, but for a namespace without a name and the receiver of a Go method.
    fn round(&self, index: usize, closing: usize, end: usize, depth: usize, out: &mut String) -> usize {
        let whole = self.slice(index..closing + 1);
        if whole == ANONYMOUS {
            out.push_str(whole);
        } else if out.ends_with('.') {
            let pointer = if self.byte(index + 1) == Some(b'*') { "*" } else { "" };
            out.extend(["(", pointer, &self.named(index + 1..closing, depth), ")"]);
        } else if starts_segment(out) {
            out.push_str("(_)");
        } else if !self.may_follow(closing + 1, end) {
            out.push_str(whole);
        }
        closing + 1
    }

    /// Takes `{…}`: what a compiler calls something without a name.
    fn curly(&self, index: usize, closing: usize) -> String {
        let inner = self.slice(index + 1..closing).trim_start_matches('{');
        let word: &str = inner.split(|char| !is_identifier(char)).next().unwrap_or_default();
        match word {
            "" => format!("{{{SOME_TYPE}}}"),
            _ if word.starts_with("lambda") || word.starts_with("closure") => CLOSURE.to_owned(),
            _ => format!("{{{word}}}"),
        }
    }

    /// Takes `[…]`: an ABI tag, a mark of a clone, a hash of a crate; or the arguments of a Go type.
    fn square(&self, index: usize, closing: usize, end: usize, out: &mut String) -> usize {
        let inner = self.slice(index + 1..closing);
        let is_hash = inner.len() >= 8 && inner.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let is_tag = inner.starts_with("abi:") || inner.starts_with("clone ") || is_hash;
        if !(is_tag && !starts_segment(out) && self.may_follow(closing + 1, end)) {
            out.push_str("[T]");
        }
        closing + 1
    }

    /// Takes `$_0`: what clang calls a closure.
    fn dollar(&self, index: usize, end: usize, out: &mut String) -> usize {
        let rest = self.slice(index..end);
        let number = rest.strip_prefix("$_").unwrap_or_default();
        let digits = number.bytes().take_while(u8::is_ascii_digit).count();
        let after = index + 2 + digits;
        if digits == 0 || !self.may_follow(after, end) {
            return self.copy(index, out);
        }
        out.push_str(CLOSURE);
        after
    }

    /// Takes the name of an operator, if there is one.
    fn operator(&self, index: usize, end: usize, depth: usize, out: &mut String) -> usize {
        let text = self.slice(0..end);
        let after_word = index + operator::word_length();
        match operator::at(text, index) {
            None => self.copy(index, out),
            Some(Operator::Named(symbol)) => {
                out.push_str("operator");
                out.push_str(symbol);
                let after = after_word + symbol.len();
                let space = self.byte(after) == Some(b' ');
                let rest = self.slice(after + 1..end);
                if space && (rest.starts_with('<') || symbol == "\"\"") { after + 1 } else { after }
            }
            Some(Operator::Conversion) => {
                let (target, after) = self.conversion(after_word + 1, end, depth);
                if target.is_empty() {
                    return self.copy(index, out);
                }
                out.push_str("operator ");
                out.push_str(&target);
                after
            }
        }
    }

    /// Writes the type that is converted to, up to the arguments.
    fn conversion(&self, start: usize, end: usize, depth: usize) -> (String, usize) {
        let mut out = String::new();
        let mut index = start;
        while index < end {
            let closing = self.brackets.closing(index).filter(|closing| *closing < end);
            index = match (self.byte(index).unwrap_or_default(), closing) {
                (b'(', Some(closing)) if self.slice(index..closing + 1) != ANONYMOUS => break,
                (b'(', Some(closing)) => self.round(index, closing, end, depth, &mut out),
                (b'<', Some(closing)) => {
                    out.push_str("<T>");
                    closing + 1
                }
                (b'{', Some(closing)) => {
                    out.push_str(&self.curly(index, closing));
                    closing + 1
                }
                _ => self.copy(index, &mut out),
            };
        }
        (out.trim().to_owned(), index)
    }

    /// Writes a type; one that has no name is some type.
    fn named(&self, range: Range<usize>, depth: usize) -> String {
        let name = self.path(range, depth + 1);
        if name.is_empty() { SOME_TYPE.to_owned() } else { name }
    }

    /// Writes two types with a word between them, or one type where that word isn't there.
    fn joined(&self, range: Range<usize>, word: &str, depth: usize) -> String {
        match self.find(range.clone(), word) {
            Some(at) => {
                let first = self.named(range.start..at, depth);
                let second = self.named(at + word.len()..range.end, depth);
                format!("{first}{word}{second}")
            }
            None => self.named(range, depth),
        }
    }

    /// Finds a word outside of the brackets of a part of the name.
    fn find(&self, range: Range<usize>, word: &str) -> Option<usize> {
        let mut index = range.start;
        while index < range.end {
            if self.slice(index..range.end).starts_with(word) {
                return Some(index);
            }
            index = self.brackets.closing(index).filter(|closing| *closing < range.end).unwrap_or(index) + 1;
        }
        None
    }
}

/// Tells whether a part of a path begins after `out`.
fn starts_segment(out: &str) -> bool {
    out.is_empty() || out.ends_with("::")
}
