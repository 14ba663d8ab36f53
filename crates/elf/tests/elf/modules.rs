//! Modules, found in cores that were laid out by hand: as linkers, loaders and debuggers leave them, and as an attacker
//! would.

use std::path::Path;
use std::time::{Duration, Instant};

use epitaph_elf::Module;
use epitaph_testkit::core::{CoreBuilder, FileMapping, Segment, Thread};

use crate::image::{Image, Load, page};
use crate::support::core;

const AT_PHDR: u64 = 3;
const AT_ENTRY: u64 = 9;
const AT_SYSINFO_EHDR: u64 = 33;
const BASE: u64 = 0x5555_5555_0000;

fn modules(builder: &CoreBuilder) -> Vec<Module> {
    let core = core(builder);
    Module::all(core.process(), &core)
}

/// Maps an image as the loader does, a page of each segment: the first page dumped, code left out, data dumped.
fn mapped(builder: CoreBuilder, image: &Image, base: u64, path: &str) -> CoreBuilder {
    builder
        .file(page(base, 0, path))
        .file(page(base + 0x1000, 0x1000, path))
        .file(page(base + 0x2000, 0x2000, path))
        .file(page(base + 0x3000, 0x3000, path))
        .segment(image.first_page(base))
        .segment(Segment::undumped(base + 0x1000, 0x1000).flags(5))
        .segment(Segment::undumped(base + 0x2000, 0x1000).flags(4))
        .segment(Segment::data(base + 0x3000, [1; 0x1000]))
        .segment(Segment::data(base + 0x4000, [0; 0x1000]))
}

#[test]
fn a_position_independent_program_has_the_bias_that_it_was_loaded_at() {
    let image = Image::usual(0).build_id(&[0xab; 20]);
    let builder = CoreBuilder::new().auxv(AT_PHDR, BASE + 0x40).auxv(AT_ENTRY, BASE + 0x1010);
    let modules = modules(&mapped(builder, &image, BASE, "/bin/pie"));
    let [module] = modules.as_slice() else { panic!("{modules:?}") };
    assert_eq!((module.path.as_path(), module.main), (Path::new("/bin/pie"), true));
    assert_eq!((module.start, module.end, module.bias), (BASE, BASE + 0x5000, Some(BASE)), "with its .bss");
    assert_eq!(module.build_id.as_ref().unwrap().as_bytes(), [0xab; 20]);
    assert_eq!(module.first_page, [0; 0], "its build ID says more");
    for (offset, code) in [(0xfff, false), (0x1000, true), (0x1fff, true), (0x2000, false), (0x3000, false)] {
        assert_eq!(module.is_code(BASE + offset), code, "{offset:#x}");
    }
    assert!(module.contains(BASE + 0x4fff) && !module.contains(BASE + 0x5000) && !module.contains(BASE - 1));
}

#[test]
fn a_file_without_a_build_id_is_known_by_its_first_page() {
    let image = Image::usual(0);
    let modules = modules(&mapped(CoreBuilder::new(), &image, BASE, "/bin/pie"));
    assert_eq!(modules[0].first_page, image.bytes(0x1000));
}

#[test]
fn a_program_at_a_fixed_address_has_no_bias() {
    let image = Image::usual(0x40_0000).build_id(&[1, 2, 3]);
    let modules = modules(&mapped(CoreBuilder::new(), &image, 0x40_0000, "/bin/fixed"));
    assert_eq!(modules[0].bias, Some(0));
    assert_eq!(modules[0].build_id.as_ref().unwrap().to_string(), "010203");
    assert!(!modules[0].main, "nothing says so");
}

/// lld packs small segments into one page of the file and maps that page once per segment.
#[test]
fn segments_that_share_a_page_of_the_file_are_told_apart() {
    let image = Image::new(&[
        Load::new(0, 0, 0x660, 4),
        Load::new(0x1660, 0x660, 0x180, 5),
        Load::new(0x27e0, 0x7e0, 0x1d8, 6),
    ]);
    let mut builder = CoreBuilder::new().segment(image.first_page(BASE));
    for index in 0..3 {
        builder = builder.file(page(BASE + index * 0x1000, 0, "/bin/packed"));
    }
    let builder = builder
        .segment(Segment::undumped(BASE + 0x1000, 0x1000).flags(5))
        .segment(Segment::data(BASE + 0x2000, image.bytes(0x1000)));
    let modules = modules(&builder);
    let [module] = modules.as_slice() else { panic!("{modules:?}") };
    assert_eq!((module.start, module.end, module.bias), (BASE, BASE + 0x3000, Some(BASE)));
    assert!(module.is_code(BASE + 0x1660) && !module.is_code(BASE + 0x660));
}

