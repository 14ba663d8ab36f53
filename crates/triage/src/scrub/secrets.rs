//! What is secret: values, and every form of them that is looked for.

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use epitaph_summary::Masks;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use super::places::Places;

/// Most values that are looked for.
const MOST_VALUES: usize = 4096;
/// Most bytes of all values.
const MOST_BYTES: usize = 1 << 20;
/// Longest value that is also looked for in other encodings than its own, in bytes.
const LONGEST_ENCODED: usize = 4096;
/// Longest form that every part of is looked for, wherever it begins; of a longer one, parts that follow each other.
const LONGEST_IN_ALL_PARTS: usize = 1024;
/// Characters that a part has: so many of a secret in a row are never left, be it cut or half overwritten.
const PART: usize = 16;
/// Bytes of a copy of a variable that are enough to know a cut one.
const ENOUGH_OF_COPY: usize = 32;
/// Longest copy of a variable that is overwritten as a whole, in bytes.
const LONGEST_COPY: usize = 4096;
/// Most parts that are looked for at once.
const MOST_PARTS: usize = 1 << 15;

/// What percent-encoding leaves as it is (RFC 3986, 2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Values that are secret.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    /// In the order in which they were added: where there are too many, the first count.
    values: Vec<Vec<u8>>,
    known: HashSet<Vec<u8>>,
    bytes: usize,
    left_out: usize,
    /// Other variables of the environment, each from the last character of its name on.
    copies: Vec<Vec<u8>>,
}

impl Secrets {
    /// Adds a value, and each of its lines: those of a key are often handled one by one. Values that are too short to
    /// be told from other bytes are passed over.
    pub(super) fn add(&mut self, value: &[u8]) {
        self.add_one(value);
        if memchr::memchr(b'\n', value).is_some() {
            for line in value.split(|byte| *byte == b'\n') {
                self.add_one(line.trim_ascii());
            }
        }
    }

    /// Adds a variable of the environment, `NAME=value`, whatever it is called: copies of it are looked for together with the
    /// end of its name, for the value alone may be any text. Processors leave such copies: what a vector register held of
    /// the environment is on the stack once the dynamic linker has saved it (glibc, `_dl_runtime_resolve`).
    pub(super) fn add_variable(&mut self, variable: &[u8]) {
        let Some(equals) = memchr::memchr(b'=', variable).filter(|equals| *equals > 0) else { return };
        let (Some(copy), Some(value)) = (variable.get(equals - 1..), variable.get(equals + 1..)) else {
            return;
        };
        if !Masks::is_long_enough(value) || self.bytes + copy.len() > MOST_BYTES {
            return;
        }
        self.bytes += copy.len();
        self.copies.push(copy.to_owned());
    }

    fn add_one(&mut self, value: &[u8]) {
        if !Masks::is_long_enough(value) || self.known.contains(value) {
            return;
        }
        if self.values.len() >= MOST_VALUES || self.bytes + value.len() > MOST_BYTES {
            self.left_out += 1;
            return;
        }
        self.bytes += value.len();
        self.values.push(value.to_owned());
        self.known.insert(value.to_owned());
    }

    /// Returns the values, in the order in which they were added.
    pub(super) fn values(&self) -> impl Iterator<Item = &[u8]> {
        self.values.iter().map(Vec::as_slice)
    }

