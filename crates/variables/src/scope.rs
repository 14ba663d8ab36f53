//! The variables that are in scope at an address: a function's or an inlined call's, and those of its blocks (DWARF 5,
//! 3.3 to 3.5 and 4.1).

use std::collections::HashSet;

use crate::die::{Die, Dies, Entry};

/// Most blocks in each other.
const DEEPEST: usize = 64;
/// Most variables of one frame.
const MOST: usize = 1 << 12;

/// A variable in scope: the entries about it, first its own.
pub(crate) struct Scoped<'u> {
    pub(crate) argument: bool,
    pub(crate) chain: Vec<Entry<'u>>,
}

/// Finds the variables of a function, or of a call that was inlined; `address` is before the load bias. First the
/// arguments, then the locals: those of the innermost block first, as gdb lists them.
pub(crate) fn find<'u>(dies: &Dies<'u>, scope: &Die<'u>, address: u64, locals: bool) -> Vec<Scoped<'u>> {
    let mut arguments = Vec::new();
    let mut blocks = Vec::new();
    let mut next = Some(scope.clone());
    while let Some(block) = next.take().filter(|_| blocks.len() < DEEPEST) {
        let mut found = Vec::new();
        let mut told = HashSet::new();
        for entry in block.children() {
            match entry.tag() {
                gimli::DW_TAG_formal_parameter | gimli::DW_TAG_variable => {
                    let argument = entry.tag() == gimli::DW_TAG_formal_parameter;
                    let chain = dies.chain(entry);
                    add(Scoped { argument, chain }, &mut arguments, &mut found);
                }
                gimli::DW_TAG_lexical_block if locals && next.is_none() && holds(&entry, address) => {
                    next = Some(entry.die);
                }
                _ => {}
            }
        }
        // What the compiler kept nowhere may stand in the abstract instance alone.
        let abstract_block =
            block.read().and_then(|entry| dies.follow(&entry.die, entry.attr(gimli::DW_AT_abstract_origin)?));
        if abstract_block.is_some() {
            tell(dies, &block, &mut told, DEEPEST);
        }
        for entry in abstract_block.iter().flat_map(Die::children) {
            let argument = entry.tag() == gimli::DW_TAG_formal_parameter;
            if (argument || entry.tag() == gimli::DW_TAG_variable) && !told.contains(&entry.die.key()) {
                add(Scoped { argument, chain: dies.chain(entry) }, &mut arguments, &mut found);
            }
        }
        blocks.push(found);
    }
    if !locals {
        return arguments;
    }
    arguments.extend(blocks.into_iter().rev().flatten());
    arguments.truncate(MOST);
    arguments
}

/// Collects the variables of a block and of those within it, with the entries that they refer to: of an abstract block,
/// the compiler may have split the concrete one.
fn tell<'u>(dies: &Dies<'u>, block: &Die<'u>, told: &mut HashSet<(usize, usize)>, depth: usize) {
    let Some(depth) = depth.checked_sub(1).filter(|_| told.len() < MOST) else { return };
    for entry in block.children() {
        match entry.tag() {
            gimli::DW_TAG_formal_parameter | gimli::DW_TAG_variable => {
                told.extend(dies.chain(entry).iter().map(|entry| entry.die.key()));
            }
            gimli::DW_TAG_lexical_block => tell(dies, &entry.die, told, depth),
            _ => {}
        }
    }
}

fn add<'u>(scoped: Scoped<'u>, arguments: &mut Vec<Scoped<'u>>, locals: &mut Vec<Scoped<'u>>) {
    // What is only declared here is defined elsewhere, and is no local.
    let is_declared = scoped.chain.first().is_some_and(|entry| {
        entry.flag(gimli::DW_AT_declaration) && entry.attr(gimli::DW_AT_location).is_none()
    });
    if !is_declared {
        if scoped.argument { arguments.push(scoped) } else { locals.push(scoped) }
    }
}

/// Tells whether an address is in a block.
fn holds(entry: &Entry<'_>, address: u64) -> bool {
    /// Most ranges of a block that are looked at.
    const MOST_RANGES: usize = 1 << 12;
    let Some(mut ranges) = entry.ranges() else { return false };
    for _ in 0..MOST_RANGES {
        match ranges.next() {
            Ok(Some(range)) if range.begin <= address && address < range.end => return true,
            Ok(Some(_)) => {}
            _ => return false,
        }
    }
    false
}
