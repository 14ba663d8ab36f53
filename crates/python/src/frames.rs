//! The frames of one thread's state, evaluation by evaluation.

use std::cell::Cell;
use std::collections::HashSet;
use std::sync::Arc;

use crate::code::{Code, Codes};
use crate::layout::{FrameLayout, Inner};
use crate::objects::Objects;

/// Most frames of a thread that are read.
const MOST_FRAMES: usize = 1 << 16;
/// `enum _frameowner` (internal/pycore_frame.h): generators' frames, and shims.
const OWNED_BY_GENERATOR: u8 = 1;
const OWNED_BY_C_STACK: u8 = 3;

/// One Python frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PythonFrame {
    /// The function: qualified (`Shop.sell.<locals>.<lambda>`) since 3.11, before that its plain name; `<module>`.
    pub function: Arc<str>,
    /// Its source file, as the interpreter knows it.
    pub file: Option<Arc<str>>,
    /// The line that it was on, from 1.
    pub line: Option<u32>,
}

/// One call of the interpreter's evaluator, which is one machine frame (`_PyEval_EvalFrameDefault`): before 3.11 it runs
/// one Python frame, since then also those that this one calls without a way through C.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evaluation {
    /// An address in the evaluator's machine frame, where the interpreter knows one (since 3.10).
    pub stack: Option<u64>,
    /// Python frames, innermost first.
    pub frames: Vec<PythonFrame>,
}

/// The Python frames of one thread.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PythonStack {
    /// The evaluator's calls, innermost first.
    pub evaluations: Vec<Evaluation>,
    /// Where the frames can't be followed any further, and why: `the frame at 0x… has no code object`.
    pub broken: Option<String>,
}

/// Reads frames on their way from one to the next.
pub(crate) struct Walk<'a> {
    objects: &'a Objects<'a>,
    codes: &'a Codes,
    seen: HashSet<u64>,
    /// How many frames may still be read, of all threads.
    left: &'a Cell<usize>,
    stack: PythonStack,
}

/// The walk can't go on.
struct Broken;

impl<'a> Walk<'a> {
    /// Reads the frames of the thread state at an address.
    pub(crate) fn of(
        objects: &'a Objects<'a>,
        codes: &'a Codes,
        left: &'a Cell<usize>,
        state: u64,
    ) -> PythonStack {
        let mut walk = Walk { objects, codes, seen: HashSet::new(), left, stack: PythonStack::default() };
        // Why it broke is noted where it does.
        let _ = walk.all(state);
        walk.stack.evaluations.retain(|evaluation| !evaluation.frames.is_empty());
        walk.stack
    }

    fn all(&mut self, state: u64) -> Result<(), Broken> {
        let top = self.field(state, self.objects.layout.thread.top, "thread state")?;
        match self.objects.layout.frame {
            FrameLayout::Objects { back, code, last_instruction, unit, previous_evaluation } => {
                self.frame_objects(top, back, code, last_instruction, unit)?;
                self.place_objects(state, previous_evaluation);
                Ok(())
            }
            FrameLayout::Entries { frame, is_entry, current, previous_evaluation } => {
                self.entries(top, &frame, is_entry, current, previous_evaluation)
            }
            FrameLayout::Shims { frame, current } => {
                let first = match current {
                    Some(current) => self.field(top, current, "evaluation")?,
                    None => top,
                };
                self.shims(first, &frame)
            }
        }
    }

    /// 3.9 and 3.10: a list of frame objects, each of an evaluation of its own.
    fn frame_objects(
        &mut self,
        first: u64,
        back: u64,
        code: u64,
        last_instruction: u64,
        unit: i64,
    ) -> Result<(), Broken> {
        let mut frame = first;
        while frame != 0 {
            self.enter(frame)?;
            let of = self.code(frame, code)?;
            let Some(index) = self.objects.int(frame, last_instruction) else {
                return self.broken(frame, "frame");
            };
            let line = of.line(i64::from(index) * unit);
            self.stack.evaluations.push(Evaluation { stack: None, frames: vec![described(&of, line)] });
            frame = self.field(frame, back, "frame")?;
        }
        Ok(())
    }

    /// 3.10: each evaluation has a `CFrame` on the C stack; the outermost in the list is the thread state's own. Where they
    /// are as many as the frames, they tell where these belong.
    fn place_objects(&mut self, state: u64, previous: Option<u64>) {
        let (Some(offset), Some(previous)) = (self.objects.layout.thread.evaluations, previous) else {
            return;
        };
        let next = |evaluation: &u64| self.objects.word(*evaluation, previous).filter(|next| *next != 0);
        let evaluations = std::iter::successors(self.objects.word(state, offset), next);
        let mut evaluations: Vec<u64> = evaluations.take(self.stack.evaluations.len() + 2).collect();
        evaluations.pop();
        if evaluations.len() == self.stack.evaluations.len() {
            for (evaluation, stack) in self.stack.evaluations.iter_mut().zip(evaluations) {
                evaluation.stack = Some(stack);
            }
        }
    }

