//! Object files as this machine's tools make them.

use std::collections::BTreeMap;
use std::fs::File;
use std::process::Command;

use epitaph_elf::{Binding, Bytes, Object, ObjectError, SymbolKind, SymbolTable};
use epitaph_testkit::need_tool;
use epitaph_testkit::scratch::Scratch;

use crate::support::{SH_OFFSET, SH_SIZE, section_header};

/// A library with an import, exports of each binding, a function that nobody else sees, and something in each of the
/// usual sections.
const SOURCE: &str = r#"
    #include <stdio.h>
    int shared_counter = 7;
    static __attribute__((noinline)) int hidden(int n) { return n * shared_counter; }
    __attribute__((weak)) int maybe(int n) { return hidden(n) + 1; }
    int exported(int n) { printf("%d\n", n); return maybe(n) + hidden(n); }
"#;

const BUILD: &str = "gcc -g -O1 -shared -fPIC -fcf-protection=none -Wl,-z,lazy \
                     -Wl,--build-id=0x0123456789abcdef -o lib.so lib.c";

fn library() -> Scratch {
    let scratch = Scratch::new();
    scratch.write("lib.c", SOURCE);
    scratch.run(BUILD);
    scratch
}

fn parse(bytes: Vec<u8>) -> Object {
    Object::parse(Bytes::from(bytes)).unwrap()
}

#[test]
fn the_build_id_is_the_linkers() {
    need_tool!("gcc", "objcopy");
    let scratch = library();
    scratch.run("objcopy --only-keep-debug lib.so lib.debug");
    for file in ["lib.so", "lib.debug"] {
        let id = parse(scratch.read(file)).build_id().map(ToString::to_string);
        assert_eq!(id.as_deref(), Some("0123456789abcdef"), "{file}");
    }
    scratch.run("gcc -shared -fPIC -Wl,--build-id=none -o none.so lib.c");
    assert_eq!(parse(scratch.read("none.so")).build_id(), None);
}

#[test]
fn what_was_stripped_is_not_there() {
    need_tool!("gcc", "objcopy", "strip");
    let scratch = library();
    let whole = parse(scratch.read("lib.so"));
    assert!(whole.has_debug_info() && whole.has_section(".text") && whole.has_section(".symtab"));
    scratch.run("objcopy --only-keep-debug lib.so lib.debug");
    scratch.run("strip lib.so");
    let stripped = parse(scratch.read("lib.so"));
    assert!(!stripped.has_debug_info() && !stripped.has_section(".symtab"));
    assert_eq!(stripped.symbols(SymbolTable::Static).count(), 0);
    assert!(stripped.symbols(SymbolTable::Dynamic).count() > 0);
    assert!(stripped.eh_frame_hdr().is_some(), "it is loaded, and stays");
    // The debug file keeps the headers of what it lacks, as shells without bytes.
    let debug = parse(scratch.read("lib.debug"));
    assert!(debug.has_debug_info() && debug.has_section(".symtab") && !debug.has_section(".text"));
    assert_eq!(debug.section(".text"), Ok(None));
}

/// CRC-32 of IEEE 802.3, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}

#[test]
fn the_debug_link_names_a_file_and_its_checksum() {
    need_tool!("gcc", "objcopy");
    let scratch = library();
    assert_eq!(parse(scratch.read("lib.so")).debug_link(), None);
    // The name's length decides how much padding comes before the checksum.
    for name in ["a", "ab", "abc", "abcd", "lib.so.debug"] {
        scratch.run(&format!("objcopy --only-keep-debug lib.so {name}"));
        scratch.run(&format!("objcopy --add-gnu-debuglink={name} lib.so linked.so"));
        let link = parse(scratch.read("linked.so")).debug_link().unwrap();
        assert_eq!((link.name.to_str(), link.crc), (Some(name), crc32(&scratch.read(name))));
    }
}

