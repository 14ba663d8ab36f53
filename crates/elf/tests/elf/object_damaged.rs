//! Object files that are cut or bent: never a panic, never much memory or time.

use std::fs::File;
use std::time::{Duration, Instant};

use epitaph_elf::{Bytes, Object, SymbolTable};
use epitaph_testkit::need_tool;
use epitaph_testkit::scratch::Scratch;

use crate::allocation::peak;
use crate::support::{SH_OFFSET, SH_SIZE, section_header};

/// A library of a few kilobytes, with its debug information compressed.
fn small_library(scratch: &Scratch) -> Vec<u8> {
    scratch
        .write("a.s", ".globl f\n.type f,@function\nf: .cfi_startproc\n ret\n .cfi_endproc\n.size f,.-f\n");
    scratch.write("b.c", "int twice(int n) { return 2 * n; }");
    scratch.run("gcc -g -gz=zlib -shared -nostdlib -fPIC -Wl,-z,max-page-size=64 -o small.so a.s b.c");
    scratch.read("small.so")
}

/// Does with an object all that this crate can.
fn use_up(bytes: Bytes) {
    let Ok(object) = Object::parse(bytes) else { return };
    for name in [".text", ".debug_info", ".debug_line", ".eh_frame", ".symtab", ".strtab", ".dynsym"] {
        let start = object.section_start(name, 7).map(|bytes| bytes.map(<[u8]>::len));
        let whole = object.section(name).map(|bytes| bytes.map(<[u8]>::len));
        if let (Ok(start), Ok(whole)) = (start, whole) {
            assert!(start <= whole);
        }
        let _ = object.section_address(name);
    }
    for table in [SymbolTable::Static, SymbolTable::Dynamic] {
        for symbol in object.symbols(table) {
            assert!(!symbol.name().is_empty());
        }
    }
    for segment in object.segments() {
        for address in [segment.address, segment.end(), segment.end().wrapping_sub(1)] {
            let there = object.data_from(address).map_or(0, <[u8]>::len);
            assert_eq!(object.data_at(address, there).is_some(), object.data_from(address).is_some());
            let _ = (object.code_section_at(address), object.is_plt(address));
        }
    }
    let _ = (object.eh_frame_hdr(), object.debug_link(), object.build_id(), object.arch(), object.machine());
}

#[test]
fn every_prefix_and_every_bent_byte_is_survived() {
    need_tool!("gcc");
    let scratch = Scratch::new();
    let whole = small_library(&scratch);
    assert!(whole.len() < 32 << 10, "{}", whole.len());
    let start = Instant::now();
    for len in (0..whole.len()).step_by(13) {
        use_up(Bytes::from(whole[..len].to_vec()));
    }
    let mut bytes = whole;
    for at in 0..bytes.len() {
        for pattern in [0x01, 0x80, 0xff] {
            bytes[at] ^= pattern;
            let ((), allocated) = peak(|| use_up(Bytes::from(bytes.clone())));
            assert!(allocated < 16 << 20, "byte {at:#x} ^ {pattern:#x}: {allocated} bytes");
            bytes[at] ^= pattern;
        }
    }
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
}

#[test]
fn prefixes_of_a_large_object_are_survived() {
    let own = File::open(std::env::current_exe().unwrap()).unwrap();
    let whole = Bytes::map(&own).unwrap();
    for part in 0..24 {
        use_up(whole.slice(0..whole.len() / 24 * part).unwrap());
    }
    assert!(whole.slice(0..whole.len() + 1).is_none() && whole.slice(1..usize::MAX).is_none());
}

/// A table of names without a single NUL, and thousands of symbols that all point into it.
#[test]
fn names_without_an_end_take_no_time() {
    need_tool!("gcc");
    let scratch = Scratch::new();
    let source: Vec<String> =
        (0..20_000).map(|index| format!("f{index}: nop\n.type f{index},@function\n")).collect();
    scratch.write("a.s", source.concat());
    scratch.run("gcc -c -o a.o a.s");
    let mut file = scratch.read("a.o");
    let (names, len) = (section_header(&file, ".strtab"), 8 << 20);
    let end = file.len() as u64;
    file[names + SH_OFFSET..][..8].copy_from_slice(&end.to_le_bytes());
    file[names + SH_SIZE..][..8].copy_from_slice(&u64::to_le_bytes(len));
    file.resize(file.len() + len as usize, b'x');
    let object = Object::parse(Bytes::from(file)).unwrap();
    let start = Instant::now();
    let symbols: Vec<_> = object.symbols(SymbolTable::Static).collect();
    assert!(symbols.len() >= 20_000);
    assert!(symbols[0].name().len() < 1 << 20);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}
