//! Functions of which the debug information has the name and not the path: compilers leave that out where only lines
//! are wanted (`-g1`, `debug = "line-tables-only"`). The symbol table has it.

/// Puts the path of a demangled symbol before a function's bare name, if the symbol is that function's.
///
/// The bare name is kept: it has the generic arguments, which older symbols lack.
pub(crate) fn with_path(symbol: &str, bare: &str) -> Option<String> {
    let (path, last) = without_arguments(symbol).rsplit_once("::")?;
    let name = without_arguments(bare);
    // All closures of a function have one name in Rust's older symbols.
    let is_closure = last == "{{closure}}" && name.starts_with("{closure");
    (!name.is_empty() && (last == name || is_closure)).then(|| format!("{path}::{bare}"))
}

/// Takes the generic arguments off a name's end, with the `::` that Rust writes before them.
fn without_arguments(name: &str) -> &str {
    if !name.ends_with('>') || name.ends_with("->") {
        return name;
    }
    let mut depth = 0_usize;
    for (index, byte) in name.bytes().enumerate().rev() {
        match byte {
            b'>' if index == 0 || name.as_bytes().get(index - 1) != Some(&b'-') => depth += 1,
            b'<' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            let before = name.get(..index).unwrap_or(name);
            return before.strip_suffix("::").unwrap_or(before);
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_gives_its_path() {
        for (symbol, bare, expected) in [
            ("lt::main", "main", "lt::main"),
            ("std::sys::begin", "begin<fn(), ()>", "std::sys::begin<fn(), ()>"),
            (
                "std::sys::begin::<fn() -> i32, ()>",
                "begin<fn() -> i32, ()>",
                "std::sys::begin<fn() -> i32, ()>",
            ),
            ("lt::main::{{closure}}", "{closure#0}", "lt::main::{closure#0}"),
            ("<lt::Item>::price", "price", "<lt::Item>::price"),
            ("grid::sum<int>", "sum<int>", "grid::sum<int>"),
        ] {
            assert_eq!(with_path(symbol, bare).as_deref(), Some(expected), "{symbol}");
        }
    }

    #[test]
    fn another_function_s_symbol_does_not() {
        for (symbol, bare) in [
            ("lt::other", "main"),
            ("main", "main"),
            ("lt::my_main", "main"),
            ("lt::x", ""),
            ("lt::x", "<T>"),
            ("<T>", "T"),
            (">>>>", "x"),
        ] {
            assert_eq!(with_path(symbol, bare), None, "{symbol}");
        }
    }
}
