//! The pieces that programs are put together from, kept as source text in `pieces/`: kinds of death and shapes of calls.
//!
//! A piece begins with a line as the sources of `testdata/causes` have in their heads, and is the text up to the next
//! one. In both, `@word` stands for something that is drawn: see [`super::values`].

use crate::causes::Truth;
use crate::causes::head::Head;
use crate::causes::truth::Message;

use super::values::Values;

/// A function that dies, or one that calls the next.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) head: Head,
    text: &'static str,
}

impl Piece {
    /// Reads a file of pieces.
    pub(super) fn all(file: &'static str) -> Vec<Piece> {
        file.split("//: ").skip(1).map(Piece::of).collect()
    }

    fn of(piece: &'static str) -> Piece {
        let (line, text) = piece.split_once('\n').expect("a piece has a head and a text");
        Piece { head: Head::of(line, ""), text }
    }

    /// Its text, with what was drawn.
    pub(super) fn text(&self, values: &Values) -> String {
        values.fill(self.text)
    }

    /// What is known of a death by it.
    pub(super) fn truth(&self, values: &Values) -> Truth {
        let all = |texts: &[String]| texts.iter().map(|text| values.fill(text)).collect();
        let truth = &self.head.truth;
        Truth {
            classes: all(&truth.classes),
            why: truth.why.clone(),
            message: truth.message.as_ref().map(|message| match message {
                Message::Is(text) => Message::Is(values.fill(text).replace("\\n", "\n")),
                Message::Holds(text) => Message::Holds(values.fill(text)),
            }),
            exception: truth.exception.as_ref().map(|text| values.fill(text)),
            places: all(&truth.places),
            line: None,
        }
    }
}
