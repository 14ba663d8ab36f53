//! Names for people.

mod spelling;

use cpp_demangle::{DemangleOptions, ParseOptions, Symbol};

/// Longest name that is demangled, in bytes: demangling may be exponential, and nobody reads more.
const LONGEST: usize = 16 << 10;
/// Nesting that real names stay far below, and that keeps the demangler off the end of its stack.
const DEEPEST: u32 = 160;
/// How many ends of a name are tried where the whole can't be demangled.
const MOST_ENDS: usize = 64;
/// Longest demangled name: substitutions may expand without end.
pub(crate) const LONGEST_RESULT: usize = 64 << 10;

/// Demangles a C++ or Rust name, without parameters and return type; `None` for a name that isn't mangled.
///
/// Only what is marked as mangled is touched (`_Z`, `_R`): any name is also a mangled *type*, so that a C function
/// called `f` would become `float`.
pub fn demangle(name: &str) -> Option<String> {
    if name.len() > LONGEST {
        return None;
    }
    if (name.starts_with("_R") || name.starts_with("_ZN"))
        && let Ok(rust) = rustc_demangle::try_demangle(name)
    {
        // The alternate form leaves the hash out, which differs from build to build.
        return Some(format!("{rust:#}")).filter(|name| name.len() <= LONGEST_RESULT);
    }
    if !name.starts_with("_Z") && !name.starts_with("__Z") {
        return None;
    }
    let name = demangle_cpp(name).or_else(|| demangle_cpp_without_type(name))?;
    Some(spelling::usual(&without_parameters(&name)))
}

fn demangle_cpp(name: &str) -> Option<String> {
    let symbol = Symbol::new_with_options(name, &ParseOptions::default().recursion_limit(DEEPEST)).ok()?;
    let options = DemangleOptions::new().no_params().no_return_type().recursion_limit(DEEPEST);
    symbol.demangle_with_options(&options).ok().filter(|name| name.len() <= LONGEST_RESULT)
}

/// Demangles a function template whose return type or parameters are beyond the demangler (`sr` expressions of
/// `enable_if`): as no name is the beginning of another, the first part that is one, with `void` for the types that
/// follow it, is the function's.
fn demangle_cpp_without_type(name: &str) -> Option<String> {
    let ends = name.match_indices('E').map(|(at, _)| at + 1).take(MOST_ENDS);
    ends.filter_map(|end| name.get(..end)).find_map(|start| demangle_cpp(&format!("{start}vv")))
}

/// Takes out the parameters of the functions that enclose a name, which the demangler leaves in:
/// `run(int)::{lambda(char)#1}::operator()` becomes `run::{lambda(char)#1}::operator()`.
fn without_parameters(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    let mut depth = 0_usize;
    while let Some(c) = rest.chars().next() {
        if c == '(' && depth == 0 && !out.ends_with("operator") && !rest.starts_with("(anonymous ") {
            let after = after_parentheses(rest).trim_start_matches(" const").trim_start_matches(" volatile");
            if after.starts_with("::") {
                rest = after;
                continue;
            }
        }
        match c {
            '<' | '{' if !out.ends_with("operator") => depth += 1,
            '>' | '}' if !out.ends_with('-') => depth = depth.saturating_sub(1),
            _ => {}
        }
        out.push(c);
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
    out
}

/// Returns what follows the parentheses that `text` begins with.
fn after_parentheses(text: &str) -> &str {
    let mut depth = 0_usize;
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' if depth == 1 => return text.get(index + 1..).unwrap_or_default(),
            b')' => depth -= 1,
            _ => {}
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mangled_names_are_demangled() {
        for (raw, name) in [
            ("_ZN4shop5checkEi", "shop::check"),
            ("_ZNSt6vectorIiSaIiEE2atEm", "std::vector<int, std::allocator<int> >::at"),
            ("_ZN3foo3bar17h0123456789abcdefE", "foo::bar"),
            ("_RNvNtCs1234_7mycrate3foo3bar", "mycrate::foo::bar"),
            ("_ZdlPv", "operator delete"),
        ] {
            assert_eq!(demangle(raw).as_deref(), Some(name), "{raw}");
        }
    }

    #[test]
    fn a_type_that_cannot_be_read_hides_no_name() {
        let enable_if =
            "NSt9enable_ifIXsrSt6__and_IJSt6__not_ISt15__is_tuple_likeIT_EEEE5valueEvE4typeERS8_SI_";
        let name = format!("_ZSt4swapIN2v88internal5EventEE{enable_if}");
        assert_eq!(demangle_cpp(&name), None, "read by now: this test needs another name");
        assert_eq!(demangle(&name).as_deref(), Some("std::swap<v8::internal::Event>"));
        assert_eq!(demangle("_ZSt4swapIN2v88internal5EventE"), None);
    }

    #[test]
    fn enclosing_functions_have_no_parameters_either() {
        for (raw, name) in [
            ("_ZZN4shop3runEPKciENKUlcE_clEc", "shop::run::{lambda(char)#1}::operator()"),
            ("_ZZN12_GLOBAL__N_13runEvEN5Local2goEv", "(anonymous namespace)::run::Local::go"),
        ] {
            let demangled = demangle(raw).unwrap_or_default();
            assert_eq!(demangled, name, "{raw}");
        }
        assert_eq!(without_parameters("a<f(int)::X>::operator()(int)"), "a<f(int)::X>::operator()(int)");
        assert_eq!(without_parameters("f((("), "f(((");
        assert_eq!(without_parameters("f(int) const::g"), "f::g");
    }

    #[test]
    fn other_names_are_left_alone() {
        for name in ["f", "h", "rd", "main", "", "_", "_start", "Z3foo", "_Z", "_R", "_Zzzzz"] {
            assert_eq!(demangle(name), None, "{name}");
        }
    }

    #[test]
    fn hostile_names_end() {
        let deep = format!("_Z1f{}i", "P".repeat(10_000));
        let wide = format!("_Z1f{}", "S_".repeat(5_000));
        let templates = format!("_Z{}", "I".repeat(5_000));
        for name in [deep, wide, templates, "_Z".to_owned() + &"9".repeat(40)] {
            let _ = demangle(&name);
        }
    }
}
