//! A row of the CFI table: how to recover the caller's registers from those at one address (DWARF 5, 6.4.1).

use std::cell::Cell;
use std::ops::Range;

use epitaph_elf::{Arch, Memory, MemoryError, Registers};
use gimli::{
    BaseAddresses, CfaRule, Encoding, Format, FrameDescriptionEntry, Register, RegisterRule, UnwindContext,
    UnwindExpression, UnwindSection,
};

use crate::expression::evaluate;
use crate::go::Runtime;
use crate::section::{Section, SectionKind, Slice};

/// The rules at one address, taken out of their section so that the next frame there needs no parsing.
pub(crate) struct Row {
    /// Index of the module.
    pub(crate) module: usize,
    /// The section that the expressions are in, where there may be any.
    pub(crate) section: Option<SectionKind>,
    /// The addresses of the entry: those of its function, or of a part that was split off one.
    pub(crate) function: Range<u64>,
    /// Whether this is the code that a signal handler returns to (augmentation `S`).
    pub(crate) signal: bool,
    /// Whether it is a function of Go's runtime that changes the stack.
    pub(crate) runtime: Option<Runtime>,
    /// The return address to which a frame here last returned with no frame left out between: in a recursion it is
    /// the same each time.
    pub(crate) complete_to: Cell<Option<u64>>,
    return_address: u16,
    cfa: CfaRule<usize>,
    registers: Box<[(Register, RegisterRule<usize>)]>,
    encoding: Encoding,
}

/// Why a row leads to no caller.
pub(crate) enum NoCaller {
    /// The return address is undefined: this is the first frame.
    First,
    /// The CFA or the return address can't be computed.
    Unusable,
    /// The return address can't be read.
    Memory(MemoryError),
}

impl Row {
    /// Reads the row for `address` from its entry.
    pub(crate) fn read<'a, S: UnwindSection<Slice<'a>>>(
        fde: &FrameDescriptionEntry<Slice<'a>>,
        section: &S,
        bases: &BaseAddresses,
        kind: SectionKind,
        module: usize,
        address: u64,
        context: &mut UnwindContext<usize>,
    ) -> Option<Row> {
        let row = fde.unwind_info_for_address(section, bases, context, address).ok()?;
        Some(Row {
            module,
            section: Some(kind),
            function: fde.initial_address()..fde.end_address(),
            signal: fde.cie().is_signal_trampoline(),
            runtime: None,
            complete_to: Cell::new(None),
            return_address: fde.cie().return_address_register().0,
            cfa: row.cfa().clone(),
            registers: row.registers().cloned().collect(),
            encoding: fde.cie().encoding(),
        })
    }

    /// Makes the row of a function whose frame has `size` bytes at the address; `saved` are registers (DWARF number)
    /// and how far from the CFA they were saved.
    pub(crate) fn of_frame_size(
        arch: &Arch,
        module: usize,
        function: Range<u64>,
        size: u32,
        saved: &[(u16, i64)],
        runtime: Option<Runtime>,
    ) -> Row {
        let size = i64::from(size);
        let call = i64::from(arch.sp_to_cfa_at_entry);
        let saved = saved.iter().map(|(number, offset)| (Register(*number), RegisterRule::Offset(*offset)));
        let return_address = match arch.link {
            None => (arch.pc, RegisterRule::Offset(-call)),
            // Without a frame it is where the call left it, and in a frame it is the lowest word.
            Some(link) if size == 0 => (link, RegisterRule::SameValue),
            Some(link) => (link, RegisterRule::Offset(-call - size)),
        };
        Row {
            module,
            section: None,
            function,
            signal: false,
            runtime,
            complete_to: Cell::new(None),
            return_address: return_address.0,
            cfa: CfaRule::RegisterAndOffset { register: Register(arch.sp), offset: size + call },
            registers: saved.chain([(Register(return_address.0), return_address.1)]).collect(),
            encoding: Encoding { address_size: arch.bits() / 8, format: Format::Dwarf32, version: 4 },
        }
    }

