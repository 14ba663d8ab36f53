//! Classes whose entries stand in type units: what is composed of their names is the same as without.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use epitaph_symbols::SourceFrame;
use epitaph_testkit::need_tool;
use epitaph_testkit::scratch::Scratch;

use crate::support::{Given, core_of, functions, section, symbolize};

/// Classes within templates, unnamed namespaces, unions, functions; their functions, and lambdas in and beside them.
const SOURCE: &str = r"
namespace shop {
template <typename T> struct Basket {
    struct Item { int weigh(volatile int *p) { return p[0] ? p[1] * p[2] : p[3]; } };
    Item item;
    __attribute__((noinline)) int total(volatile int *p)
    {
        auto add = [p](int k) { return p[k] + k; };
        return add(4) + item.weigh(p);
    }
};
namespace {
struct Hidden {
    struct Deep {
        __attribute__((noinline)) int look(volatile int *p) { return p[9] * 3; }
    };
    union {
        struct { int first; int get(volatile int *p) { return first + p[1]; } } named;
    };
    int (*op)(volatile int *) = [](volatile int *q) { return q[7] * q[8]; };
    Deep deep;
    int peek(volatile int *p) { return p[2] * 7 + deep.look(p); }
};
}
class Till {
public:
    static inline int count(volatile int *p) { return p[5] ^ p[6]; }
    int sum(volatile int *p);
    int (*op)(volatile int *) = [](volatile int *q) { return q[7] * q[8]; };
};
int Till::sum(volatile int *p) { return count(p) + op(p); }
}
int score(volatile int *p)
{
    struct Local { int go(volatile int *p) { return p[3] - p[4]; } } local;
    shop::Basket<int> basket;
    shop::Till till;
    shop::Hidden hidden;
    hidden.named.first = 1;
    auto scale = [&](int k) { return p[k] * k; };
    int sum = hidden.peek(p) + hidden.op(p) + local.go(p) + hidden.named.get(p) + scale(3);
    return basket.total(p) + till.sum(p) + sum;
}
";

/// Names of functions in `SOURCE`, in optimized code too.
const NAMES: [&str; 4] = [
    "shop::(anonymous namespace)::Hidden::peek",
    "shop::(anonymous namespace)::Hidden::Deep::look",
    "shop::Basket<int>::Item::weigh",
    "shop::Till::count",
];

