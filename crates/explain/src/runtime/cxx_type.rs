//! Types of C++ objects, as `typeid` knows them (Itanium C++ ABI, 2.9.4: Run-Time Type Information).

use std::fmt;

use cpp_demangle::{DemangleOptions, ParseOptions, Symbol};

use crate::peek::Peek;

/// Longest name of a type, in bytes: demangling may be exponential.
const LONGEST: usize = 4 << 10;
/// Nesting of a name that the demangler may follow.
const DEEPEST: u32 = 96;
/// Most bases of one class.
const MOST_BASES: u64 = 16;

/// Inline namespaces and the like: nobody writes them.
const UNWRITTEN: [&str; 5] = ["__cxx11::", "__1::", "__ndk1::", "__fs::", "[abi:cxx11]"];
/// What both libraries wrap an exception in that is thrown while another is handled (`std::throw_with_nested`).
const NESTED: [&str; 2] = ["std::_Nested_exception<", "std::__nested<"];
/// What `std::string` stands for.
const STRING: &str = "std::basic_string<char, std::char_traits<char>, std::allocator<char> >";

/// Returns the mangled name of the type whose `std::type_info` this is; `None` where it can't be one.
pub(crate) fn mangled_name(peek: Peek<'_>, type_info: u64) -> Option<String> {
    let pointer = peek.word_at(type_info, 1).filter(|pointer| *pointer != 0)?;
    let name = peek.text(pointer)?;
    // A star says that the name is compared by its address (`type_info::operator==` of libstdc++).
    let name = name.strip_prefix('*').unwrap_or(&name);
    let plausible =
        name.len() < LONGEST && !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
    plausible.then(|| name.to_owned())
}

/// Returns the bases of a class, and where in an object of the class each begins: those of single and of multiple
/// inheritance, but no virtual ones.
pub(crate) fn bases(peek: Peek<'_>, type_info: u64) -> Vec<(u64, u64)> {
    let single = || Some((peek.word_at(type_info, 2)?, 0));
    // The `type_info` itself is an object, and the word before its virtual table points to its own type.
    let kind = peek
        .word(type_info)
        .and_then(|table| peek.word(table.checked_sub(peek.word_size())?))
        .and_then(|kind| mangled_name(peek, kind))
        .unwrap_or_default();
    match kind.as_str() {
        "N10__cxxabiv120__si_class_type_infoE" => single().into_iter().collect(),
        "N10__cxxabiv121__vmi_class_type_infoE" => several(peek, type_info).unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// The bases of a `__vmi_class_type_info`: flags, their number, and for each its type, and its offset above flags.
fn several(peek: Peek<'_>, type_info: u64) -> Option<Vec<(u64, u64)>> {
    const VIRTUAL: u64 = 1;
    const OFFSET_SHIFT: u32 = 8;
    let numbers = type_info.checked_add(2 * peek.word_size())?;
    let count = peek.number(numbers.checked_add(4)?, 4)?.min(MOST_BASES);
    let table = numbers.checked_add(8)?;
    let base = |index: u64| {
        let flags = peek.word_at(table, 2 * index + 1)?;
        let offset = flags >> OFFSET_SHIFT;
        (flags & VIRTUAL == 0 && offset < 1 << 16).then_some((peek.word_at(table, 2 * index)?, offset))
    };
    Some((0..count).filter_map(base).collect())
}

/// Spells a mangled type as people write it.
pub(crate) fn spelled(mangled: &str) -> String {
    let symbol = format!("_ZTS{mangled}");
    let options = ParseOptions::default().recursion_limit(DEEPEST);
    let mut demangled = Bounded(String::new());
    let whole = Symbol::new_with_options(&symbol, &options).is_ok_and(|symbol| {
        symbol.structured_demangle(&mut demangled, &DemangleOptions::new().recursion_limit(DEEPEST)).is_ok()
    });
    if !whole {
        return mangled.to_owned();
    }
    let name = demangled.0;
    let mut name = name.strip_prefix("typeinfo name for ").unwrap_or(&name).to_owned();
    for unwritten in UNWRITTEN {
        name = name.replace(unwritten, "");
    }
    name.replace(STRING, "std::string")
}

/// A text that ends where it gets too long: a mangled name may stand for one without end.
struct Bounded(String);

impl fmt::Write for Bounded {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        if self.0.len() + part.len() > LONGEST {
            return Err(fmt::Error);
        }
        self.0.push_str(part);
        Ok(())
    }
}

/// Names the class of exceptions that a type belongs to: without template arguments, and without what wraps it.
pub(crate) fn class(name: &str) -> String {
    let inner = NESTED.iter().find_map(|start| name.strip_prefix(start)?.strip_suffix('>'));
    without_arguments(inner.unwrap_or(name)).trim_end().to_owned()
}

/// Takes the template arguments out of a type's name.
fn without_arguments(name: &str) -> String {
    let mut depth = 0_usize;
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '<' => depth += 1,
            '>' => depth = depth.saturating_sub(1),
            _ if depth == 0 => out.push(c),
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_end_is_given_up() {
        use std::fmt::Write as _;

        let mut name = Bounded(String::new());
        assert!(name.write_str(&"x".repeat(LONGEST)).is_ok());
        assert!(name.write_str("x").is_err());
        assert_eq!(name.0.len(), LONGEST);
    }

    #[test]
    fn types_are_spelled_as_people_write_them() {
        for (mangled, name) in [
            ("i", "int"),
            ("PKc", "char const*"),
            ("St12out_of_range", "std::out_of_range"),
            ("NSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE", "std::string"),
            ("NSt3__112system_errorE", "std::system_error"),
            ("N4shop5ErrorIiEE", "shop::Error<int>"),
            ("not a type", "not a type"),
        ] {
            assert_eq!(spelled(mangled), name);
        }
        assert_eq!(class("a::b<c<d>, e>::f<g>"), "a::b::f");
        assert_eq!(class("std::_Nested_exception<shop::Error<int> >"), "shop::Error");
    }
}
