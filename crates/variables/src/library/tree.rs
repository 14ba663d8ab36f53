//! Walks a balanced tree in its order, from corrupt memory too: every node once, and no more of them than it claims.

use std::collections::HashSet;

use crate::print::Printer;

/// Where a node keeps its links, in bytes from its start.
pub(super) struct Tree {
    pub(super) parent: u64,
    pub(super) left: u64,
    pub(super) right: u64,
}

/// Most nodes that are visited.
const MOST: u64 = 200;
/// Most links from one node to the next: a balanced tree of 2^64 nodes is not deeper.
const DEEPEST: usize = 130;

/// Visits the nodes from `first` until `end`, which is the container's own node. Returns why it ended before `count`
/// of them, if it did.
pub(super) fn walk<'p, 'w, 'u>(
    printer: &mut Printer<'p, 'w, 'u>,
    tree: &Tree,
    first: u64,
    end: u64,
    count: u64,
    mut visit: impl FnMut(&mut Printer<'p, 'w, 'u>, u64),
) -> Option<String> {
    let mut seen = HashSet::new();
    let mut node = first;
    for index in 0..count {
        if printer.is_full() {
            return None;
        }
        if index >= MOST {
            return Some("...".to_owned());
        }
        if node == end || node == 0 {
            return Some(format!("<corrupt: {index} elements>"));
        }
        if !seen.insert(node) {
            return Some("<corrupt: a cycle>".to_owned());
        }
        visit(printer, node);
        node = match successor(printer, tree, node) {
            Ok(node) => node,
            Err(why) => return Some(why),
        };
    }
    (node != end && count > 0).then(|| "<corrupt: more elements>".to_owned())
}

fn successor(printer: &mut Printer<'_, '_, '_>, tree: &Tree, node: u64) -> Result<u64, String> {
    let mut link = |node: u64, offset: u64| {
        printer.read_word(node.saturating_add(offset)).map_err(|why| why.to_string())
    };
    let mut at = link(node, tree.right)?;
    if at != 0 {
        for _ in 0..DEEPEST {
            match link(at, tree.left)? {
                0 => return Ok(at),
                left => at = left,
            }
        }
        return Err("<corrupt: deeper than any tree>".to_owned());
    }
    let (mut at, mut up) = (node, link(node, tree.parent)?);
    for _ in 0..DEEPEST {
        if link(up, tree.right)? != at {
            // The container's own node is the root's parent and its child: from the last node the way ends there.
            return Ok(if link(at, tree.right)? == up { at } else { up });
        }
        (at, up) = (up, link(up, tree.parent)?);
    }
    Err("<corrupt: deeper than any tree>".to_owned())
}