/// Where the debug information is.
#[derive(Clone, Copy, Debug)]
enum Home {
    File,
    Split,
    /// A package, made by this tool.
    Package(&'static str),
}

/// Builds `SOURCE` with no symbol in the file, so that names are only in the debug information. Returns the addresses
/// of its functions too.
fn build(compiler: &str, options: &str, home: Home) -> (Given, BTreeSet<u64>) {
    let scratch = Scratch::new();
    scratch.write("a.cpp", SOURCE);
    let split = if matches!(home, Home::File) { "" } else { "-gsplit-dwarf" };
    let options = format!("{options} -ffile-prefix-map={}=/src", scratch.folder().display());
    scratch.run(&format!("{compiler} {options} {split} -fPIC -fvisibility=hidden -c -o a.o a.cpp"));
    scratch.run("gcc -shared -nostdlib -o lib.so a.o");
    let addresses: BTreeSet<u64> =
        functions(&scratch.read("lib.so")).values().flat_map(|(start, size)| *start..start + size).collect();
    let mut files = Given::default();
    match home {
        Home::File => {}
        Home::Split => files.split = Some(scratch.read("a.dwo")),
        Home::Package(tool) => {
            scratch.run(&format!("{tool} -o lib.so.dwp a.dwo"));
            files.package = Some(scratch.read("lib.so.dwp"));
        }
    }
    scratch.run("objcopy --wildcard --strip-symbol=* lib.so");
    files.image = scratch.read("lib.so");
    (files, addresses)
}

/// Names all addresses of `SOURCE`.
fn frames(compiler: &str, options: &str, home: Home) -> BTreeMap<u64, Vec<SourceFrame>> {
    let (files, addresses) = build(compiler, options, home);
    let (frames, problems) = symbolize(&core_of(&files.image, "/lib.so", true), &files, &addresses);
    assert_eq!(problems, [], "{compiler} {options} {home:?}");
    frames
}

fn names(frames: &BTreeMap<u64, Vec<SourceFrame>>) -> BTreeSet<&str> {
    frames.values().flatten().filter_map(|frame| frame.function.as_deref()).collect()
}

fn compare(compiler: &str, homes: &[(u32, &[Home])]) {
    for (version, homes) in homes {
        for optimized in ["-O0", "-O2"] {
            for home in *homes {
                let options = format!("-gdwarf-{version} {optimized}");
                let without = frames(compiler, &options, *home);
                let with = frames(compiler, &format!("{options} -fdebug-types-section"), *home);
                let context = format!("{compiler} {options} {home:?}");
                let found = names(&without);
                assert!(NAMES.iter().all(|name| found.contains(name)), "{context}: {found:?}");
                assert_eq!(names(&with), found, "{context}");
                for (address, frames) in &without {
                    assert_eq!(with.get(address), Some(frames), "{context} {address:#x}");
                }
                assert_eq!(with.len(), without.len(), "{context}");
            }
        }
    }
}

#[test]
fn gcc_names_are_the_same() {
    need_tool!("g++", "gcc", "objcopy", "dwp");
    // No tool that there is here packs its type units of DWARF 5.
    let homes: [(u32, &[Home]); 2] =
        [(4, &[Home::File, Home::Split, Home::Package("dwp")]), (5, &[Home::File, Home::Split])];
    compare("g++", &homes);
}

/// Without linkage names, names have to be composed of the entries that stand in type units.
#[test]
fn clang_names_are_the_same() {
    need_tool!("clang++", "gcc", "objcopy", "llvm-dwp");
    let all: &[Home] = &[Home::File, Home::Split, Home::Package("llvm-dwp")];
    compare("clang++", &[(4, all), (5, all)]);
    compare("clang++ -mllvm -dwarf-linkage-names=Abstract", &[(4, all), (5, all)]);
}

/// Returns the file that has the type units.
fn file(files: &mut Given, home: Home) -> &mut Vec<u8> {
    match home {
        Home::File => &mut files.image,
        Home::Split => files.split.as_mut().unwrap(),
        Home::Package(_) => files.package.as_mut().unwrap(),
    }
}

/// Whatever byte of a type unit is changed: an answer, and at once.
#[test]
fn bent_type_units() {
    need_tool!("clang++", "gcc", "objcopy", "llvm-dwp");
    let compiler = "clang++ -mllvm -dwarf-linkage-names=Abstract";
    for (options, home, name) in [
        ("-gdwarf-4", Home::File, ".debug_types"),
        ("-gdwarf-5", Home::File, ".debug_info"),
        ("-gdwarf-4", Home::Split, ".debug_types.dwo"),
        ("-gdwarf-4", Home::Package("llvm-dwp"), ".debug_types.dwo"),
        ("-gdwarf-4", Home::Package("llvm-dwp"), ".debug_tu_index"),
    ] {
        let (mut files, addresses) = build(compiler, &format!("-O2 {options} -fdebug-types-section"), home);
        let core = core_of(&files.image, "/lib.so", true);
        let asked: BTreeSet<u64> = addresses.iter().copied().step_by(7).collect();
        let whole = symbolize(&core, &files, &asked).0;
        let intact = file(&mut files, home).clone();
        let range = section(&intact, name);
        let begun = Instant::now();
        let mut different = 0;
        for at in range.clone().step_by(range.len() / 100 + 1) {
            for value in [0x01, 0xff] {
                let mut bent = intact.clone();
                bent[at] = value;
                *file(&mut files, home) = bent;
                different += u32::from(symbolize(&core, &files, &asked).0 != whole);
            }
        }
        assert!(different > 0, "{options} {home:?} {name}: these are the wrong bytes");
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    }
}
