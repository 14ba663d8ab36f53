//! Names for people.

use cpp_demangle::{DemangleOptions, ParseOptions, Symbol};

/// Longest name that is demangled, in bytes: demangling may be exponential, and nobody reads more.
const LONGEST: usize = 16 << 10;
/// Nesting that real names stay far below, and that keeps the demangler off the end of its stack.
const DEEPEST: u32 = 160;
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
    demangle_cpp(name, DemangleOptions::new().no_params())
}

/// Demangles a C++ function's name with its parameters, as it stands in front of the names of what is in it.
pub(crate) fn demangle_signature(name: &str) -> Option<String> {
    demangle_cpp(name, DemangleOptions::new())
}

fn demangle_cpp(name: &str, options: DemangleOptions) -> Option<String> {
    if name.len() > LONGEST || (!name.starts_with("_Z") && !name.starts_with("__Z")) {
        return None;
    }
    let symbol = Symbol::new_with_options(name, &ParseOptions::default().recursion_limit(DEEPEST)).ok()?;
    let options = options.no_return_type().recursion_limit(DEEPEST);
    symbol.demangle_with_options(&options).ok().filter(|name| name.len() <= LONGEST_RESULT)
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
    fn a_signature_has_the_parameters_and_no_return_type() {
        for (raw, name) in [
            ("_ZN4shop3runEPKci", "shop::run(char const*, int)"),
            ("_ZN4shop5twiceIiEET_S1_", "shop::twice<int>(int)"),
        ] {
            assert_eq!(demangle_signature(raw).as_deref(), Some(name), "{raw}");
        }
        assert_eq!(demangle_signature("main"), None);
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