/// The lowest mapping is the lowest segment only where that segment starts the file.
#[test]
fn headers_that_belong_to_no_segment_tell_the_bias_too() {
    let image = Image::new(&[Load::new(0x1000, 0x1000, 0x1000, 5), Load::new(0x2000, 0x2000, 0x1000, 6)]);
    let modules = modules(&mapped(CoreBuilder::new(), &image, BASE, "/bin/odd"));
    assert_eq!(modules.iter().map(|module| module.bias).collect::<Vec<_>>(), [Some(BASE)]);
}

#[test]
fn a_file_that_is_mapped_twice_is_two_modules() {
    let image = Image::usual(0);
    let builder = mapped(CoreBuilder::new(), &image, BASE, "/lib/twice.so");
    let modules = modules(&mapped(builder, &image, BASE + 0x10_0000, "/lib/twice.so"));
    let biases: Vec<Option<u64>> = modules.iter().map(|module| module.bias).collect();
    assert_eq!(biases, [Some(BASE), Some(BASE + 0x10_0000)]);
    assert!(modules[0].end <= modules[1].start);
    assert!(modules.iter().all(|module| module.is_code(module.start + 0x1000)));
}

#[test]
fn a_file_that_is_only_read_is_no_module() {
    let image = Image::usual(0);
    let builder = CoreBuilder::new()
        .file(FileMapping::new(BASE, BASE + 0x4000, 0, "/lib/looked-at.so"))
        .segment(Segment::data(BASE, image.bytes(0x4000)).flags(4))
        .file(page(BASE + 0x10_0000, 0, "/usr/lib/locale/C.utf8"))
        .segment(Segment::data(BASE + 0x10_0000, [7; 0x1000]).flags(4));
    assert!(modules(&builder).is_empty());
    // Mapped once more as a whole, to be read, it is that one module all the same.
    let modules = modules(&mapped(builder, &image, BASE + 0x20_0000, "/lib/looked-at.so"));
    assert_eq!(modules.iter().map(|module| module.start).collect::<Vec<_>>(), [BASE + 0x20_0000]);
}

#[test]
fn a_deleted_file_is_known_by_its_own_name() {
    let of = |path: &str| {
        let found = modules(&mapped(CoreBuilder::new(), &Image::usual(0), BASE, path));
        (found[0].name(), found[0].deleted)
    };
    assert_eq!(of("/tmp/gone (deleted)"), ("gone".to_owned(), true));
    assert_eq!(of("/tmp/there"), ("there".to_owned(), false));
    assert_eq!(of("/tmp/ (deleted)"), (String::from("tmp"), true));
    assert_eq!(of("(deleted)"), ("(deleted)".to_owned(), false));
}

/// gdb's gcore leaves out the segments of unchanged code.
#[test]
fn code_without_a_segment_is_code_by_its_own_header() {
    let image = Image::usual(0).build_id(&[9; 20]);
    let builder = CoreBuilder::new()
        .file(page(BASE, 0, "/bin/gcored"))
        .file(page(BASE + 0x1000, 0x1000, "/bin/gcored"))
        .file(page(BASE + 0x3000, 0x3000, "/bin/gcored"))
        .segment(image.first_page(BASE))
        .segment(Segment::data(BASE + 0x3000, [1; 0x1000]));
    let modules = modules(&builder);
    assert_eq!((modules[0].bias, modules[0].build_id.is_some()), (Some(BASE), true));
    assert!(modules[0].is_code(BASE + 0x1234) && !modules[0].is_code(BASE + 0x234));
}

#[test]
fn without_its_first_page_a_module_has_neither_bias_nor_build_id() {
    let builder = CoreBuilder::new()
        .file(page(BASE, 0, "/bin/headless"))
        .file(page(BASE + 0x1000, 0x1000, "/bin/headless"))
        .segment(Segment::undumped(BASE, 0x1000).flags(4))
        .segment(Segment::undumped(BASE + 0x1000, 0x1000).flags(5));
    let modules = modules(&builder);
    let [module] = modules.as_slice() else { panic!("{modules:?}") };
    assert_eq!((module.bias, &module.build_id, module.first_page.len()), (None, &None, 0));
    assert_eq!((module.start, module.end), (BASE, BASE + 0x2000));
    assert!(module.is_code(BASE + 0x1000));
}

/// A vDSO: a real image, whole, as the kernel maps it.
fn vdso_image() -> Vec<u8> {
    Image::new(&[Load::new(0, 0, 0x1000, 5)]).build_id(&[0xd5; 20]).bytes(0x1000)
}

