//! What the Go runtime keeps of a panic or a fatal error (`runtime/runtime2.go`, `runtime/panic.go`; the same from Go 1.12
//! to 1.24 as far as it is used here, on 64-bit machines).

use crate::peek::{LONGEST_TEXT, Peek};

/// `_panic.arg`, an interface: its type and its data. The first word of the record is "known to liblink", and so is this
/// one's place.
const ARG: u64 = 1;
/// `_panic.link`: the panic before this one.
const LINK: u64 = 3;
/// `_type.kind_`, in bytes, and the bits of it that are the kind.
const KIND: u64 = 23;
const KIND_MASK: u64 = 0x1f;
/// Largest size and pointer prefix of a type that are believed, in bytes.
const LARGEST_TYPE: u64 = 1 << 24;
/// Most panics that were raised while others were under way.
const MOST_LINKED: usize = 16;
/// Longest text that is believed, in bytes.
const LONGEST: u64 = 1 << 20;

/// Reads the texts of a panic and of those before it, the newest first, from the frame of `runtime.gopanic`, which holds
/// the record of its panic. The runtime has turned errors into their texts by then. One without a text is empty.
pub(crate) fn texts(peek: Peek<'_>, start: u64, end: u64, stack: u64) -> Option<Vec<String>> {
    let records = peek.words(start, end).map(|(place, _)| place);
    let record = records.into_iter().find(|record| is_record(peek, *record, start, stack))?;
    let mut texts = Vec::new();
    let mut next = Some(record);
    while let Some(record) = next.filter(|record| *record != 0 && texts.len() < MOST_LINKED) {
        texts.push(argument(peek, record).unwrap_or_default());
        next = peek.word_at(record, LINK);
    }
    Some(texts)
}

/// Tells whether a place on the stack may be a panic's record: an address of arguments on the stack or none, a type with
/// its data, and another record on the stack or none.
fn is_record(peek: Peek<'_>, record: u64, start: u64, stack: u64) -> bool {
    let on_stack = |word: u64| word == 0 || (start..stack).contains(&word);
    let words = [0, LINK].map(|index| peek.word_at(record, index));
    words.into_iter().all(|word| word.is_some_and(on_stack))
        && peek.word_at(record, ARG).is_some_and(|kind| kind_of(peek, kind).is_some())
        && peek.word_at(record, ARG + 1).is_some_and(|data| peek.number(data, 1).is_some())
}

/// Returns the kind of the type at an address (`internal/abi.Kind`); `None` where no type can be there.
fn kind_of(peek: Peek<'_>, kind: u64) -> Option<u64> {
    if kind == 0 || !kind.is_multiple_of(8) {
        return None;
    }
    let [size, pointers] = [peek.word_at(kind, 0)?, peek.word_at(kind, 1)?];
    let number = peek.number(kind.checked_add(KIND)?, 1)? & KIND_MASK;
    (size <= LARGEST_TYPE && pointers <= size && (1..=26).contains(&number)).then_some(number)
}

/// Reads a panic's value as the runtime prints it.
fn argument(peek: Peek<'_>, record: u64) -> Option<String> {
    let data = peek.word_at(record, ARG + 1)?;
    let signed = |bits: u32| {
        let number = peek.number(data, (bits / 8) as u8)?;
        Some(((number << (64 - bits)) as i64 >> (64 - bits)).to_string())
    };
    let unsigned = |bits: u32| Some(peek.number(data, (bits / 8) as u8)?.to_string());
    match kind_of(peek, peek.word_at(record, ARG)?)? {
        1 => Some((peek.number(data, 1)? != 0).to_string()),
        2 | 6 => signed(64),
        3 => signed(8),
        4 => signed(16),
        5 => signed(32),
        7 | 11 | 12 => unsigned(64),
        8 => unsigned(8),
        9 => unsigned(16),
        10 => unsigned(32),
        13 => Some(printed(f64::from(f32::from_bits(peek.number(data, 4)? as u32)))),
        14 => Some(printed(f64::from_bits(peek.number(data, 8)?))),
        24 => string(peek, peek.word_at(data, 0)?, peek.word_at(data, 1)?),
        _ => None,
    }
}

/// Writes a number as the runtime prints it (`printfloat`): `+1.500000e+000`.
fn printed(number: f64) -> String {
    let text = format!("{number:+.6e}");
    match text.split_once('e').and_then(|(digits, exponent)| Some((digits, exponent.parse::<i32>().ok()?))) {
        Some((digits, exponent)) => format!("{digits}e{exponent:+04}"),
        None => text,
    }
}

/// Finds the text that a function got as its argument, in its frame or in the words above it, where its caller left room
/// for its arguments.
pub(crate) fn argument_text(peek: Peek<'_>, start: u64, end: u64) -> Option<String> {
    let words: Vec<u64> =
        peek.words(start, end.checked_add(2 * peek.word_size())?).map(|(_, word)| word).collect();
    words.windows(2).find_map(|two| match two {
        [data, len] if *len > 3 => string(peek, *data, *len),
        _ => None,
    })
}

fn string(peek: Peek<'_>, data: u64, len: u64) -> Option<String> {
    let text = (data > LONGEST && len <= LONGEST).then(|| peek.utf8(data, len)).flatten()?;
    let readable =
        text.len() <= LONGEST_TEXT && !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t'));
    readable.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peek::testing::Words;

    #[test]
    fn linked_panics_are_read_up_to_a_limit() {
        const DATA: u64 = 0x20_0000;
        let mut words = Words::default();
        words.put(0x5000, &[16, 8, 24 << 56]).put(0x6000, &[DATA, 4]).text(DATA, "lost");
        // The record: arguments, type, data, and itself as the one before it.
        words.put(0x1000, &[7, 0x1800, 0x5000, 0x6000, 0x1008]);
        let texts = texts(words.peek(), 0x1000, 0x1028, 0x2000).unwrap();
        assert_eq!(texts.len(), MOST_LINKED);
        assert!(texts.iter().all(|text| text == "lost"));
        words.put(0x1000, &[7, 0x1800, 0x5000, 0x6000, 0x9000]);
        assert_eq!(super::texts(words.peek(), 0x1000, 0x1028, 0x2000), None);
    }

    #[test]
    fn numbers_are_written_as_the_runtime_prints_them() {
        for (number, text) in [(1.5, "+1.500000e+000"), (-0.00025, "-2.500000e-004"), (0.0, "+0.000000e+000")]
        {
            assert_eq!(printed(number), text);
        }
    }
}
