//! What compilers put behind the name of a function for a copy or a part of it.

/// Marks of copies and parts: of GCC, LLVM and Go's linker.
const MARKS: [&str; 13] = [
    "cold",
    "part",
    "isra",
    "constprop",
    "llvm",
    "lto_priv",
    "localalias",
    "clone",
    "resolver",
    "ifunc",
    "__uniq",
    "abi0",
    "abiinternal",
];

/// What Go calls functions without a name, before their number.
const GO_CLOSURES: [&str; 3] = ["func", "gowrap", "deferwrap"];

const CLOSURE: &str = ".{closure}";

/// Returns a name without those marks, their numbers, and Rust's hash of an instance. Go's functions without a name are
/// called after the one that they stand in.
pub(super) fn stripped(name: &str) -> String {
    let name = one_closure(name);
    let (mut rest, mut closure) = (name.as_str(), false);
    while let Some((shorter, of_closure)) = shorter(rest) {
        if shorter.is_empty() {
            break;
        }
        (rest, closure) = (shorter, closure || of_closure);
    }
    if closure { format!("{rest}{CLOSURE}") } else { rest.to_owned() }
}

/// Makes closures within closures one, and what calls them a part of them: which of them is inlined into which, compilers
/// don't always tell.
fn one_closure(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while let Some((before, after)) = rest.split_once("{closure}") {
        out.push_str(before);
        out.push_str("{closure}");
        rest = after;
        while let Some(inner) =
            ["::operator()", "::_FUN", "::__invoke", "::{closure}"].iter().find_map(|call| {
                rest.strip_prefix(call).filter(|inner| inner.is_empty() || inner.starts_with("::"))
            })
        {
            rest = inner;
        }
    }
    out + rest
}

/// Takes the last mark off, and tells whether it was that of a function without a name.
fn shorter(name: &str) -> Option<(&str, bool)> {
    if let Some((start, hash)) = name.rsplit_once("::h")
        && hash.len() == 16
        && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    {
        return Some((start, false));
    }
    if let Some(start) = name.strip_suffix(CLOSURE) {
        return Some((start, true));
    }
    if let Some(start) = name.strip_suffix("-fm") {
        return Some((start, false));
    }
    let (start, last) = name.rsplit_once('.')?;
    let unnumbered = last.trim_end_matches(|digit: char| digit.is_ascii_digit());
    let numbered = unnumbered.len() < last.len();
    if unnumbered.is_empty() {
        return numbered.then_some((start, false));
    }
    if MARKS.contains(&last) {
        return Some((start, false));
    }
    (numbered && GO_CLOSURES.contains(&unnumbered)).then_some((start, true))
}