/// `nm` and this crate, asked about the same tables.
#[test]
fn symbols_are_those_that_nm_lists() {
    need_tool!("gcc", "nm", "sh");
    let scratch = library();
    for (table, option) in [(SymbolTable::Static, ""), (SymbolTable::Dynamic, "-D")] {
        scratch.write("list", format!("nm --defined-only -S {option} --without-symbol-versions lib.so >out"));
        scratch.run("sh list");
        let listed = String::from_utf8(scratch.read("out")).unwrap();
        // Address, size (some have none), letter, name; T, t and W are code.
        let code: BTreeMap<String, (u64, u64, char)> = listed
            .lines()
            .filter_map(|line| {
                let words: Vec<&str> = line.split_whitespace().collect();
                let (name, letter) = (words[words.len() - 1], words[words.len() - 2].chars().next()?);
                let number = |text: &str| u64::from_str_radix(text, 16).unwrap();
                let size = if words.len() == 4 { number(words[1]) } else { 0 };
                "TtW".contains(letter).then(|| (name.to_owned(), (number(words[0]), size, letter)))
            })
            .collect();
        let object = parse(scratch.read("lib.so"));
        let ours: BTreeMap<String, (u64, u64, char)> = object
            .symbols(table)
            .filter(|symbol| symbol.kind == SymbolKind::Function)
            .map(|symbol| {
                let letter = match symbol.binding {
                    Binding::Global => 'T',
                    Binding::Weak => 'W',
                    Binding::Local => 't',
                };
                let name = String::from_utf8(symbol.name().to_vec()).unwrap();
                (name, (symbol.address, symbol.size, letter))
            })
            .collect();
        for name in ["exported", "maybe"] {
            assert!(code[name].1 > 0 && code.get(name) == ours.get(name), "{name}: {code:?} {ours:?}");
        }
        assert_eq!(code.get("hidden"), ours.get("hidden"));
        assert_eq!(ours.contains_key("hidden"), table == SymbolTable::Static);
        assert!(!ours.contains_key("shared_counter") && !ours.contains_key("printf"), "data and imports");
        assert!(ours.iter().all(|(name, symbol)| code.get(name) == Some(symbol)), "{ours:?}");
    }
}

#[test]
fn addresses_lead_to_their_sections_and_bytes() {
    need_tool!("gcc");
    let scratch = library();
    let object = parse(scratch.read("lib.so"));
    let function = object.symbols(SymbolTable::Static).find(|symbol| symbol.name() == b"exported").unwrap();
    let text = object.section_address(".text").unwrap();
    let bytes = object.section(".text").unwrap().unwrap();
    assert_eq!(object.code_section_at(function.address), Some(text..text + bytes.len() as u64));
    let within = (function.address - text) as usize;
    assert_eq!(object.data_at(function.address, 16).unwrap(), &bytes[within..within + 16]);
    assert!(object.data_from(function.address).unwrap().len() > 16);
    assert_eq!(object.data_at(function.address, 1 << 40), None);
    assert_eq!(object.data_at(u64::MAX, 1), None);
    let plt = object.section_address(".plt").unwrap();
    assert!(object.is_plt(plt) && object.is_plt(plt + 1) && !object.is_plt(function.address));
    let (hdr, bytes) = object.eh_frame_hdr().unwrap();
    assert_eq!((Some(hdr), bytes[0]), (object.section_address(".eh_frame_hdr"), 1));
    assert_eq!(object.code_section_at(hdr), None);
    // .bss is in memory only.
    let data = object.segments().iter().find(|segment| segment.write).unwrap();
    assert!(data.memory_size >= data.file_size);
    assert_eq!(object.data_at(data.address + data.file_size, 1), None);
}

#[test]
fn stubs_are_named_by_what_they_import() {
    need_tool!("gcc", "objdump");
    let scratch = Scratch::new();
    scratch.write(
        "stubs.c",
        "int puts(const char *); int abs(int);\nint f(int n) { return puts(\"\") + abs(n); }\n",
    );
    for flags in
        ["", "-fcf-protection=full -Wl,-z,ibtplt", "-fcf-protection=none", "-Wl,-z,now", "-fuse-ld=gold"]
    {
        scratch.run(&format!("gcc -shared -fPIC -fno-builtin -O1 {flags} stubs.c -o stubs.so"));
        let object = parse(scratch.read("stubs.so"));
        let listed = Command::new("objdump").arg("-d").arg(scratch.path("stubs.so")).output().unwrap().stdout;
        let listed = String::from_utf8(listed).unwrap();
        let mut seen = 0;
        let mut current = None;
        for line in listed.lines() {
            if let Some(name) = line.strip_suffix("@plt>:") {
                current = name.split_once('<').map(|(_, name)| name.to_owned());
            } else if line.ends_with(">:") || line.is_empty() {
                current = None;
            } else if let Some(name) = &current
                && let Some((address, _)) = line.split_once(':')
            {
                let address = u64::from_str_radix(address.trim(), 16).unwrap();
                let stub = object.stub_at(address).map(|stub| stub.import);
                assert_eq!(stub, Some(name.as_bytes()), "{flags}: {line}");
                seen += 1;
            }
        }
        assert!(seen >= 2, "{flags}: {listed}");
        let function = object.symbols(SymbolTable::Static).find(|symbol| symbol.name() == b"f").unwrap();
        assert_eq!(object.stub_at(function.address), None);
    }
}

