//! The jumps out of functions, and where they end up.

use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use epitaph_elf::{Arch, Memory, Target, read_vec};

use super::Layout;

/// Bytes of the largest function whose jumps are looked for.
pub(super) const LARGEST_FUNCTION: u64 = 64 << 10;
/// Most jumps out of a function that are kept.
const MOST_EXITS: usize = 1 << 10;
/// Most functions whose jumps are looked for.
const MOST_FUNCTIONS: usize = 1 << 13;
/// Bytes that hold the jump of a stub, and what may come before it.
const STUB: usize = 16;

/// A jump out of a function.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exit {
    /// Address of the first byte after the jump.
    pub(super) end: u64,
    /// Where it leads.
    pub(super) to: u64,
}

/// The jumps out of the functions that were asked for.
#[derive(Debug)]
pub(super) struct Exits {
    arch: &'static Arch,
    /// By the function's start.
    known: HashMap<u64, Rc<[Exit]>>,
}

impl Exits {
    pub(super) fn new(arch: &'static Arch) -> Exits {
        Exits { arch, known: HashMap::new() }
    }

    /// Returns the jumps out of a function; none of one that is too large, or whose code can't be read.
    pub(super) fn of(
        &mut self,
        function: &Range<u64>,
        layout: &mut dyn Layout,
        memory: &dyn Memory,
    ) -> Rc<[Exit]> {
        if let Some(exits) = self.known.get(&function.start) {
            return Rc::clone(exits);
        }
        if self.known.len() >= MOST_FUNCTIONS {
            return Rc::default();
        }
        let exits: Rc<[Exit]> = self.find(function, layout, memory).unwrap_or_default().into();
        self.known.insert(function.start, Rc::clone(&exits));
        exits
    }

    fn find(&self, function: &Range<u64>, layout: &mut dyn Layout, memory: &dyn Memory) -> Option<Vec<Exit>> {
        let len = function.end.checked_sub(function.start).filter(|len| *len <= LARGEST_FUNCTION)?;
        let code = read_vec(memory, function.start, usize::try_from(len).ok()?).ok()?;
        let module = layout.module(function.start);
        let exits = (self.arch.jumps)(function.start, &code)
            .into_iter()
            .filter(|jump| !matches!(jump.target, Target::Direct(to) if function.contains(&to)))
            .filter_map(|jump| {
                let to = self.destination(jump.target, module, layout, memory)?;
                Some(Exit { end: jump.end, to })
            })
            .filter(|exit| !function.contains(&exit.to));
        Some(exits.take(MOST_EXITS).collect())
    }

    /// Returns where a call or a jump in `module` ends up, through a stub where it leads to one. Only stubs and the
    /// tables of the dynamic linker lead into other modules, and of all words only theirs are believed: any other may
    /// have changed since.
    pub(super) fn destination(
        &self,
        target: Target,
        module: Option<usize>,
        layout: &mut dyn Layout,
        memory: &dyn Memory,
    ) -> Option<u64> {
        let address = match target {
            Target::Slot(slot) if layout.is_got(slot) => return self.arch.read_word(memory, slot).ok(),
            Target::Slot(_) => return None,
            Target::Direct(address) => address,
        };
        if layout.module(address) != module {
            return None;
        }
        let in_plt = layout.is_plt(address);
        if !in_plt && layout.function(address).is_some() {
            return Some(address);
        }
        // Where there are no section names and no CFI, a stub is known by its looks.
        let code = read_vec(memory, address, STUB).ok()?;
        match (self.arch.stub_slot)(address, &code) {
            Some(slot) => self.arch.read_word(memory, slot).ok(),
            None => (!in_plt).then_some(address),
        }
    }
}
