//! The pieces that programs are put together from: one function each, which calls the next one or crashes.
//!
//! They are kept as source text in `snippets/`. A line `//: NAME; PROPERTY; KEY=VALUE` starts one. In the text
//! `@self` is the function's name (and the start of every other name that it defines), `@linkage` what makes it
//! static, inline or an extern function, `@next(…)` the call of the next function, `@callee` that function's name,
//! `@help(…)` a call of one of the small inline functions, and `@k` a constant.

/// One function that calls the next one in some way, or crashes.
#[derive(Clone, Debug)]
pub(super) struct Snippet {
    /// What it does, for people.
    pub(super) name: &'static str,
    /// The functions that certainly have a frame when they aren't inlined, outermost first.
    pub(super) frames: Vec<&'static str>,
    /// The signal that it dies of; 0 where it calls the next one.
    pub(super) signal: i32,
    properties: Vec<&'static str>,
    text: &'static str,
}

impl Snippet {
    /// Reads a file of snippets.
    pub(super) fn all(file: &'static str) -> Vec<Snippet> {
        file.split("//: ").skip(1).map(Snippet::of).collect()
    }

    fn of(piece: &'static str) -> Snippet {
        let (head, text) = piece.split_once('\n').expect("a snippet has a head and a text");
        let mut properties = head.split("; ");
        let mut snippet = Snippet {
            name: properties.next().unwrap_or_default(),
            frames: Vec::new(),
            signal: 0,
            properties: Vec::new(),
            text,
        };
        for property in properties {
            match property.split_once('=') {
                Some(("frames", names)) => snippet.frames = names.split(',').collect(),
                Some(("signal", number)) => snippet.signal = number.parse().expect("a signal is a number"),
                _ => snippet.properties.push(property),
            }
        }
        snippet
    }

    /// Tells whether the head names this property.
    pub(super) fn is(&self, property: &str) -> bool {
        self.properties.contains(&property)
    }

    /// Fills the placeholders in.
    pub(super) fn fill(&self, mut filling: impl FnMut(&str, &str) -> String) -> String {
        fill(self.text, &mut filling)
    }
}

/// Asks `filling` what stands for `@word`, or for `@word(argument)`, whose own placeholders are filled in first.
fn fill(text: &str, filling: &mut impl FnMut(&str, &str) -> String) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('@') {
        out.push_str(before);
        let end = after.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(after.len());
        let (word, after) = after.split_at(end);
        let (argument, after) = match word {
            "next" | "help" => argument(after),
            _ => ("", after),
        };
        let argument = fill(argument, filling);
        out.push_str(&filling(word, &argument));
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Takes `(…)` off the start of a text.
fn argument(text: &str) -> (&str, &str) {
    let mut depth = 0_usize;
    for (at, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' if depth == 1 => return (&text[1..at], &text[at + 1..]),
            ')' => depth -= 1,
            _ => {}
        }
    }
    panic!("a snippet's brackets don't match: {text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snippet_is_read_and_filled_in() {
        let all = Snippet::all(
            "//: tail\nreturn @next(1);\n//: die; signal=6; frames=@self,@self_b; guard\n@self_b(@k);",
        );
        assert_eq!(all.len(), 2);
        assert_eq!((all[0].name, all[0].signal, all[0].frames.len()), ("tail", 0, 0));
        assert_eq!((all[1].name, all[1].signal, &*all[1].frames), ("die", 6, &["@self", "@self_b"][..]));
        assert!(all[1].is("guard") && !all[1].is("own_stack"));
        let text = all[1].fill(|word, _| word.to_uppercase());
        assert_eq!(text, "SELF_b(K);");
    }

    #[test]
    fn arguments_may_hold_placeholders() {
        let mut filling = |word: &str, argument: &str| format!("<{word} {argument}>");
        assert_eq!(
            fill("r = @next(@help(x) + (1)) - @k;", &mut filling),
            "r = <next <help x> + (1)> - <k >;"
        );
    }
}
