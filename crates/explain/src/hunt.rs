//! A search through all that a process had written to: the last resort, for what no pointer leads to.

use epitaph_elf::Memory;

use crate::scene::Scene;

/// Bytes that are read at a time.
const CHUNK: u64 = 256 << 10;

/// Finds up to `most` places that hold `pattern` in the process's writable memory (its files' own data last), of which
/// `budget` bytes are looked at.
pub(crate) fn hunt(scene: &Scene<'_>, pattern: &[u8], budget: u64, most: usize) -> Vec<u64> {
    let finder = memchr::memmem::Finder::new(pattern);
    let mut regions: Vec<(bool, u64, u64)> = scene
        .memory
        .regions()
        .iter()
        .filter(|region| region.write && region.file_size > 0)
        .map(|region| (scene.loaded.find(region.address).is_some(), region.address, region.file_size))
        .collect();
    regions.sort_unstable();
    let (mut found, mut left) = (Vec::new(), budget);
    for (_, start, size) in regions {
        let size = size.min(left);
        left -= size;
        search(scene.memory, &finder, start, start.saturating_add(size), most, &mut found);
        if found.len() >= most || left == 0 {
            break;
        }
    }
    found
}

/// Searches one range.
fn search(
    memory: &dyn Memory,
    finder: &memchr::memmem::Finder<'_>,
    start: u64,
    end: u64,
    most: usize,
    found: &mut Vec<u64>,
) {
    let overlap = (finder.needle().len() as u64).saturating_sub(1);
    let mut buffer = vec![0; CHUNK as usize];
    let mut at = start;
    while at < end && found.len() < most {
        let size = CHUNK.min(end - at);
        let part = buffer.get_mut(..size as usize).unwrap_or_default();
        if memory.read(at, part).is_err() {
            return;
        }
        found.extend(finder.find_iter(part).take(most - found.len()).map(|offset| at + offset as u64));
        // A place that lies across two reads is found in the second.
        at = if size < CHUNK { end } else { at + size - overlap };
    }
}
