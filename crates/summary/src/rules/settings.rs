//! What a user adds to the rules: the content of `epitaph.toml`.

use serde::Deserialize;

use super::Place;
use super::ignore::Ignore;
use super::pattern::Pattern;
use crate::thread::FrameRule;

/// The content of an `epitaph.toml`.
///
/// ```toml
/// [in_app]                           # is our own code, wherever it lies
/// sources = ["*/third_party/ours/*"]
/// modules = ["libshop*.so*"]
/// functions = ["shop::*"]
///
/// [not_in_app]                       # isn't, although it is built with ours
/// sources = ["*/third_party/*"]
///
/// [frames]
/// cut = ["shop::check_failed*"]      # how we die: it, and what it calls, says nothing
/// skip = ["shop::with_lock*"]        # says nothing itself
/// end = ["shop::run_worker"]         # a thread's work begins here
/// sentinel = ["shop::fatal"]         # the story begins here, whatever it called
///
/// [[ignore]]                         # crashes that are meant to happen
/// test = "*DeathTest*"
/// class = "assertion"
/// reason = "death tests assert on purpose"
/// ```
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Places that are the user's own code: they count before `not_in_app`, and both before the built-in rules.
    pub in_app: Places,
    /// Places that aren't.
    pub not_in_app: Places,
    /// Functions that are machinery.
    pub frames: Functions,
    /// Crashes that are meant to happen.
    pub ignore: Vec<Ignore>,
}

/// Patterns of places; one that matches is enough.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Places {
    /// Of source files, as the debug information names them.
    pub sources: Vec<Pattern>,
    /// Of modules: of their paths, or of their file names where the pattern has no `/`.
    pub modules: Vec<Pattern>,
    /// Of functions, as signatures write them: without arguments.
    pub functions: Vec<Pattern>,
}

/// Patterns of functions that are machinery, as signatures write them: without arguments.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Functions {
    /// They and all that they called are how the process died.
    pub cut: Vec<Pattern>,
    /// They alone say nothing.
    pub skip: Vec<Pattern>,
    /// Threads start here; what called them says nothing.
    pub end: Vec<Pattern>,
    /// The story starts with these wherever they stand; what they called says nothing.
    pub sentinel: Vec<Pattern>,
}

/// What is wrong with an `epitaph.toml`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct SettingsError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, with the key or the value.
    pub problem: String,
}

impl Settings {
    /// Reads the content of an `epitaph.toml`. What isn't known is an error: a rule that is silently not applied is worse.
    pub fn parse(text: &str) -> Result<Settings, SettingsError> {
        let settings: Settings = toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            let before = text.get(..start).unwrap_or_default();
            SettingsError { line: before.matches('\n').count() + 1, problem: said(&error, text) }
        })?;
        match settings.ignore.iter().position(|ignore| !ignore.has_patterns()) {
            Some(index) => Err(SettingsError {
                line: nth_ignore(text, index),
                problem:
                    "this [[ignore]] would ignore every crash: give class, function, subject, test or title"
                        .to_owned(),
            }),
            None => Ok(settings),
        }
    }
}

impl Settings {
    /// Tells whether a place is the user's own code, where the settings speak of it.
    pub(super) fn in_app(&self, place: &Place<'_>, name: Option<&str>) -> Option<bool> {
        let places = [(&self.in_app, true), (&self.not_in_app, false)];
        places.into_iter().find_map(|(places, in_app)| places.have(place, name).then_some(in_app))
    }

    /// The same of a place that an interpreter runs, whose module says nothing of it.
    pub(super) fn in_app_interpreted(&self, place: &Place<'_>, name: Option<&str>) -> Option<bool> {
        self.in_app(&Place { module: "", ..*place }, name)
    }

