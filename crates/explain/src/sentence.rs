//! Sentences of causes.

/// Longest sentence, in characters.
const LONGEST: usize = 200;

/// Ends a sentence where it gets too long for a headline; only its first line counts.
pub(crate) fn sentence(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default().trim_end();
    if line.chars().count() <= LONGEST {
        return line.to_owned();
    }
    line.chars().take(LONGEST - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_at_a_character() {
        assert_eq!(sentence("one\ntwo"), "one");
        let long = sentence(&"ä".repeat(300));
        assert_eq!(long.chars().count(), 200);
        assert!(long.ends_with("ä…"));
    }
}
