//! Arguments in the line of their frame, and locals beneath it, where the summary has them.
//!
//! ```text
//! >  #1  parse(line=0x55d0c2a0 "GET /x", n=-1)  src/parse.c:12
//!          depth = 3
//!          token = {kind = WORD, text = "GET"}
//! ```

use std::fmt::Write as _;

use epitaph_summary::{Frame, Hex, Variable, VariableState};

use crate::escape::clean;
use crate::frames;
use crate::line::{Line, Style};

/// Most characters of one argument in the line of its frame.
const LONGEST_ARGUMENT: usize = 60;
/// Most characters of all.
const LONGEST_LIST: usize = 200;
/// Stands for what is left out.
const MORE: &str = "...";

/// Returns what a frame is called before its arguments: without their types, where their values follow.
pub(crate) fn name(frame: &Frame) -> String {
    let name = frames::name(frame);
    if frame.arguments.is_empty() {
        return name;
    }
    let bare = name.strip_suffix(" const").unwrap_or(&name);
    if !bare.ends_with(')') {
        return name;
    }
    let mut depth = 0;
    for (at, c) in bare.char_indices().rev() {
        match c {
            ')' => depth += 1,
            '(' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            let before = bare.get(..at).unwrap_or_default();
            return if before.is_empty() { name } else { before.to_owned() };
        }
    }
    name
}

/// Returns a frame's arguments with their values, between parentheses; nothing where none are known.
pub(crate) fn arguments(frame: &Frame) -> String {
    if frame.arguments.is_empty() {
        return String::new();
    }
    let mut out = String::from("(");
    for (index, argument) in frame.arguments.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        if out.chars().count() > LONGEST_LIST {
            out.push_str(MORE);
            break;
        }
        let _ = write!(out, "{}={}", clean(&argument.name), cut(&value(argument)));
    }
    out.push(')');
    out
}

/// Returns the lines beneath a frame: its locals, and the arguments that its own line has cut.
pub(crate) fn lines(frame: &Frame, indent: usize) -> Vec<Line> {
    if frame.variables.is_empty() {
        return Vec::new();
    }
    let is_cut = |argument: &&Variable| cut(&value(argument)) != value(argument);
    let shown = frame.arguments.iter().filter(is_cut).chain(&frame.variables);
    let line = |variable: &Variable| {
        Line::plain(" ".repeat(indent + 2))
            .with(Style::Faint, format!("{} = ", clean(&variable.name)))
            .with(Style::Plain, value(variable))
    };
    shown.map(line).collect()
}

/// Returns a variable's value, or why there is none.
fn value(variable: &Variable) -> String {
    if let Some(value) = &variable.value {
        return clean(value).into_owned();
    }
    let at = variable.address.map(|Hex(address)| format!(": {address:#x}")).unwrap_or_default();
    match variable.state {
        Some(VariableState::OptimizedOut) => "<optimized out>".to_owned(),
        Some(VariableState::NotDumped) => format!("<not in core{at}>"),
        Some(VariableState::Truncated) => format!("<cut off with the core{at}>"),
        Some(VariableState::Unmapped) => format!("<unmapped{at}>"),
        _ => "<unavailable>".to_owned(),
    }
}

fn cut(value: &str) -> String {
    match value.char_indices().nth(LONGEST_ARGUMENT) {
        Some((end, _)) => format!("{}{MORE}", value.get(..end).unwrap_or_default()),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(function: &str, arguments: &[(&str, &str)]) -> Frame {
        let variable = |(name, value): &(&str, &str)| Variable {
            name: (*name).to_owned(),
            value: Some((*value).to_owned()),
            ..Variable::default()
        };
        Frame {
            function: Some(function.to_owned()),
            arguments: arguments.iter().map(variable).collect(),
            ..Frame::default()
        }
    }

    #[test]
    fn values_take_the_place_of_types() {
        let called = |function| {
            let frame = frame(function, &[("line", "0x1 \"GET\""), ("n", "-1")]);
            format!("{}{}", name(&frame), arguments(&frame))
        };
        let values = "(line=0x1 \"GET\", n=-1)";
        for (function, plain) in [
            ("parse", "parse"),
            ("shop::parse(char const*, int)", "shop::parse"),
            ("Lexer::next(void (*)(int)) const", "Lexer::next"),
            ("f()::{lambda(int)#1}::operator()(int)", "f()::{lambda(int)#1}::operator()"),
            ("(odd)", "(odd)"),
            ("odd)", "odd)"),
        ] {
            assert_eq!(called(function), format!("{plain}{values}"));
        }
        let none = frame("shop::parse(int)", &[]);
        assert_eq!((name(&none), arguments(&none)), ("shop::parse(int)".to_owned(), String::new()));
    }

    #[test]
    fn what_is_too_long_for_the_line_stands_beneath_it() {
        let long = "x".repeat(100);
        let mut long = frame("f", &[("a", &long), ("b", "1")]);
        assert_eq!(arguments(&long), format!("(a={}..., b=1)", "x".repeat(60)));
        assert!(lines(&long, 0).is_empty(), "nobody asked for locals");
        let state = Some(VariableState::NotDumped);
        let lost = Variable { name: "v".into(), state, address: Some(Hex(0x10)), ..Variable::default() };
        long.variables = vec![lost];
        let texts: Vec<String> = lines(&long, 1).iter().map(Line::text).collect();
        assert_eq!(texts, [format!("   a = {}", "x".repeat(100)), "   v = <not in core: 0x10>".to_owned()]);
    }
}
