//! Waits for cores that are still being written.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, Instant, SystemTime};

/// A file that changed this recently may be growing.
const FRESH: Duration = Duration::from_secs(1);
/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(40);
/// A file that was the same in so many looks on end is taken for finished.
const STEADY_LOOKS: u32 = 3;

/// Returns whether a file last written at `modified` may still be growing.
///
/// File servers' clocks differ from ours: a time just ahead of us counts as well.
pub(super) fn is_fresh(modified: SystemTime, now: SystemTime) -> bool {
    match now.duration_since(modified) {
        Ok(age) => age < FRESH,
        Err(ahead) => ahead.duration() < FRESH,
    }
}

/// Waits until none of `files` changes any more, at most for `patience`; returns for each whether it still
/// does.
pub(super) fn settle(files: &[&File], patience: Duration) -> Vec<bool> {
    let deadline = Instant::now() + patience;
    let mut watched: Vec<Watched<'_>> =
        files.iter().map(|file| Watched { file, state: state(file), steady: 0 }).collect();
    while watched.iter().any(Watched::moves) && Instant::now() < deadline {
        std::thread::sleep(PAUSE);
        watched.iter_mut().filter(|watched| watched.moves()).for_each(Watched::look);
    }
    watched.iter().map(Watched::moves).collect()
}

struct Watched<'a> {
    file: &'a File,
    state: Option<State>,
    steady: u32,
}

/// Size, blocks and time of change of a file.
type State = (u64, u64, i64, i64);

fn state(file: &File) -> Option<State> {
    let metadata = file.metadata().ok()?;
    Some((metadata.len(), metadata.blocks(), metadata.mtime(), metadata.mtime_nsec()))
}

impl Watched<'_> {
    fn look(&mut self) {
        let state = state(self.file);
        self.steady = if state == self.state { self.steady + 1 } else { 0 };
        self.state = state;
    }

    fn moves(&self) -> bool {
        self.steady < STEADY_LOOKS
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn a_still_file_is_taken_soon() {
        let file = tempfile::tempfile().unwrap();
        let started = Instant::now();
        assert_eq!(settle(&[&file], Duration::from_secs(10)), [false]);
        assert!(started.elapsed() < Duration::from_secs(2));
    }

    #[test]
    fn a_file_that_never_stops_growing_is_told() {
        let file = tempfile::tempfile().unwrap();
        let done = Arc::new(AtomicBool::new(false));
        let writer = {
            let (mut file, done) = (file.try_clone().unwrap(), Arc::clone(&done));
            std::thread::spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    file.write_all(b"x").unwrap();
                    std::thread::sleep(Duration::from_millis(5));
                }
            })
        };
        assert_eq!(settle(&[&file], Duration::from_millis(400)), [true]);
        done.store(true, Ordering::Relaxed);
        writer.join().unwrap();
    }

    #[test]
    fn fresh_means_within_a_second_either_way() {
        let now = SystemTime::now();
        assert!(is_fresh(now - Duration::from_millis(900), now));
        assert!(is_fresh(now + Duration::from_millis(900), now));
        assert!(!is_fresh(now - Duration::from_millis(1100), now));
        assert!(!is_fresh(now + Duration::from_secs(60), now));
    }
}
