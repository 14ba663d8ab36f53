//! Python's frames among a thread's machine frames: before those of the evaluator's calls that run them.

mod insert;
mod place;

use std::collections::BTreeSet;

use epitaph_elf::{Defect, LoadedModules, Memory, Process, Recording, Thread};
use epitaph_python::{Interpreter, PythonFrame, Unread};
use epitaph_summary::{self as summary, Language, Place, Rules, SymbolSource, Warning};

use crate::Options;
use crate::parts::whole_function;
use insert::Insertion;

/// Most pages that are remembered of those that the interpreter's structures were read from: 4 MiB.
const MOST_READ: usize = 1024;
/// Most threads of which it is told that their frames break off.
const MOST_TOLD: usize = 8;
/// What the evaluator is called: of the versions that can be read, and of earlier ones.
const EVALUATORS: [&str; 2] = ["_PyEval_EvalFrameDefault", "PyEval_EvalFrameEx"];

/// Makes memory ready to be read for the interpreter, so that a smaller core can keep what was read.
pub(crate) fn recording(memory: &dyn Memory) -> Recording<'_> {
    Recording::new(memory, MOST_READ)
}

/// Adds Python's frames to threads.
pub(crate) struct Pythons<'a> {
    process: &'a Process,
    loaded: &'a LoadedModules<'a>,
    memory: &'a Recording<'a>,
    rules: &'a Rules,
    /// Most frames of one call of the evaluator that are kept from its inner end, and from its outer end; all where the
    /// first is 0.
    keep: (usize, usize),
    found: Option<Interpreter<'a>>,
    unread: Option<Unread>,
    /// Where it was looked for: in the module of this evaluator, and in those that are called so.
    searched: BTreeSet<Option<usize>>,
    broken: Vec<Warning>,
}

impl<'a> Pythons<'a> {
    pub(crate) fn new(
        process: &'a Process,
        loaded: &'a LoadedModules<'a>,
        memory: &'a Recording<'a>,
        options: &'a Options,
    ) -> Pythons<'a> {
        Pythons {
            process,
            loaded,
            memory,
            rules: &options.rules,
            keep: (options.inner_frames, options.outer_frames),
            found: None,
            unread: None,
            searched: BTreeSet::new(),
            broken: Vec::new(),
        }
    }

    /// What can't be told.
    pub(crate) fn problems(&self) -> Vec<Warning> {
        let unread = self.unread.iter().map(|unread| Warning::new("python_unread", unread.to_string()));
        unread.chain(self.broken.iter().cloned()).collect()
    }

    /// Adds the Python frames of a thread to its described frames.
    pub(crate) fn add(&mut self, thread: &Thread, described: &mut summary::Thread) {
        if self.process.defects.contains(&Defect::NoCore) {
            return;
        }
        let evaluator = described.frames.iter().find(|frame| is_evaluator(frame));
        let evaluator = evaluator.and_then(|frame| usize::try_from(frame.module?).ok());
        self.search(evaluator);
        let Some(mut stack) = self.found.as_ref().and_then(|found| found.stack(thread)) else { return };
        if let Some(why) = stack.broken.take()
            && self.broken.len() < MOST_TOLD
        {
            let text = format!("the Python frames of thread {} break off: {why}", thread.tid);
            let warning = Warning::new("python_frames", text);
            if !self.broken.contains(&warning) {
                self.broken.push(warning);
            }
        }
        let places = place::places(described, &stack.evaluations, is_evaluator);
        let insertions = stack.evaluations.iter().zip(places).filter_map(|(evaluation, place)| {
            let before = match place {
                place::Found::At(index) => index,
                place::Found::Beyond => described.frames.len(),
                place::Found::LeftOut => return None,
            };
            let machine = described.frames.get(before);
            Some(Insertion { before, frames: self.describe(&evaluation.frames, machine) })
        });
        let insertions: Vec<Insertion> = insertions.collect();
        insert::insert(described, insertions);
    }

    /// Reads the Python frames of a thread that nobody wants described, so that a smaller core can keep them.
    pub(crate) fn remember(&self, thread: &Thread) {
        if let Some(found) = &self.found {
            found.stack(thread);
        }
    }

    /// Looks for the interpreter, unless that was done.
    fn search(&mut self, evaluator: Option<usize>) {
        if self.found.is_some() || !self.searched.insert(evaluator) {
            return;
        }
        match Interpreter::find(self.process.arch, self.memory, self.loaded, evaluator) {
            Some(Ok(found)) => self.found = Some(found),
            // Of a program that never runs it, nothing is missing.
            Some(Err(unread)) if evaluator.is_some() => self.unread = Some(unread),
            _ => {}
        }
    }

    fn describe(&self, frames: &[PythonFrame], machine: Option<&summary::Frame>) -> Vec<summary::Frame> {
        let (inner, outer) = self.keep;
        let left_out = if inner == 0 { 0 } else { frames.len().saturating_sub(inner.saturating_add(outer)) };
        let describe = |(index, frame): (usize, &PythonFrame)| {
            let (function, file) = (&*frame.function, frame.file.as_deref());
            let language = Some(Language::Python);
            let place = Place { function: Some(function), file, language, ..Place::default() };
            let verdict = self.rules.judge(&place);
            summary::Frame {
                function: Some(function.to_owned()),
                file: file.map(str::to_owned),
                line: frame.line,
                inlined: true,
                symbol_source: Some(SymbolSource::Interpreter),
                in_app: Some(verdict.in_app),
                rule: verdict.rule,
                language,
                left_out: u32::try_from(left_out).ok().filter(|count| *count > 0 && index + 1 == inner),
                pc: machine.and_then(|machine| machine.pc),
                module: machine.and_then(|machine| machine.module),
                offset: machine.and_then(|machine| machine.offset),
                trust: machine.and_then(|machine| machine.trust),
                ..summary::Frame::default()
            }
        };
        let kept = |index: usize| left_out == 0 || index < inner || index >= inner + left_out;
        frames.iter().enumerate().filter(|(index, _)| kept(*index)).map(describe).collect()
    }
}

/// Tells whether a frame is a call of the evaluator.
fn is_evaluator(frame: &summary::Frame) -> bool {
    let name = frame.raw_name.as_deref().or(frame.function.as_deref());
    !frame.inlined
        && frame.language.is_none()
        && name.is_some_and(|name| EVALUATORS.contains(&whole_function(name)))
}
