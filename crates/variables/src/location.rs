//! Where a variable is, and what stands there: DWARF expressions and location lists (DWARF 5, 2.5 and 2.6), with the GNU
//! forms that came before them.

use std::rc::Rc;

use epitaph_elf::Endian;
use epitaph_symbols::Home;
use gimli::{
    AttributeValue, DieReference, EvaluationResult, Expression, Location, Reader as _, Register, UnitOffset,
    Value, ValueType,
};

use crate::content::{Content, Implicit};
use crate::context::Context;
use crate::die::{Die, Entry, Unit};
use crate::entry_value;
use crate::thread_local;
use crate::variable::Missing;

/// Bytes of a section.
pub(crate) type Slice<'u> = epitaph_symbols::Slice<'u>;

/// Most operations of an expression: real ones have some dozen, and a crafted one may loop.
const MOST_OPERATIONS: u32 = 1000;
/// Most ranges of a location list that are looked at.
const MOST_RANGES: usize = 1 << 14;

/// A part of an object, or the whole.
pub(crate) struct Piece<'u> {
    /// In bits; the whole object where it isn't said.
    size: Option<u64>,
    /// Bits that come before it where it is.
    skip: u64,
    part: Part<'u>,
}

enum Part<'u> {
    Address(u64),
    Bytes(Vec<u8>),
    Implicit(Implicit<'u>),
    Missing(Missing),
}

/// Reads a variable of `size` bytes; `chain` are the entries about it.
pub(crate) fn content<'u>(context: &Context<'_, 'u>, chain: &[Entry<'u>], size: u64) -> Content<'u> {
    for entry in chain {
        if let Some(value) = entry.attr(gimli::DW_AT_const_value) {
            return match constant(context, entry, value, size) {
                Some(bytes) => Content::known(bytes),
                None => Content::missing(size, Missing::Unavailable),
            };
        }
        if let Some(value) = entry.attr(gimli::DW_AT_location) {
            let unit = &entry.die.unit;
            let found = expression(context, unit, value);
            let outlasts_call = found.as_ref().is_ok_and(|found| found.outlasts_call);
            let context = &Context { outlasts_call, ..*context };
            let pieces = found.and_then(|found| evaluate(context, unit, found.expression, None));
            return match pieces {
                Ok(pieces) => assemble(context, pieces, size),
                Err(why) => Content::missing(size, why),
            };
        }
    }
    Content::missing(size, Missing::OptimizedOut)
}

/// Returns the bytes of a constant.
fn constant<'u>(
    context: &Context<'_, 'u>,
    entry: &Entry<'u>,
    value: AttributeValue<Slice<'u>>,
    size: u64,
) -> Option<Vec<u8>> {
    let size = usize::try_from(size).ok()?.min(16);
    let number = match value {
        AttributeValue::Block(bytes) => return Some(bytes.slice().to_vec()),
        AttributeValue::Sdata(number) => i128::from(number),
        AttributeValue::Udata(number) => i128::from(number),
        AttributeValue::Data1(number) => i128::from(number),
        AttributeValue::Data2(number) => i128::from(number),
        AttributeValue::Data4(number) => i128::from(number),
        AttributeValue::Data8(number) => i128::from(number),
        AttributeValue::Data16(number) => number as i128,
        value => {
            let text = entry.die.unit.borrowed().attr_string(value).ok()?;
            let nul = std::iter::once(0);
            return Some(text.slice().iter().copied().chain(nul).collect());
        }
    };
    Some(number_bytes(context, number, size))
}

fn number_bytes(context: &Context<'_, '_>, number: i128, size: usize) -> Vec<u8> {
    match context.world.arch.endian() {
        Endian::Little => number.to_le_bytes().get(..size).unwrap_or_default().to_vec(),
        Endian::Big => number.to_be_bytes().get(16 - size..).unwrap_or_default().to_vec(),
    }
}

/// An expression that counts at a frame's address.
pub(crate) struct Counting<'u> {
    pub(crate) expression: Expression<Slice<'u>>,
    /// Whether it counts where the frame's call comes back to, too.
    outlasts_call: bool,
}

