//! The frames at an address, as debug information tells them.

use addr2line::{Context, Frame, LookupContinuation, LookupResult};
use gimli::UnitRef;

use crate::demangle::demangle;
use crate::die_names::{Composed, DieNames, Style};
use crate::dwarf::Slice;
use crate::source_frame::{SourceFrame, SymbolSource};

/// Longest chain of inlined calls at one address: real ones have a few dozen.
const DEEPEST_INLINE: usize = 1000;

/// Looks addresses up in one context.
pub(crate) struct Frames<'c, 'a> {
    context: &'c Context<Slice<'a>>,
    names: DieNames<'c, 'a>,
}

/// What there is at an address.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Innermost first.
    pub(crate) frames: Vec<SourceFrame>,
    /// Paths of files of split debug information that have more to tell, and weren't read.
    pub(crate) unread: Vec<String>,
}

impl<'c, 'a> Frames<'c, 'a> {
    /// Looks up in `context`.
    pub(crate) fn new(context: &'c Context<Slice<'a>>) -> Frames<'c, 'a> {
        Frames { context, names: DieNames::default() }
    }

    /// Finds the frames at an address.
    pub(crate) fn at(&mut self, address: u64) -> Result<Found, gimli::Error> {
        let mut found = Found::default();
        let mut lookup = self.context.find_frames(address);
        let mut frames = loop {
            lookup = match lookup {
                LookupResult::Output(frames) => break frames?,
                LookupResult::Load { load, continuation } => {
                    let path = load.path.map(|path| String::from_utf8_lossy(path.slice()).into_owned());
                    found.unread.push(path.unwrap_or_default());
                    continuation.resume(None)
                }
            };
        };
        let mut unit = None;
        while let Some(frame) = frames.next()? {
            found.frames.push(self.frame(address, &frame, &mut unit));
            if found.frames.len() >= DEEPEST_INLINE {
                break;
            }
        }
        if let Some(outermost) = found.frames.last_mut() {
            outermost.inlined = false;
        }
        Ok(found)
    }

    /// Describes one of the frames at an address, as if it were inlined. `unit` is the one that has them, once it
    /// was needed.
    fn frame(
        &mut self,
        address: u64,
        frame: &Frame<'c, Slice<'a>>,
        unit: &mut Option<UnitRef<'c, Slice<'a>>>,
    ) -> SourceFrame {
        let raw = frame
            .function
            .as_ref()
            .and_then(|function| function.raw_name().ok())
            .map(|name| name.into_owned());
        let demangled = raw.as_deref().and_then(demangle);
        let style = frame.function.as_ref().and_then(|function| Style::of(function.language?));
        let is_wanted = match style {
            Some(Style::Rust) => true,
            // A mangled name is a linkage name. `main` has none, is in nearly every stack, and is in no namespace.
            Some(Style::Cpp) => demangled.is_none() && raw.as_deref() != Some("main"),
            None => false,
        };
        let composed =
            style.filter(|_| is_wanted).and_then(|style| self.compose(address, frame, unit, style));
        let is_linked = demangled.is_some() || composed.as_ref().is_some_and(|composed| composed.is_linked);
        let function = composed.map(|composed| composed.name).or(demangled).or_else(|| raw.clone());
        let location = frame.location.as_ref();
        SourceFrame {
            source: raw.is_some().then_some(SymbolSource::Dwarf),
            raw_name: raw.filter(|raw| is_linked && function.as_ref() != Some(raw)),
            function,
            offset: None,
            file: location.and_then(|location| location.file).map(str::to_owned),
            line: location.and_then(|location| location.line).filter(|line| *line > 0),
            column: location.and_then(|location| location.column).filter(|column| *column > 0),
            inlined: true,
        }
    }

    fn compose(
        &mut self,
        address: u64,
        frame: &Frame<'c, Slice<'a>>,
        unit: &mut Option<UnitRef<'c, Slice<'a>>>,
        style: Style,
    ) -> Option<Composed> {
        let entry = frame.dw_die_offset?;
        if unit.is_none() {
            *unit = self.context.find_dwarf_and_unit(address).skip_all_loads();
        }
        self.names.name((*unit)?, entry, style)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use gimli::{
        DW_AT_abstract_origin, DW_AT_linkage_name, DW_TAG_inlined_subroutine, DW_TAG_namespace,
        DW_TAG_subprogram,
    };

    use super::*;
    use crate::synth::{Synth, Written};

    /// Each frame's function and raw name.
    fn names(written: &Written, address: u64) -> Vec<(Option<String>, Option<String>)> {
        let context = Context::from_arc_dwarf(Arc::new(written.dwarf())).unwrap();
        let found = Frames::new(&context).at(address).unwrap();
        found.frames.into_iter().map(|frame| (frame.function, frame.raw_name)).collect()
    }

    fn pair(function: &str, raw_name: Option<&str>) -> (Option<String>, Option<String>) {
        (Some(function.to_owned()), raw_name.map(str::to_owned))
    }

    #[test]
    fn rust_frames_have_paths_and_keep_their_linkage_names() {
        let mut synth = Synth::new(gimli::DW_LANG_Rust);
        let core = synth.named(synth.root(), DW_TAG_namespace, "core");
        let callee = synth.named(core, DW_TAG_subprogram, "call_once<fn()>");
        let raw = "_ZN4core9call_once17h0123456789abcdefE";
        synth.text(callee, DW_AT_linkage_name, raw);
        let app = synth.named(synth.root(), DW_TAG_namespace, "app");
        let caller = synth.named(app, DW_TAG_subprogram, "handler");
        synth.text(caller, DW_AT_linkage_name, "exported");
        synth.code(caller, 0x1000, 0x100);
        let call = synth.add(caller, DW_TAG_inlined_subroutine);
        synth.refer(call, DW_AT_abstract_origin, callee);
        synth.code(call, 0x1010, 0x10);
        let without = synth.named(app, DW_TAG_subprogram, "hidden");
        synth.code(without, 0x1200, 0x100);
        let written = synth.write();
        assert_eq!(
            names(&written, 0x1010),
            [pair("core::call_once<fn()>", Some(raw)), pair("app::handler", Some("exported"))]
        );
        assert_eq!(names(&written, 0x1200), [pair("app::hidden", None)]);
    }

    #[test]
    fn other_languages_keep_the_names_they_have() {
        for language in [gimli::DW_LANG_C11, gimli::DW_LANG_C_plus_plus_11] {
            let mut synth = Synth::new(language);
            let space = synth.named(synth.root(), DW_TAG_namespace, "shop");
            let linked = synth.named(space, DW_TAG_subprogram, "check");
            synth.text(linked, DW_AT_linkage_name, "_ZN4shop5checkEi");
            synth.code(linked, 0x1000, 0x100);
            let local = synth.named(space, DW_TAG_subprogram, "total");
            synth.code(local, 0x1100, 0x100);
            let written = synth.write();
            assert_eq!(names(&written, 0x1000), [pair("shop::check", Some("_ZN4shop5checkEi"))]);
            let is_cpp = language == gimli::DW_LANG_C_plus_plus_11;
            assert_eq!(names(&written, 0x1100), [pair(if is_cpp { "shop::total" } else { "total" }, None)]);
        }
    }
}