    /// Tells whether the stack is here as a call leaves it.
    pub(crate) fn is_entry(&self, arch: &Arch) -> bool {
        let offset = i64::from(arch.sp_to_cfa_at_entry);
        self.cfa == CfaRule::RegisterAndOffset { register: Register(arch.sp), offset }
    }

    /// Tells whether a register is where an expression says. GCC writes such rules for frames that it realigns, and
    /// forgets to end them where the function takes its frame down (seen in GCC 12 at -O0, after `leave`).
    pub(crate) fn saves_by_expression(&self) -> bool {
        self.registers.iter().any(|(_, rule)| matches!(rule, RegisterRule::Expression(_)))
    }

    /// Returns how many bytes the CFA is above the stack pointer, where that is how it is found.
    pub(crate) fn cfa_from_sp(&self, arch: &Arch) -> Option<i64> {
        match self.cfa {
            CfaRule::RegisterAndOffset { register, offset } if register.0 == arch.sp => Some(offset),
            _ => None,
        }
    }

    /// Recovers the caller's registers from `registers`, of which `caller` is a copy, and returns the CFA. A register
    /// whose rule fails is unknown in the caller, and only the CFA and the return address are needed to go on.
    pub(crate) fn apply(
        &self,
        arch: &Arch,
        registers: &Registers,
        section: Option<Section<'_, '_>>,
        memory: &dyn Memory,
        caller: &mut Registers,
    ) -> Result<u64, NoCaller> {
        let expression = |expression: &UnwindExpression<usize>, cfa| {
            let expression = match section? {
                Section::EhFrame(section) => expression.get(section),
                Section::DebugFrame(section) => expression.get(section),
            };
            evaluate(arch, expression.ok()?, self.encoding, registers, cfa, memory)
        };
        let cfa = match &self.cfa {
            CfaRule::RegisterAndOffset { register, offset } => {
                registers.get(register.0).map(|value| arch.wrap(value.wrapping_add_signed(*offset)))
            }
            CfaRule::Expression(rule) => expression(rule, None),
        };
        let cfa = cfa.ok_or(NoCaller::Unusable)?;
        let mut failure = None;
        let mut read = |address| arch.read_word(memory, address).map_err(|error| failure = Some(error)).ok();
        let from_cfa = |offset| arch.wrap(cfa.wrapping_add_signed(offset));

        caller.retain(arch.callee_saved);
        caller.set(arch.sp, Some(from_cfa(-i64::from(arch.caller_sp_to_cfa))));
        // Where a call leaves its return address in a register, it is there until a rule says something else.
        let mut return_address =
            registers.get(self.return_address).filter(|_| arch.link == Some(self.return_address));
        let mut first = false;
        for (register, rule) in &self.registers {
            let value = match rule {
                RegisterRule::SameValue => registers.get(register.0),
                RegisterRule::Offset(offset) => read(from_cfa(*offset)),
                RegisterRule::ValOffset(offset) => Some(from_cfa(*offset)),
                RegisterRule::Register(other) => registers.get(other.0),
                RegisterRule::Expression(rule) => expression(rule, Some(cfa)).and_then(&mut read),
                RegisterRule::ValExpression(rule) => expression(rule, Some(cfa)),
                RegisterRule::Constant(value) => Some(*value),
                // Undefined, and Architectural: no architecture here defines any.
                _ => None,
            };
            if register.0 == self.return_address {
                return_address = value;
                first = matches!(rule, RegisterRule::Undefined);
            }
            // The CFA alone gives the caller's stack pointer, where its rule leads to a register that isn't known.
            if register.0 != arch.sp || value.is_some() {
                caller.set(register.0, value);
            }
        }
        match return_address {
            _ if first => Err(NoCaller::First),
            Some(address) => {
                // What the call left in the link register is still there: the caller had not come further.
                if arch.link == Some(self.return_address) {
                    caller.set(self.return_address, Some(address));
                }
                caller.set(arch.pc, Some(registers.code_address(address)));
                Ok(cfa)
            }
            None => Err(failure.map_or(NoCaller::Unusable, NoCaller::Memory)),
        }
    }
}
