//! DWARF expressions in CFI: DWARF 5, sections 2.5 and 6.4.

use epitaph_elf::{Arch, Memory, Registers};
use gimli::{Encoding, EvaluationResult, Expression, Location, Register, Value};

use crate::section::Slice;

/// Most operations that are evaluated: CFI of real programs has a dozen, and a crafted expression may loop.
const MOST_OPERATIONS: u32 = 1000;

/// Evaluates an expression; a register rule's starts with the CFA on its stack. `None` if it can't be evaluated:
/// it is corrupt, runs too long, or needs what isn't known.
pub(crate) fn evaluate(
    arch: &Arch,
    expression: Expression<Slice<'_>>,
    encoding: Encoding,
    registers: &Registers,
    cfa: Option<u64>,
    memory: &dyn Memory,
) -> Option<u64> {
    let mut evaluation = expression.evaluation(encoding);
    evaluation.set_max_iterations(MOST_OPERATIONS);
    if let Some(cfa) = cfa {
        evaluation.set_initial_value(cfa);
    }
    let mut result = evaluation.evaluate().ok()?;
    loop {
        result = match result {
            EvaluationResult::Complete => break,
            EvaluationResult::RequiresRegister { register: Register(number), .. } => {
                evaluation.resume_with_register(Value::Generic(registers.get(number)?)).ok()?
            }
            EvaluationResult::RequiresMemory { address, size, space: None, .. } => {
                let value = arch.read_number(memory, address, size).ok()?;
                evaluation.resume_with_memory(Value::Generic(value)).ok()?
            }
            EvaluationResult::RequiresCallFrameCfa => evaluation.resume_with_call_frame_cfa(cfa?).ok()?,
            _ => return None,
        };
    }
    match evaluation.as_result().last()?.location {
        Location::Address { address } => Some(address),
        Location::Value { value } => value.to_u64(u64::MAX).ok(),
        _ => None,
    }
}
