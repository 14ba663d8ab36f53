//! Masks: what must not leave the machine, taken out of every text that a summary carries.

/// What is put in a secret's place.
const MASKED: &str = "***";

/// Words in the name of an option or a variable whose value is a secret.
const SECRET_WORDS: [&str; 8] =
    ["token", "secret", "passw", "passphrase", "apikey", "accesskey", "privatekey", "credential"];

/// Words that say so only where they stand alone between `_`, `-` and the like (a monkey is no secret).
const SECRET_PARTS: [&str; 2] = ["key", "pass"];

/// The shortest value that is masked wherever it occurs: shorter ones would mask ordinary words.
const SHORTEST_SECRET: usize = 6;

/// The secrets to take out of texts.
///
/// Two kinds: literal values (of environment variables whose names say that they are secret), and values that
/// a command line itself names as secret (`--api-token=…`, `PASSWORD=…`, `--password …`).
///
/// ```
/// let masks = epitaph_summary::Masks::new(["hunter2hunter2".to_owned()]);
/// assert_eq!(masks.apply("curl -u me:hunter2hunter2 --token=abc x"), "curl -u me:*** --token=*** x");
/// ```
#[derive(Clone, Default)]
pub struct Masks {
    values: Vec<String>,
}

impl std::fmt::Debug for Masks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Masks({} values)", self.values.len())
    }
}

impl Masks {
    /// Masks these literal values (those long enough to be secrets), longest first.
    pub fn new(values: impl IntoIterator<Item = String>) -> Masks {
        let mut values: Vec<String> =
            values.into_iter().filter(|value| Masks::is_long_enough(value.as_bytes())).collect();
        values.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        values.dedup();
        Masks { values }
    }

    /// Tells whether there are no literal values to mask.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Returns the literal values, longest first.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.values.iter().map(String::as_str)
    }

    /// Tells whether a value is long enough to be masked wherever it occurs: a shorter one would mask ordinary words.
    pub fn is_long_enough(value: &[u8]) -> bool {
        value.len() >= SHORTEST_SECRET
    }

    /// Tells whether a word of a command line says that the next one is a secret, as `--password` does.
    pub fn is_secret_option(word: &str) -> bool {
        word.starts_with("--") && !word.contains('=') && Masks::is_secret_name(word)
    }

    /// Tells whether a variable or an option of this name holds a secret.
    pub fn is_secret_name(name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let parts = name.split(|char: char| !char.is_alphanumeric());
        SECRET_WORDS.iter().any(|word| name.contains(word))
            || parts.into_iter().any(|part| SECRET_PARTS.contains(&part))
            // MYSQL_PWD, but not the working folder's PWD.
            || name.ends_with("_pwd")
    }

    /// Returns where, in a line that was cut off, a secret begins of which the line has only the first bytes.
    pub fn start_of_cut<'a>(line: &[u8], values: impl IntoIterator<Item = &'a [u8]>) -> Option<usize> {
        let starts = values.into_iter().filter_map(|value| {
            let longest = value.len().saturating_sub(1).min(line.len());
            let ends_with = |len: &usize| value.get(..*len).is_some_and(|start| line.ends_with(start));
            (SHORTEST_SECRET..=longest).rev().find(ends_with).map(|len| line.len() - len)
        });
        starts.min()
    }

    /// Returns a `line` that was cut off with every secret replaced by `***`, also one that was cut itself.
    pub fn apply_to_cut(&self, line: &str) -> String {
        let line = self.apply(line);
        let cut = Masks::start_of_cut(line.as_bytes(), self.values().map(str::as_bytes));
        match cut.and_then(|start| line.get(..start)) {
            Some(before) => format!("{before}{MASKED}"),
            None => line,
        }
    }

    /// Returns `text` with every secret replaced by `***`.
    pub fn apply(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for value in &self.values {
            if text.contains(value.as_str()) {
                text = text.replace(value.as_str(), MASKED);
            }
        }
        mask_named(&text)
    }
}

/// Masks the values that the words of a command line name as secret.
fn mask_named(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut value_follows = false;
    for word in text.split_inclusive(char::is_whitespace) {
        let bare = word.trim_end_matches(char::is_whitespace);
        let space = word.get(bare.len()..).unwrap_or_default();
        if value_follows && !bare.is_empty() && !bare.starts_with('-') {
            out.push_str(MASKED);
        } else if let Some((name, value)) =
            bare.split_once('=').filter(|(name, _)| Masks::is_secret_name(name))
        {
            out.push_str(name);
            out.push('=');
            out.push_str(if value.is_empty() { "" } else { MASKED });
        } else {
            out.push_str(bare);
        }
        value_follows = Masks::is_secret_option(bare);
        out.push_str(space);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_secrets_are_masked() {
        let masks = Masks::default();
        assert_eq!(masks.apply("prog --password hunter2 --n 3"), "prog --password *** --n 3");
        assert_eq!(masks.apply("GITHUB_TOKEN=abc ./run\tx"), "GITHUB_TOKEN=*** ./run\tx");
        assert_eq!(masks.apply("prog --token --verbose"), "prog --token --verbose");
        assert_eq!(masks.apply("monkey --keys a keyboard=x"), "monkey --keys a keyboard=x");
    }

    #[test]
    fn a_secret_that_was_cut_off_is_masked() {
        let masks = Masks::new(["hunter2-hunter2".to_owned(), "other-secret".to_owned()]);
        assert_eq!(masks.apply_to_cut("prog hunter2-hunter2 x hunter2-hun"), "prog *** x ***");
        assert_eq!(masks.apply_to_cut("prog hunter2-hunter2"), "prog ***");
        for plain in ["prog hunte", "hunter", "prog", ""] {
            assert_eq!(masks.apply_to_cut(plain), if plain == "hunter" { "***" } else { plain });
        }
    }

    #[test]
    fn names_say_what_is_secret() {
        for secret in
            ["KEY", "--api-key", "AWS_SECRET_ACCESS_KEY", "DB_PASS", "MYSQL_PWD", "spring.db.password"]
        {
            assert!(Masks::is_secret_name(secret), "{secret}");
        }
        for other in ["PWD", "OLDPWD", "PATH", "MONKEY", "KEYBOARD", "PASSENGERS", "COMPASS", "XAUTHORITY"] {
            assert!(!Masks::is_secret_name(other), "{other}");
        }
    }

    #[test]
    fn short_values_are_not_masked_everywhere() {
        assert_eq!(Masks::new(["a".to_owned(), String::new()]).apply("a banana"), "a banana");
    }

    #[test]
    fn a_longer_secret_goes_before_its_own_prefix() {
        let masks = Masks::new(["secret".to_owned(), "secret-longer".to_owned()]);
        assert_eq!(masks.apply("x secret-longer y"), "x *** y");
    }
}
