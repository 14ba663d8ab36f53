//! One frame in words: its name and its place, as every format shows them.

use epitaph_summary::{CrashSummary, Frame, FrameRule, Language, Trust};

use crate::escape::clean;

/// The name that the frame of a signal trampoline has, as gdb made it known.
const TRAMPOLINE: &str = "<signal handler called>";

/// What stands for a name that isn't known.
const NO_NAME: &str = "??";

/// Where a frame is, as well as it is known. All texts are clean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Location {
    /// `file:line:column`, as far as known.
    Source(String),
    /// The module alone: the function says the rest.
    Module(String),
    /// `module+0xoffset` or an address: there is no name to go with it.
    Address(String),
}

impl Location {
    /// Returns the location's text.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Location::Source(text) | Location::Module(text) | Location::Address(text) => text,
        }
    }
}

/// Returns the frame's function, clean, without its offset; `None` where no name is known.
pub(crate) fn function(frame: &Frame) -> Option<String> {
    let name = frame.function.as_ref().or(frame.raw_name.as_ref())?;
    (!name.is_empty()).then(|| clean(name).into_owned())
}

/// Returns a name without the mark of what glibc calls within itself: `abort` for `__GI_abort`.
pub(crate) fn plain_name(name: &str) -> &str {
    name.strip_prefix("__GI_").filter(|rest| !rest.is_empty()).unwrap_or(name)
}

/// Tells whether a frame is a signal trampoline's, which nobody called.
pub(crate) fn is_trampoline(frame: &Frame) -> bool {
    frame.function.as_deref() == Some(TRAMPOLINE)
}

/// Tells whether a frame is machinery rather than a part of the story.
pub(crate) fn is_machinery(frame: &Frame) -> bool {
    frame.in_app != Some(true)
        && matches!(frame.rule, Some(FrameRule::Cut | FrameRule::Skip | FrameRule::End))
}

/// Returns what a frame is called in a stack: `f`, `f+0x12` where only a symbol is known, or `??`.
pub(crate) fn name(frame: &Frame) -> String {
    let Some(function) = function(frame) else { return NO_NAME.to_owned() };
    match frame.function_offset.filter(|_| source(frame).is_none() && !is_trampoline(frame)) {
        Some(offset) => format!("{function}+{offset}"),
        None => function,
    }
}

/// Returns where a frame is; `None` where nothing is known, or the name says it all.
pub(crate) fn location(summary: &CrashSummary, frame: &Frame) -> Option<Location> {
    if is_trampoline(frame) {
        return None;
    }
    if let Some(source) = source(frame) {
        return Some(Location::Source(source));
    }
    let module = module_name(summary, frame);
    match (function(frame), module) {
        (Some(_), Some(module)) => Some(Location::Module(module)),
        (Some(_), None) => None,
        (None, Some(module)) => Some(Location::Address(match (frame.offset, frame.pc) {
            (Some(offset), _) => format!("{module}+{offset}"),
            (None, Some(pc)) => format!("{pc} in {module}"),
            (None, None) => module,
        })),
        (None, None) => frame.pc.map(|pc| {
            let nowhere = if summary.modules.is_empty() { "" } else { " in no known file" };
            Location::Address(format!("{pc}{nowhere}"))
        }),
    }
}

/// Returns the name of the frame's module, clean and without folders.
pub(crate) fn module_name(summary: &CrashSummary, frame: &Frame) -> Option<String> {
    let module = summary.module_of(frame)?;
    let name = module.name.as_deref().or_else(|| module.path.as_deref().map(basename))?;
    (!name.is_empty()).then(|| clean(name).into_owned())
}

/// Returns in a word why a frame has no machine frame of its own, with how many like it were left out behind it.
pub(crate) fn kind(frame: &Frame) -> Option<String> {
    let kind = match frame.language {
        Some(Language::Python) => "Python",
        Some(_) => "interpreted",
        None if frame.inlined => "inlined",
        None => return None,
    };
    let more = frame.left_out.filter(|count| *count > 0);
    Some(more.map_or_else(|| kind.to_owned(), |count| format!("{kind}; {count} more were left out")))
}

/// Returns in a few words how a frame was found, if that was by a guess.
pub(crate) fn guess(frame: &Frame) -> Option<&'static str> {
    match frame.trust? {
        Trust::Context | Trust::Cfi | Trust::TailCall | Trust::Signal => None,
        Trust::Prologue | Trust::CallTarget => None,
        Trust::FramePointer => Some("the frame pointer"),
        Trust::CallScan | Trust::Scan => Some("scanning the stack"),
        _ => Some("unknown means"),
    }
}

/// Returns the last part of a path.
pub(crate) fn basename(path: &str) -> &str {
    path.rsplit('/').find(|part| !part.is_empty()).unwrap_or(path)
}

fn source(frame: &Frame) -> Option<String> {
    let file = frame.file.as_deref().filter(|file| !file.is_empty())?;
    let file = clean(file);
    let column = frame.column.filter(|column| *column > 0);
    Some(match (frame.line.filter(|line| *line > 0), column) {
        (None, _) => file.into_owned(),
        (Some(line), None) => format!("{file}:{line}"),
        (Some(line), Some(column)) => format!("{file}:{line}:{column}"),
    })
}

#[cfg(test)]
mod tests {
    use epitaph_summary::{Hex, Module};

    use super::*;

    fn with_module() -> CrashSummary {
        let mut summary = CrashSummary::new("0");
        summary.modules = vec![Module { path: Some("/lib/libc.so.6".into()), ..Module::default() }];
        summary
    }

    #[test]
    fn a_location_is_as_precise_as_what_is_known() {
        let summary = with_module();
        let mut frame = Frame { pc: Some(Hex(0x7f10)), ..Frame::default() };
        assert_eq!(location(&CrashSummary::new("0"), &frame), Some(Location::Address("0x7f10".into())));
        assert_eq!(location(&summary, &frame), Some(Location::Address("0x7f10 in no known file".into())));
        frame.module = Some(0);
        assert_eq!(location(&summary, &frame), Some(Location::Address("0x7f10 in libc.so.6".into())));
        frame.offset = Some(Hex(0x10));
        assert_eq!(location(&summary, &frame), Some(Location::Address("libc.so.6+0x10".into())));
        assert_eq!(name(&frame), "??");

        frame.function = Some("raise".into());
        frame.function_offset = Some(Hex(0x2));
        assert_eq!(location(&summary, &frame), Some(Location::Module("libc.so.6".into())));
        assert_eq!(name(&frame), "raise+0x2");

        frame.file = Some("raise.c".into());
        assert_eq!(location(&summary, &frame), Some(Location::Source("raise.c".into())));
        frame.line = Some(26);
        frame.column = Some(7);
        assert_eq!(location(&summary, &frame), Some(Location::Source("raise.c:26:7".into())));
        assert_eq!(name(&frame), "raise");
    }

    #[test]
    fn a_trampoline_has_no_place() {
        let frame = Frame {
            function: Some(TRAMPOLINE.into()),
            raw_name: Some("__restore_rt".into()),
            function_offset: Some(Hex(0)),
            module: Some(0),
            ..Frame::default()
        };
        assert_eq!(location(&with_module(), &frame), None);
        assert_eq!(name(&frame), TRAMPOLINE);
    }

    #[test]
    fn a_module_that_is_not_there_is_no_module() {
        let frame = Frame { module: Some(7), function: Some("f".into()), ..Frame::default() };
        assert_eq!(location(&with_module(), &frame), None);
    }
}
