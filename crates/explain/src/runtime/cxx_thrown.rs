//! The C++ exception that a thread handles (Itanium C++ ABI: Exception Handling, 2.2; the headers of libstdc++ in
//! `unwind-cxx.h`, of libc++abi in `cxa_exception.h`).

use super::thread_local;
use crate::peek::Peek;
use crate::runtime::cxx_type;

/// `exception_class` of libstdc++, `GNUCC++` and a zero; the last byte is 1 in one that was thrown again from an
/// `exception_ptr`.
const GNU: u64 = 0x474e_5543_432b_2b00;
/// The same of libc++abi: `CLNGC++`.
const CLANG: u64 = 0x434c_4e47_432b_2b00;
/// Bytes of `_Unwind_Exception`, after which the thrown object lies.
const UNWIND_HEADER: u64 = 32;
/// `uncaughtExceptions` is less than this.
const MOST_UNCAUGHT: u64 = 1 << 16;
/// Most exceptions that one thread handles at a time, as far as they are counted.
const MOST_NESTED: u32 = 64;

/// The C++ library that threw an exception.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Library {
    /// libstdc++
    Gnu,
    /// libc++abi, and with it libc++
    Llvm,
}

/// A thrown exception.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Thrown {
    /// Whose it is.
    pub(crate) library: Library,
    /// Address of its type's `std::type_info`.
    pub(crate) type_info: u64,
    /// Address of the thrown object.
    pub(crate) object: u64,
    /// How many others were being handled when it was thrown.
    pub(crate) nested: u32,
}

/// Where the headers of a runtime's exceptions keep what is needed, in bytes from the header's start.
struct Layout {
    /// Whose exceptions these are.
    library: Library,
    /// What `exception_class` is, its last byte 0.
    class: u64,
    /// The `_Unwind_Exception`, at whose start `exception_class` is.
    unwind: u64,
    /// `exceptionType`
    type_info: u64,
    /// `nextException`
    next: u64,
    /// `primaryException` of one that was thrown again.
    primary: u64,
    /// Whether one that was thrown again has its type in its own header.
    own_type: bool,
}

/// The layouts for this size of words. libc++abi's 32-bit ones are not known here, nor those of the ARM EHABI.
fn layouts(word: u64) -> &'static [Layout] {
    const WIDE: [Layout; 2] = [
        Layout {
            library: Library::Gnu,
            class: GNU,
            unwind: 80,
            type_info: 0,
            next: 32,
            primary: 0,
            own_type: false,
        },
        Layout {
            library: Library::Llvm,
            class: CLANG,
            unwind: 96,
            type_info: 16,
            next: 48,
            primary: 8,
            own_type: true,
        },
    ];
    const NARROW: [Layout; 1] = [Layout {
        library: Library::Gnu,
        class: GNU,
        unwind: 48,
        type_info: 0,
        next: 16,
        primary: 0,
        own_type: false,
    }];
    if word == 8 { &WIDE } else { &NARROW }
}

/// Finds the exception that a thread handled last (`__cxa_eh_globals::caughtExceptions`), given its thread pointer.
/// Where its runtime keeps those globals isn't asked: every thread-local word that points to an exception's header, and is
/// followed by a small number (`uncaughtExceptions`), is the one. A libc++abi without thread-local variables has them in
/// memory that one of the thread's keys points to.
pub(crate) fn caught(peek: Peek<'_>, arch: &str, thread_pointer: u64) -> Option<Thrown> {
    let globals = |place: u64| {
        let header = peek.word(place).filter(|header| is_aligned(peek, *header))?;
        let uncaught = peek.number(place.checked_add(peek.word_size())?, 4)?;
        (uncaught < MOST_UNCAUGHT).then(|| thrown(peek, header)).flatten()
    };
    let blocks = thread_local::blocks(peek, arch, thread_pointer).into_iter();
    let mut variables = blocks.flat_map(|block| peek.words(block.start, block.end));
    variables.find_map(|(place, _)| globals(place)).or_else(|| {
        let record = thread_local::record(arch, thread_pointer)?;
        peek.words(record.start, record.end)
            .filter(|(_, word)| is_aligned(peek, *word))
            .find_map(|(_, word)| globals(word))
    })
}

/// Tells whether a word may be a pointer to an object.
fn is_aligned(peek: Peek<'_>, word: u64) -> bool {
    word != 0 && word.is_multiple_of(peek.word_size())
}

