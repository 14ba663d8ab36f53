//! Masks: what must not leave the machine, taken out of every text that a summary carries.

/// What is put in a secret's place.
const MASKED: &str = "***";

/// Words in the name of an option or a variable whose value is a secret.
const SECRET_WORDS: [&str; 6] = ["token", "secret", "passw", "apikey", "api_key", "credential"];

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
            values.into_iter().filter(|value| value.len() >= SHORTEST_SECRET).collect();
        values.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        values.dedup();
        Masks { values }
    }

    /// Tells whether there are no literal values to mask.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Tells whether a variable or an option of this name holds a secret.
    pub fn is_secret_name(name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        SECRET_WORDS.iter().any(|word| name.contains(word)) || name == "key" || name.ends_with("_key")
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
        value_follows = bare.starts_with("--") && !bare.contains('=') && Masks::is_secret_name(bare);
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
    fn short_values_are_not_masked_everywhere() {
        assert_eq!(Masks::new(["a".to_owned(), String::new()]).apply("a banana"), "a banana");
    }

    #[test]
    fn a_longer_secret_goes_before_its_own_prefix() {
        let masks = Masks::new(["secret".to_owned(), "secret-longer".to_owned()]);
        assert_eq!(masks.apply("x secret-longer y"), "x *** y");
    }
}
