//! Spells C++ names as `c++filt` and gdb do, where the demangler has ways of its own.

/// Qualifiers and pointers that may follow a type.
const SUFFIXES: [&str; 4] = [" const", " volatile", "*", "&"];

/// Literals by their type: what the demangler writes before the number, what everybody writes after it.
const LITERALS: [(&str, &str); 6] = [
    ("(int)", ""),
    ("(unsigned int)", "u"),
    ("(long)", "l"),
    ("(unsigned long)", "ul"),
    ("(long long)", "ll"),
    ("(unsigned long long)", "ull"),
];

/// Brings a demangled name into the usual form.
pub(super) fn usual(name: &str) -> String {
    let name = thunk(name);
    let name = literals(&name);
    let name = without_empty_packs(&name);
    without_trailing_qualifiers(&suffixes_last(&name)).to_owned()
}

/// `{virtual override thunk({offset(-56)}, f)}` is `non-virtual thunk to f`: what it adds to `this` says nothing to
/// people.
fn thunk(name: &str) -> String {
    let Some(inner) = name.strip_prefix("{virtual override thunk(").and_then(|rest| rest.strip_suffix(")}"))
    else {
        return name.to_owned();
    };
    let Some((offsets, function)) = inner.split_once("}, ") else { return name.to_owned() };
    let kind = if offsets.starts_with("{virtual ") { "virtual" } else { "non-virtual" };
    format!("{kind} thunk to {function}")
}

/// `(unsigned int)40` is `40u`.
fn literals(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(at) = rest.find('(') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let number = LITERALS.iter().find_map(|(cast, suffix)| {
            let after = from.strip_prefix(cast)?;
            let digits = after.strip_prefix('-').unwrap_or(after);
            let sign = after.len() - digits.len();
            let length = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
            (length > 0).then(|| (after.split_at(sign + length), suffix))
        });
        rest = match number {
            Some(((number, after), suffix)) => {
                out.extend([number, suffix]);
                after
            }
            None => {
                out.push('(');
                from.get(1..).unwrap_or_default()
            }
        };
    }
    out + rest
}

/// An empty parameter pack leaves its commas behind: `f<int, >` is `f<int>`.
fn without_empty_packs(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(at) = rest.find(", ") {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        rest = from.get(2..).unwrap_or_default();
        // The smaller-than sign of an operator opens no list.
        let opens = out.ends_with('<') && !out.ends_with("operator<") && !out.ends_with("operator<<");
        if !opens && !rest.starts_with(['>', ',']) {
            out.push_str(", ");
        }
    }
    out + rest
}

/// A pointer to a member of a substituted class comes out as `Class const*::Member`: the suffixes belong after it.
fn suffixes_last(name: &str) -> String {
    let mut name = name.to_owned();
    let mut from = 0;
    while let Some(at) = name.get(from..).and_then(|rest| rest.find("::")).map(|at| from + at) {
        from = at + 2;
        let (before, after) = (name.get(..at).unwrap_or_default(), name.get(from..).unwrap_or_default());
        let class = without_suffixes(before);
        let component =
            class.rfind(['<', ',', '(', ':']).map_or(class, |at| class.get(at + 1..).unwrap_or_default());
        // After a parenthesis they are a function's; in an operator they are its name.
        if class.len() == before.len()
            || class.ends_with(')')
            || after.starts_with('{')
            || component.trim_start().starts_with("operator")
        {
            continue;
        }
        let member = path_length(after);
        let moved = [
            class,
            "::",
            after.get(..member).unwrap_or_default(),
            before.get(class.len()..).unwrap_or_default(),
        ];
        let end = after.get(member..).unwrap_or_default();
        from = class.len() + 2;
        name = moved.concat() + end;
    }
    name
}

fn without_suffixes(mut text: &str) -> &str {
    while let Some(shorter) = SUFFIXES.iter().find_map(|suffix| text.strip_suffix(suffix)) {
        text = shorter;
    }
    text
}

/// Bytes of the names, with their template arguments, that `text` begins with: `a<b>::c` of `a<b>::c*, d`.
fn path_length(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut colons = false;
    for (index, c) in text.char_indices() {
        match c {
            '(' if depth == 0 && !text.get(index..).is_some_and(|rest| rest.starts_with("(anonymous ")) => {
                return index;
            }
            '<' | '{' | '(' => depth += 1,
            '>' | '}' | ')' if depth > 0 => depth -= 1,
            _ if depth > 0 => {}
            // `::` is no suffix's end, but nothing else may follow a name.
            ':' => colons = true,
            c if c.is_alphanumeric() || c == '_' || c == '$' => colons = false,
            _ => return if colons { index.saturating_sub(2) } else { index },
        }
    }
    text.len()
}

/// The qualifiers of a member function belong to its parameters, which aren't shown.
fn without_trailing_qualifiers(name: &str) -> &str {
    let shorter = name.trim_end_matches(" &").trim_end_matches(" &&");
    let shorter = shorter.trim_end_matches(" volatile").trim_end_matches(" const");
    if shorter.ends_with("operator") { name } else { shorter }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_have_their_suffix() {
        assert_eq!(usual("a<(unsigned int)40, (int)-1, (long)7>"), "a<40u, -1, 7l>");
        assert_eq!(usual("a<(kind)2, (unsigned long long)0>::f"), "a<(kind)2, 0ull>::f");
        assert_eq!(usual("f(int)::g(int)"), "f(int)::g(int)");
    }

    #[test]
    fn empty_packs_leave_no_comma() {
        assert_eq!(usual("a<b<c, >, , d, >"), "a<b<c>, d>");
        assert_eq!(usual("a<, b>"), "a<b>");
        assert_eq!(usual("a<&x::operator<, int>"), "a<&x::operator<, int>");
    }

    #[test]
    fn thunks_are_named_by_their_kind() {
        assert_eq!(usual("{virtual override thunk({offset(-56)}, a::f)}"), "non-virtual thunk to a::f");
        assert_eq!(
            usual("{virtual override thunk({virtual offset(0, -24)}, a<b, c>::~a)}"),
            "virtual thunk to a<b, c>::~a"
        );
    }

    #[test]
    fn pointers_to_members_of_classes_have_their_suffix_last() {
        assert_eq!(usual("p<a::b*, a::b*::c>::f"), "p<a::b*, a::b::c*>::f");
        assert_eq!(usual("p<a const::b*>"), "p<a::b const*>");
        assert_eq!(usual("a&::b<c, d>::e(f)"), "a::b<c, d>::e&(f)");
        for right in ["f(int) const::g", "a::operator*::b", "a::operator char*::b", "a*"] {
            assert_eq!(usual(right), right);
        }
    }

    #[test]
    fn qualifiers_of_functions_go_with_their_parameters() {
        assert_eq!(usual("a::f const"), "a::f");
        assert_eq!(usual("a::f const &"), "a::f");
        assert_eq!(usual("a::f &&"), "a::f");
        assert_eq!(usual("a::operator &&"), "a::operator &&");
    }
}