/// Finds an exception that words on the stack point to, from `start` to `end`: to its `_Unwind_Exception`, or to the
/// object behind it.
pub(crate) fn on_stack(peek: Peek<'_>, start: u64, end: u64) -> Option<Thrown> {
    let layouts = layouts(peek.word_size());
    peek.words(start, end).filter(|(_, word)| is_aligned(peek, *word)).find_map(|(_, word)| {
        let unwinds = [Some(word), word.checked_sub(UNWIND_HEADER)];
        unwinds.into_iter().flatten().find_map(|unwind| {
            let class = peek.number(unwind, 8)? & !0xff;
            let layout = layouts.iter().find(|layout| layout.class == class)?;
            thrown(peek, unwind.checked_sub(layout.unwind)?)
        })
    })
}

/// Takes an address for that of an exception's header.
fn thrown(peek: Peek<'_>, header: u64) -> Option<Thrown> {
    let (layout, again) = layout_at(peek, header)?;
    let object = if again {
        peek.word(header.checked_add(layout.primary)?)?
    } else {
        header.checked_add(layout.unwind + UNWIND_HEADER)?
    };
    let typed =
        if again && !layout.own_type { object.checked_sub(layout.unwind + UNWIND_HEADER)? } else { header };
    let type_info = peek.word(typed.checked_add(layout.type_info)?)?;
    cxx_type::mangled_name(peek, type_info)?;
    let mut nested = 0;
    let mut next = peek.word(header.checked_add(layout.next)?);
    while let Some(at) = next.filter(|at| *at != 0 && nested < MOST_NESTED) {
        let Some((layout, _)) = layout_at(peek, at) else { break };
        nested += 1;
        next = at.checked_add(layout.next).and_then(|slot| peek.word(slot));
    }
    Some(Thrown { library: layout.library, type_info, object, nested })
}

/// Returns the layout of the header at an address, and whether its exception was thrown again.
fn layout_at(peek: Peek<'_>, header: u64) -> Option<(&'static Layout, bool)> {
    layouts(peek.word_size()).iter().find_map(|layout| {
        let class = peek.number(header.checked_add(layout.unwind)?, 8)?;
        (class & !1 == layout.class).then_some((layout, class & 1 == 1))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peek::testing::Words;

    const HEADER: u64 = 0x5000;
    const POINTER: u64 = 0x9000;

    /// A thread that handles an exception of libstdc++.
    fn handling() -> Words {
        let mut words = Words::default();
        words.put(POINTER - 64, &[HEADER, 0]).put(POINTER, &[0, 0]);
        words.put(HEADER, &[0x6000, 0, 0, 0, 0]).put(HEADER + 80, &[GNU]);
        words.put(0x6000, &[0, 0x7000]).text(0x7000, "St11logic_error");
        words
    }

    #[test]
    fn an_exception_is_found_by_its_thread() {
        let words = handling();
        let thrown = caught(words.peek(), "x86_64", POINTER).unwrap();
        assert_eq!((thrown.type_info, thrown.object, thrown.nested), (0x6000, HEADER + 112, 0));
    }

    #[test]
    fn one_that_was_thrown_again_is_the_first_one() {
        let mut words = handling();
        words.put(0x4000, &[HEADER + 112, 0, 0, 0, HEADER]).put(0x4000 + 80, &[GNU | 1]);
        words.put(POINTER - 64, &[0x4000, 0]);
        let thrown = caught(words.peek(), "x86_64", POINTER).unwrap();
        assert_eq!((thrown.type_info, thrown.object, thrown.nested), (0x6000, HEADER + 112, 1));
    }

    #[test]
    fn exceptions_that_follow_each_other_in_a_circle_are_counted_up_to_a_limit() {
        let mut words = handling();
        words.put(HEADER + 32, &[HEADER]);
        assert_eq!(caught(words.peek(), "x86_64", POINTER).unwrap().nested, MOST_NESTED);
    }

    #[test]
    fn what_has_no_name_is_no_exception() {
        let mut words = handling();
        words.text(0x7000, "\u{1}");
        assert_eq!(caught(words.peek(), "x86_64", POINTER), None);
        let mut words = handling();
        words.put(HEADER + 80, &[GNU | 2]);
        assert_eq!(caught(words.peek(), "x86_64", POINTER), None);
    }
}