#[test]
fn compressed_sections_are_the_plain_ones() {
    need_tool!("gcc", "objcopy");
    let scratch = library();
    let plain = parse(scratch.read("lib.so"));
    let mut done = 0;
    for form in ["zlib", "zlib-gnu", "zstd"] {
        if let Err(said) = scratch.try_run(&format!("objcopy --compress-debug-sections={form} lib.so z.so")) {
            epitaph_testkit::skip::skipped(&format!("objcopy can't compress by {form}: {said}"));
            continue;
        }
        let compressed = parse(scratch.read("z.so"));
        assert!(compressed.has_debug_info(), "{form}");
        for name in [".debug_info", ".debug_line", ".debug_abbrev", ".debug_str"] {
            let whole = plain.section(name).unwrap();
            assert!(whole.is_some());
            // A part of it first: less need be inflated then.
            let start = compressed.section_start(name, 10).unwrap().unwrap();
            assert!(start.len() >= 10 && whole.unwrap().starts_with(start), "{form} {name}");
            assert_eq!(compressed.section(name).unwrap(), whole, "{form} {name}");
            assert_eq!(compressed.section_start(name, 20).unwrap(), whole, "{form} {name}, once it is there");
        }
        if form == "zlib-gnu" {
            assert!(compressed.has_section(".zdebug_info") && !compressed.has_section(".debug_info"));
        }
        done += 1;
    }
    assert!(done > 0);
}

#[test]
fn a_section_outside_of_the_file_is_an_error_that_names_it() {
    need_tool!("gcc");
    let scratch = library();
    for (field, value) in
        [(SH_OFFSET, u64::MAX), (SH_OFFSET, 1 << 40), (SH_SIZE, u64::MAX), (SH_SIZE, 1 << 33)]
    {
        let mut file = scratch.read("lib.so");
        let at = section_header(&file, ".debug_line") + field;
        file[at..at + 8].copy_from_slice(&value.to_le_bytes());
        let object = parse(file);
        let error = object.section(".debug_line").unwrap_err();
        assert_eq!(error, ObjectError::SectionOutside { name: ".debug_line".to_owned() });
        assert!(object.section(".debug_info").unwrap().is_some(), "the others stay");
        assert_eq!(object.build_id().map(ToString::to_string).as_deref(), Some("0123456789abcdef"));
    }
}

#[test]
fn a_compressed_section_that_lies_is_an_error_and_costs_nothing() {
    need_tool!("gcc", "objcopy");
    let scratch = library();
    scratch.run("objcopy --compress-debug-sections=zlib lib.so z.so");
    let file = scratch.read("z.so");
    let header = section_header(&file, ".debug_info");
    let at = u64::from_le_bytes(file[header + SH_OFFSET..][..8].try_into().unwrap()) as usize;
    let patched = |offset: usize, bytes: &[u8]| {
        let mut file = file.clone();
        file[offset..offset + bytes.len()].copy_from_slice(bytes);
        let object = parse(file);
        let (result, allocated) =
            crate::allocation::peak(|| object.section(".debug_info").map(|bytes| bytes.map(<[u8]>::len)));
        assert!(allocated < 8 << 20, "{allocated} bytes");
        result
    };
    let size = patched(0, b"\x7f").unwrap().unwrap() as u64;
    // ch_type, then ch_size after 4 reserved bytes; the stream follows after 24.
    for (promised, what) in [
        (size + 1, "corrupt"),
        (size * 50, "corrupt"),
        (size * 2000, "cannot give"),
        (1 << 33, "cannot give"),
        (u64::MAX, "cannot give"),
    ] {
        let error = patched(at + 8, &promised.to_le_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("section .debug_info cannot be inflated: "), "{error}");
        assert!(error.contains(what), "{promised}: {error}");
    }
    assert!(patched(at, &[9, 0, 0, 0]).unwrap_err().to_string().contains("unknown way (9)"));
    assert!(patched(at + 24, &[0xff; 2]).unwrap_err().to_string().contains("corrupt"));
    for cut in [1_u64, 23] {
        let error = patched(header + SH_SIZE, &cut.to_le_bytes()).unwrap_err().to_string();
        assert!(error.contains("header is cut short"), "{error}");
    }
}

#[test]
fn real_files_are_read() {
    let own = std::env::current_exe().unwrap();
    let object = Object::parse(Bytes::map(&File::open(own).unwrap()).unwrap()).unwrap();
    assert!(object.symbols(SymbolTable::Static).count() > 1000);
    assert!(object.section(".text").unwrap().is_some_and(|text| text.len() > 1 << 16));
    assert!(object.segments().iter().any(|segment| segment.execute));
    let named = object.symbols(SymbolTable::Static).filter(|symbol| symbol.size > 0);
    let within = named.filter(|symbol| object.code_section_at(symbol.address).is_some()).count();
    assert!(within > 1000);
}

#[test]
fn a_file_that_lost_its_end_is_not_whole() {
    need_tool!("gcc", "objcopy", "strip");
    let scratch = library();
    scratch.run("objcopy --only-keep-debug lib.so lib.debug");
    scratch.run("strip -o stripped.so lib.so");
    for name in ["lib.so", "lib.debug", "stripped.so"] {
        let bytes = scratch.read(name);
        assert!(parse(bytes.clone()).is_whole(), "{name}");
        for len in (64..bytes.len()).step_by(97).chain([bytes.len() - 1]) {
            assert!(!parse(bytes[..len].to_vec()).is_whole(), "{len} bytes of {name}");
        }
    }
}
