//! A crash in three lines, for lists that link to more.

use epitaph_summary::CrashSummary;

use crate::escape::brief;
use crate::headline::Headline;
use crate::place::Place;

/// The most characters of a line.
const LIMIT: usize = 400;

/// What a list tells of a crash. Each text is one line that is inert in a terminal or a log; whoever puts it into HTML
/// still has to escape it for that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brief {
    /// What died of what: `parser died of SIGSEGV: null pointer read`.
    pub sentence: String,
    /// Where: `in lex at lexer.c:88`; none if no stack is known.
    pub place: Option<String>,
    /// What the crash has in common with others of its kind: the strict signature, or the best that there is.
    pub signature: Option<String>,
}

impl Brief {
    /// Returns the lines of a summary.
    pub fn of(summary: &CrashSummary) -> Brief {
        let signature = summary.signature.as_ref();
        let signature = signature.and_then(|signature| {
            [&signature.strict, &signature.phys, &signature.loose, &signature.exact]
                .into_iter()
                .find_map(|hash| hash.as_deref())
        });
        Brief {
            sentence: brief(&Headline::of(summary).sentence(), LIMIT),
            place: Place::of(summary).map(|place| brief(&place.whole_phrase(), LIMIT)),
            signature: signature.map(|hash| brief(hash, LIMIT)),
        }
    }
}

/// Returns text from a crash as one inert line of at most `limit` characters, as every format here shows it.
pub fn inert(text: &str, limit: usize) -> String {
    brief(text, limit)
}

#[cfg(test)]
mod tests {
    use epitaph_summary::Signature;

    use super::*;
    use crate::fixtures;

    #[test]
    fn a_crash_in_three_lines() {
        let mut summary = fixtures::null_deref();
        summary.signature = Some(Signature { phys: Some("00ff".into()), ..Signature::default() });
        let brief = Brief::of(&summary);
        assert!(brief.sentence.contains(" died of SIGSEGV: "), "{brief:?}");
        assert!(brief.place.unwrap().starts_with("in "));
        assert_eq!(brief.signature.as_deref(), Some("00ff"));
    }

    #[test]
    fn hostile_text_is_one_line() {
        let brief = Brief::of(&fixtures::hostile());
        for text in [Some(brief.sentence), brief.place, brief.signature].into_iter().flatten() {
            assert!(!text.contains(char::is_control), "{text:?}");
        }
        assert_eq!(inert("a\u{1b}\n", 20), "a\\x1b\\n");
    }

    #[test]
    fn nothing_known() {
        let brief = Brief::of(&CrashSummary::new("0"));
        assert_eq!((brief.place, brief.signature), (None, None));
        assert_eq!(brief.sentence, "A process died of an unknown cause");
    }
}
