//! The lines of a source that tell how it can die: `//: NAME; KEY=VALUE; …`. What follows a `message=` or a `holds=` is
//! the rest of the line.
//!
//! | Key | Meaning |
//! |---|---|
//! | `signal` | what kills it, without `SIG` |
//! | `class` | the classes of causes that are right, the best first, separated by a vertical bar |
//! | `why` | why more than one is right |
//! | `in` | the functions of which one is to be blamed, separated in the same way |
//! | `type` | the type of the exception |
//! | `message`, `holds` | what the program says: this, or something that holds it |
//! | `builds` | which sets of builds, where not all that its language has |
//! | `flags` | what the compiler is told besides |
//!
//! A word without a value is a property: only pieces of generated programs have some.
//!
//! A comment `dies: NAME` stands at the line at which the program itself says that it died.

use nix::sys::signal::Signal;

use super::Truth;
use super::truth::Message;

/// One way for a program to die.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) name: String,
    pub(super) signal: i32,
    pub(super) builds: Option<String>,
    pub(super) flags: Vec<String>,
    properties: Vec<String>,
    pub(super) truth: Truth,
}

impl Head {
    /// Reads those of a source.
    ///
    /// # Panics
    /// When a line isn't as it should be.
    pub(super) fn all(source: &str) -> Vec<Head> {
        source
            .lines()
            .filter_map(|line| line.strip_prefix("//: "))
            .map(|line| Head::of(line, source))
            .collect()
    }

    /// Reads one of a source.
    pub(super) fn of(line: &str, source: &str) -> Head {
        let (line, message) = message(line);
        let mut parts = line.split("; ").map(|part| part.trim_end_matches(';'));
        let name = parts.next().unwrap_or_default().to_owned();
        let line = line_of_death(source, &name);
        let truth = Truth { message, line, ..Truth::default() };
        let mut head =
            Head { name, signal: 0, builds: None, flags: Vec::new(), properties: Vec::new(), truth };
        for part in parts.filter(|part| !part.is_empty()) {
            let Some((key, value)) = part.split_once('=') else {
                head.properties.push(part.to_owned());
                continue;
            };
            let listed = || value.split('|').map(str::to_owned).collect();
            match key {
                "signal" => head.signal = number_of(value),
                "class" => head.truth.classes = listed(),
                "why" => head.truth.why = Some(value.to_owned()),
                "in" => head.truth.places = listed(),
                "type" => head.truth.exception = Some(value.to_owned()),
                "builds" => head.builds = Some(value.to_owned()),
                "flags" => head.flags = value.split(' ').map(str::to_owned).collect(),
                _ => panic!("an unknown key: {part}"),
            }
        }
        head
    }
}

impl Head {
    /// Tells whether it has this property.
    pub(super) fn is(&self, property: &str) -> bool {
        self.properties.iter().any(|known| known == property)
    }
}

/// Takes the message off the end of a line.
fn message(line: &str) -> (&str, Option<Message>) {
    if let Some((line, text)) = line.split_once("; message=") {
        (line, Some(Message::Is(text.to_owned())))
    } else if let Some((line, text)) = line.split_once("; holds=") {
        (line, Some(Message::Holds(text.to_owned())))
    } else {
        (line, None)
    }
}

fn number_of(signal: &str) -> i32 {
    let name = format!("SIG{signal}");
    name.parse::<Signal>().unwrap_or_else(|_| panic!("no such signal: {name}")) as i32
}

fn line_of_death(source: &str, name: &str) -> Option<u32> {
    let here = |line: &str| {
        line.split_once("// dies: ").is_some_and(|(_, names)| names.split(' ').any(|one| one == name))
    };
    source.lines().position(here).map(|index| index as u32 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read() {
        let source = "//: a; signal=ABRT; class=b:c|d; in=f|g; why=both; builds=rust; flags=-x -y; holds=e; =\n\nx // dies: z a\n";
        let heads = Head::all(source);
        let [head] = &heads[..] else { panic!("{heads:?}") };
        assert_eq!((&*head.name, head.signal, head.builds.as_deref()), ("a", 6, Some("rust")));
        assert_eq!(head.flags, ["-x", "-y"]);
        let truth = &head.truth;
        assert_eq!(
            (&*truth.classes, &*truth.places),
            (&["b:c".to_owned(), "d".into()][..], &["f".to_owned(), "g".into()][..])
        );
        assert_eq!((truth.message.clone(), truth.line), (Some(Message::Holds("e; =".into())), Some(3)));
    }

    #[test]
    #[should_panic(expected = "an unknown key")]
    fn a_misspelled_key_is_an_error() {
        Head::all("//: a; clas=b\n");
    }
}
