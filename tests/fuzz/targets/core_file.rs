//! A core of arbitrary bytes, triaged without any file.
#![no_main]

use std::sync::Arc;

use crafted::Given;
use epitaph_elf::{CoreFile, Memory};
use epitaph_triage::{Options, Silent, triage};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(core) = CoreFile::open(Arc::new(bytes.to_vec())) else { return };
    for segment in core.segments().iter().take(100) {
        for address in [segment.address, segment.end().wrapping_sub(8)] {
            let _ = (core.read(address, &mut [0; 16]), core.is_executable(address));
        }
    }
    triage(core.process(), &core, &Given(Vec::new()), &Options::default(), &mut Silent);
});
