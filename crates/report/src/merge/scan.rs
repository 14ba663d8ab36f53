//! Where suites, cases and results stand in a JUnit report, by byte.

use std::borrow::Cow;
use std::ops::Range;

use quick_xml::Reader;
use quick_xml::errors::SyntaxError;
use quick_xml::events::{BytesStart, Event};

use super::{LARGEST, MergeError};

/// The deepest that elements may stand in each other.
pub(super) const DEEPEST: usize = 256;

/// The most bytes of a name that are compared.
const LONGEST_NAME: usize = 4096;

/// A start tag.
#[derive(Clone, Debug)]
pub(super) struct Tag {
    /// From `<` to after `>`.
    pub(super) bytes: Range<usize>,
    /// Whether it ends the element too: `<x/>`.
    pub(super) is_empty: bool,
    /// The element's name, as it is written.
    pub(super) element: String,
    /// The places of the values of attributes, between their quotes, and the values.
    pub(super) attributes: Vec<(String, Range<usize>, String)>,
}

impl Tag {
    /// Returns an attribute's value.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(own, ..)| own == name).map(|(_, _, value)| value.as_str())
    }

    /// Returns where an attribute's value stands.
    pub(super) fn place(&self, name: &str) -> Option<Range<usize>> {
        self.attributes.iter().find(|(own, ..)| own == name).map(|(_, place, _)| place.clone())
    }
}

/// What an element of a case says of how it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Failure,
    Error,
    Skipped,
    Output,
}

/// Such an element.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) kind: Kind,
    pub(super) tag: Tag,
    /// After its end tag.
    pub(super) end: usize,
}

/// A test case.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) class: String,
    pub(super) name: String,
    /// The suites that it is in, the innermost last.
    pub(super) suites: Vec<usize>,
    pub(super) tag: Tag,
    /// Before its end tag; the end of the start tag where that is all.
    pub(super) inner_end: usize,
    pub(super) outcomes: Vec<Outcome>,
}

/// `<testsuite>`, or the `<testsuites>` around them.
#[derive(Clone, Debug)]
pub(super) struct Suite {
    pub(super) name: String,
    pub(super) is_root: bool,
    pub(super) is_collection: bool,
    pub(super) tag: Tag,
    /// Before its end tag.
    pub(super) inner_end: usize,
    /// Those around it, the innermost last.
    pub(super) around: Vec<usize>,
}

/// A report.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) suites: Vec<Suite>,
    pub(super) cases: Vec<Case>,
    /// Whether text that isn't ASCII may be put into it.
    pub(super) is_utf8: bool,
}

/// What is open.
#[derive(Debug)]
enum Open {
    Suite(usize),
    Case(usize),
    Outcome(Kind, Tag),
    Other,
}

/// Reads a report.
pub(super) fn scan(report: &[u8]) -> Result<Document, MergeError> {
    if report.len() > LARGEST {
        return Err(MergeError::TooLarge);
    }
    // Byte order marks, and what `<` and `?` are in wide characters.
    let is_wide = report.starts_with(&[0xff, 0xfe])
        || report.starts_with(&[0xfe, 0xff])
        || report.iter().take(4).any(|byte| *byte == 0);
    if is_wide {
        return Err(MergeError::Encoding);
    }
    let mut scanner =
        Scanner { document: Document { is_utf8: true, ..Document::default() }, ..Scanner::default() };
    let mut reader = Reader::from_reader(report);
    reader.config_mut().check_end_names = true;
    loop {
        let start = position(reader.buffer_position());
        let malformed =
            |error: &dyn std::fmt::Display, at| MergeError::Malformed { what: error.to_string(), at };
        let event = match reader.read_event() {
            Ok(event) => event,
            Err(error) => {
                // Its other errors of syntax are of markup that never ends.
                let unclosed = matches!(&error, quick_xml::Error::Syntax(what) if *what != SyntaxError::InvalidBangMarkup);
                return Err(match scanner.names.pop().filter(|_| unclosed) {
                    Some(element) => MergeError::Cut { element },
                    None => malformed(&error, reader.error_position()),
                });
            }
        };
        let end = position(reader.buffer_position());
        match event {
            Event::Eof => break,
            Event::Decl(declaration) => {
                let encoding = declaration.encoding().and_then(Result::ok);
                scanner.document.is_utf8 = encoding.is_none_or(|name| name.eq_ignore_ascii_case(b"utf-8"));
            }
            Event::DocType(_) => return Err(MergeError::DocumentType),
            Event::Start(tag) => scanner.start(&tag, start..end, false)?,
            Event::Empty(tag) => {
                scanner.start(&tag, start..end, true)?;
                scanner.end(end, end);
            }
            Event::End(_) => scanner.end(start, end),
            Event::Text(text) if scanner.open.is_empty() => {
                // A byte order mark of UTF-8 may come first.
                let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
                if !text.trim_ascii().is_empty() {
                    return Err(malformed(&"there is text around the first element", start as u64));
                }
            }
            _ => {}
        }
    }
    match scanner.names.pop() {
        Some(element) => Err(MergeError::Cut { element }),
        None if scanner.document.suites.is_empty() => {
            Err(MergeError::Malformed { what: "there is no element in it".to_owned(), at: 0 })
        }
        None => Ok(scanner.document),
    }
}

