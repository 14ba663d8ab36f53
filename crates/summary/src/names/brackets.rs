//! Which bracket belongs to which.

use super::operator;

/// For each byte of a name that opens a bracket: where that one is closed.
pub(super) struct Brackets {
    /// By byte: the index of the closing bracket; 0 where there is none.
    closing: Vec<usize>,
}

impl Brackets {
    /// Pairs the brackets of a name. Those that have no partner aren't brackets: `a < b`, `->`, `operator<`.
    pub(super) fn of(text: &str) -> Brackets {
        let bytes = text.as_bytes();
        let mut closing = vec![0; bytes.len()];
        let mut open: Vec<(u8, usize)> = Vec::new();
        // How many of `open` are round, curly and square.
        let mut counts = [0_usize; 3];
        let mut index = 0;
        while let Some(&byte) = bytes.get(index) {
            match byte {
                b'o' => index += operator::length_with_symbol(text, index).unwrap_or(1) - 1,
                b'-' if bytes.get(index + 1) == Some(&b'>') => index += 1,
                b'<' => open.push((byte, index)),
                b'(' | b'{' | b'[' => {
                    open.push((byte, index));
                    if let Some(count) = kind(byte).and_then(|kind| counts.get_mut(kind)) {
                        *count += 1;
                    }
                }
                b'>' => {
                    if let Some((b'<', start)) = open.last().copied() {
                        open.pop();
                        set(&mut closing, start, index);
                    }
                }
                b')' | b'}' | b']' => close(&mut open, &mut counts, byte, index, &mut closing),
                _ => {}
            }
            index += 1;
        }
        Brackets { closing }
    }

    /// Returns where the bracket at `index` is closed.
    pub(super) fn closing(&self, index: usize) -> Option<usize> {
        self.closing.get(index).copied().filter(|closing| *closing > 0)
    }
}

/// Closes the innermost bracket of the kind of `byte`; those that were opened in it and not closed have no partner.
fn close(open: &mut Vec<(u8, usize)>, counts: &mut [usize; 3], byte: u8, at: usize, closing: &mut [usize]) {
    let wanted = kind(byte);
    if wanted.and_then(|kind| counts.get(kind)).is_none_or(|count| *count == 0) {
        return;
    }
    while let Some((opener, start)) = open.pop() {
        let opened = kind(opener);
        if let Some(count) = opened.and_then(|kind| counts.get_mut(kind)) {
            *count -= 1;
        }
        if opened == wanted {
            set(closing, start, at);
            return;
        }
    }
}

fn set(closing: &mut [usize], start: usize, at: usize) {
    if let Some(slot) = closing.get_mut(start) {
        *slot = at;
    }
}

fn kind(byte: u8) -> Option<usize> {
    match byte {
        b'(' | b')' => Some(0),
        b'{' | b'}' => Some(1),
        b'[' | b']' => Some(2),
        _ => None,
    }
}
