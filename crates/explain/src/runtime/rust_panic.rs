//! What a panic of Rust leaves on the stack (`core::panic::{Location, PanicInfo}` and `std::panicking`).
//!
//! Where the compiler puts fields isn't fixed; so places are looked for by what they hold.

use crate::peek::Peek;

/// Longest path of a source file, in bytes.
const LONGEST_FILE: u64 = 1 << 10;
/// Longest line number and column that are believed.
const MOST_LINES: u64 = 1 << 24;
/// Shortest text that is believed, in bytes: any two words may be the address and the length of a letter.
const SHORTEST: u64 = 4;
/// Most words of a stack in which a message is looked for.
const MOST_WORDS: usize = 1 << 12;
/// Longest message that is believed, in bytes.
const LONGEST_MESSAGE: u64 = 1 << 20;
/// `exception_class` of a panic that unwinds (`panic_unwind/src/gcc.rs`).
pub(crate) const EXCEPTION_CLASS: &[u8; 8] = b"MOZ\0RUST";
/// Words of `_Unwind_Exception` on 64-bit machines; behind it are a canary and the payload, a `Box<dyn Any>`.
const UNWIND_WORDS: u64 = 4;

/// `core::panic::Location`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) file: String,
    pub(crate) line: u32,
    pub(crate) column: u32,
}

impl Location {
    /// Tells whether it is in Rust's own libraries, by the path that the official builds record.
    pub(crate) fn is_own(&self) -> bool {
        self.file.starts_with("/rustc/") || self.file.contains("/library/core/src/")
    }
}

/// Finds the locations that words of the stack point to, the innermost first.
pub(crate) fn locations(peek: Peek<'_>, start: u64, end: u64) -> impl Iterator<Item = Location> {
    peek.words(start, end).filter_map(move |(_, word)| location(peek, word))
}

/// Takes an address for that of a location: a path with its length, a line, and a column.
fn location(peek: Peek<'_>, address: u64) -> Option<Location> {
    let word = peek.word_size();
    if address == 0 || !address.is_multiple_of(word) {
        return None;
    }
    let len = peek.word_at(address, 1).filter(|len| (4..=LONGEST_FILE).contains(len))?;
    let line = peek.number(address.checked_add(2 * word)?, 4)?;
    let column = peek.number(address.checked_add(2 * word + 4)?, 4)?;
    if ![line, column].into_iter().all(|number| (1..MOST_LINES).contains(&number)) {
        return None;
    }
    let file = peek.utf8(peek.word(address)?, len)?;
    let plausible = file.strip_suffix(".rs").is_some() && !file.chars().any(char::is_control);
    plausible.then_some(Location { file, line: line as u32, column: column as u32 })
}

/// Finds texts that the stack holds the owner or a reference of, the owned first: a `String` is a pointer, a length and a
/// capacity, a `&str` is a pointer and a length.
pub(crate) fn texts(peek: Peek<'_>, start: u64, end: u64) -> Vec<String> {
    let words: Vec<u64> = peek.words(start, end).take(MOST_WORDS).map(|(_, word)| word).collect();
    let text = |data: u64, len: u64| {
        (data > LONGEST_MESSAGE && (SHORTEST..=LONGEST_MESSAGE).contains(&len))
            .then(|| peek.utf8(data, len))
            .flatten()
    };
    let owned = words.windows(3).filter_map(|three| match three {
        [capacity, data, len] if (*len..=LONGEST_MESSAGE).contains(capacity) => text(*data, *len),
        _ => None,
    });
    let borrowed = words.windows(2).filter_map(|two| match two {
        [data, len] => text(*data, *len),
        _ => None,
    });
    owned.chain(borrowed).filter(|text| is_readable(text)).collect()
}

/// Tells whether a text can be meant for people.
fn is_readable(text: &str) -> bool {
    text.chars().any(char::is_alphanumeric)
        && !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t' | '\r' | '\u{1b}'))
}

