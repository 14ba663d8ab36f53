//! Names by symbol table alone: which of several, and where none.

use std::collections::{BTreeMap, BTreeSet};

use epitaph_elf::SymbolTable;
use epitaph_symbols::{SourceFrame, SymbolSource};
use epitaph_testkit::need_tool;
use epitaph_testkit::scratch::Scratch;

use crate::support::{Given, core_of, object, symbolize};

/// An assembler's library, and the frame at each of its labels' addresses plus an offset.
struct Library {
    files: Given,
    labels: BTreeMap<String, u64>,
}

impl Library {
    /// Assembles `source`, in which `at_…` are labels to ask for.
    fn new(source: &str) -> Library {
        let scratch = Scratch::new();
        scratch.write("lib.s", source);
        scratch.run("gcc -shared -nostdlib -o lib.so lib.s");
        let file = scratch.read("lib.so");
        let labels = object(&file)
            .symbols(SymbolTable::Static)
            .map(|symbol| (String::from_utf8(symbol.name().to_vec()).unwrap(), symbol.address))
            .collect();
        Library { files: Given::image(file), labels }
    }

    fn frame(&self, label: &str, offset: i64) -> Option<SourceFrame> {
        let address = self.labels.get(label).unwrap_or_else(|| panic!("no label {label}"));
        let address = address.checked_add_signed(offset).unwrap();
        let core = core_of(&self.files.image, "/lib.so", true);
        let (mut frames, problems) = symbolize(&core, &self.files, &BTreeSet::from([address]));
        assert_eq!(problems, []);
        let mut frames = frames.remove(&address)?;
        assert_eq!(frames.len(), 1);
        frames.pop()
    }

