//! Functions, files, lines and inlined calls: the units that the symbolizer reads one by one say the same as all of the
//! debug information read at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use addr2line::{Context, LookupResult};
use epitaph_symbols::{SourceFrame, SymbolSource};
use epitaph_testkit::gdb::same_function;
use epitaph_testkit::need_tool;
use epitaph_testkit::scratch::Scratch;
use gimli::{Dwarf, EndianSlice, LittleEndian};

use crate::support::{Given, core_of, functions, object, symbolize};

/// Two units; calls that are inlined two levels deep, a loop, and a part that is split off (cold).
const FIRST: &str = r"
    int shared(int n);
    extern void give_up(void) __attribute__((cold, noreturn));
    static inline int weigh(int n) { if (n > 1000) give_up(); return shared(n) * 3; }
    static inline int weigh_all(int n) { int sum = 0; while (n-- > 0) sum += weigh(n); return sum; }
    int score(int n) { return weigh_all(n) + weigh(n + 1); }
    int rank(int n) { return score(n) % 7; }
";
const SECOND: &str = r"
    extern void (*hook)(int);
    static int twice(int n) { return n + n; }
    int shared(int n) { hook(n); return twice(n) ^ 5; }
    void give_up(void) { hook(-1); __builtin_trap(); }
    void (*hook)(int);
";

fn build(compiler: &str, options: &str) -> Vec<u8> {
    let scratch = Scratch::new();
    scratch.write("first.c", FIRST);
    scratch.write("second.c", SECOND);
    for unit in ["first", "second"] {
        scratch.run(&format!("{compiler} -g -O2 -fPIC {options} -c -o {unit}.o {unit}.c"));
    }
    scratch.run(&format!("{compiler} -g -O2 -shared -nostdlib -fPIC {options} -o lib.so first.o second.o"));
    scratch.read("lib.so")
}

/// Every address of the functions that were compiled.
fn addresses(file: &[u8]) -> BTreeSet<u64> {
    let functions = functions(file);
    assert!(["score", "rank", "shared"].iter().all(|name| functions.contains_key(*name)), "{functions:?}");
    functions.values().flat_map(|(start, size)| *start..start + size).collect()
}

/// What all of a file's debug information says, by addr2line itself.
fn read_at_once(file: &[u8], addresses: &BTreeSet<u64>) -> BTreeMap<u64, Vec<SourceFrame>> {
    let object = object(file);
    let load = |id: gimli::SectionId| -> Result<_, gimli::Error> {
        Ok(EndianSlice::new(object.section(id.name()).unwrap().unwrap_or_default(), LittleEndian))
    };
    let context = Context::from_arc_dwarf(Arc::new(Dwarf::load(load).unwrap())).unwrap();
    let mut out = BTreeMap::new();
    for address in addresses {
        let LookupResult::Output(frames) = context.find_frames(*address) else { panic!("split DWARF") };
        let mut frames = frames.unwrap();
        let mut list = Vec::new();
        while let Some(frame) = frames.next().unwrap() {
            let location = frame.location.as_ref();
            list.push(SourceFrame {
                function: frame.function.map(|name| name.raw_name().unwrap().into_owned()),
                file: location.and_then(|location| location.file).map(str::to_owned),
                line: location.and_then(|location| location.line).filter(|line| *line > 0),
                column: location.and_then(|location| location.column).filter(|column| *column > 0),
                inlined: true,
                ..SourceFrame::default()
            });
        }
        if let Some(outermost) = list.last_mut() {
            outermost.inlined = false;
            out.insert(*address, list);
        }
    }
    out
}

fn assert_same(ours: &[SourceFrame], theirs: &[SourceFrame], context: &str) {
    assert_eq!(ours.len(), theirs.len(), "{context}: {ours:#?} {theirs:#?}");
    for (our, their) in ours.iter().zip(theirs) {
        let place = |frame: &SourceFrame| (frame.file.clone(), frame.line, frame.column, frame.inlined);
        assert_eq!(place(our), place(their), "{context}");
        match (&our.function, &their.function) {
            (Some(our), Some(their)) => {
                assert!(our == their || same_function(our, their), "{context}: {our} {their}");
            }
            (_, None) => {}
            (None, Some(their)) => panic!("{context}: {their} has no name"),
        }
    }
}