    /// Writes the rules on frames down, each on a line; `None` where there are none.
    pub(super) fn frame_rules(&self) -> Option<String> {
        let (in_app, not_in_app, frames) = (&self.in_app, &self.not_in_app, &self.frames);
        let lists = [
            ("in_app.sources", &in_app.sources),
            ("in_app.modules", &in_app.modules),
            ("in_app.functions", &in_app.functions),
            ("not_in_app.sources", &not_in_app.sources),
            ("not_in_app.modules", &not_in_app.modules),
            ("not_in_app.functions", &not_in_app.functions),
            ("cut", &frames.cut),
            ("skip", &frames.skip),
            ("end", &frames.end),
            ("sentinel", &frames.sentinel),
        ];
        let lines = lists.into_iter().flat_map(|(name, patterns)| {
            patterns.iter().map(move |pattern| format!("{name} {}\n", pattern.text()))
        });
        Some(lines.collect::<String>()).filter(|text| !text.is_empty())
    }
}

impl Places {
    fn have(&self, place: &Place<'_>, name: Option<&str>) -> bool {
        let module_name = place.module.rsplit('/').next().unwrap_or_default();
        let is_of_module = |pattern: &Pattern| {
            pattern.matches(place.module) || (pattern.matches(module_name) && !pattern.text().contains('/'))
        };
        self.modules.iter().any(is_of_module)
            || place.file.is_some_and(|file| self.sources.iter().any(|pattern| pattern.matches(file)))
            || name.is_some_and(|name| self.functions.iter().any(|pattern| pattern.matches(name)))
    }
}

impl Functions {
    /// Returns what is said of a function.
    pub(super) fn rule(&self, name: &str) -> Option<FrameRule> {
        let rules = [
            (&self.sentinel, FrameRule::Sentinel),
            (&self.cut, FrameRule::Cut),
            (&self.skip, FrameRule::Skip),
            (&self.end, FrameRule::End),
        ];
        let said = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(name));
        rules.into_iter().find_map(|(patterns, rule)| said(patterns).then_some(rule))
    }
}

/// Says what is wrong in one line, with the text that it is about where the message doesn't have it.
fn said(error: &toml::de::Error, text: &str) -> String {
    let message = error.message().replace('\n', " ");
    let about = error.span().and_then(|span| text.get(span)).unwrap_or_default();
    let about = about.lines().next().unwrap_or_default().trim();
    if about.is_empty() || about.len() > 60 || message.contains(about.trim_matches('"')) {
        return message;
    }
    format!("{message}: {about}")
}

/// Returns the line on which the ignore rule of an index starts.
fn nth_ignore(text: &str, index: usize) -> usize {
    let mut starts = text.lines().enumerate().filter(|(_, line)| line.trim_start().starts_with("[[ignore]]"));
    starts.nth(index).map_or(1, |(line, _)| line + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_documentation_shows_is_read() {
        let text = include_str!("settings.rs");
        let shown: Vec<&str> = text
            .lines()
            .skip_while(|line| *line != "/// ```toml")
            .skip(1)
            .take_while(|line| *line != "/// ```")
            .map(|line| line.trim_start_matches("///"))
            .collect();
        let settings = Settings::parse(&shown.join("\n")).unwrap();
        assert_eq!(settings.frames.cut.len(), 1);
        assert_eq!(settings.ignore[0].reason, "death tests assert on purpose");
        assert!(settings.not_in_app.sources[0].matches("/jobs/third_party/zlib/inflate.c"));
    }

    #[test]
    fn errors_name_the_line_and_the_key() {
        for (text, line, part) in [
            ("[frames]\ncutt = []", 2, "cutt"),
            ("[frames]\n\ncut = [\"a\", \"*\"]", 3, "\"*\""),
            ("[frames]\ncut = \"a\"", 2, "\"a\""),
            ("[in_app\n", 1, ""),
            ("# x\n[[ignore]]\nclass = \"a\"", 2, "reason"),
            ("[[ignore]]\nclass = \"a\"\nreason = \"b\"\n[[ignore]]\nreason = \"c\"", 4, "every crash"),
            ("[[ignore]]\nclas = \"a\"\nreason = \"b\"", 2, "clas"),
        ] {
            let error = Settings::parse(text).unwrap_err();
            assert_eq!(error.line, line, "{text}: {error}");
            assert!(error.problem.contains(part), "{text}: {error}");
        }
    }
}