/// Returns the expression that counts at the frame's address.
pub(crate) fn expression<'u>(
    context: &Context<'_, 'u>,
    unit: &Rc<Unit<'u>>,
    value: AttributeValue<Slice<'u>>,
) -> Result<Counting<'u>, Missing> {
    // GCC ends a range one byte before a call's end where the callee may change the register; others let it go on, and
    // nobody can tell.
    let outlasts_call = context.world.is_by_gcc(unit.family);
    match value {
        AttributeValue::Exprloc(expression) => return Ok(Counting { expression, outlasts_call }),
        AttributeValue::Block(bytes) => return Ok(Counting { expression: Expression(bytes), outlasts_call }),
        _ => {}
    }
    let lookup = context.frame().ok_or(Missing::Unavailable)?.lookup;
    let address = lookup.wrapping_sub(context.world.bias(unit.family));
    let list = unit.borrowed().attr_locations(value).map_err(|_| Missing::Unavailable)?;
    let mut list = list.ok_or(Missing::Unavailable)?;
    for _ in 0..MOST_RANGES {
        match list.next() {
            Ok(Some(entry)) if entry.range.begin <= address && address < entry.range.end => {
                return Ok(Counting { expression: entry.data, outlasts_call });
            }
            Ok(Some(_)) => {}
            Ok(None) => return Err(Missing::OptimizedOut),
            Err(_) => return Err(Missing::Unavailable),
        }
    }
    Err(Missing::Unavailable)
}

/// Evaluates an expression; a member's begins with its object's address.
pub(crate) fn evaluate<'u>(
    context: &Context<'_, 'u>,
    unit: &Rc<Unit<'u>>,
    expression: Expression<Slice<'u>>,
    object: Option<u64>,
) -> Result<Vec<Piece<'u>>, Missing> {
    if expression.0.is_empty() {
        return Err(Missing::OptimizedOut);
    }
    let world = context.world;
    let mut evaluation = expression.evaluation(unit.opened.encoding());
    evaluation.set_max_iterations(MOST_OPERATIONS);
    if let Some(object) = object {
        evaluation.set_initial_value(object);
        evaluation.set_object_address(object);
    }
    let lost = |_| Missing::Unavailable;
    let mut result = evaluation.evaluate().map_err(lost)?;
    loop {
        result = match result {
            EvaluationResult::Complete => break,
            EvaluationResult::RequiresRegister { register: Register(number), base_type } => {
                let value = context.register(number).ok_or(Missing::Unavailable)?;
                evaluation.resume_with_register(typed(unit, base_type, value)?)
            }
            EvaluationResult::RequiresMemory { address, size, base_type, space: None } => {
                let value = world.arch.read_number(world.memory, address, size).map_err(Missing::Memory)?;
                evaluation.resume_with_memory(typed(unit, base_type, value)?)
            }
            EvaluationResult::RequiresFrameBase => evaluation.resume_with_frame_base(frame_base(context)?),
            EvaluationResult::RequiresCallFrameCfa => {
                let cfa = context.frame().and_then(|frame| frame.cfa).ok_or(Missing::Unavailable)?;
                evaluation.resume_with_call_frame_cfa(cfa)
            }
            EvaluationResult::RequiresTls(offset) => {
                let address = thread_local::address(context, offset).ok_or(Missing::Unavailable)?;
                evaluation.resume_with_tls(address)
            }
            EvaluationResult::RequiresEntryValue(expression) => {
                let (value, base_type) = entry_value::of_register(context, expression)?;
                evaluation.resume_with_entry_value(typed(unit, base_type, value)?)
            }
            EvaluationResult::RequiresParameterRef(parameter) => {
                evaluation.resume_with_parameter_ref(entry_value::of_parameter(context, unit, parameter)?)
            }
            EvaluationResult::RequiresAtLocation(reference) => {
                evaluation.resume_with_at_location(called(context, unit, reference)?)
            }
            EvaluationResult::RequiresRelocatedAddress(address) => {
                evaluation.resume_with_relocated_address(address.wrapping_add(world.bias(unit.family)))
            }
            EvaluationResult::RequiresIndexedAddress { index, relocate } => {
                let address = unit.borrowed().address(index).map_err(lost)?;
                let bias = if relocate { world.bias(unit.family) } else { 0 };
                evaluation.resume_with_indexed_address(address.wrapping_add(bias))
            }
            EvaluationResult::RequiresBaseType(base_type) => {
                evaluation.resume_with_base_type(value_type(unit, base_type)?)
            }
            _ => return Err(Missing::Unavailable),
        }
        .map_err(lost)?;
    }
    let pieces = evaluation.as_result().iter().map(|piece| {
        let part = match piece.location {
            Location::Empty => Part::Missing(Missing::OptimizedOut),
            Location::Register { register: Register(number) } => match context.register(number) {
                Some(value) => Part::Bytes(number_bytes(context, value.into(), world.word())),
                None => Part::Missing(Missing::Unavailable),
            },
            Location::Address { address } => Part::Address(address),
            Location::Value { value } => Part::Bytes(value_bytes(context, value)),
            Location::Bytes { value } => Part::Bytes(value.slice().to_vec()),
            Location::ImplicitPointer { value, byte_offset: offset } => {
                match world.dies.at(unit.family, Home::Main, value) {
                    Some(target) => Part::Implicit(Implicit { target, offset }),
                    None => Part::Missing(Missing::Unavailable),
                }
            }
        };
        Piece { size: piece.size_in_bits, skip: piece.bit_offset.unwrap_or(0), part }
    });
    Ok(pieces.collect())
}