    /// Returns what to look for, and how many values were too many to be looked for. Names of `places` are no secrets.
    pub(super) fn parts(&self, places: &Places<'_>) -> (Vec<Part>, usize) {
        let mut known: HashSet<Vec<u8>> = HashSet::new();
        let mut parts = Vec::new();
        let mut left_out = self.left_out;
        for value in self.values.iter().filter(|value| !places.has_name(value)) {
            // Fewer parts of each, where there are many secrets, so that there is room for all.
            let longest_in_all_parts = if parts.len() < MOST_PARTS / 2 { LONGEST_IN_ALL_PARTS } else { 0 };
            let of_value: Vec<Vec<u8>> =
                forms(value).iter().flat_map(|form| form.parts(longest_in_all_parts)).collect();
            if parts.len() + of_value.len() > MOST_PARTS {
                left_out += 1;
                continue;
            }
            let may_be_path = value.contains(&b'/');
            for bytes in of_value {
                if known.insert(bytes.clone()) {
                    parts.push(Part { bytes, may_be_path });
                }
            }
        }
        for copy in &self.copies {
            for len in [copy.len().min(LONGEST_COPY), copy.len().min(ENOUGH_OF_COPY)] {
                let bytes = copy.get(..len).unwrap_or_default();
                if parts.len() < MOST_PARTS && known.insert(bytes.to_owned()) {
                    parts.push(Part { bytes: bytes.to_owned(), may_be_path: false });
                }
            }
        }
        (parts, left_out)
    }
}

/// Bytes of a secret that are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) bytes: Vec<u8>,
    /// Whether the secret may be no more than a path.
    pub(super) may_be_path: bool,
}

/// A secret in one encoding.
struct Form {
    bytes: Vec<u8>,
    /// Bytes of a character.
    unit: usize,
}

impl Form {
    fn parts(&self, longest_in_all_parts: usize) -> Vec<Vec<u8>> {
        let len = PART * self.unit;
        let Some(last) = self.bytes.len().checked_sub(len) else { return vec![self.bytes.clone()] };
        let step = if self.bytes.len() <= longest_in_all_parts { self.unit } else { len };
        let starts = (0..last).step_by(step).chain([last]);
        starts.filter_map(|start| self.bytes.get(start..start + len)).map(<[u8]>::to_vec).collect()
    }
}

/// Returns a value as it is, in UTF-16, percent-encoded, and in base64 wherever in an encoded text it begins.
fn forms(value: &[u8]) -> Vec<Form> {
    let mut forms = vec![Form { bytes: value.to_owned(), unit: 1 }];
    if value.len() > LONGEST_ENCODED {
        return forms;
    }
    if let Ok(text) = str::from_utf8(value) {
        let utf16 = |bytes: fn(u16) -> [u8; 2]| Form {
            bytes: text.encode_utf16().flat_map(bytes).collect(),
            unit: 2,
        };
        forms.extend([utf16(u16::to_le_bytes), utf16(u16::to_be_bytes)]);
    }
    let percent = percent_encode(value, ENCODED).to_string();
    if percent.len() > value.len() {
        let lower = with_lower_case_digits(&percent);
        forms.extend([percent.into_bytes(), lower].map(|bytes| Form { bytes, unit: 1 }));
    }
    for before in 0..3 {
        for bytes in
            [base64_within(&STANDARD_NO_PAD, value, before), base64_within(&URL_SAFE_NO_PAD, value, before)]
        {
            if Masks::is_long_enough(&bytes) {
                forms.push(Form { bytes, unit: 1 });
            }
        }
    }
    forms
}

/// Makes the digits of percent-encoded bytes lower-case, which some encoders write.
fn with_lower_case_digits(percent: &str) -> Vec<u8> {
    let mut digits = 0;
    percent
        .bytes()
        .map(|byte| {
            if byte == b'%' {
                digits = 2;
                byte
            } else if digits > 0 {
                digits -= 1;
                byte.to_ascii_lowercase()
            } else {
                byte
            }
        })
        .collect()
}

