//! Call frame information with bent bytes: never a panic, never without end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use epitaph_elf::CoreFile;
use epitaph_testkit::core::{Segment, Thread};
use epitaph_testkit::need_tool;
use epitaph_testkit::scratch::Scratch;
use epitaph_unwind::Limits;

use crate::support::{Given, Library, STACK, walk_all};

/// A few functions as compilers write them: pushes, a frame pointer, a realigned stack, an expression.
const SOURCE: &str = r"
    int *escape(int *, int);
    int plain(int n) { return n ? plain(n - 1) + 1 : 0; }
    int frame(int n) { int a[n + 1]; return *escape(a, n); }
    int aligned(int n) { int a[8] __attribute__((aligned(64))); return *escape(a, n) + a[0]; }
    int many(int a, int b, int c, int d) {
        return plain(a) + plain(b) * frame(c) - aligned(d) + (a ^ b ^ c ^ d);
    }
    int *escape(int *p, int n) { return n ? escape(p + many(n, 1, 2, 3), n - 1) : p; }
";

fn library(options: &str) -> Library {
    let scratch = Scratch::new();
    scratch.write("lib.c", SOURCE);
    scratch.run(&format!(
        "gcc -O1 -fno-optimize-sibling-calls -shared -nostdlib -fPIC {options} -o lib.so lib.c"
    ));
    Library { file: scratch.read("lib.so") }
}

/// Where a section lies in the file.
fn section(file: &[u8], name: &str) -> std::ops::Range<usize> {
    let object = epitaph_elf::Object::parse(epitaph_elf::Bytes::from(file.to_vec())).unwrap();
    let bytes = object.section(name).unwrap().unwrap_or_else(|| panic!("no section {name}"));
    let start = bytes.as_ptr() as usize - object.bytes().as_ptr() as usize;
    start..start + bytes.len()
}

/// A core of threads that stand within each function, over a stack of return addresses into all of them.
fn crash(lib: &Library) -> CoreFile {
    let functions = ["plain", "frame", "aligned", "many", "escape"];
    let inside = functions.map(|name| lib.address(name) + 0x15);
    // Those of the functions whose frames are measured from rsp: any word of the stack leads on from them.
    let returns = [inside[0], inside[3], inside[4]];
    let stack: Vec<u8> = (0..64).flat_map(|index: usize| returns[index % 3].to_le_bytes()).collect();
    let mut builder = lib.core().segment(Segment::data(STACK, stack));
    for (tid, pc) in (1..).zip(inside) {
        let thread = Thread::new(tid).register("rip", pc).register("rsp", STACK);
        let thread = thread.register("rbp", STACK + 64).register("rbx", STACK + 128);
        builder = builder.thread(thread.register("r10", STACK + 72));
    }
    CoreFile::open(Arc::new(builder.build().to_vec())).unwrap()
}

fn sweep(options: &str, sections: &[&str], patterns: &[u8]) {
    let lib = library(options);
    let core = crash(&lib);
    let walk = |file: Vec<u8>| -> Vec<usize> {
        let walks = walk_all(&core, &Given(file), Limits { frames: 200, ..Limits::default() });
        walks.iter().map(|(_, walk)| walk.frames.len()).collect()
    };
    let whole = walk(lib.file.clone());
    assert!(whole.iter().any(|frames| *frames > 5), "these stacks lead somewhere: {whole:?}");
    let start = Instant::now();
    let (mut file, mut other) = (lib.file.clone(), 0);
    for name in sections {
        for at in section(&lib.file, name) {
            for pattern in patterns {
                file[at] ^= pattern;
                let frames = walk(file.clone());
                assert!(frames.iter().all(|frames| (1..=200).contains(frames)), "{name} {at:#x}: {frames:?}");
                other += usize::from(frames != whole);
                file[at] ^= pattern;
            }
        }
    }
    assert!(other > 100, "only {other} flips made a difference: this is the wrong section");
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
}

#[test]
fn bent_eh_frame() {
    need_tool!("gcc");
    sweep("", &[".eh_frame", ".eh_frame_hdr"], &[0x01, 0x07, 0x80, 0xff]);
}

#[test]
fn bent_eh_frame_without_a_search_table() {
    need_tool!("gcc");
    sweep("-Wl,--no-eh-frame-hdr", &[".eh_frame"], &[0x02, 0xff]);
}

#[test]
fn bent_debug_frame() {
    need_tool!("gcc");
    let options = "-g -fno-asynchronous-unwind-tables -fno-unwind-tables";
    sweep(options, &[".debug_frame"], &[0x04, 0x40, 0xff]);
}
