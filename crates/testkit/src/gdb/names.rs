//! Function names, compared leniently: two tools that mean the same function rarely write it alike.

/// Endings that compilers add to the symbol of a specialised copy of a function.
const CLONE_SUFFIXES: [&str; 7] =
    [".constprop", ".isra", ".part", ".cold", ".lto_priv", ".llvm.", ".localalias"];

/// Operator names whose characters would be taken for brackets or blanks; longest first.
const OPERATORS: [&str; 16] = [
    "operator new[]",
    "operator delete[]",
    "operator delete",
    "operator new",
    "operator<=>",
    "operator<<=",
    "operator>>=",
    "operator->*",
    "operator->",
    "operator()",
    "operator[]",
    "operator<<",
    "operator>>",
    "operator<=",
    "operator>=",
    "operator<",
];

/// Reduces a function's name to what every tool agrees on: no arguments, template arguments, return type, symbol
/// version, clone suffix or Rust hash; closures and lambdas are all called alike, and `impl` blocks are left out.
///
/// ```
/// use epitaph_testkit::gdb::normalize;
/// assert_eq!(normalize("int shop::find<int>(int) const"), "shop::find");
/// assert_eq!(normalize("memcpy@@GLIBC_2.14"), "memcpy");
/// assert_eq!(normalize("score.constprop.0"), "score");
/// assert_eq!(normalize("core::option::Option<T>::unwrap::h0123456789abcdef"), "core::option::Option::unwrap");
/// ```
pub fn normalize(name: &str) -> String {
    let name = name.split(['@']).next().unwrap_or_default();
    // An enclosing method keeps its qualifier where its parameters stood.
    let mut flat = flatten(name).replace(" const::", "::").trim().to_owned();
    for ending in [" const", " volatile", " &"] {
        flat = flat.trim_end_matches(ending).to_owned();
    }
    let bare = flat.trim().rsplit(' ').next().unwrap_or_default(); // a template's return type stands before its name
    let mut bare = bare;
    if let Some(cut) = CLONE_SUFFIXES.iter().filter_map(|suffix| bare.find(suffix)).min() {
        bare = &bare[..cut];
    }
    let bare = bare.strip_prefix("__GI_").unwrap_or(bare); // glibc's name for its own use of a function
    let parts = bare.split("::").filter(|part| !part.is_empty() && *part != "{impl}" && !is_rust_hash(part));
    parts.collect::<Vec<_>>().join("::")
}

/// Tells whether two names mean the same function: equal when normalized, or one is the other without its path
/// (gdb writes `operator()` for a lambda, and Rust's `impl` blocks have no common name).
pub fn same_function(one: &str, other: &str) -> bool {
    let (one, other) = (normalize(one), normalize(other));
    let (long, short) = if one.len() >= other.len() { (&one, &other) } else { (&other, &one) };
    let prefix = long.strip_suffix(short.as_str());
    !short.is_empty() && prefix.is_some_and(|prefix| prefix.is_empty() || prefix.ends_with("::"))
}

/// `h` and sixteen hexadecimal digits: what the legacy mangling of Rust ends with.
fn is_rust_hash(part: &str) -> bool {
    part.len() == 17 && part.starts_with('h') && part[1..].bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Takes out everything in round, angle and square brackets, and gives what is in braces one of a few names.
fn flatten(name: &str) -> String {
    let mut out = String::new();
    let (mut round, mut angle, mut square) = (0_usize, 0_usize, 0_usize);
    let mut rest = name;
    while let Some(next) = rest.chars().next() {
        let mut taken = next.len_utf8();
        let outside = round == 0 && angle == 0 && square == 0;
        if let Some(operator) =
            OPERATORS.iter().find(|operator| rest.starts_with(**operator)).filter(|_| outside)
        {
            out.push_str(&operator.replace(' ', "_"));
            taken = operator.len();
        } else if rest.starts_with("(anonymous namespace)") {
            taken = "(anonymous namespace)".len();
            if outside {
                out.push_str("{anonymous}");
            }
        } else if rest.starts_with("->") {
            taken = 2;
        } else if next == '{' {
            taken = braces(rest);
            if outside {
                out.push_str(brace_name(&rest[..taken]));
            }
        } else {
            match next {
                '(' => round += 1,
                ')' => round = round.saturating_sub(1),
                '[' => square += 1, // what a compiler or gdb adds: the ABI, a clone's kind, a crate's number
                ']' => square = square.saturating_sub(1),
                '<' => angle += 1,
                '>' => angle = angle.saturating_sub(1),
                _ if outside => out.push(next),
                _ => {}
            }
        }
        rest = &rest[taken..];
    }
    out
}

/// Length of the group in braces that `text` starts with, nested groups included.
fn braces(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    text.len()
}

fn brace_name(group: &str) -> &str {
    let known = [("closure", "{closure}"), ("lambda", "{lambda}"), ("impl", "{impl}")];
    known.iter().find(|(word, _)| group.contains(word)).map_or(group, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_reduced_to_their_path() {
        for (name, bare) in [
            ("main", "main"),
            ("std::vector<int, std::allocator<int> >::push_back(int const&)", "std::vector::push_back"),
            ("(anonymous namespace)::run(char**)", "{anonymous}::run"),
            ("grid::total(grid::Table<int> const&, unsigned long) [clone .part.0]", "grid::total"),
            ("operator new(unsigned long)", "operator_new"),
            ("Money::operator<(Money const&) const", "Money::operator<"),
            ("Sink::operator<< <char>(char)", "Sink::operator<<"),
            ("void each<int, f(int)::{lambda(int)#1}>(int)", "each"),
            ("f(int)::{lambda(int)#2}::operator()(int) const", "f::{lambda}::operator()"),
            ("app::run::{{closure}}::h0123456789abcdef", "app::run::{closure}"),
            ("app::run::{closure#0}", "app::run::{closure}"),
            ("<alloc::vec::Vec<T> as core::ops::Deref>::deref", "deref"),
            ("alloc::vec::{impl#3}::deref<u8>", "alloc::vec::deref"),
            (
                "core::ops::function::FnOnce::call_once<fn() -> i32, ()>",
                "core::ops::function::FnOnce::call_once",
            ),
            ("std[e28293b1aa0f68bd]::rt::lang_start::<()>", "std::rt::lang_start"),
            ("f1[cold]", "f1"),
            ("Table::operator[](int) const", "Table::operator[]"),
            ("format[abi:cxx11](int)", "format"),
            ("__GI_raise", "raise"),
            ("helper::h12", "helper::h12"),
            ("", ""),
            ("{", "{"),
            ("a<b", "a"),
        ] {
            assert_eq!(normalize(name), bare, "{name}");
        }
    }

    #[test]
    fn the_same_function_is_recognized_and_another_is_not() {
        assert!(same_function("operator()", "f(int)::{lambda(int)#2}::operator()(int) const"));
        assert!(same_function("<T as app::Shape>::area", "app::{impl#0}::area"));
        assert!(same_function("__GI_abort", "abort"));
        assert!(!same_function("area", "subarea"));
        assert!(!same_function("score", "rank"));
        assert!(!same_function("", "rank"));
    }
}
