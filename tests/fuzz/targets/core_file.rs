//! A core of arbitrary bytes, triaged without any file, made slim, and read as a stream.
#![no_main]

use std::sync::Arc;

use crafted::Given;
use epitaph_elf::{CoreFile, Memory, ReadAt, SlimCore, SlimOptions, StreamLimits, keep};
use epitaph_triage::{Options, Silent, triage};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = keep(&mut &*bytes, &StreamLimits::default());
    let Ok(core) = CoreFile::open(Arc::new(bytes.to_vec())) else { return };
    for segment in core.segments().iter().take(100) {
        for address in [segment.address, segment.end().wrapping_sub(8)] {
            let _ = (core.read(address, &mut [0; 16]), core.is_executable(address));
        }
    }
    if let Ok(slim) = SlimCore::new(&core, &SlimOptions::default()) {
        let mut whole = vec![0; slim.size().min(1 << 20) as usize];
        let _ = ReadAt::read_at(&slim, 0, &mut whole);
    }
    triage(core.process(), &core, &Given(Vec::new()), &Options::default(), &mut Silent);
});