    fn name(&self, label: &str, offset: i64) -> Option<(String, u64)> {
        let frame = self.frame(label, offset)?;
        assert!(!frame.inlined && frame.file.is_none() && frame.line.is_none());
        Some((frame.function?, frame.offset?))
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it stands beside a name that may be none")]
fn named(name: &str, offset: u64) -> Option<(String, u64)> {
    Some((name.to_owned(), offset))
}

#[test]
fn a_symbol_has_the_addresses_of_its_size_and_an_unsized_one_those_up_to_the_next() {
    need_tool!("gcc");
    let lib = Library::new(
        "
        .text
        .type sized, @function
        sized: .space 8
        .size sized, 8
        .space 8
        .type bare, @function
        bare: .space 8
        .type next, @function
        next: .space 8
        .size next, 4
        ",
    );
    assert_eq!(lib.name("sized", 0), named("sized", 0));
    assert_eq!(lib.name("sized", 7), named("sized", 7));
    assert_eq!(lib.name("sized", 8), None, "behind its end, and before any other");
    assert_eq!(lib.name("bare", 0), named("bare", 0));
    assert_eq!(lib.name("bare", 7), named("bare", 7));
    assert_eq!(lib.name("next", 3), named("next", 3));
    assert_eq!(lib.name("next", 4), None, "an unsized symbol doesn't reach over a sized one");
}

#[test]
fn of_nested_symbols_the_one_that_starts_nearest_is_right() {
    need_tool!("gcc");
    let lib = Library::new(
        "
        .text
        .type outer, @function
        outer: .space 8
        .type inner, @function
        inner: .space 8
        .size inner, 8
        .space 8
        .size outer, 24
        ",
    );
    assert_eq!(lib.name("outer", 7), named("outer", 7));
    assert_eq!(lib.name("outer", 8), named("inner", 0));
    assert_eq!(lib.name("outer", 16), named("outer", 16));
}

#[test]
fn of_several_names_the_most_public_and_the_plainest_is_taken() {
    need_tool!("gcc");
    let of = |names: &[(&str, &str)]| {
        let starts = names
            .iter()
            .map(|(name, attributes)| format!(".type {name}, @function\n{attributes}\n{name}:\n"));
        let ends = names.iter().map(|(name, _)| format!(".size {name}, 16\n"));
        let (starts, ends) = (starts.collect::<String>(), ends.collect::<String>());
        let source = format!(".text\n.balign 16\n{starts}.space 16\n{ends}");
        Library::new(&source).name(names[0].0, 3).unwrap().0
    };
    assert_eq!(of(&[("local", ""), ("weak", ".weak weak"), ("global", ".globl global")]), "global");
    assert_eq!(of(&[("local", ""), ("weak", ".weak weak")]), "weak");
    assert_eq!(of(&[("__GI_abort", ".globl __GI_abort"), ("abort", ".globl abort")]), "abort");
    assert_eq!(of(&[("_a", ".globl _a"), ("longer", ".globl longer")]), "longer");
    assert_eq!(of(&[("memcpy_long", ""), ("memcpy", "")]), "memcpy");
    assert_eq!(of(&[("b", ""), ("a", "")]), "a");
    // A function before a label of the assembler, whoever sees it.
    let lib = Library::new(
        "
        .text
        .globl label
        label:
        .type function, @function
        function: .space 8
        .size function, 8
        .size label, 8
        ",
    );
    assert_eq!(lib.name("label", 1), named("function", 1));
}

#[test]
fn names_end_with_their_section() {
    need_tool!("gcc");
    let lib = Library::new(
        "
        .section .text.one, \"ax\", @progbits
        .type last, @function
        last: .space 4
        .section other_code, \"ax\", @progbits
        nothing: .space 4
        .type there, @function
        there: .space 4
        .section third_code, \"ax\", @progbits
        .space 8
        .type third, @function
        third: .space 4
        .data
        in_data: .quad 1
        ",
    );
    assert_eq!(lib.name("last", 3), named("last", 3));
    let frame = lib.frame("nothing", 0).unwrap();
    assert_eq!(frame.function.as_deref(), Some("nothing"), "a label is better than nothing");
    // Between two sections of code lies neither one's.
    let gap = lib.labels["there"] - lib.labels["last"];
    assert!(gap > 4);
    assert_eq!(lib.name("there", 3), named("there", 3));
    assert_eq!(lib.name("there", 4), None);
    assert_eq!(lib.name("third", 0), named("third", 0));
    assert_eq!(lib.name("third", -8), None, "what stands in the section before is not this one's");
    assert_eq!(lib.name("in_data", 0), None, "no code is there");
}

#[test]
fn versions_and_mangling_are_taken_off() {
    need_tool!("gcc");
    let scratch = Scratch::new();
    scratch.write(
        "lib.s",
        "
        .text
        .globl plain_1
        .type plain_1, @function
        .symver plain_1, plain@@V1, remove
        plain_1: .space 8
        .size plain_1, 8
        .globl _ZN4shop5checkEi
        .type _ZN4shop5checkEi, @function
        _ZN4shop5checkEi: .space 8
        .size _ZN4shop5checkEi, 8
        ",
    );
    scratch.write("map", "V1 { global: plain; _ZN4shop5checkEi; };");
    scratch.run("gcc -shared -nostdlib -Wl,--version-script=map -o lib.so lib.s");
    let file = scratch.read("lib.so");
    let address = |part: &str| {
        let object = object(&file);
        let name = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
        object
            .symbols(SymbolTable::Static)
            .find(|symbol| name(symbol.name()).starts_with(part))
            .unwrap()
            .address
    };
    let (plain, mangled) = (address("plain"), address("_ZN4"));
    let core = core_of(&file, "/lib.so", true);
    let (frames, _) = symbolize(&core, &Given::image(file), &BTreeSet::from([plain, mangled]));
    assert_eq!(frames[&plain][0].function.as_deref(), Some("plain"));
    assert_eq!(frames[&plain][0].raw_name, None);
    assert_eq!(frames[&mangled][0].function.as_deref(), Some("shop::check"));
    assert_eq!(frames[&mangled][0].raw_name.as_deref(), Some("_ZN4shop5checkEi"));
}

#[test]
fn a_stripped_file_is_named_by_its_exports_or_by_its_debug_file() {
    need_tool!("gcc", "objcopy", "strip");
    let scratch = Scratch::new();
    scratch.write(
        "lib.s",
        ".globl seen\n.type seen, @function\nseen: .space 8\n.size seen, 8\n\
         .type unseen, @function\nunseen: .space 8\n.size unseen, 8\n",
    );
    scratch.run("gcc -shared -nostdlib -o lib.so lib.s");
    let seen = object(&scratch.read("lib.so"))
        .symbols(SymbolTable::Static)
        .find(|symbol| symbol.name() == b"seen")
        .unwrap()
        .address;
    scratch.run("objcopy --only-keep-debug lib.so lib.debug");
    scratch.run("strip lib.so");
    let core = core_of(&scratch.read("lib.so"), "/lib.so", true);
    let addresses = BTreeSet::from([seen + 1, seen + 9]);
    let of = |debug: Option<Vec<u8>>| {
        let (frames, _) =
            symbolize(&core, &Given { debug, ..Given::image(scratch.read("lib.so")) }, &addresses);
        [seen + 1, seen + 9].map(|address| {
            frames
                .get(&address)
                .map(|frames| (frames[0].function.clone().unwrap(), frames[0].source.unwrap()))
        })
    };
    assert_eq!(of(None), [Some(("seen".to_owned(), SymbolSource::Dynamic)), None]);
    assert_eq!(
        of(Some(scratch.read("lib.debug"))),
        [Some(("seen".to_owned(), SymbolSource::Static)), Some(("unseen".to_owned(), SymbolSource::Static))]
    );
}

#[test]
fn a_stub_is_called_by_what_it_jumps_to() {
    need_tool!("gcc");
    let scratch = Scratch::new();
    scratch.write(
        "lib.cc",
        "namespace shop { int price(int); }\nint total(int n) { return shop::price(n) + 1; }\n",
    );
    scratch.run("gcc -shared -nostdlib -fPIC -fcf-protection=none -Wl,-z,lazy -o lib.so lib.cc");
    let file = scratch.read("lib.so");
    // The first stub is the way to the dynamic linker.
    let first = object(&file).section_address(".plt").unwrap();
    let asked = BTreeSet::from([first, first + 16, first + 16 + 6]);
    let core = core_of(&file, "/lib.so", true);
    let (frames, problems) = symbolize(&core, &Given::image(file), &asked);
    assert_eq!(problems, []);
    let named = |address: u64| {
        let frame = frames.get(&address)?.first()?;
        Some((frame.function.clone()?, frame.raw_name.clone()?, frame.offset?, frame.source?))
    };
    let stub = |offset| {
        Some(("shop::price@plt".to_owned(), "_ZN4shop5priceEi@plt".to_owned(), offset, SymbolSource::Stub))
    };
    assert_eq!(named(first), None);
    assert_eq!(named(first + 16), stub(0));
    assert_eq!(named(first + 16 + 6), stub(6));
}
