//! The way back: from a file's name to the values that the kernel put into it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::ops::ControlFlow;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use super::specifier::Domain;
use super::{FilePattern, Specifier, Token};
use crate::text::lossless;

/// The most attempts to split one name. Real names need a few dozen; only a crafted one comes near it.
const MOST_STEPS: u32 = 20_000;

/// Recognises the names of the cores that a file pattern makes.
#[derive(Clone, Debug)]
pub struct Matcher {
    /// Folders of the pattern, outermost first. Empty, `.` and, in a relative pattern, `..` ones are
    /// resolved.
    folders: Vec<Vec<Token>>,
    name: Vec<Token>,
    absolute: bool,
}

/// The values that a core's name holds, by specifier.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameFields(BTreeMap<Specifier, Vec<u8>>);

impl NameFields {
    /// Returns the bytes in the place of `specifier`.
    pub fn get(&self, specifier: Specifier) -> Option<&[u8]> {
        self.0.get(&specifier).map(Vec::as_slice)
    }

    /// Returns the number in the place of `specifier`; `None` where it stands for text.
    pub fn number(&self, specifier: Specifier) -> Option<u64> {
        std::str::from_utf8(self.get(specifier)?).ok()?.parse().ok()
    }

    /// Returns the executable's path out of `%E`.
    ///
    /// That is a guess where a name of the path has a `!` of its own, or ends in ` (deleted)`: the kernel
    /// writes `/` as `!` and appends ` (deleted)` to the path of a file that is gone.
    pub fn executable(&self) -> Option<PathBuf> {
        let value = self.get(Specifier::Executable)?;
        let path = value.strip_suffix(b" (deleted)").unwrap_or(value);
        if !path.starts_with(b"!") {
            return None;
        }
        let decoded = path.iter().map(|byte| if *byte == b'!' { b'/' } else { *byte }).collect();
        Some(PathBuf::from(OsString::from_vec(decoded)))
    }

    /// Returns letter and value of each specifier; bytes that aren't UTF-8 are written as `\xNN`.
    pub fn to_strings(&self) -> BTreeMap<String, String> {
        self.0.iter().map(|(specifier, value)| (specifier.letter().to_string(), lossless(value))).collect()
    }

    /// Returns whether the name held no value at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Matcher {
    /// Prepares to recognise the names that `pattern` makes.
    pub fn new(pattern: &FilePattern) -> Matcher {
        let mut components = components(&pattern.tokens);
        let name = components.pop().unwrap_or_default();
        components.retain(|component| !component.is_empty() && *component != [Token::Text(b".".to_vec())]);
        if let Some(last_up) =
            components.iter().rposition(|component| *component == [Token::Text(b"..".to_vec())])
        {
            // What lies above a `..` says nothing about where the core is.
            components.drain(..=last_up);
        }
        Matcher { folders: components, name, absolute: pattern.is_absolute() }
    }

    /// Returns the values in the name of a core, or `None` where the pattern doesn't make such names.
    ///
    /// `name` is a file name without folders. Where it can be split in several ways, numbers that a real host
    /// gives are preferred, then long numbers and short texts; `core.%e.%p` finds `a.b` and `7` in
    /// `core.a.b.7`.
    pub fn match_name(&self, name: &[u8]) -> Option<NameFields> {
        self.match_components(&[name])
    }

    /// Returns the values in the path of a core, those of its folders included.
    ///
    /// An absolute pattern must match the whole path, a relative one its end.
    pub fn match_path(&self, path: &Path) -> Option<NameFields> {
        let components: Vec<&[u8]> =
            path.as_os_str().as_bytes().split(|byte| *byte == b'/').filter(|part| !part.is_empty()).collect();
        let wanted = self.folders.len() + 1;
        if self.absolute && components.len() != wanted {
            return None;
        }
        self.match_components(components.get(components.len().checked_sub(wanted)?..)?)
    }

    /// Returns the folder in which an absolute pattern puts its cores, up to the first one named by a value.
    pub fn folder(&self) -> Option<PathBuf> {
        if !self.absolute {
            return None;
        }
        let fixed = self.folders.iter().map_while(|folder| match folder.as_slice() {
            [Token::Text(text)] => Some(OsString::from_vec(text.clone())),
            _ => None,
        });
        Some(Path::new("/").join(fixed.collect::<PathBuf>()))
    }

    /// Returns how many folders beneath [`Matcher::folder`] the cores lie.
    pub fn depth_below_folder(&self) -> usize {
        self.folders.iter().skip_while(|folder| matches!(folder.as_slice(), [Token::Text(_)])).count()
    }

    /// Returns whether every core gets the same file name, such as `core`.
    pub fn is_one_name(&self) -> bool {
        matches!(self.name.as_slice(), [Token::Text(_)])
    }

    /// Returns whether the file name begins with a dot.
    pub fn is_hidden(&self) -> bool {
        matches!(self.name.first(), Some(Token::Text(text)) if text.starts_with(b"."))
    }

    /// Returns whether the file name has enough fixed text to tell it from the names of other files.
    ///
    /// The names of `core.%p` do, those of `%e.%p` don't.
    pub fn is_telling(&self) -> bool {
        self.name.iter().any(|token| matches!(token, Token::Text(text) if text.len() > 2))
    }