/// Encodes a value that is preceded by `before` bytes, and returns the characters that depend on the value alone.
fn base64_within(engine: &impl Engine, value: &[u8], before: usize) -> Vec<u8> {
    let padded = [vec![0; before], value.to_vec()].concat();
    let encoded = engine.encode(&padded).into_bytes();
    // A character is 6 bits: those that also hold bits of what is before are left out, and so is a last one that
    // would hold bits of what is behind.
    let first = (before * 8).div_ceil(6);
    let last = padded.len() * 8 / 6;
    encoded.get(first..last).unwrap_or_default().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts_of(values: &[&[u8]]) -> (Vec<Part>, usize) {
        let mut secrets = Secrets::default();
        for value in values {
            secrets.add(value);
        }
        secrets.parts(&Places::new([&b"/builds/short-token/0"[..]].into_iter()))
    }

    fn has(parts: &[Part], bytes: &[u8]) -> bool {
        parts.iter().any(|part| part.bytes == bytes)
    }

    #[test]
    fn a_secret_is_looked_for_in_other_encodings() {
        let (parts, _) = parts_of(&[b"p\xc3\xa4ss/word"]);
        assert!(has(&parts, "päss/word".as_bytes()));
        assert!(has(&parts, b"p\0\xe4\0s\0s\0/\0w\0o\0r\0d\0"));
        assert!(has(&parts, b"\0p\0\xe4\0s\0s\0/\0w\0o\0r\0d"));
        assert!(has(&parts, b"p%C3%A4ss%2Fword") && has(&parts, b"p%c3%a4ss%2fword"));
    }

    #[test]
    fn base64_is_known_wherever_it_begins() {
        let (parts, _) = parts_of(&[b"hunter2-hunter2"]);
        for before in ["", "u", "us", "user:"] {
            for behind in ["", "x", "xy", "xyz"] {
                let encoded = STANDARD_NO_PAD.encode(format!("{before}hunter2-hunter2{behind}"));
                let inside = parts.iter().filter(|part| {
                    part.bytes.len() >= 16 && memchr::memmem::find(encoded.as_bytes(), &part.bytes).is_some()
                });
                assert!(inside.count() >= 1, "{before}…{behind}: {encoded}");
            }
        }
    }

    #[test]
    fn no_long_run_of_a_long_secret_is_left() {
        let secret: Vec<u8> = (0..200u32).map(|index| b'!' + (index * 7 % 90) as u8).collect();
        let (parts, _) = parts_of(&[&secret]);
        for start in 0..secret.len() - PART {
            assert!(has(&parts, &secret[start..start + PART]), "{start}");
        }
    }

    #[test]
    fn a_key_is_known_by_its_lines() {
        let (parts, _) = parts_of(&[b"-----BEGIN KEY-----\r\nAAAAB3NzaC1yc2\r\nshort\r\n"]);
        assert!(has(&parts, b"AAAAB3NzaC1yc2") && !has(&parts, b"short"));
    }

    #[test]
    fn a_name_in_the_path_of_a_mapped_file_is_no_secret() {
        let (parts, _) = parts_of(&[b"short-token", b"t-token"]);
        assert!(!has(&parts, b"short-token") && has(&parts, b"t-token"));
    }

    #[test]
    fn copies_of_variables_are_known_by_the_end_of_their_names() {
        let mut secrets = Secrets::default();
        let long = format!("ABOUT=/srv/{}", "x".repeat(100));
        for variable in ["NOTE=some text", "HOME=/root", "=nothing", "broken", &long] {
            secrets.add_variable(variable.as_bytes());
        }
        let (parts, _) = secrets.parts(&Places::new([&b"/srv/xxx"[..]].into_iter()));
        let texts: Vec<_> = parts.iter().map(|part| str::from_utf8(&part.bytes).unwrap()).collect();
        assert_eq!(texts, ["E=some text", &long[4..], &long[4..36]]);
    }

    #[test]
    fn too_many_secrets_are_counted() {
        let values: Vec<String> = (0..5000).map(|index| format!("value-{index:06}")).collect();
        let values: Vec<&[u8]> = values.iter().map(|value| value.as_bytes()).collect();
        let (parts, left_out) = parts_of(&values);
        assert!(parts.len() <= MOST_PARTS && left_out > 900, "{left_out}");
        let long = vec![b'x'; MOST_BYTES + 1];
        assert_eq!(parts_of(&[&long]).1, 1);
    }
}
