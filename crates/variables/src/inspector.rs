//! The way from frames to variables.

use std::cell::RefCell;
use std::collections::HashMap;

use epitaph_elf::{Arch, LoadedModules, Memory};
use epitaph_symbols::CodeUnit;

use crate::content::Content;
use crate::context::{Context, MachineFrame, World};
use crate::die::{Die, Dies};
use crate::location;
use crate::names::Names;
use crate::print::Printer;
use crate::scope::{self, Scoped};
use crate::variable::Variable;

/// A process that variables are read from.
#[derive(Clone, Copy)]
pub struct Scene<'u> {
    /// Its architecture.
    pub arch: &'static Arch,
    /// Its memory.
    pub memory: &'u dyn Memory,
    /// Its modules.
    pub modules: &'u LoadedModules<'u>,
}

impl std::fmt::Debug for Scene<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scene").field("arch", &self.arch).finish_non_exhaustive()
    }
}

/// Which variables are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Arguments.
    Arguments,
    /// Arguments and locals.
    All,
}

/// Reads variables of a process's frames.
pub struct Inspector<'u> {
    world: World<'u>,
    wanted: Wanted,
}

impl std::fmt::Debug for Inspector<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inspector").field("wanted", &self.wanted).finish_non_exhaustive()
    }
}

impl<'u> Inspector<'u> {
    /// Makes ready to read variables in these units.
    pub fn new(scene: Scene<'u>, units: &'u [CodeUnit<'u>], wanted: Wanted) -> Inspector<'u> {
        let mut functions = HashMap::new();
        for (family, unit) in units.iter().enumerate() {
            for (address, at) in &unit.functions {
                functions.entry(*address).or_insert((family, at));
            }
        }
        let Scene { arch, memory, modules } = scene;
        let world = World {
            arch,
            memory,
            modules,
            dies: Dies::new(units),
            functions,
            types: RefCell::default(),
            call_sites: RefCell::default(),
            names: Names::default(),
            producers: RefCell::default(),
        };
        Inspector { world, wanted }
    }

    /// Reads the variables of one of a thread's machine frames: for each function that is there, innermost first, its
    /// arguments, and its locals if those are wanted. No functions where nothing is known of the code.
    ///
    /// `frames` are the thread's, innermost first: what an argument was may have to be asked of the callers.
    /// `thread_pointer` is where the thread's own variables are.
    pub fn variables(
        &self,
        frames: &[MachineFrame],
        index: usize,
        thread_pointer: Option<u64>,
    ) -> Vec<Vec<Variable>> {
        let Some(frame) = frames.get(index) else { return Vec::new() };
        let Some((family, functions)) = self.world.functions.get(&frame.lookup) else { return Vec::new() };
        let Some(function) = self.world.dies.own(*family, functions.function) else { return Vec::new() };
        let context = Context {
            world: &self.world,
            frames,
            index,
            thread_pointer,
            function: &function,
            outlasts_call: false,
            depth: 0,
        };
        let address = frame.lookup.wrapping_sub(self.world.bias(*family));
        let calls = functions.calls.iter().rev().copied();
        let scopes = calls.chain([functions.function]);
        let scopes = scopes.filter_map(|scope| self.world.dies.own(*family, scope));
        scopes.map(|scope| self.in_scope(&context, &scope, address)).collect()
    }

    fn in_scope(&self, context: &Context<'_, 'u>, scope: &Die<'u>, address: u64) -> Vec<Variable> {
        let found = scope::find(&self.world.dies, scope, address, self.wanted == Wanted::All);
        found.iter().filter_map(|scoped| self.variable(context, scoped)).collect()
    }

    fn variable(&self, context: &Context<'_, 'u>, scoped: &Scoped<'u>) -> Option<Variable> {
        let name = scoped.chain.iter().find_map(|entry| entry.name())?;
        let world = &self.world;
        let die = scoped.chain.iter().find_map(|entry| world.type_die(entry));
        let ty = world.resolve(die.as_ref());
        let content: Content<'u> = location::content(context, &scoped.chain, context.size_of(&ty));
        let missing = content.wholly_missing();
        let value = missing.is_none().then(|| Printer::print(context, &ty, &content));
        let type_name = Some(world.type_name(die.as_ref()));
        Some(Variable { name, type_name, value, missing, argument: scoped.argument })
    }
}
