//! Where everything is in a slim core's file.
//!
//! ELF header, program headers, the original's notes and our own come first, then the memory that is kept, in pages. A
//! part of a segment that had not been dumped keeps its program header, whose file size is 0: debuggers take it as they
//! did in the original. What we leave out has no program header at all: of a header that says how much memory there is
//! but has no bytes for it, gdb reads zeros.

use super::kept::Held;
use super::note::{NT_SLIM, OWNER, Region, SlimNote, Slimmed};
use super::plan::Plan;
use super::{PAGE, SlimError};
use crate::core_file::CoreFile;
use crate::encode::Encoder;
use crate::header::{Class, LONGEST_HEADER};
use crate::note::whole_notes;
use crate::pieces::{Extent, Pieces};
use crate::read_at::read_up_to;
use crate::redact::Redact;
use crate::segment::Segment;

/// A slim core, laid out.
pub(super) struct Layout {
    pub(super) pieces: Pieces,
    pub(super) made_of: Slimmed,
    /// How many segments it has.
    pub(super) segments: usize,
}

/// Lays out what is kept of a core.
pub(super) fn lay_out(
    core: &CoreFile,
    plan: &Plan,
    redact: Option<&dyn Redact>,
) -> Result<Layout, SlimError> {
    let header = core.header();
    let regions = core.regions();
    let original = read_up_to(core.source(), 0, LONGEST_HEADER)?;
    let mut loads = loads(&regions, plan);
    let note = note(core, plan, regions, redact.is_some());
    let made_of = note.facts.clone();
    let mut notes = Encoder::new(header, &original);
    copy_notes(core, redact, &mut notes)?;
    notes.note(OWNER, NT_SLIM, &note.encode());
    let notes = notes.into_bytes();

    let mut out = Encoder::new(header, &original);
    let count = loads.len() as u64 + 1;
    let notes_at = out.size(count);
    let section_at = (notes_at + notes.len() as u64).next_multiple_of(8);
    let mut next = (section_at + out.section_size(count)).next_multiple_of(PAGE);
    let mut extents = Vec::new();
    for Load { segment, source } in &mut loads {
        segment.offset = next;
        if let Some(source) = *source {
            let (size, address) = (segment.file_size, segment.address);
            extents.push(Extent { offset: next, size, address, source });
            next = (next + size).next_multiple_of(PAGE);
        }
    }
    if header.class == Class::Elf32 && u32::try_from(extents.last().map_or(next, Extent::end)).is_err() {
        return Err(SlimError::TooLarge { bits: core.process().arch.bits() });
    }
    out.header(count, section_at);
    out.notes(notes_at, notes.len() as u64);
    for load in &loads {
        out.load(&load.segment);
    }
    out.raw(&notes);
    if out.section_size(count) > 0 {
        out.pad(8);
        out.section(count);
    }
    out.pad(PAGE as usize);
    Ok(Layout { pieces: Pieces::new(out.into_bytes(), extents), made_of, segments: loads.len() })
}

/// A program header to be, and where its bytes are in the original's file; none where it has none.
struct Load {
    segment: Segment,
    source: Option<u64>,
}

/// Makes the segments of a slim core, by address.
fn loads(regions: &[Region], plan: &Plan) -> Vec<Load> {
    let mut kept = kept_parts(plan).into_iter().peekable();
    let mut loads = Vec::new();
    for Region { segment, .. } in regions {
        let dumped_end = segment.address.saturating_add(segment.file_size);
        while let Some(part) = kept.next_if(|part| part.address < segment.end()) {
            let size = part.size;
            let segment = Segment { address: part.address, memory_size: size, file_size: size, ..*segment };
            loads.push(Load { segment, source: Some(part.offset) });
        }
        if dumped_end == segment.end() {
            continue;
        }
        // The rest had not been dumped.
        match loads.last_mut().map(|load| &mut load.segment) {
            Some(last) if last.end() == dumped_end && last.address >= segment.address => {
                last.memory_size = segment.end() - last.address;
            }
            _ => {
                let memory_size = segment.end() - dumped_end;
                let rest = Segment { address: dumped_end, memory_size, file_size: 0, ..*segment };
                loads.push(Load { segment: rest, source: None });
            }
        }
    }
    loads
}

/// Splits what is kept where what the core holds is split: there, its place in the file changes.
fn kept_parts(plan: &Plan) -> Vec<Held> {
    let mut parts = Vec::new();
    let mut held = plan.held.iter().peekable();
    for range in &plan.ranges {
        while held.next_if(|held| held.range().end <= range.start).is_some() {}
        let mut start = range.start;
        while let Some(own) = held.peek().filter(|held| held.address < range.end && start < range.end) {
            let end = range.end.min(own.range().end);
            parts.push(Held {
                address: start,
                size: end - start,
                offset: own.offset + (start - own.address),
            });
            start = end;
            if end < own.range().end {
                break; // There may be more of it in what is kept next.
            }
            held.next();
        }
    }
    parts
}

/// Copies the notes, but for our own of an earlier time.
fn copy_notes(core: &CoreFile, redact: Option<&dyn Redact>, out: &mut Encoder<'_>) -> Result<(), SlimError> {
    for (offset, size) in core.note_places() {
        let mut bytes = read_up_to(core.source(), *offset, *size as usize)?;
        if (bytes.len() as u64) < *size {
            let why = "the core has become shorter since it was opened";
            return Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, why).into());
        }
        let kept: usize = whole_notes(&bytes, core.header().endian).map(|(_, own)| own.len()).sum();
        bytes.truncate(kept);
        if let Some(redact) = redact {
            redact.notes(&mut bytes);
        }
        for (note, own) in whole_notes(&bytes, core.header().endian) {
            if (note.name, note.kind) != (OWNER, NT_SLIM) {
                out.raw(own);
                out.pad(4);
            }
        }
    }
    Ok(())
}

/// Makes our own note.
fn note(core: &CoreFile, plan: &Plan, regions: Vec<Region>, scrubbed: bool) -> SlimNote {
    let before = core.process().slim.as_ref();
    let held = regions.iter().fold(0_u64, |sum, region| sum.saturating_add(region.available));
    let facts = Slimmed {
        original_size: before.map_or(core.size(), |before| before.original_size),
        dropped_bytes: held.saturating_sub(plan.kept_bytes.total()),
        cut_stacks: before.map_or(0, |before| before.cut_stacks).max(plan.cut_stacks),
        scrubbed: scrubbed || before.is_some_and(|before| before.scrubbed),
    };
    SlimNote { facts, defects: core.process().defects.clone(), regions }
}
