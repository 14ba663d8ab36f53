//! Arguments and locals of the frames of described threads.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use epitaph_elf::{MemoryError, Thread};
use epitaph_summary::{self as summary, Hex, VariableState};
use epitaph_symbols::{CodeUnit, Symbolizer};
use epitaph_unwind::{CodeAddress, Frame, Unwound};
use epitaph_variables::{Inspector, MachineFrame, Missing, Scene, Variable, Wanted};

use crate::Variables;
use crate::walker::Walker;

/// Most machine frames of a thread whose variables are read from its inner end, and from its outer end where there are
/// more.
const MOST_INNER: usize = 192;
const MOST_OUTER: usize = 16;
/// Most machine frames in all.
const MOST_FRAMES: usize = 4096;
/// Most bytes of values in all.
const MOST_TEXT: usize = 4 << 20;

/// Reads variables.
pub(crate) struct Reader<'a> {
    scene: Scene<'a>,
    wanted: Variables,
    frames_left: usize,
    text_left: usize,
}

/// A thread whose stack was walked, with the registers of its frames.
pub(crate) struct Stack<'s> {
    described: &'s mut summary::Thread,
    thread_pointer: Option<u64>,
    /// Innermost first.
    frames: Vec<MachineFrame>,
    /// Which of the frames are described, and from which of the logical frames on.
    places: Vec<(usize, usize)>,
}

impl<'s> Stack<'s> {
    /// Walks a thread's stack once more, for the registers of the frames that were described.
    pub(crate) fn new(
        walker: &mut Walker<'_>,
        thread: &Thread,
        trapped: bool,
        walked: &Unwound,
        described: &'s mut summary::Thread,
    ) -> Stack<'s> {
        let mut inner = Vec::new();
        let mut outer = VecDeque::new();
        walker.revisit(&thread.registers, trapped, |frame, registers| {
            let machine = MachineFrame {
                pc: frame.address.pc(),
                lookup: frame.address.lookup(),
                registers: *registers,
                cfa: frame.cfa,
                called: matches!(frame.address, CodeAddress::Return(_)),
            };
            if inner.len() < MOST_INNER {
                inner.push((*frame, machine));
                return;
            }
            if outer.len() >= MOST_OUTER {
                outer.pop_front();
            }
            outer.push_back((*frame, machine));
        });
        let visited: Vec<(Frame, MachineFrame)> = inner.into_iter().chain(outer).collect();
        let places = places(&visited, walked, described);
        let frames = visited.into_iter().map(|(_, machine)| machine).collect();
        Stack { described, thread_pointer: thread.tls, frames, places }
    }
}

/// Finds the visited frames among those that were kept and described: frames of tail calls within one function are not.
fn places(
    visited: &[(Frame, MachineFrame)],
    walked: &Unwound,
    described: &summary::Thread,
) -> Vec<(usize, usize)> {
    let mut places = Vec::new();
    let (mut next, mut logical) = (0, 0);
    for kept in &walked.frames {
        let is_kept = |(frame, _): &(Frame, MachineFrame)| {
            frame.address == kept.address && frame.cfa == kept.cfa && frame.trust == kept.trust
        };
        let rest = visited.get(next..).unwrap_or_default();
        if let Some(found) = rest.iter().position(is_kept) {
            places.push((next + found, logical));
            next += found + 1;
        }
        // Frames of an interpreter stand among a machine frame's, before the function that runs them.
        let frames = described.frames.iter().skip(logical);
        logical += frames.take_while(|frame| frame.inlined || frame.language.is_some()).count() + 1;
    }
    places
}

impl<'a> Reader<'a> {
    pub(crate) fn new(scene: Scene<'a>, wanted: Variables) -> Reader<'a> {
        Reader { scene, wanted, frames_left: MOST_FRAMES, text_left: MOST_TEXT }
    }

    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted != Variables::None
    }

    /// Takes a stack of this many frames off what may be read in all; `false` where that is used up.
    pub(crate) fn take(&mut self, frames: usize) -> bool {
        let is_left = self.frames_left > 0;
        self.frames_left = self.frames_left.saturating_sub(frames);
        is_left
    }

    /// Reads the variables of some threads' frames into their descriptions.
    pub(crate) fn read(&mut self, symbolizer: &Symbolizer<'a>, stacks: Vec<Stack<'_>>) {
        let wanted = match self.wanted {
            Variables::None => return,
            Variables::Arguments => Wanted::Arguments,
            Variables::All => Wanted::All,
        };
        let mut lookups: BTreeMap<usize, BTreeSet<u64>> = BTreeMap::new();
        for frame in stacks.iter().flat_map(|stack| &stack.frames) {
            if let Some(module) = self.scene.modules.find(frame.lookup) {
                lookups.entry(module).or_default().insert(frame.lookup);
            }
        }
        let found: Vec<_> =
            lookups.iter().map(|(module, lookups)| symbolizer.units(*module, lookups)).collect();
        let units: Vec<CodeUnit<'_>> = found.iter().flat_map(|units| units.open()).collect();
        let inspector = Inspector::new(self.scene, &units, wanted);
        for stack in stacks {
            for (index, logical) in &stack.places {
                let functions = inspector.variables(&stack.frames, *index, stack.thread_pointer);
                let frames = stack.described.frames.iter_mut().skip(*logical);
                let of_machine = frames.filter(|frame| frame.language.is_none());
                for (frame, variables) in of_machine.zip(functions) {
                    self.add(frame, variables);
                }
            }
        }
    }

    fn add(&mut self, frame: &mut summary::Frame, variables: Vec<Variable>) {
        for variable in variables {
            let len = variable.name.len() + variable.value.as_ref().map_or(0, String::len);
            let Some(left) = self.text_left.checked_sub(len) else { return };
            self.text_left = left;
            let list = if variable.argument { &mut frame.arguments } else { &mut frame.variables };
            list.push(described(variable));
        }
    }
}

fn described(variable: Variable) -> summary::Variable {
    let (state, address) = match variable.missing {
        None => (None, None),
        Some(Missing::OptimizedOut) => (Some(VariableState::OptimizedOut), None),
        Some(Missing::Unavailable) => (Some(VariableState::Unavailable), None),
        Some(Missing::Memory(error)) => {
            let (state, address) = match error {
                MemoryError::Unmapped { address } => (VariableState::Unmapped, address),
                MemoryError::NotDumped { address } => (VariableState::NotDumped, address),
                MemoryError::Truncated { address } => (VariableState::Truncated, address),
            };
            (Some(state), Some(Hex(address)))
        }
    };
    let Variable { name, type_name, value, .. } = variable;
    summary::Variable { name, type_name, value, state, address }
}
