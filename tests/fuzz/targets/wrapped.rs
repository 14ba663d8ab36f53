//! A file of arbitrary bytes, opened as what may hold a core.
#![no_main]

use std::io::Write;

use epitaph_bundle::{OpenLimits, open_core_within};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(bytes).expect("it takes a few bytes");
    let limits = OpenLimits { largest: 64 << 20, ..OpenLimits::default() };
    if let Ok(core) = open_core_within(file.path(), &limits) {
        assert!(core.size <= limits.largest + (8 << 20), "{} bytes", core.size);
    }
});
