//! The names of C++'s operators.

const OPERATOR: &str = "operator";

/// Symbols that can follow `operator`, longer ones before their beginnings.
const SYMBOLS: [&str; 41] = [
    "<=>", "<<=", ">>=", "->*", "()", "[]", "->", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "++", "--",
    "+=", "-=", "*=", "/=", "%=", "^=", "&=", "|=", "\"\"", "<", ">", "+", "-", "*", "/", "%", "^", "&", "|",
    "~", "!", "=", ",", "?",
];

/// Words that can follow `operator `.
const WORDS: [&str; 5] = ["new[]", "delete[]", "new", "delete", "co_await"];

/// What follows `operator` in a name.
pub(super) enum Operator<'a> {
    /// A symbol, or a word with the space before it.
    Named(&'a str),
    /// A space, and then a type that is converted to.
    Conversion,
}

/// Returns what follows `operator` at `index`, if that is there as a word.
pub(super) fn at(text: &str, index: usize) -> Option<Operator<'_>> {
    let rest = text.get(index..)?.strip_prefix(OPERATOR)?;
    if let Some(symbol) =
        SYMBOLS.iter().find_map(|symbol| rest.get(..symbol.len()).filter(|start| start == symbol))
    {
        return Some(Operator::Named(symbol));
    }
    let after = rest.strip_prefix(' ')?;
    let is_word = |word: &&&str| {
        let next = after.strip_prefix(**word).map(|rest| rest.chars().next());
        next.is_some_and(|next| next.is_none_or(|next| !is_identifier(next)))
    };
    match WORDS.iter().find(is_word) {
        Some(word) => rest.get(..=word.len()).map(Operator::Named),
        None => Some(Operator::Conversion),
    }
}

/// Returns how long `operator` and the symbol after it are, if they are at `index` and a name begins there.
pub(super) fn length_with_symbol(text: &str, index: usize) -> Option<usize> {
    let before = text.get(..index)?.chars().next_back();
    if before.is_some_and(is_identifier) {
        return None;
    }
    match at(text, index)? {
        Operator::Named(symbol) => Some(OPERATOR.len() + symbol.len()),
        Operator::Conversion => None,
    }
}

/// The length of the word itself.
pub(super) const fn word_length() -> usize {
    OPERATOR.len()
}

/// Tells whether a character can be a part of an identifier.
pub(super) fn is_identifier(char: char) -> bool {
    char.is_alphanumeric() || matches!(char, '_' | '$')
}
