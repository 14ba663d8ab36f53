//! A core of an emulator is not one of the program that it ran.

use epitaph_testkit::core::{CoreBuilder, FileMapping, Segment, Thread};

use crate::support::{Nothing, built, codes, summary};

#[test]
fn a_core_of_an_emulator_is_called_that() {
    const AT_ENTRY: u64 = 9;
    for (path, emulator) in [
        ("/usr/bin/qemu-aarch64", true),
        ("/usr/bin/qemu-s390x-static", true),
        ("/usr/bin/qemu-img", false),
        ("/home/me/aarch64", false),
    ] {
        let core = built(
            &CoreBuilder::new()
                .thread(Thread::new(1))
                .auxv(AT_ENTRY, 0x1010)
                .file(FileMapping::new(0x1000, 0x2000, 0, path))
                .segment(Segment::undumped(0x1000, 0x1000).flags(5)),
        );
        let summary = summary(&core, &Nothing);
        assert_eq!(codes(&summary).contains(&"emulator_core"), emulator, "{path}");
    }
}
