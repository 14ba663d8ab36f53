//! Values that arguments had when their function was entered, as the caller can still tell (`DW_OP_entry_value`; DWARF 5,
//! 2.5.1.7 and 3.4, and the GNU forms that came before).

use std::rc::Rc;

use epitaph_symbols::FunctionsAt;
use gimli::{AttributeValue, DwAt, Expression, Reader as _, UnitOffset};

use crate::context::{Context, World};
use crate::die::{Die, Entry, Unit};
use crate::location::{Slice, single};
use crate::variable::Missing;

/// Most entries of a function that are looked through for its calls.
const MOST_ENTRIES: usize = 1 << 16;

/// A call, and what it passes.
pub(crate) struct CallSite<'u> {
    site: Entry<'u>,
    parameters: Vec<Entry<'u>>,
}

/// Returns what the register (or place) that an expression names held when the function was entered, and the type that it
/// is taken for (0 where it is a plain word).
pub(crate) fn of_register<'u>(
    context: &Context<'_, 'u>,
    wanted: Expression<Slice<'u>>,
) -> Result<(u64, UnitOffset), Missing> {
    let (register, base_type) = typed_register(wanted).unwrap_or((wanted.0.slice().to_vec(), UnitOffset(0)));
    let is_wanted = |parameter: &Entry<'u>| {
        let value = parameter.attr(gimli::DW_AT_location);
        matches!(value, Some(AttributeValue::Exprloc(Expression(bytes))) if bytes.slice() == register)
    };
    Ok((from_caller(context, is_wanted)?, base_type))
}

/// Takes an expression apart that is a register with a type (`DW_OP_regval_type`): the caller names the register alone.
fn typed_register(wanted: Expression<Slice<'_>>) -> Option<(Vec<u8>, UnitOffset)> {
    let mut bytes = wanted.0;
    let operation = gimli::DwOp(bytes.read_u8().ok()?);
    if ![gimli::DW_OP_regval_type, gimli::DW_OP_GNU_regval_type].contains(&operation) {
        return None;
    }
    let number = bytes.read_uleb128_u16().ok()?;
    let base_type = UnitOffset(usize::try_from(bytes.read_uleb128().ok()?).ok()?);
    let register = match u8::try_from(number).ok().filter(|number| *number < 32) {
        Some(number) => vec![gimli::DW_OP_reg0.0 + number],
        // The numbers above are below 128 on every architecture here.
        None => vec![gimli::DW_OP_regx.0, u8::try_from(number).ok().filter(|number| *number < 128)?],
    };
    Some((register, base_type))
}

/// Returns what a parameter was when the function was entered.
pub(crate) fn of_parameter<'u>(
    context: &Context<'_, 'u>,
    unit: &Rc<Unit<'u>>,
    parameter: UnitOffset,
) -> Result<u64, Missing> {
    let wanted = Die { unit: Rc::clone(unit), offset: parameter }.key();
    let is_wanted = |parameter: &Entry<'u>| {
        let value = parameter
            .attr(gimli::DW_AT_call_parameter)
            .or_else(|| parameter.attr(gimli::DW_AT_abstract_origin));
        let named = value.and_then(|value| context.world.dies.follow(&parameter.die, value));
        named.is_some_and(|named| named.key() == wanted)
    };
    from_caller(context, is_wanted)
}

/// Asks the caller for the parameter that is wanted: none where nobody can tell which call led here.
fn from_caller<'u>(
    context: &Context<'_, 'u>,
    is_wanted: impl Fn(&Entry<'u>) -> bool,
) -> Result<u64, Missing> {
    let lost = Missing::OptimizedOut;
    let deeper = context.deeper().ok_or(lost)?;
    let index = context.index + 1;
    let caller = context.frames.get(index).filter(|caller| caller.called).ok_or(lost)?;
    let function = context.world.function(caller.lookup).ok_or(lost)?;
    let site = call_site(context.world, caller.pc, caller.lookup).ok_or(lost)?;
    // What a call passes is told by what the call leaves as it is.
    let of_caller = Context { index, function: &function, outlasts_call: true, ..deeper };
    if !leads_to(&of_caller, &site.site, context.function) {
        return Err(lost);
    }
    let parameter = site.parameters.iter().find(|parameter| is_wanted(parameter)).ok_or(lost)?;
    let value = either(parameter, gimli::DW_AT_call_value, gimli::DW_AT_GNU_call_site_value).ok_or(lost)?;
    let AttributeValue::Exprloc(expression) = value else { return Err(lost) };
    single(&of_caller, &parameter.die.unit, expression).map_err(|_| lost)
}