/// Returns a value that stands alone: what an expression leaves on its stack.
pub(crate) fn single<'u>(
    context: &Context<'_, 'u>,
    unit: &Rc<Unit<'u>>,
    expression: Expression<Slice<'u>>,
) -> Result<u64, Missing> {
    let pieces = evaluate(context, unit, expression, None)?;
    match pieces.first().map(|piece| &piece.part) {
        Some(Part::Address(value)) => Ok(*value),
        Some(Part::Bytes(bytes)) => number(context, bytes).ok_or(Missing::Unavailable),
        Some(Part::Missing(why)) => Err(*why),
        Some(Part::Implicit(_)) | None => Err(Missing::Unavailable),
    }
}

/// Finds the place of a member from its object's.
pub(crate) fn address_from<'u>(
    context: &Context<'_, 'u>,
    unit: &Rc<Unit<'u>>,
    expression: Expression<Slice<'u>>,
    object: u64,
) -> Result<u64, Missing> {
    match evaluate(context, unit, expression, Some(object))?.first().map(|piece| &piece.part) {
        Some(Part::Address(address)) => Ok(*address),
        _ => Err(Missing::Unavailable),
    }
}

/// Reads a number of up to 8 bytes.
pub(crate) fn number(context: &Context<'_, '_>, bytes: &[u8]) -> Option<u64> {
    let mut word = [0; 8];
    match context.world.arch.endian() {
        Endian::Little => {
            word.get_mut(..bytes.len())?.copy_from_slice(bytes);
            Some(u64::from_le_bytes(word))
        }
        Endian::Big => {
            word.get_mut(8_usize.checked_sub(bytes.len())?..)?.copy_from_slice(bytes);
            Some(u64::from_be_bytes(word))
        }
    }
}

/// Finds the base that a function's variables are counted from.
fn frame_base(context: &Context<'_, '_>) -> Result<u64, Missing> {
    let context = context.deeper().ok_or(Missing::Unavailable)?;
    let entry = context.function.read().ok_or(Missing::Unavailable)?;
    let value = entry.attr(gimli::DW_AT_frame_base).ok_or(Missing::Unavailable)?;
    let unit = &entry.die.unit;
    single(&context, unit, expression(&context, unit, value)?.expression)
}

/// Returns the expression of the entry that an expression calls.
fn called<'u>(
    context: &Context<'_, 'u>,
    unit: &Rc<Unit<'u>>,
    reference: DieReference<usize>,
) -> Result<Slice<'u>, Missing> {
    let die = match reference {
        DieReference::UnitRef(offset) => Some(Die { unit: Rc::clone(unit), offset }),
        DieReference::DebugInfoRef(offset) => context.world.dies.at(unit.family, Home::Main, offset),
    };
    let entry = die.and_then(|die| die.read()).ok_or(Missing::Unavailable)?;
    match entry.attr(gimli::DW_AT_location) {
        Some(AttributeValue::Exprloc(Expression(bytes))) => Ok(bytes),
        _ => Err(Missing::OptimizedOut),
    }
}

fn value_type(unit: &Rc<Unit<'_>>, base_type: UnitOffset) -> Result<ValueType, Missing> {
    if base_type.0 == 0 {
        return Ok(ValueType::Generic);
    }
    let entry = unit.opened.entry(base_type).map_err(|_| Missing::Unavailable)?;
    ValueType::from_entry(&entry).ok().flatten().ok_or(Missing::Unavailable)
}