fn compare(compiler: &str, options: &str) {
    let file = build(compiler, options);
    let addresses = addresses(&file);
    let whole = read_at_once(&file, &addresses);
    let deepest = whole.values().map(Vec::len).max();
    assert!(deepest >= Some(3), "{compiler} {options}: nothing was inlined twice");
    let core = core_of(&file, "/lib.so", true);
    let files = Given::image(file);
    let (frames, problems) = symbolize(&core, &files, &addresses);
    assert_eq!(problems, [], "{compiler} {options}");
    for address in &addresses {
        let context = format!("{compiler} {options} {address:#x}");
        let ours = frames.get(address).unwrap_or_else(|| panic!("{context}: no frames"));
        let theirs = whole.get(address).map(Vec::as_slice).unwrap_or_default();
        if theirs.is_empty() {
            // A stub of the linker's: the symbol table names it.
            assert_ne!(ours[0].source, Some(SymbolSource::Dwarf), "{context}");
            continue;
        }
        assert_same(ours, theirs, &context);
    }
    // One at a time, and all but one.
    for address in addresses.iter().step_by(addresses.len() / 16 + 1) {
        let (alone, _) = symbolize(&core, &files, &BTreeSet::from([*address]));
        assert_eq!(alone.get(address), frames.get(address), "{compiler} {options} {address:#x}");
        let (others, _) =
            symbolize(&core, &files, &addresses.iter().copied().filter(|at| at != address).collect());
        assert!(others.iter().all(|(at, names)| frames.get(at) == Some(names)));
    }
}

#[test]
fn gcc_in_each_version_of_dwarf() {
    need_tool!("gcc");
    for options in ["-gdwarf-4", "-gdwarf-5", "-gdwarf-3", "-gdwarf-5 -gdwarf64"] {
        compare("gcc", options);
    }
}

#[test]
fn gcc_with_compressed_sections() {
    need_tool!("gcc");
    compare("gcc", "-gz=zlib");
}

#[test]
fn gcc_with_functions_in_sections_of_their_own() {
    need_tool!("gcc");
    compare("gcc", "-ffunction-sections -Wl,--gc-sections");
}

#[test]
fn gcc_with_type_units() {
    need_tool!("gcc");
    compare("gcc", "-fdebug-types-section");
}

/// Link-time optimization inlines across units: their entries refer to each other.
#[test]
fn gcc_with_link_time_optimization() {
    need_tool!("gcc");
    compare("gcc", "-flto");
}

#[test]
fn clang_with_link_time_optimization() {
    need_tool!("clang", "ld.lld");
    compare("clang", "-flto=thin -fuse-ld=lld");
}

/// clang writes no `.debug_aranges`: the units themselves have to be asked.
#[test]
fn clang_in_each_version_of_dwarf() {
    need_tool!("clang");
    for options in ["-gdwarf-4", "-gdwarf-5"] {
        compare("clang", options);
    }
}

