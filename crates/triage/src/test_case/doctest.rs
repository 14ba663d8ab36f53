//! doctest: a test is a function with a number for a name, called by `doctest::Context::run`; what it is called is in the
//! framework's record of it (doctest.h, `TestCaseData`): the file, as a pointer or, since 2.4, a `doctest::String`, 24
//! bytes that are the text itself or begin with a pointer to it; the line, an `unsigned`; a pointer to the name.

use epitaph_elf::read_vec;
use epitaph_summary::{TestCase, Thread};

use super::stack::pointers;
use super::strings::{c_string, text};
use super::{Scene, Source, function, test_case};

const NAME: &str = "doctest";
/// Begins the names of tests' functions.
const FUNCTION: &str = "DOCTEST_ANON_FUNC_";
/// Bytes of a `doctest::String`.
const STRING: u64 = 24;
/// Most lines of a source file.
const MOST_LINES: u32 = 1 << 24;
/// Most pointers that are followed.
const MOST_POINTERS: usize = 2048;

/// Finds the test whose code a thread runs.
pub(super) fn find(scene: &Scene<'_>, thread: &Thread) -> Option<TestCase> {
    let frames = &thread.frames;
    let last = frames.iter().rposition(|frame| function(frame).starts_with("doctest::"))?;
    let test = frames.iter().take(last).rposition(|frame| function(frame).contains(FUNCTION))?;
    let frame = frames.get(test)?;
    let mut records: Vec<(u32, String)> = pointers(scene.process, scene.memory, thread, &(test..last + 1))
        .into_iter()
        .take(MOST_POINTERS)
        .filter_map(|pointer| {
            [STRING, u64::from(scene.process.arch.bits() / 8)]
                .into_iter()
                .find_map(|size| record(scene, pointer, size))
        })
        .filter(|(file, ..)| {
            let known = frame.file.as_deref().and_then(|file| file.rsplit('/').next());
            known.is_none_or(|known| file.rsplit('/').next() == Some(known))
        })
        .map(|(_, line, name)| (line, name))
        .collect();
    if let Some(line) = frame.line {
        // Between a test's first line and the line that it is at, no other test begins.
        let first = records.iter().map(|(first, _)| *first).filter(|first| *first <= line).max()?;
        records.retain(|(line, _)| *line == first);
    }
    let (_, name) = records.first()?;
    records.iter().all(|(_, other)| other == name).then(|| test_case(NAME, Source::Memory, name))?
}

/// Reads the record at an address, if there is one: its file, in a field of `size` bytes, line and name.
fn record(scene: &Scene<'_>, address: u64, size: u64) -> Option<(String, u32, String)> {
    let (arch, memory) = (scene.process.arch, scene.memory);
    let word = u64::from(arch.bits() / 8);
    let name_at = (size + 4).next_multiple_of(word);
    let bytes = read_vec(memory, address, (name_at + word) as usize).ok()?;
    let line = arch.read_number(memory, address.checked_add(size)?, 4).ok()? as u32;
    let name = arch.word_in(&bytes, name_at as usize)?;
    if !(1..MOST_LINES).contains(&line) || name == 0 {
        return None;
    }
    let inside = bytes.get(..size as usize)?.split(|byte| *byte == 0).next()?;
    let file = c_string(memory, arch.word_in(&bytes, 0)?).or_else(|| text(inside.to_vec()))?;
    file.contains('.').then_some((file, line, c_string(memory, name)?))
}

#[cfg(test)]
mod tests {
    use epitaph_testkit::core::machine::{I386, X86_64};

    use super::super::testing::{BASE, Layout};
    use super::*;

    #[test]
    fn a_records_file_is_inside_or_pointed_to() {
        for machine in [X86_64, I386] {
            let expected = Some(("cart.cpp".to_owned(), 17, "a cart costs nothing".to_owned()));
            let rest = |layout: &mut Layout| {
                let name = layout.text("a cart costs nothing");
                layout.bytes(&17_u32.to_le_bytes());
                if machine.number == X86_64.number {
                    layout.bytes(&[0; 4]);
                }
                layout.words(&[name]);
            };
            let mut inside = Layout::new(machine);
            let mut text = *b"cart.cpp................";
            text[8..].fill(0);
            rest(inside.bytes(&text));
            assert_eq!(inside.see(|scene| record(scene, BASE, STRING)), expected, "{}", machine.name);
            let mut pointed = Layout::new(machine);
            let file = pointed.text("cart.cpp");
            rest(pointed.words(&[file]));
            let word = if machine.number == X86_64.number { 8 } else { 4 };
            assert_eq!(pointed.see(|scene| record(scene, BASE, word)), expected, "{}", machine.name);
        }
        let nothing = Layout::new(X86_64).words(&[0; 8]).see(|scene| record(scene, BASE, STRING));
        assert_eq!(nothing, None);
    }
}