fn position(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

#[derive(Default)]
struct Scanner {
    document: Document,
    open: Vec<Open>,
    names: Vec<String>,
}

impl Scanner {
    fn start(
        &mut self,
        start: &BytesStart<'_>,
        bytes: Range<usize>,
        is_empty: bool,
    ) -> Result<(), MergeError> {
        if self.open.len() >= DEEPEST {
            return Err(MergeError::TooDeep);
        }
        let element = String::from_utf8_lossy(start.name().as_ref()).into_owned();
        if self.open.is_empty() {
            let is_first = self.document.suites.is_empty();
            if !is_first || !matches!(element.as_str(), "testsuites" | "testsuite") {
                return Err(MergeError::NotJunit { root: element.chars().take(80).collect() });
            }
        }
        let suites = || -> Vec<usize> {
            self.open
                .iter()
                .filter_map(|it| if let Open::Suite(index) = it { Some(*index) } else { None })
                .collect()
        };
        let in_case = match self.open.last() {
            Some(Open::Case(index)) => Some(*index),
            _ => None,
        };
        let kind = match element.as_str() {
            "failure" => Some(Kind::Failure),
            "error" => Some(Kind::Error),
            "skipped" => Some(Kind::Skipped),
            "system-out" => Some(Kind::Output),
            _ => None,
        };
        let is_container = self.open.iter().all(|it| matches!(it, Open::Suite(_)));
        let open = match (element.as_str(), in_case, kind) {
            ("testsuites" | "testsuite", ..) if is_container => {
                let tag = tag(start, bytes, is_empty, &element)?;
                self.document.suites.push(Suite {
                    name: tag.value("name").unwrap_or_default().to_owned(),
                    is_root: self.open.is_empty(),
                    is_collection: element == "testsuites",
                    inner_end: tag.bytes.end,
                    around: suites(),
                    tag,
                });
                Open::Suite(self.document.suites.len() - 1)
            }
            ("testcase", ..) if is_container => {
                let tag = tag(start, bytes, is_empty, &element)?;
                self.document.cases.push(Case {
                    class: tag.value("classname").unwrap_or_default().to_owned(),
                    name: tag.value("name").unwrap_or_default().to_owned(),
                    suites: suites(),
                    inner_end: tag.bytes.end,
                    outcomes: Vec::new(),
                    tag,
                });
                Open::Case(self.document.cases.len() - 1)
            }
            (_, Some(_), Some(kind)) => Open::Outcome(kind, tag(start, bytes, is_empty, &element)?),
            _ => Open::Other,
        };
        self.open.push(open);
        self.names.push(element);
        Ok(())
    }

    fn end(&mut self, start: usize, end: usize) {
        self.names.pop();
        match self.open.pop() {
            Some(Open::Suite(index)) => {
                if let Some(suite) = self.document.suites.get_mut(index) {
                    suite.inner_end = start;
                }
            }
            Some(Open::Case(index)) => {
                if let Some(case) = self.document.cases.get_mut(index) {
                    case.inner_end = start;
                }
            }
            Some(Open::Outcome(kind, tag)) => {
                if let Some(Open::Case(index)) = self.open.last()
                    && let Some(case) = self.document.cases.get_mut(*index)
                {
                    case.outcomes.push(Outcome { kind, tag, end });
                }
            }
            Some(Open::Other) | None => {}
        }
    }
}

/// Reads a start tag and the places of its attributes.
fn tag(
    start: &BytesStart<'_>,
    bytes: Range<usize>,
    is_empty: bool,
    element: &str,
) -> Result<Tag, MergeError> {
    // After `<`, the content begins: values are slices of it.
    let content: &[u8] = start;
    let origin = bytes.start + 1;
    let mut attributes = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute
            .map_err(|error| MergeError::Malformed { what: error.to_string(), at: bytes.start as u64 })?;
        let Cow::Borrowed(value) = attribute.value else { continue };
        let offset = (value.as_ptr() as usize).checked_sub(content.as_ptr() as usize);
        let Some(offset) = offset.filter(|offset| offset + value.len() <= content.len()) else { continue };
        let place = origin + offset..origin + offset + value.len();
        let name = String::from_utf8_lossy(attribute.key.as_ref()).into_owned();
        attributes.push((name, place, text_of(value)));
    }
    Ok(Tag { bytes, is_empty, element: element.to_owned(), attributes })
}

/// The text of a value. What names an entity that XML doesn't know stays as it is written.
fn text_of(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value.get(..LONGEST_NAME).unwrap_or(value));
    quick_xml::escape::unescape(&text).map_or_else(|_| text.clone().into_owned(), Cow::into_owned)
}
