//! Machine frames as logical frames, for people and programs.

use std::collections::HashMap;

use epitaph_elf::LoadedModules;
use epitaph_summary::{self as summary, Hex, Place, Rules, Verdict};
use epitaph_symbols::{SourceFrame, SymbolSource};
use epitaph_unwind::{CodeAddress, Frame, Trust};

/// What a signal trampoline's frame is called: nobody called its function, and people know this from gdb.
const SIGNAL_FRAME: &str = "<signal handler called>";

/// Describes frames. All that depends on the address alone is found out once: threads stand at the same places.
pub(crate) struct Frames<'a> {
    loaded: &'a LoadedModules<'a>,
    rules: &'a Rules,
    /// By address, and by whether it is a trampoline.
    described: HashMap<(CodeAddress, bool), Vec<summary::Frame>>,
}

impl<'a> Frames<'a> {
    pub(crate) fn new(loaded: &'a LoadedModules<'a>, rules: &'a Rules) -> Frames<'a> {
        Frames { loaded, rules, described: HashMap::new() }
    }

    /// Adds the logical frames of a machine frame, innermost first; `names` are those of its address.
    pub(crate) fn add(&mut self, frame: &Frame, names: &[SourceFrame], out: &mut Vec<summary::Frame>) {
        let place = (frame.address, frame.signal_trampoline);
        let (loaded, rules) = (self.loaded, self.rules);
        let described = self.described.entry(place).or_insert_with(|| describe(loaded, rules, frame, names));
        out.extend(described.iter().map(|described| summary::Frame {
            cfa: frame.cfa.map(Hex).filter(|_| !described.inlined),
            trust: Some(trust(frame.trust)),
            ..described.clone()
        }));
    }
}

/// Describes a frame, but for what differs from one frame at its address to another.
fn describe(
    loaded: &LoadedModules<'_>,
    rules: &Rules,
    frame: &Frame,
    names: &[SourceFrame],
) -> Vec<summary::Frame> {
    let (pc, lookup) = (frame.address.pc(), frame.address.lookup());
    let module = loaded.find(lookup);
    let entry = module.and_then(|index| loaded.modules().get(index));
    let machine = summary::Frame {
        pc: Some(Hex(pc)),
        module: module.and_then(|index| u32::try_from(index).ok()),
        offset: module.and_then(|index| loaded.bias(index)).map(|bias| Hex(pc.wrapping_sub(bias))),
        in_app: Some(false),
        ..summary::Frame::default()
    };
    if frame.signal_trampoline {
        return vec![summary::Frame { function: Some(SIGNAL_FRAME.to_owned()), ..machine }];
    }
    let path = entry.map(|entry| entry.module.path.to_string_lossy()).unwrap_or_default();
    let main = entry.is_some_and(|entry| entry.module.main);
    let judge = |function: Option<&str>, raw_name: Option<&str>, file: Option<&str>| {
        rules.judge(&Place { module: &path, main, function, raw_name, file, language: None })
    };
    if names.is_empty() {
        let Verdict { in_app, rule } = judge(None, None, None);
        return vec![summary::Frame { in_app: Some(in_app), rule, ..machine }];
    }
    let logical = |name: &SourceFrame| {
        // Whose code it is depends on whose function it is, not on the line that the compiler left at this instruction.
        let file = name.declared_in.as_deref().or(name.file.as_deref());
        let verdict = judge(name.function.as_deref(), name.raw_name.as_deref(), file);
        summary::Frame {
            function: name.function.clone(),
            raw_name: name.raw_name.clone(),
            // The symbol's offset is that of the address that was looked up; people count from the pc itself.
            function_offset: name.offset.map(|offset| Hex(offset.saturating_add(pc - lookup))),
            file: name.file.clone(),
            declared_in: name.declared_in.clone().filter(|file| name.file.as_ref() != Some(file)),
            line: name.line,
            column: name.column,
            inlined: name.inlined,
            symbol_source: name.source.map(symbol_source),
            in_app: Some(verdict.in_app),
            rule: verdict.rule,
            ..machine.clone()
        }
    };
    names.iter().map(logical).collect()
}

fn trust(trust: Trust) -> summary::Trust {
    match trust {
        Trust::Context => summary::Trust::Context,
        Trust::Cfi => summary::Trust::Cfi,
        Trust::TailCall => summary::Trust::TailCall,
        Trust::Signal => summary::Trust::Signal,
        Trust::Prologue => summary::Trust::Prologue,
        Trust::CallTarget => summary::Trust::CallTarget,
        Trust::FramePointer => summary::Trust::FramePointer,
        Trust::CallScan => summary::Trust::CallScan,
        Trust::Scan => summary::Trust::Scan,
    }
}

fn symbol_source(source: SymbolSource) -> summary::SymbolSource {
    match source {
        SymbolSource::Dwarf => summary::SymbolSource::Dwarf,
        SymbolSource::Static => summary::SymbolSource::Symtab,
        SymbolSource::Dynamic => summary::SymbolSource::Dynsym,
        SymbolSource::GoTable => summary::SymbolSource::Pclntab,
        SymbolSource::Stub => summary::SymbolSource::Plt,
    }
}