    /// 3.11: a list of evaluations, each with the innermost of its frames.
    fn entries(
        &mut self,
        first: u64,
        layout: &Inner,
        is_entry: u64,
        current: u64,
        previous: u64,
    ) -> Result<(), Broken> {
        let mut evaluation = first;
        while evaluation != 0 {
            self.enter(evaluation)?;
            self.stack.evaluations.push(Evaluation { stack: Some(evaluation), frames: Vec::new() });
            let mut frame = self.field(evaluation, current, "evaluation")?;
            while frame != 0 {
                self.enter(frame)?;
                self.interpreter_frame(frame, layout)?;
                let Some(ends) = self.objects.byte(frame, is_entry) else {
                    return self.broken(frame, "frame");
                };
                if ends != 0 {
                    break;
                }
                frame = self.field(frame, layout.previous, "frame")?;
            }
            evaluation = self.field(evaluation, previous, "evaluation")?;
        }
        Ok(())
    }

    /// 3.12 and 3.13: one list of frames, in which shims end evaluations.
    fn shims(&mut self, first: u64, layout: &Inner) -> Result<(), Broken> {
        let mut frame = first;
        self.stack.evaluations.push(Evaluation::default());
        while frame != 0 {
            self.enter(frame)?;
            if self.objects.byte(frame, layout.owner) == Some(OWNED_BY_C_STACK) {
                if let Some(evaluation) = self.stack.evaluations.last_mut() {
                    evaluation.stack = Some(frame);
                }
                self.stack.evaluations.push(Evaluation::default());
            } else {
                self.interpreter_frame(frame, layout)?;
            }
            frame = self.field(frame, layout.previous, "frame")?;
        }
        Ok(())
    }

    /// Adds a frame to the last evaluation, unless it isn't complete (`_PyFrame_IsIncomplete`, internal/pycore_frame.h): it
    /// has executed nothing of its function, or has none.
    fn interpreter_frame(&mut self, frame: u64, layout: &Inner) -> Result<(), Broken> {
        let Some(owner) = self.objects.byte(frame, layout.owner) else { return self.broken(frame, "frame") };
        let instruction = self.field(frame, layout.instruction, "frame")?;
        let code = self.field(frame, layout.code, "frame")?;
        let of = self.code(frame, layout.code)?;
        let start = code.wrapping_add(self.objects.layout.code.instructions);
        let at = instruction.wrapping_sub(start) as i64;
        let is_incomplete = owner != OWNED_BY_GENERATOR && of.first_traceable.is_some_and(|first| at < first);
        if !is_incomplete && let Some(evaluation) = self.stack.evaluations.last_mut() {
            evaluation.frames.push(described(&of, of.line(at)));
        }
        Ok(())
    }

    /// Notes that the walk comes to something at an address; it doesn't come there twice.
    fn enter(&mut self, address: u64) -> Result<(), Broken> {
        if self.seen.len() >= MOST_FRAMES || self.left.get() == 0 {
            self.stack.broken = Some("there are too many".to_owned());
            return Err(Broken);
        }
        self.left.set(self.left.get() - 1);
        if !self.seen.insert(address) {
            self.stack.broken = Some(format!("the one at {address:#x} comes after itself"));
            return Err(Broken);
        }
        Ok(())
    }

    fn code(&mut self, frame: u64, offset: u64) -> Result<Arc<Code>, Broken> {
        let code = self.objects.word(frame, offset).and_then(|code| self.codes.get(self.objects, code));
        if code.is_none() {
            self.stack.broken = Some(format!("the one at {frame:#x} has no code object"));
        }
        code.ok_or(Broken)
    }

    fn field(&mut self, base: u64, offset: u64, of: &str) -> Result<u64, Broken> {
        match self.objects.word(base, offset) {
            Some(word) => Ok(word),
            None => self.broken(base, of),
        }
    }

    fn broken<T>(&mut self, address: u64, what: &str) -> Result<T, Broken> {
        self.stack.broken = Some(format!("the {what} at {address:#x} can't be read"));
        Err(Broken)
    }
}

fn described(code: &Code, line: Option<u32>) -> PythonFrame {
    PythonFrame { function: code.function.clone(), file: code.file.clone(), line }
}
