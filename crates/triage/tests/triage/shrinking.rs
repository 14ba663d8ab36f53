//! A core that somebody cuts off while it is read: a shorter story, which says so.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use epitaph_elf::{CoreFile, ReadAt};
use epitaph_summary::Stop;
use epitaph_symbols::{FileSearch, SearchOptions};
use epitaph_testkit::crash::{Crash, program};
use epitaph_triage::{Options, Silent, triage};

/// A file that is cut off to `end` bytes after so many reads.
struct Shrinking {
    bytes: Vec<u8>,
    reads: AtomicUsize,
    end: usize,
}

impl ReadAt for Shrinking {
    fn size(&self) -> io::Result<u64> {
        let cut = self.reads.load(Ordering::Relaxed) == 0;
        Ok(if cut { self.end } else { self.bytes.len() } as u64)
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let left = |reads: usize| Some(reads.saturating_sub(1));
        let cut = self.reads.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left) == Ok(0);
        let end = if cut { self.end } else { self.bytes.len() };
        self.bytes[..end].read_at(offset, buf)
    }
}

#[test]
fn what_is_gone_is_said_to_be_gone() {
    let Some(crash) = Crash::of_or_skip(program("null_deref")) else { return };
    let bytes = std::fs::read(&crash.core).unwrap();
    let whole = CoreFile::open(Arc::new(bytes.clone())).unwrap();
    let files = FileSearch::new(SearchOptions::default());
    let story = |core: &CoreFile| {
        triage(core.process(), core, &files, &Options::default(), &mut Silent).summary.threads
    };
    let expected = story(&whole);
    // The stack lies behind this.
    let sp = whole.process().threads[0].registers.get(7).unwrap();
    let end = whole.segment_at(sp).unwrap().offset as usize;
    let (mut refused, mut cut, mut unharmed) = (0, 0, 0);
    for reads in 0..60 {
        let source = Shrinking { bytes: bytes.clone(), reads: AtomicUsize::new(reads), end };
        let Ok(core) = CoreFile::open(Arc::new(source)) else {
            refused += 1;
            continue;
        };
        let threads = story(&core);
        let Some(thread) = threads.first() else { continue };
        let frames = &thread.frames;
        let pcs = |frames: &[epitaph_summary::Frame]| frames.iter().map(|frame| frame.pc).collect::<Vec<_>>();
        assert!(pcs(&expected[0].frames).starts_with(&pcs(frames)), "{reads}: {frames:#?}");
        if thread.stop == Some(Stop::Truncated) {
            assert!(thread.stop_detail.as_ref().unwrap().contains("end of the truncated core"));
            cut += 1;
        } else if threads == expected {
            unharmed += 1;
        }
    }
    assert!(cut > 0, "{refused} refused, {cut} cut, {unharmed} unharmed");
    assert!(unharmed > 0, "{refused} refused, {cut} cut, {unharmed} unharmed");
}
