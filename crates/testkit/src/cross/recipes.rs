//! The table of programs that are built for other architectures.

use std::path::{Path, PathBuf};

/// A program, and the story that its core must tell.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    /// Its name here and in `testdata/cores`.
    pub name: &'static str,
    /// Commands, run one after the other in an empty folder: `CC` is the target's compiler with its options, `@NAME`
    /// a file of `testdata`.
    pub build: &'static [&'static str],
    /// Whether it needs neither C library nor loader.
    pub bare: bool,
    /// Whether gdb can be asked: it finds no load bias in a core of qemu's.
    pub fixed: bool,
    /// The signal that kills it.
    pub signal: i32,
    /// Functions of the crashing thread, innermost first, as the source has it: some of the frames, in this order.
    pub chain: &'static [&'static str],
}

const SIGSEGV: i32 = 11;
const SIGNAL_CHAIN: &[&str] = &["write_log", "on_usr1", "compute", "main"];

/// Options and source of a program without a C library.
macro_rules! bare {
    ($source:literal) => {
        concat!(
            "-static -nostdlib -ffreestanding -fno-pie -no-pie -fno-stack-protector -Wl,-z,max-page-size=4096 ",
            "-Wl,--build-id -o exe @cores/src/",
            $source
        )
    };
}

/// Every program. Those with a C library are linked to a fixed address, except for one.
pub const RECIPES: &[Recipe] = &[
    Recipe { bare: true, ..dies("bare", &[BARE_O2], BARE_CHAIN) },
    Recipe { bare: true, ..dies("bare_unoptimized", &[BARE_O0], BARE_CHAIN) },
    // Without debug information: symbols, and what unwinds exceptions.
    Recipe { bare: true, ..dies("bare_tables", &[TABLES_O2], BARE_CHAIN) },
    Recipe { bare: true, ..dies("bare_tables_unoptimized", &[TABLES_O0], BARE_CHAIN) },
    dies(
        "null_deref",
        &["CC -g -O0 -no-pie -o exe @programs/null_deref.c"],
        &["quantity_of", "price_of", "main"],
    ),
    Recipe {
        fixed: false,
        ..dies(
            "null_deref_pie",
            &["CC -g -O0 -o exe @programs/null_deref.c"],
            &["quantity_of", "price_of", "main"],
        )
    },
    dies("signal_handler", &["CC -g -O0 -no-pie -o exe @programs/signal_handler.c"], SIGNAL_CHAIN),
    dies("signal_handler_static", &["CC -g -O2 -static -o exe @programs/signal_handler.c"], SIGNAL_CHAIN),
    dies(
        "inlined",
        &["CC -g -O2 -no-pie -o exe @programs/inlined.c"],
        // The load that faults is scheduled out of weigh, which was inlined, on some targets.
        &["weigh_all", "score", "score", "score", "rank", "main"],
    ),
    dies("callback", &["CC -g -O0 -no-pie -o exe @programs/callback.c"], &["compare", "sort_words", "main"]),
    dies(
        "threads",
        &["CC -g -O1 -fno-inline -pthread -no-pie -o exe @programs/threads.c"],
        &["scribble", "worker"],
    ),
    dies(
        "plugin",
        &[
            "CC -g -O0 -fPIC -shared -o plugin.so @programs/plugin.c",
            "CC -g -O0 -no-pie -o exe @programs/plugin_host.c -ldl",
        ],
        &["first_word", "plugin_handle", "call_plugin", "main"],
    ),
];

const BARE_O2: &str = concat!("CC -g -O2 ", bare!("bare.c"));
const BARE_O0: &str = concat!("CC -g -O0 ", bare!("bare.c"));
const TABLES_O2: &str = concat!("CC -O2 -fno-inline -funwind-tables ", bare!("bare.c"));
const TABLES_O0: &str = concat!("CC -O0 -funwind-tables ", bare!("bare.c"));
const STEPS_O2: &str = concat!("CC -g -O2 ", bare!("steps.c"));
const STEPS_O0: &str = concat!("CC -g -O0 ", bare!("steps.c"));
const BARE_CHAIN: &[&str] = &[
    "store",
    "on_signal",
    "raw_syscall",
    "interrupt",
    "descend",
    "descend",
    "descend",
    "main",
    "start",
    "_start",
];

/// Programs that end by themselves, to be looked at on their way: see [`Guest`](super::Guest).
pub const STEPS: &[Recipe] = &[
    Recipe { bare: true, signal: 0, ..dies("steps", &[STEPS_O2], &[]) },
    Recipe { bare: true, signal: 0, ..dies("steps_unoptimized", &[STEPS_O0], &[]) },
];

/// The cores that `testdata/cores` keeps: target and recipe. One of each architecture, and those of 32-bit Arm that its
/// exception tables unwind.
pub const FIXTURES: &[(&str, &str)] = &[
    ("aarch64", "bare"),
    ("aarch64_pac", "bare"),
    ("arm", "bare"),
    ("arm", "bare_tables"),
    ("arm", "bare_tables_unoptimized"),
    ("arm_a32", "bare_tables_unoptimized"),
    ("i386", "bare"),
    ("i386_kernel", "bare"),
    ("ppc64le", "bare"),
    ("s390x", "bare"),
    ("riscv64", "bare"),
];

/// A program that dies of SIGSEGV.
const fn dies(name: &'static str, build: &'static [&'static str], chain: &'static [&'static str]) -> Recipe {
    Recipe { name, build, bare: false, fixed: true, signal: SIGSEGV, chain }
}

/// Returns the recipe of this name.
///
/// # Panics
/// When there is none.
pub fn recipe(name: &str) -> &'static Recipe {
    RECIPES
        .iter()
        .find(|recipe| recipe.name == name)
        .unwrap_or_else(|| panic!("no recipe {name:?} in the table"))
}

/// Returns `testdata`.
///
/// # Panics
/// When the repository that this crate was built in is gone.
pub fn sources_folder() -> PathBuf {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata"));
    folder.canonicalize().unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
}
