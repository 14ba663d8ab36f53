//! How much of a core is there.

use epitaph_elf::{Defect, Memory, Process, Thread};
use epitaph_summary::{self as summary, Completeness, Core, CoreContent, Slim, Stop};

/// Grades a core by what its threads' stack pointers still lead to; the rest of `known` stays.
pub(crate) fn grade(process: &Process, memory: &dyn Memory, known: Core) -> Core {
    let missing = process
        .defects
        .iter()
        .map(|defect| match defect {
            Defect::Truncated { missing } => *missing,
            _ => 0,
        })
        .max()
        .unwrap_or(0);
    let lost = missing > 0 || process.defects.contains(&Defect::SegmentCountLost);
    let has_stack = |thread: &Thread| {
        let sp = thread.registers.get(process.arch.sp);
        sp.is_some_and(|sp| memory.read(sp, &mut [0; 8]).is_ok())
    };
    let completeness = if process.threads.is_empty() || process.defects.contains(&Defect::NotesCut) {
        Completeness::Headers
    } else if !lost {
        Completeness::Complete
    } else if process.threads.iter().all(has_stack) {
        Completeness::Stacks
    } else if process.threads.first().is_some_and(has_stack) {
        Completeness::CrashingStack
    } else {
        Completeness::Notes
    };
    let slim = process.slim.as_ref().map(|made_of| Slim {
        original_size: Some(made_of.original_size),
        dropped_bytes: Some(made_of.dropped_bytes),
    });
    let scrubbed = process.slim.as_ref().is_some_and(|made_of| made_of.scrubbed);
    Core {
        producer: process.producer.map(str::to_owned),
        completeness: Some(completeness),
        missing_bytes: (missing > 0).then_some(missing),
        content: if slim.is_some() { Some(CoreContent::Slim) } else { known.content },
        slim: slim.or(known.slim),
        scrubbed: if scrubbed { Some(true) } else { known.scrubbed },
        ..known
    }
}

/// Grades a core down where a walk has come to the cut: the stack pointer led to the first part of a stack only.
pub(crate) fn after_walk(core: &mut Core, walked: &[summary::Thread]) {
    let mut cut = walked.iter().filter(|thread| thread.stop == Some(Stop::Truncated));
    let grade = match (core.completeness, cut.next()) {
        (Some(Completeness::Stacks | Completeness::CrashingStack), Some(first)) if first.crashed => {
            Completeness::Notes
        }
        (Some(Completeness::Stacks), Some(_)) => Completeness::CrashingStack,
        _ => return,
    };
    core.completeness = Some(grade);
}