#[test]
fn the_vdso_is_a_module_of_the_core_itself() {
    let start = 0x7fff_f000_0000;
    let of = |image: Vec<u8>| {
        modules(
            &CoreBuilder::new().auxv(AT_SYSINFO_EHDR, start).segment(Segment::data(start, image).flags(5)),
        )
    };
    let found = of(vdso_image());
    let [module] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((module.path.to_str(), module.bias, module.main), (Some("[vdso]"), Some(start), false));
    assert_eq!((module.start, module.end), (start, start + 0x1000));
    assert_eq!(module.image.as_deref(), Some(vdso_image().as_slice()));
    assert_eq!(module.build_id.as_ref().unwrap().as_bytes(), [0xd5; 20]);
}

#[test]
fn a_vdso_that_is_not_there_or_makes_no_sense_is_left_out() {
    let start = 0x7fff_f000_0000;
    let builder = CoreBuilder::new().auxv(AT_SYSINFO_EHDR, start);
    assert!(modules(&builder).is_empty(), "nothing is mapped there");
    assert!(modules(&builder.clone().segment(Segment::data(start, [0; 4096]))).is_empty(), "zeros");
    let short = builder.clone().segment(Segment::data(start, &vdso_image()[..0x800]));
    assert!(modules(&short).is_empty(), "the half of it");
    for at in 0..64 + 56 {
        let mut image = vdso_image();
        image[at] ^= 0xff;
        for module in modules(&builder.clone().segment(Segment::data(start, image).flags(5))) {
            assert!(module.start < module.end && module.end - module.start <= 1 << 20, "{at}: {module:?}");
        }
    }
}

/// Of all headers that a linker wouldn't write, none may break anything or hide the modules around it.
#[test]
fn crafted_headers_harm_their_own_module_only() {
    let spans = [
        Load { memory_size: u64::MAX, ..Load::new(0, 0, 0x1000, 5) },
        Load { memory_size: 1 << 62, ..Load::new(0x1000, 0, 0x1000, 5) },
        Load::new(u64::MAX - 0xfff, 0, 0x1000, 5),
        Load::new(0x8000_0000_0000_0000, 0, 0x1000, 5),
        Load { offset: u64::MAX, ..Load::new(0, 0, 0x1000, 5) },
        Load { file_size: u64::MAX, ..Load::new(0, 0, 0x1000, 5) },
        Load { file_size: 0, memory_size: 0, ..Load::new(0, 0, 0, 5) },
    ];
    for load in spans {
        for second in spans {
            let crafted = Image::new(&[load, second]).build_id(&[1; 20]);
            let builder = mapped(CoreBuilder::new(), &crafted, BASE, "/bin/crafted");
            let found = modules(&mapped(builder, &Image::usual(0), BASE + 0x10_0000, "/lib/honest.so"));
            let honest: Vec<&Module> = found.iter().filter(|module| module.name() == "honest.so").collect();
            assert_eq!(honest.len(), 1, "{load:?} {second:?}");
            assert_eq!((honest[0].bias, honest[0].end), (Some(BASE + 0x10_0000), BASE + 0x10_5000));
            assert!(found.iter().all(|module| module.start < module.end), "{load:?} {second:?}: {found:?}");
        }
    }
}

/// A crafted header whose every segment fits every mapping must not make the search for the bias quadratic.
#[test]
fn thousands_of_mappings_of_one_file_take_no_time() {
    let loads: Vec<Load> =
        (0..60).map(|index| Load::new(index * 0x3_1000, 0x1000, u64::MAX / 2, 5)).collect();
    let image = Image::new(&loads);
    let mut builder = CoreBuilder::new().thread(Thread::new(1)).segment(image.first_page(BASE));
    let count = 20_000;
    for index in 0..count {
        let (start, offset) = (BASE + index * 0x2000, index * index % 0x7fff * 0x1000);
        builder = builder.file(page(start, if index == 0 { 0 } else { offset }, "/bin/many"));
    }
    builder = builder.segment(Segment::undumped(BASE + 0x2000, count * 0x2000).flags(5));
    let start = Instant::now();
    let found = modules(&builder);
    assert_eq!(found.len(), 1);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[test]
fn the_main_program_is_where_its_headers_are() {
    let builder = mapped(CoreBuilder::new(), &Image::usual(0), BASE, "/lib/first.so");
    let builder = mapped(builder, &Image::usual(0), BASE + 0x10_0000, "/bin/main");
    let main = |builder: CoreBuilder| {
        let found = modules(&builder);
        found.iter().filter(|module| module.main).map(Module::name).collect::<Vec<_>>()
    };
    assert_eq!(main(builder.clone().auxv(AT_PHDR, BASE + 0x10_0040)), ["main"]);
    assert_eq!(main(builder.clone().auxv(AT_ENTRY, BASE + 0x10_1000)), ["main"]);
    assert!(main(builder.clone().auxv(AT_PHDR, 0x1000)).is_empty());
    assert!(main(builder).is_empty());
}
