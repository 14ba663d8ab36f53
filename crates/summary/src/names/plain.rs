//! Names of C: what a C library adds to the names of its own functions.

/// Beginnings of what an instruction set is called in the name of a variant.
const INSTRUCTION_SETS: [&str; 14] = [
    "sse",
    "ssse",
    "avx",
    "evex",
    "erms",
    "neon",
    "sve",
    "asimd",
    "unaligned",
    "generic",
    "sysv",
    "vx",
    "z13",
    "power",
];

/// Beginnings of the functions that a C library has variants of.
const VARIED: [&str; 5] = ["mem", "str", "stp", "wcs", "wmem"];

/// Sanitizers' own functions in place of a C library's: no aliases of it.
const INTERCEPTOR: &str = "___interceptor_";

/// Tells whether a name has nothing in it but an identifier, dots and a version.
pub(super) fn is_plain(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'@'))
}

/// Returns a name without a symbol's version: `puts@@GLIBC_2.2.5`.
pub(super) fn unversioned(name: &str) -> &str {
    let start = name.split('@').next().unwrap_or(name);
    if start.is_empty() { name } else { start }
}

/// Returns a name without the marks of a library's own aliases, and without the instruction set that a variant is for.
pub(super) fn shortened(name: &str) -> &str {
    let mut rest = unversioned(name);
    loop {
        let shorter = rest.strip_prefix("__GI_").or_else(|| rest.strip_prefix("IA__"));
        let alias = rest.starts_with("___") && !rest.starts_with(INTERCEPTOR);
        let shorter = shorter.or_else(|| alias.then(|| rest.trim_start_matches('_')));
        match shorter.filter(|shorter| !shorter.is_empty()) {
            Some(shorter) => rest = shorter,
            None => return without_instruction_set(rest).unwrap_or(rest),
        }
    }
}

/// Returns what a variant is one of: `__memmove_avx_unaligned_erms`.
fn without_instruction_set(name: &str) -> Option<&str> {
    let function = name.strip_prefix("__")?;
    if !VARIED.iter().any(|start| function.starts_with(start)) {
        return None;
    }
    let starts = function.match_indices('_').map(|(at, _)| at).find(|at| {
        let after = function.get(at + 1..).unwrap_or_default();
        INSTRUCTION_SETS.iter().any(|set| after.starts_with(set))
    });
    function.get(..starts?)
}
