//! An object file of arbitrary bytes.
#![no_main]

use epitaph_elf::{Bytes, Object};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(object) = Object::parse(Bytes::from(bytes.to_vec())) {
        crafted::use_up(&object);
    }
});
