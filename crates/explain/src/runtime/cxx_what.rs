//! What a thrown C++ object says of itself: `what()` of the standard exceptions, and the values of simple types.

use super::cxx_type::{bases, mangled_name};
use epitaph_elf::{Arch, X86_64};

use super::cxx_thrown::{Library, Thrown};
use super::{cxx_string, cxx_what_code};
use crate::peek::Peek;

/// Most classes that one class is derived from, as far as they are looked at.
const MOST_BASES: usize = 32;

/// `std::exception`, mangled.
const EXCEPTION: &str = "St9exception";

/// Standard exceptions that always say the same: in libstdc++, and in libc++.
const FIXED: [(&str, Option<&str>, Option<&str>); 11] = [
    ("St9bad_alloc", Some("std::bad_alloc"), Some("std::bad_alloc")),
    ("St20bad_array_new_length", Some("std::bad_array_new_length"), Some("bad_array_new_length")),
    ("St8bad_cast", Some("std::bad_cast"), Some("std::bad_cast")),
    ("St10bad_typeid", Some("std::bad_typeid"), Some("std::bad_typeid")),
    ("St13bad_exception", Some("std::bad_exception"), Some("std::bad_exception")),
    ("St17bad_function_call", Some("bad_function_call"), None),
    ("St19bad_optional_access", Some("bad optional access"), Some("bad_optional_access")),
    ("St12bad_any_cast", Some("bad any_cast"), Some("bad any cast")),
    ("St12bad_weak_ptr", Some("bad_weak_ptr"), None),
    ("NSt3__117bad_function_callE", None, Some("std::bad_function_call")),
    ("NSt3__112bad_weak_ptrE", None, Some("bad_weak_ptr")),
];

/// What an exception says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct What {
    /// Its text.
    pub(crate) text: String,
    /// Where the text is a guess, why.
    pub(crate) guess: Option<String>,
}

/// Reads what a thrown object says; `None` where its type isn't known to say anything.
pub(crate) fn what(peek: Peek<'_>, arch: &Arch, thrown: Thrown) -> Option<What> {
    let Thrown { library, type_info, object, .. } = thrown;
    let name = mangled_name(peek, type_info)?;
    if let Some(text) = own(peek, library, &name, object) {
        return Some(What { text, guess: None });
    }
    let bases = all_bases(peek, type_info, object);
    if let Some(text) = said(peek, arch, &bases) {
        return Some(What { text, guess: None });
    }
    let text = bases.iter().find_map(|(name, object)| own(peek, library, name, *object))?;
    let guess = "its class may have a what() of its own; this is what its standard base class keeps";
    Some(What { text, guess: Some(guess.to_owned()) })
}

/// Follows an exception's own `what()`: the third entry of its virtual table, after two destructors.
fn said(peek: Peek<'_>, arch: &Arch, bases: &[(String, u64)]) -> Option<String> {
    const WHAT: u64 = 2;
    if *arch != X86_64 {
        return None;
    }
    let (_, exception) = bases.iter().find(|(name, _)| name == EXCEPTION)?;
    let function = peek.word_at(peek.word(*exception)?, WHAT)?;
    peek.text(cxx_what_code::result(peek, function, *exception)?)
}

/// Returns the mangled names of the classes that an object's class is derived from, and where in memory each part of the
/// object begins: each class after those that are derived from it.
fn all_bases(peek: Peek<'_>, type_info: u64, object: u64) -> Vec<(String, u64)> {
    let mut found: Vec<(u64, u64)> = vec![(type_info, object)];
    let mut next = 0;
    while let Some((derived, object)) = found.get(next).copied().filter(|_| found.len() < MOST_BASES) {
        let parts = bases(peek, derived).into_iter();
        found.extend(parts.filter_map(|(base, offset)| Some((base, object.checked_add(offset)?))));
        next += 1;
    }
    let named = |(base, object)| Some((mangled_name(peek, base)?, object));
    found.into_iter().skip(1).filter_map(named).collect()
}

/// Reads what an object says that is exactly of this type.
fn own(peek: Peek<'_>, library: Library, mangled: &str, object: u64) -> Option<String> {
    let word = peek.word_size();
    match mangled {
        // Behind the pointer to the virtual table, a reference-counted string: a pointer to its characters.
        "St11logic_error" | "St13runtime_error" => peek.text(peek.word_at(object, 1)?),
        // libstdc++ keeps a pointer to the reason.
        "St18bad_variant_access" if library == Library::Gnu => {
            peek.word_at(object, 1).and_then(|reason| peek.text(reason))
        }
        "St18bad_variant_access" => Some("bad_variant_access".to_owned()),
        "PKc" | "Pc" => peek.text(peek.word(object)?),
        "NSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE" => cxx_string::gnu(peek, object),
        "NSt3__112basic_stringIcNS_11char_traitsIcEENS_9allocatorIcEEEE" if word == 8 => {
            cxx_string::llvm(peek, object)
        }
        "i" => Some((peek.number(object, 4)? as i32).to_string()),
        "j" => Some(peek.number(object, 4)?.to_string()),
        "l" if word == 4 => Some((peek.number(object, 4)? as i32).to_string()),
        "l" | "x" => Some((peek.number(object, 8)? as i64).to_string()),
        "m" if word == 4 => Some(peek.number(object, 4)?.to_string()),
        "m" | "y" => Some(peek.number(object, 8)?.to_string()),
        "s" => Some((peek.number(object, 2)? as i16).to_string()),
        "t" => Some(peek.number(object, 2)?.to_string()),
        "b" => Some((peek.number(object, 1)? != 0).to_string()),
        "d" => Some(f64::from_bits(peek.number(object, 8)?).to_string()),
        "f" => Some(f32::from_bits(peek.number(object, 4)? as u32).to_string()),
        _ => {
            let (_, gnu, llvm) = FIXED.iter().find(|(name, ..)| *name == mangled)?;
            let text = if library == Library::Gnu { gnu } else { llvm };
            text.map(str::to_owned)
        }
    }
}
