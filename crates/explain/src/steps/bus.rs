//! SIGBUS: memory that is mapped and isn't there, and accesses that must be aligned.

use epitaph_elf::FileMapping;
use epitaph_elf::signals::{SIGBUS, SIGSEGV};
use epitaph_summary::{Cause, Confidence};

use super::told;
use crate::failure::Failure;
use crate::scene::Scene;

const BUS_ADRALN: i32 = 1;
const BUS_ADRERR: i32 = 2;
const BUS_OBJERR: i32 = 3;
const BUS_MCEERR_AR: i32 = 4;
const BUS_MCEERR_AO: i32 = 5;

/// Recognizes the reasons of a bus error.
pub(super) fn find(scene: &Scene<'_>, found: &[Cause]) -> Option<Cause> {
    let failure = scene.failure.as_ref().filter(|_| !told(found))?;
    match scene.signal()? {
        (SIGBUS, Some(BUS_ADRALN)) => {
            let summary = match failure.start() {
                Some(address) => format!("misaligned access at {address:#x}"),
                None => "misaligned access".to_owned(),
            };
            Some(failure.cause("misaligned", Confidence::High, summary))
        }
        (SIGBUS, Some(BUS_ADRERR | BUS_OBJERR) | None) => beyond_file(scene, failure),
        (SIGBUS, Some(BUS_MCEERR_AR | BUS_MCEERR_AO)) => {
            let summary = "the memory's hardware reported an error that it can't correct";
            Some(failure.cause_without_access("hw_memory", Confidence::High, summary))
        }
        // x86 doesn't tell a vector's bad alignment from other things that are forbidden.
        (SIGSEGV, _) => misaligned_vector(failure),
        _ => None,
    }
}

/// The file that is mapped there has no such page: it was truncated, or its storage failed or is full.
fn beyond_file(scene: &Scene<'_>, failure: &Failure) -> Option<Cause> {
    let address = failure.address?;
    let Some(file) = scene.space.file(address) else {
        let summary = format!("access at {address:#x}, to memory that is mapped and isn't there");
        return Some(failure.cause("bus_truncated_file", Confidence::Low, summary));
    };
    let offset = file.offset.saturating_add(address - file.start);
    let summary =
        format!("access to {name} at its offset {offset:#x}, where the file has no bytes", name = name(file));
    let mut cause = failure.cause("bus_truncated_file", Confidence::High, summary);
    cause.evidence.push(format!(
        "{} is mapped from {:#x} to {:#x}, from its offset {:#x} on: it was truncated since, or its storage is full",
        file.path.to_string_lossy(),
        file.start,
        file.end,
        file.offset
    ));
    Some(cause)
}

/// Returns a file's name for a sentence.
fn name(file: &FileMapping) -> String {
    const LONGEST: usize = 60;
    let path = file.path.to_string_lossy();
    let name = path.rsplit('/').next().unwrap_or(&path);
    name.chars().take(LONGEST).collect()
}

fn misaligned_vector(failure: &Failure) -> Option<Cause> {
    let operand = failure.operand.as_ref()?;
    let address = operand.address?;
    if failure.address != Some(address)
        || operand.alignment < 2
        || address.is_multiple_of(operand.alignment.into())
    {
        return None;
    }
    let summary = format!("access at {address:#x}, which must be a multiple of {}", operand.alignment);
    Some(failure.cause("misaligned", Confidence::High, summary))
}
