//! What a value is asked of: a frame among the frames of its thread.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use epitaph_elf::{Arch, LoadedModules, Memory, Registers};
use epitaph_symbols::FunctionsAt;

use crate::die::{Die, Dies};
use crate::entry_value::CallSite;
use crate::names::Names;
use crate::types::Type;

/// A machine frame, as the unwinder left it.
#[derive(Clone, Debug)]
pub struct MachineFrame {
    /// The program counter.
    pub pc: u64,
    /// The address to look up: the −1 rule was applied.
    pub lookup: u64,
    /// The registers as they were in the frame, those that were recovered.
    pub registers: Registers,
    /// The canonical frame address, where it is known.
    pub cfa: Option<u64>,
    /// Whether the frame waits for a call to come back (or ended in a jump), which led to the frame before it.
    pub called: bool,
}

/// A process, and the units of its code.
pub(crate) struct World<'u> {
    pub(crate) arch: &'static Arch,
    pub(crate) memory: &'u dyn Memory,
    pub(crate) modules: &'u LoadedModules<'u>,
    pub(crate) dies: Dies<'u>,
    /// By address, the unit with its functions, and those.
    pub(crate) functions: HashMap<u64, (usize, &'u FunctionsAt)>,
    pub(crate) types: RefCell<HashMap<(usize, usize), Rc<Type<'u>>>>,
    pub(crate) call_sites: RefCell<HashMap<u64, Option<Rc<CallSite<'u>>>>>,
    pub(crate) names: Names<'u>,
    /// By family, whether GCC made it.
    pub(crate) producers: RefCell<HashMap<usize, bool>>,
}

impl<'u> World<'u> {
    /// Returns the entry of the function whose code is at an address.
    pub(crate) fn function(&self, lookup: u64) -> Option<Die<'u>> {
        let (family, functions) = self.functions.get(&lookup)?;
        self.dies.own(*family, functions.function)
    }

    /// Returns what is added to the addresses in a unit's entries.
    pub(crate) fn bias(&self, family: usize) -> u64 {
        self.dies.family(family).map_or(0, |code| code.bias)
    }

    /// Tells whether GCC made a unit.
    pub(crate) fn is_by_gcc(&self, family: usize) -> bool {
        if let Some(known) = self.producers.borrow().get(&family) {
            return *known;
        }
        let root = self.dies.family(family).map(|code| code.unit.header.root_offset());
        let root = root.and_then(|root| self.dies.own(family, root)?.read());
        let producer = root.and_then(|root| root.text(gimli::DW_AT_producer));
        let is_by_gcc = producer.is_some_and(|producer| producer.starts_with("GNU "));
        self.producers.borrow_mut().insert(family, is_by_gcc);
        is_by_gcc
    }

    /// Bytes of an address.
    pub(crate) fn word(&self) -> usize {
        usize::from(self.arch.bits() / 8)
    }
}

/// A frame of a thread.
#[derive(Clone, Copy)]
pub(crate) struct Context<'w, 'u> {
    pub(crate) world: &'w World<'u>,
    pub(crate) frames: &'w [MachineFrame],
    /// Which of the frames.
    pub(crate) index: usize,
    pub(crate) thread_pointer: Option<u64>,
    /// The function that its code is part of.
    pub(crate) function: &'w Die<'u>,
    /// Whether what is asked for is there after the call, too, by what the compiler says.
    pub(crate) outlasts_call: bool,
    /// How many expressions wait for this one.
    pub(crate) depth: u8,
}

impl<'w, 'u> Context<'w, 'u> {
    pub(crate) fn frame(&self) -> Option<&'w MachineFrame> {
        self.frames.get(self.index)
    }

    /// Returns a register's value in the frame. One that the ABI lets a callee change is unknown there, unless the
    /// compiler knows its callees (GCC's -fipa-ra) and says that a variable stays in it across the call: then no frame
    /// further in has changed it.
    pub(crate) fn register(&self, number: u16) -> Option<u64> {
        let known = self.frame()?.registers.get(number);
        let arch = self.world.arch;
        let is_saved = number >= 64 || arch.callee_saved >> number & 1 == 1;
        if known.is_some() || !self.outlasts_call || is_saved || number == arch.pc {
            return known;
        }
        let inner = self.frames.get(..=self.index)?.windows(2).rev();
        let called = inner.take_while(|pair| matches!(pair, [_, caller] if caller.called));
        called.filter_map(|pair| pair.first()).find_map(|frame| frame.registers.get(number))
    }

    /// The same frame for an expression that this one needs; `None` where too many wait already.
    pub(crate) fn deeper(&self) -> Option<Context<'w, 'u>> {
        /// Most expressions that wait for each other: a frame base, and the callers of an argument.
        const DEEPEST: u8 = 12;
        (self.depth < DEEPEST).then_some(Context { depth: self.depth + 1, ..*self })
    }
}
