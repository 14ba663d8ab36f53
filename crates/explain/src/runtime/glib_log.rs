//! What GLib keeps of its last words: `__glib_assert_msg` (`glib/gtestutils.c`), and the fields of log records
//! (`GLogField`: key, value, length).

use epitaph_elf::LoadedModules;

use super::globals::variable;
use crate::peek::Peek;

/// GLib's own library.
const GLIB: [&str; 1] = ["libglib-2.0.so"];
/// The key of the field that is a record's text.
const MESSAGE: &[u8] = b"MESSAGE\0";

/// Reads the text of a failed assertion.
pub(crate) fn assertion(loaded: &LoadedModules<'_>, peek: Peek<'_>) -> Option<String> {
    let pointer = variable(loaded, &GLIB, "__glib_assert_msg")?;
    let text = peek.word(pointer).filter(|text| *text != 0)?;
    peek.text(text)
}

/// Finds the text of a log record of which a part of a stack holds the fields.
pub(crate) fn message(peek: Peek<'_>, start: u64, end: u64) -> Option<String> {
    let words: Vec<u64> = peek.words(start, end).map(|(_, word)| word).collect();
    let is_message =
        |key: u64| key != 0 && peek.bytes(key, MESSAGE.len()).is_some_and(|bytes| bytes == MESSAGE);
    words.windows(2).find_map(|two| match two {
        [key, value] if is_message(*key) => peek.text(*value),
        _ => None,
    })
}