fn typed(unit: &Rc<Unit<'_>>, base_type: UnitOffset, value: u64) -> Result<Value, Missing> {
    let lost = |_| Missing::Unavailable;
    match value_type(unit, base_type)? {
        ValueType::F32 => Ok(Value::F32(f32::from_bits(value as u32))),
        ValueType::F64 => Ok(Value::F64(f64::from_bits(value))),
        value_type => Value::from_u64(value_type, value).map_err(lost),
    }
}

fn value_bytes(context: &Context<'_, '_>, value: Value) -> Vec<u8> {
    let (number, size) = match value {
        Value::Generic(value) => (i128::from(value), context.world.word()),
        Value::I8(value) => (value.into(), 1),
        Value::U8(value) => (value.into(), 1),
        Value::I16(value) => (value.into(), 2),
        Value::U16(value) => (value.into(), 2),
        Value::I32(value) => (value.into(), 4),
        Value::U32(value) => (value.into(), 4),
        Value::I64(value) => (value.into(), 8),
        Value::U64(value) => (value.into(), 8),
        Value::F32(value) => (value.to_bits().into(), 4),
        Value::F64(value) => (value.to_bits().into(), 8),
    };
    number_bytes(context, number, size)
}

/// Puts an object together from its pieces.
fn assemble<'u>(context: &Context<'_, 'u>, pieces: Vec<Piece<'u>>, size: u64) -> Content<'u> {
    let mut pieces = pieces;
    if matches!(pieces.as_slice(), [piece] if piece.size.is_none()) {
        let whole = pieces.pop().map(|piece| fetch(context, piece.part, size, size));
        return whole.unwrap_or_else(|| Content::missing(size, Missing::Unavailable));
    }
    let mut object = Content::default();
    // In bits, as pieces are: those of a bit field's parts needn't begin at a byte.
    let mut at = 0_u64;
    for piece in pieces {
        let bits =
            piece.size.unwrap_or_else(|| (size * 8).saturating_sub(at)).min((size * 8).saturating_sub(at));
        let bytes = (piece.skip.saturating_add(bits)).div_ceil(8);
        let part = fetch(context, piece.part, bytes, size);
        if at.is_multiple_of(8) && piece.skip == 0 {
            object.put((at / 8) as usize, &part);
        } else {
            match part.get(0, bytes as usize) {
                Ok(from) => put_bits(&mut object, at, from, piece.skip, bits),
                Err(why) => object.put((at / 8) as usize, &Content::missing(bytes, why)),
            }
        }
        at += bits;
    }
    let known = object.bytes.len() as u64;
    if known < size {
        object.put(known as usize, &Content::missing(size - known, Missing::OptimizedOut));
    }
    object
}

/// Copies bits, the lowest first, as little-endian machines count them.
fn put_bits(object: &mut Content<'_>, at: u64, from: &[u8], skip: u64, bits: u64) {
    let end = (at + bits).div_ceil(8) as usize;
    if object.bytes.len() < end {
        object.bytes.resize(end, 0);
    }
    for bit in 0..bits {
        let source = skip + bit;
        let is_set = from.get((source / 8) as usize).is_some_and(|byte| byte >> (source % 8) & 1 == 1);
        if let Some(byte) = object.bytes.get_mut(((at + bit) / 8) as usize) {
            let mask = 1 << ((at + bit) % 8);
            *byte = if is_set { *byte | mask } else { *byte & !mask };
        }
    }
}

/// Reads a part of an object; of bytes that hold more, those with the lowest value.
fn fetch<'u>(context: &Context<'_, 'u>, part: Part<'u>, size: u64, whole: u64) -> Content<'u> {
    match part {
        Part::Address(address) => Content::read(context.world.memory, address, size),
        Part::Missing(why) => Content::missing(size, why),
        Part::Implicit(implicit) => Content::known(vec![0; size as usize]).with_implicit(implicit),
        Part::Bytes(mut bytes) => {
            let wanted = size.min(whole) as usize;
            if bytes.len() < wanted {
                return Content::missing(size, Missing::Unavailable);
            }
            if context.world.arch.endian() == Endian::Big && bytes.len() <= context.world.word() {
                bytes.drain(..bytes.len() - wanted);
            }
            bytes.truncate(wanted);
            Content::known(bytes)
        }
    }
}