#[test]
fn names_of_cxx_functions_are_demangled_and_the_linkers_are_kept() {
    need_tool!("g++");
    let scratch = Scratch::new();
    scratch.write(
        "a.cpp",
        r"
        namespace shop {
            struct Item { int price; int total(int n) const; };
            int Item::total(int n) const { return price * n; }
            template <class T> __attribute__((noinline)) T sum(T a, T b) { return a + b; }
            int run(int n) { return sum(n, 1) + (int)sum(n * 1.5, 2.0); }
        }
        ",
    );
    scratch.run("g++ -g -O1 -shared -nostdlib -fPIC -o lib.so a.cpp");
    let file = scratch.read("lib.so");
    let functions = functions(&file);
    let core = core_of(&file, "/lib.so", true);
    let addresses = functions.values().map(|(start, _)| *start).collect();
    let (frames, _) = symbolize(&core, &Given::image(file), &addresses);
    for (raw, name) in [
        ("_ZNK4shop4Item5totalEi", "shop::Item::total"),
        ("_ZN4shop3runEi", "shop::run"),
        ("_ZN4shop3sumIiEET_S1_S1_", "shop::sum<int>"),
        ("_ZN4shop3sumIdEET_S1_S1_", "shop::sum<double>"),
    ] {
        let outermost = frames[&functions[raw].0].last().unwrap();
        assert!(outermost.function.as_ref().unwrap().starts_with(name), "{outermost:?}");
        assert_eq!((outermost.raw_name.as_deref(), outermost.inlined), (Some(raw), false));
        assert!(outermost.file.as_ref().unwrap().ends_with("a.cpp") && outermost.line.is_some());
    }
}

#[test]
fn what_the_debug_information_does_not_have_has_no_frames() {
    need_tool!("gcc");
    let file = build("gcc", "");
    let core = core_of(&file, "/lib.so", true);
    let wrong = BTreeSet::from([0, 1, 0x10_0000, u64::MAX - 0x7f00_0000_0000]);
    let (frames, problems) = symbolize(&core, &Given::image(file), &wrong);
    assert!(frames.is_empty() && problems.is_empty(), "{frames:?} {problems:?}");
}

/// With line tables only, DWARF has functions' names without their paths.
#[test]
fn names_without_paths_are_completed_by_the_symbol_table() {
    need_tool!("rustc");
    let scratch = Scratch::new();
    scratch.write(
        "a.rs",
        r"
        pub mod shop {
            #[inline(never)]
            pub fn total<T: Into<i64> + Copy>(prices: &[T]) -> i64 { prices.iter().map(|p| (*p).into()).sum() }
        }
        #[unsafe(no_mangle)]
        pub fn run(prices: &[i32]) -> i64 { shop::total(prices) }
        ",
    );
    scratch.run("rustc --edition 2024 -O -C debuginfo=line-tables-only -C panic=abort --crate-type cdylib -o lib.so a.rs");
    let file = scratch.read("lib.so");
    let functions = functions(&file);
    let (raw, (start, _)) = functions.iter().find(|(name, _)| name.contains("shop5total")).unwrap();
    let core = core_of(&file, "/lib.so", true);
    let (frames, _) = symbolize(&core, &Given::image(file.clone()), &BTreeSet::from([*start]));
    let outermost = frames[start].last().unwrap();
    assert_eq!(outermost.function.as_deref(), Some("a::shop::total<i32>"));
    assert_eq!(outermost.raw_name.as_ref(), Some(raw));
    assert!(outermost.file.as_ref().unwrap().ends_with("a.rs"));
}

/// Compilers leave a line of an inlined header's function where its own frame is gone.
#[test]
fn a_function_is_declared_where_its_lines_need_not_be() {
    need_tool!("gcc");
    for options in ["-gdwarf-4", "-gdwarf-5"] {
        let scratch = Scratch::new();
        scratch.write("a.c", "int total(int n) {\n#line 7 \"/usr/include/sum.h\"\n  return n * 3;\n}\n");
        scratch.run(&format!("gcc -O2 -shared -nostdlib -fPIC {options} -o lib.so a.c"));
        let file = scratch.read("lib.so");
        let (start, size) = functions(&file)["total"];
        let core = core_of(&file, "/lib.so", true);
        let (frames, _) = symbolize(&core, &Given::image(file), &(start..start + size).collect());
        let frame = frames.values().flatten().find(|frame| frame.line == Some(7)).expect("the header's line");
        assert_eq!(frame.file.as_deref(), Some("/usr/include/sum.h"), "{options}");
        assert!(
            frame.declared_in.as_ref().is_some_and(|file| file.ends_with("/a.c")),
            "{options}: {frame:?}"
        );
    }
}