    /// Returns whether a file's name begins and ends as the pattern's names do. Most files' names don't, and that is
    /// told without trying to split them.
    pub(crate) fn may_make(&self, name: &[u8]) -> bool {
        let begins = match self.name.first() {
            Some(Token::Text(text)) => name.starts_with(text),
            Some(Token::Value(_)) | None => true,
        };
        let ends = match self.name.last() {
            Some(Token::Text(text)) => name.ends_with(text),
            Some(Token::Value(specifier)) => match specifier.domain() {
                Domain::Number { .. } => name.last().is_some_and(u8::is_ascii_digit),
                Domain::Text { .. } => true,
            },
            None => true,
        };
        begins && ends
    }

    /// Matches the last of the pattern's components against `components`, which are no more than those.
    fn match_components(&self, components: &[&[u8]]) -> Option<NameFields> {
        if !components.last().is_some_and(|name| self.may_make(name)) {
            return None;
        }
        let patterns =
            self.folders.iter().chain([&self.name]).skip(self.folders.len() + 1 - components.len());
        let pairs: Vec<(&[Token], &[u8])> =
            patterns.map(Vec::as_slice).zip(components.iter().copied()).collect();
        [Numbers::Usual, Numbers::Possible].into_iter().find_map(|numbers| {
            let mut split = Split { fields: BTreeMap::new(), numbers, steps: MOST_STEPS };
            split.all(&pairs).then_some(NameFields(split.fields))
        })
    }
}

/// Splits tokens at the slashes of their text; values hold none.
fn components(tokens: &[Token]) -> Vec<Vec<Token>> {
    let mut components = vec![Vec::new()];
    for token in tokens {
        let Token::Text(text) = token else {
            components.last_mut().into_iter().for_each(|last| last.push(token.clone()));
            continue;
        };
        for (index, part) in text.split(|byte| *byte == b'/').enumerate() {
            if index > 0 {
                components.push(Vec::new());
            }
            if !part.is_empty() {
                components.last_mut().into_iter().for_each(|last| last.push(Token::Text(part.to_vec())));
            }
        }
    }
    components
}

/// Which numbers are taken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Numbers {
    /// Those that a real host gives.
    Usual,
    /// Those that the kernel can print.
    Possible,
}

/// One attempt to split a path.
struct Split {
    fields: BTreeMap<Specifier, Vec<u8>>,
    numbers: Numbers,
    steps: u32,
}

impl Split {
    fn all(&mut self, pairs: &[(&[Token], &[u8])]) -> bool {
        pairs.iter().all(|(tokens, name)| !tokens.is_empty() && self.rest(tokens, name))
    }

    /// Matches all of `input`; the fields are those of the match, or unchanged where there is none.
    fn rest(&mut self, tokens: &[Token], input: &[u8]) -> bool {
        self.steps = self.steps.saturating_sub(1);
        if self.steps == 0 {
            return false;
        }
        let Some((token, tokens)) = tokens.split_first() else { return input.is_empty() };
        let specifier = match token {
            Token::Text(text) => {
                return input.strip_prefix(text.as_slice()).is_some_and(|input| self.rest(tokens, input));
            }
            Token::Value(specifier) => *specifier,
        };
        if let Some(value) = self.fields.get(&specifier) {
            let Some(input) = input.strip_prefix(value.as_slice()) else { return false };
            return self.rest(tokens, input);
        }
        let found = match specifier.domain() {
            Domain::Text { longest } => {
                let shortest = if tokens.is_empty() { input.len().max(1) } else { 1 };
                self.lengths(specifier, tokens, input, shortest..=longest.min(input.len()))
            }
            Domain::Number { .. } => {
                let digits = input.iter().take(20).take_while(|byte| byte.is_ascii_digit()).count();
                self.lengths(specifier, tokens, input, (1..=digits).rev())
            }
        };
        found.is_break()
    }

    fn lengths(
        &mut self,
        specifier: Specifier,
        tokens: &[Token],
        input: &[u8],
        mut lengths: impl Iterator<Item = usize>,
    ) -> ControlFlow<()> {
        lengths.try_for_each(|length| {
            let Some((value, input)) = input.split_at_checked(length) else {
                return ControlFlow::Continue(());
            };
            if !self.takes(specifier, value) {
                return ControlFlow::Continue(());
            }
            self.fields.insert(specifier, value.to_vec());
            if self.rest(tokens, input) {
                return ControlFlow::Break(());
            }
            self.fields.remove(&specifier);
            ControlFlow::Continue(())
        })
    }

    /// Returns whether the kernel can have put `value` in the place of `specifier`.
    fn takes(&self, specifier: Specifier, value: &[u8]) -> bool {
        match specifier.domain() {
            Domain::Text { .. } => {
                !matches!(value, b"." | b"..")
                    && (specifier != Specifier::Executable
                        || value.starts_with(b"!")
                        || value.ends_with(b" (path unknown)"))
            }
            Domain::Number { usual: (least, largest), most } => {
                let number = std::str::from_utf8(value).ok().and_then(|text| text.parse::<u64>().ok());
                let range = if self.numbers == Numbers::Usual { least..=largest } else { 0..=most };
                number.is_some_and(|number| range.contains(&number))
                    && (value.len() == 1 || !value.starts_with(b"0"))
            }
        }
    }
}

#[cfg(test)]
mod tests;
