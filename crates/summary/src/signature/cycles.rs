//! Recursion: names that come again and again count once, however deep it went.

/// The longest cycle that is looked for, in names.
const LONGEST: usize = 10;

/// Takes the repetitions of cycles out of names, of short ones first. What is left of a cycle at its end, where it was left
/// in its middle, goes too.
pub(super) fn collapse(names: &mut Vec<String>) {
    loop {
        let before = names.len();
        for period in 1..=LONGEST {
            *names = once(names, period);
        }
        if names.len() == before {
            return;
        }
    }
}

fn once(names: &[String], period: usize) -> Vec<String> {
    let mut kept = Vec::with_capacity(names.len());
    let mut rest = names;
    while let Some((first, others)) = rest.split_first() {
        let cycle = rest.get(..period).filter(|cycle| rest.get(period..2 * period) == Some(cycle));
        let Some(cycle) = cycle else {
            kept.push(first.clone());
            rest = others;
            continue;
        };
        kept.extend_from_slice(cycle);
        let repeated = rest.iter().zip(cycle.iter().cycle()).take_while(|(name, expected)| name == expected);
        rest = rest.get(repeated.count()..).unwrap_or_default();
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let mut names: Vec<String> = text.chars().map(String::from).collect();
        collapse(&mut names);
        assert_eq!(names.concat(), expected, "{text}");
    }

    #[test]
    fn recursion_counts_once() {
        check("", "");
        check("abc", "abc");
        check("aaab", "ab");
        check("ababx", "abx");
        // Left in the middle.
        check("abababax", "abx");
        check("xabcabcabcy", "xabcy");
        // A recursion in a recursion.
        check("aabaabaab", "ab");
        check("abax", "abax");
        check(&"abcdefghij".repeat(3), "abcdefghij");
        check(&"abcdefghijk".repeat(2), &"abcdefghijk".repeat(2));
    }
}