/// Returns an attribute by its name in DWARF 5, or by the one before it.
fn either<'u>(entry: &Entry<'u>, name: DwAt, gnu: DwAt) -> Option<AttributeValue<Slice<'u>>> {
    entry.attr(name).or_else(|| entry.attr(gnu))
}

/// Tells whether a call is one of this very function. A callee that jumped on to it has passed arguments of its own.
fn leads_to<'u>(caller: &Context<'_, 'u>, site: &Entry<'u>, callee: &Die<'u>) -> bool {
    let world = caller.world;
    let Some(entry) = callee.read() else { return false };
    if let Some(value) = either(site, gimli::DW_AT_call_origin, gimli::DW_AT_abstract_origin) {
        let origin = world.dies.follow(&site.die, value).and_then(|die| die.read());
        let Some(origin) = origin else { return false };
        let (ours, theirs) = (world.dies.chain(entry), world.dies.chain(origin));
        let is_same = |one: &Entry<'u>| theirs.iter().any(|other| other.die.key() == one.die.key());
        let linked = |chain: &[Entry<'u>]| {
            let names = [gimli::DW_AT_linkage_name, gimli::DW_AT_MIPS_linkage_name];
            let name = |entry: &Entry<'u>| names.iter().find_map(|name| entry.text(*name));
            chain.iter().find_map(name).or_else(|| chain.iter().find_map(Entry::name))
        };
        if ours.iter().any(is_same) || (linked(&ours).is_some() && linked(&ours) == linked(&theirs)) {
            return true;
        }
        // It may have been called by another of its names.
        let entry = ours.iter().find_map(|entry| entry_point(world, entry));
        return entry
            .zip(linked(&theirs))
            .is_some_and(|(entry, name)| world.names.is_called(world.modules, entry, &name));
    }
    let target = either(site, gimli::DW_AT_call_target, gimli::DW_AT_GNU_call_site_target);
    let Some(AttributeValue::Exprloc(expression)) = target else { return false };
    let target = single(caller, &site.die.unit, expression).ok();
    target.is_some() && target == entry_point(world, &entry)
}

/// Returns the address of a function's first instruction.
fn entry_point<'u>(world: &World<'u>, function: &Entry<'u>) -> Option<u64> {
    let unit = &function.die.unit;
    let low = unit.borrowed().attr_address(function.attr(gimli::DW_AT_low_pc)?).ok()??;
    Some(low.wrapping_add(world.bias(unit.family)))
}

/// Finds the call that comes back to an address.
fn call_site<'u>(world: &World<'u>, return_to: u64, lookup: u64) -> Option<Rc<CallSite<'u>>> {
    if let Some(known) = world.call_sites.borrow().get(&return_to) {
        return known.clone();
    }
    let found = world.functions.get(&lookup).and_then(|(family, functions)| {
        let site = find(world, *family, functions, return_to)?;
        let is_parameter = |entry: &Entry<'u>| {
            [gimli::DW_TAG_call_site_parameter, gimli::DW_TAG_GNU_call_site_parameter].contains(&entry.tag())
        };
        let parameters = site.die.children().into_iter().filter(is_parameter).collect();
        Some(Rc::new(CallSite { site, parameters }))
    });
    world.call_sites.borrow_mut().insert(return_to, found.clone());
    found
}

fn find<'u>(world: &World<'u>, family: usize, functions: &FunctionsAt, return_to: u64) -> Option<Entry<'u>> {
    let function = world.dies.own(family, functions.function)?;
    let wanted = return_to.wrapping_sub(world.bias(family));
    let unit = Rc::clone(&function.unit);
    let mut entries = unit.opened.entries_raw(Some(functions.function)).ok()?;
    for _ in 0..MOST_ENTRIES {
        let offset = entries.next_offset();
        let abbreviation = entries.read_abbreviation().ok()?;
        if let Some(abbreviation) = abbreviation {
            let is_site =
                [gimli::DW_TAG_call_site, gimli::DW_TAG_GNU_call_site].contains(&abbreviation.tag());
            let mut is_wanted = false;
            for specification in abbreviation.attributes() {
                let attribute = entries.read_attribute(*specification).ok()?;
                if is_site && [gimli::DW_AT_call_return_pc, gimli::DW_AT_low_pc].contains(&attribute.name()) {
                    let address = unit.borrowed().attr_address(attribute.value()).ok().flatten();
                    is_wanted |= address == Some(wanted);
                }
            }
            if is_wanted {
                return Die { unit: Rc::clone(&unit), offset }.read();
            }
        }
        if entries.next_depth() <= 0 {
            return None;
        }
    }
    None
}
