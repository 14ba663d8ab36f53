//! Skims through a unit's entries: what stands where, and how deep.
//!
//! A unit may have a million entries, of which a handful is wanted, and nothing says where. So what is passed over must
//! cost next to nothing: what it takes to pass an entry (how many bytes its attributes have) is the same for all entries
//! of one abbreviation, and is worked out once. Layout: DWARF 5, 7.5.

use gimli::{Reader as _, Unit, UnitOffset};

use crate::dwarf::Slice;
use crate::shape::{Shape, Shapes, Step};

/// Where a unit is read.
pub(crate) struct Skim<'u, 'a> {
    unit: &'u Unit<Slice<'a>>,
    /// The unit's entries, from the one on where the reading began.
    entries: Slice<'a>,
    /// Offset of the first of them in the unit.
    base: usize,
    /// Where the next entry is in them.
    at: usize,
    depth: isize,
    /// The lowest depth that it was at since it met an entry.
    lowest: isize,
}

/// An entry that was met.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Met {
    pub(crate) offset: UnitOffset,
    /// How deep it is: the unit's root is at 0.
    pub(crate) depth: isize,
    /// The lowest depth on the way here from what was met before: it ends all that began there or deeper.
    pub(crate) lowest: isize,
    /// The code of its abbreviation.
    pub(crate) code: u64,
}

impl<'u, 'a> Skim<'u, 'a> {
    /// Reads a unit from one of its entries on, which stands at a depth.
    pub(crate) fn new(
        unit: &'u Unit<Slice<'a>>,
        from: UnitOffset,
        depth: isize,
    ) -> gimli::Result<Skim<'u, 'a>> {
        let entries = unit.header.range_from(from..)?;
        Ok(Skim { unit, entries, base: from.0, at: 0, depth, lowest: depth })
    }

    /// Returns where the next entry is, or its attributes, where one was met.
    pub(crate) fn offset(&self) -> UnitOffset {
        UnitOffset(self.base + self.at)
    }

    /// Returns how deep the next entry is.
    pub(crate) fn depth(&self) -> isize {
        self.depth
    }

    /// Returns the lowest depth on the way to the next entry from what was met before.
    pub(crate) fn lowest(&self) -> isize {
        self.lowest.min(self.depth)
    }

    /// Passes entries until it meets one that has one of the wanted `roles`, and whose attributes are next then; `None`
    /// at `end` or at the unit's.
    pub(crate) fn meet<'s>(
        &mut self,
        shapes: &'s mut Shapes,
        roles: u8,
        end: UnitOffset,
    ) -> gimli::Result<Option<(Met, &'s Shape)>> {
        let bytes = self.entries.slice();
        let end = bytes.len().min(end.0.saturating_sub(self.base));
        while self.at < end {
            let start = self.at;
            let code = match (bytes.get(start), bytes.get(start + 1)) {
                // The entries beside each other end here.
                (Some(0), _) => {
                    self.at += 1;
                    self.depth -= 1;
                    self.lowest = self.lowest.min(self.depth);
                    continue;
                }
                (Some(byte @ ..0x80), _) => {
                    self.at += 1;
                    u64::from(*byte)
                }
                (Some(low), Some(high @ ..0x80)) => {
                    self.at += 2;
                    u64::from(low & 0x7f) | u64::from(*high) << 7
                }
                _ => self.long_code()?,
            };
            match shapes.get(code) {
                Some(shape) if shape.roles & roles == 0 => {
                    self.depth += isize::from(shape.has_children);
                    if shape.steps.is_empty() {
                        self.at += shape.first;
                    } else {
                        self.pass(shape)?;
                    }
                }
                Some(_) => {
                    let depth = self.depth;
                    let lowest = std::mem::replace(&mut self.lowest, isize::MAX).min(depth);
                    let met = Met { offset: UnitOffset(self.base + start), depth, lowest, code };
                    let shape = shapes.get(code).map(|shape| (met, shape));
                    self.depth += isize::from(shape.is_some_and(|(_, shape)| shape.has_children));
                    return Ok(shape);
                }
                None => {
                    shapes.learn(self.unit, code)?;
                    self.at = start;
                }
            }
        }
        self.rest(self.at)?;
        Ok(None)
    }

    /// Passes the attributes of the entry that was met last; returns where the next one is that isn't in it, if they
    /// say so.
    pub(crate) fn pass(&mut self, shape: &Shape) -> gimli::Result<Option<UnitOffset>> {
        let bytes = self.entries.slice();
        let mut sibling = None;
        let mut at = self.at + shape.first;
        for step in &shape.steps {
            at = match step {
                Step::Bytes(count) => at + count,
                Step::Leb128 => {
                    while bytes.get(at).is_some_and(|byte| byte & 0x80 != 0) {
                        at += 1;
                    }
                    at + 1
                }
                Step::Block => match bytes.get(at) {
                    Some(len @ ..0x80) => at + 1 + usize::from(*len),
                    _ => {
                        let mut rest = self.rest(at)?;
                        let len = usize::try_from(rest.read_uleb128()?).unwrap_or(usize::MAX);
                        (bytes.len() - rest.len()).saturating_add(len)
                    }
                },
                Step::Sibling => {
                    sibling = Some(UnitOffset(self.rest(at)?.read_u32()? as usize));
                    at + 4
                }
                Step::Other(specification) => {
                    let nothing = gimli::Abbreviations::default();
                    let here = UnitOffset(self.base + at);
                    let mut entries = self.unit.header.entries_raw(&nothing, Some(here))?;
                    entries.skip_attributes(&[*specification])?;
                    entries.next_offset().0 - self.base
                }
            };
            // Also so that no sum can overflow.
            if at > bytes.len() {
                self.rest(at)?;
            }
        }
        self.at = at;
        Ok(sibling)
    }

    /// Reads on somewhere behind, at the same depth.
    pub(crate) fn read_on(&mut self, at: UnitOffset) -> gimli::Result<()> {
        let ahead = at.0.checked_sub(self.base).filter(|ahead| *ahead >= self.at);
        self.at = ahead.ok_or(gimli::Error::OffsetOutOfBounds(at.0 as u64))?;
        self.rest(self.at).map(drop)
    }

    /// Passes all that is in an entry that was at `depth`, by what its attributes say.
    pub(crate) fn pass_children(&mut self, sibling: UnitOffset, depth: isize) -> gimli::Result<()> {
        self.depth = depth;
        self.lowest = self.lowest.min(depth);
        self.read_on(sibling)
    }

    /// Returns what is left of the unit from a place on; an error if that is beyond its end.
    fn rest(&self, at: usize) -> gimli::Result<Slice<'a>> {
        let mut rest = self.entries;
        rest.skip(at)?;
        Ok(rest)
    }

    /// Reads a code of several bytes.
    #[cold]
    fn long_code(&mut self) -> gimli::Result<u64> {
        let mut rest = self.rest(self.at)?;
        let code = rest.read_uleb128()?;
        self.at = self.entries.len() - rest.len();
        Ok(code)
    }
}
