//! Changes to a text at places that are known from before any of them.

use std::ops::Range;

/// Pieces of a text that are replaced.
#[derive(Debug, Default)]
pub(super) struct Edits(Vec<(Range<usize>, String)>);

impl Edits {
    /// Puts something before the byte at a place.
    pub(super) fn insert(&mut self, at: usize, text: String) {
        self.0.push((at..at, text));
    }

    /// Replaces a piece.
    pub(super) fn replace(&mut self, piece: Range<usize>, text: String) {
        self.0.push((piece, text));
    }

    /// Returns the changed text. Of changes at one place, the earlier one comes first; what lies in a piece that is
    /// replaced already is left out.
    pub(super) fn apply(mut self, text: &[u8]) -> Vec<u8> {
        self.0.sort_by_key(|(piece, _)| piece.start);
        let more: usize = self.0.iter().map(|(_, text)| text.len()).sum();
        let mut out = Vec::with_capacity(text.len() + more);
        let mut done = 0;
        for (piece, new) in &self.0 {
            let Some(before) = text.get(done..piece.start) else { continue };
            out.extend_from_slice(before);
            out.extend_from_slice(new.as_bytes());
            done = piece.end.max(done);
        }
        out.extend_from_slice(text.get(done..).unwrap_or_default());
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_between_the_changes_stays() {
        let mut edits = Edits::default();
        edits.replace(6..11, "there".into());
        edits.insert(0, "oh, ".into());
        edits.insert(11, "!".into());
        edits.insert(11, "?".into());
        assert_eq!(edits.apply(b"hello world."), b"oh, hello there!?.");
        assert_eq!(Edits::default().apply(b"x"), b"x");
    }
}