/// Reads the message of a panic that unwound, given the address of its exception.
pub(crate) fn unwound(peek: Peek<'_>, exception: u64) -> Option<String> {
    let class = peek.bytes(exception, EXCEPTION_CLASS.len())?;
    if class != EXCEPTION_CLASS {
        return None;
    }
    // The payload is a `String` or a `&str`.
    let payload = peek.word_at(exception, UNWIND_WORDS + 1)?;
    texts(peek, payload, payload.checked_add(3 * peek.word_size())?).into_iter().next()
}

/// Finds a panic's exception that words of the stack point to, and reads its message.
pub(crate) fn unwound_on_stack(peek: Peek<'_>, start: u64, end: u64) -> Option<String> {
    peek.words(start, end).find_map(|(_, word)| {
        (word != 0 && word.is_multiple_of(peek.word_size())).then(|| unwound(peek, word)).flatten()
    })
}

/// Finds the `PanicInfo` on a stack: references to the message and to the location beside each other, and two flags behind
/// or before them. Returns where it is.
pub(crate) fn panic_info(peek: Peek<'_>, start: u64, end: u64) -> Option<u64> {
    let words: Vec<(u64, u64)> = peek.words(start, end).collect();
    let is_stack = |word: u64| (start..end.saturating_add(LONGEST_MESSAGE)).contains(&word);
    let is_flags = |word: u64| matches!(word & 0xffff, 0 | 1 | 0x100 | 0x101);
    words.windows(3).find_map(|three| match three {
        [(place, a), (_, b), (_, c)] => {
            let message_first = is_stack(*a) && is_flags(*c) && location(peek, *b).is_some();
            let location_first = is_stack(*b) && is_flags(*c) && location(peek, *a).is_some();
            (message_first || location_first).then_some(*place)
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peek::testing::Words;

    const FILE: u64 = 0x40_0000;
    const MESSAGE: u64 = 0x60_0000;

    #[test]
    fn a_location_has_a_rust_file_a_line_and_a_column() {
        let mut words = Words::default();
        words.text(FILE, "src/main.rs").put(0x5000, &[FILE, 11, 5 << 32 | 0xc]).put(0x1000, &[7, 0x5000, 0]);
        let found: Vec<Location> = locations(words.peek(), 0x1000, 0x1018).collect();
        assert_eq!(found, [Location { file: "src/main.rs".to_owned(), line: 12, column: 5 }]);
        words.put(0x5000, &[FILE, 11, 5 << 32]);
        assert_eq!(locations(words.peek(), 0x1000, 0x1018).count(), 0);
        words.put(0x5000, &[FILE, 10, 5 << 32 | 0xc]);
        assert_eq!(locations(words.peek(), 0x1000, 0x1018).count(), 0);
    }

    #[test]
    fn owned_texts_come_first() {
        let mut words = Words::default();
        words.text(MESSAGE, "the message").text(FILE, "another");
        words.put(0x1000, &[FILE, 7, 16, MESSAGE, 11]);
        assert_eq!(texts(words.peek(), 0x1000, 0x1028), ["the message", "another", "the message"]);
        // A length beyond what can be read, and one that nobody believes.
        words.put(0x1000, &[FILE, 70, 0, MESSAGE, u64::MAX]);
        assert_eq!(texts(words.peek(), 0x1000, 0x1028), Vec::<String>::new());
    }

    #[test]
    fn a_panic_that_unwound_is_read_from_its_exception() {
        let mut words = Words::default();
        words.text(MESSAGE, "first").put(0x8000, &[5, MESSAGE, 5]);
        words
            .put(0x7000, &[u64::from_le_bytes(*EXCEPTION_CLASS), 0, 0, 0, 0, 0x8000, 0])
            .put(0x1000, &[0x7000]);
        assert_eq!(unwound_on_stack(words.peek(), 0x1000, 0x1008).as_deref(), Some("first"));
        assert_eq!(unwound(words.peek(), 0x7008), None);
    }
}
