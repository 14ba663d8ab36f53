//! Where a thread's story begins: which of its innermost frames are only how the process died.

use crate::thread::FrameRule;

/// How a process came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// The processor couldn't go on: the innermost function is at fault.
    Fault,
    /// The program ended itself, through functions that are made for that.
    Abort,
    /// Its stack was full.
    Overflow,
    /// It didn't go on, and others ended it or looked at it.
    Hang,
}

/// What counts of a frame.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mark {
    /// Whether it is the user's own code.
    pub(crate) in_app: bool,
    /// What a rule says of it.
    pub(crate) rule: Option<FrameRule>,
    /// Whether it is where the kernel called a signal handler.
    pub(crate) trampoline: bool,
}

/// Returns the index of the frame that the story of a thread begins with, given its frames, innermost first;
/// `behind_handler` where the signal that ended the process came from the handler of another.
///
/// - A handler's frames are left out where it only reported a fault.
/// - A sentinel is where the story begins.
/// - A program that ends itself does so through a chain of functions, its own handlers among them: the outermost `cut` of
///   that chain counts. Another signal's handler, and what started the thread, aren't a part of it.
/// - A fault is to be told of the function that it is in: only where nothing but machinery is innermost, that is left out.
pub(crate) fn first_frame(marks: &[Mark], form: Form, behind_handler: bool) -> usize {
    let handler = marks.iter().position(|mark| mark.trampoline).filter(|_| behind_handler);
    let begin = handler.map_or(0, |trampoline| trampoline + 1);
    let form = if handler.is_some() && form == Form::Abort { Form::Fault } else { form };
    let marks = marks.get(begin..).unwrap_or_default();
    if let Some(sentinel) = marks.iter().position(|mark| mark.rule == Some(FrameRule::Sentinel)) {
        return begin + sentinel;
    }
    let ends = |mark: &Mark| {
        let in_story = mark.in_app && !matches!(mark.rule, Some(FrameRule::Cut | FrameRule::Skip));
        mark.trampoline || mark.rule == Some(FrameRule::End) || (form != Form::Abort && in_story)
    };
    let chain = marks.iter().take_while(|mark| !ends(mark));
    let last_cut = chain.enumerate().filter(|(_, mark)| mark.rule == Some(FrameRule::Cut)).last();
    begin + last_cut.map_or(0, |(index, _)| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Marks of frames: `a` is in-app, `l` a library's, `c`/`C` a cut of a library's/an own one, `s` a skip, `e`/`E` an end,
    /// `S` a sentinel, `t` a trampoline.
    fn marks(text: &str) -> Vec<Mark> {
        let mark = |char: char| Mark {
            in_app: matches!(char, 'a' | 'C' | 'S' | 'E'),
            rule: match char {
                'c' | 'C' => Some(FrameRule::Cut),
                's' => Some(FrameRule::Skip),
                'e' | 'E' => Some(FrameRule::End),
                'S' => Some(FrameRule::Sentinel),
                _ => None,
            },
            trampoline: char == 't',
        };
        text.chars().map(mark).collect()
    }

    #[test]
    fn an_abort_begins_with_who_called_its_machinery() {
        assert_eq!(first_frame(&marks("cccaaEe"), Form::Abort, false), 3);
        // A terminate handler or a panic hook of one's own is among it.
        assert_eq!(first_frame(&marks("ccacclaEe"), Form::Abort, false), 5);
        // Neither is what a signal interrupted, nor what starts threads.
        assert_eq!(first_frame(&marks("ccatlcaEe"), Form::Abort, false), 2);
        assert_eq!(first_frame(&marks("ccaEcc"), Form::Abort, false), 2);
        assert_eq!(first_frame(&marks("llaEe"), Form::Abort, false), 0);
        assert_eq!(first_frame(&marks(""), Form::Abort, false), 0);
    }

    #[test]
    fn a_fault_begins_where_it_is() {
        assert_eq!(first_frame(&marks("lacaEe"), Form::Fault, false), 0);
        // One's own function for dying, and what it calls.
        assert_eq!(first_frame(&marks("lCsCaaEe"), Form::Fault, false), 4);
    }

    #[test]
    fn a_fault_behind_a_handler_begins_behind_it() {
        assert_eq!(first_frame(&marks("ccataaEe"), Form::Abort, true), 4);
        // The handler returned, and then the program ended itself.
        assert_eq!(first_frame(&marks("ccaEe"), Form::Abort, true), 2);
    }

    #[test]
    fn a_sentinel_is_where_it_begins() {
        assert_eq!(first_frame(&marks("ccaSaEe"), Form::Fault, false), 3);
        assert_eq!(first_frame(&marks("ccatSaEe"), Form::Abort, true), 4);
    }
}
