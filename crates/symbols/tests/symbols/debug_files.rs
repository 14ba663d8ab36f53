//! Separate debug files, by build ID and by `.gnu_debuglink`.

use std::path::Path;

use epitaph_elf::{DebugLink, DebugWanted, FileState, Locate as _, Located, Object, Origin, Outcome};
use epitaph_symbols::{FileSearch, SearchOptions};
use epitaph_testkit::need_tool;
use epitaph_testkit::scratch::Scratch;

use crate::support::{core_of, found, missing, object, only_module};

/// Builds `bin/exe.so`, stripped, with a link to `exe.so.debug`, which is left in `kept/`.
fn stripped(build_id: &str) -> Scratch {
    let scratch = Scratch::new();
    scratch.write("bin/a.c", "int a(int n) { return n + 1; }");
    scratch.run(&format!("gcc -g -shared -nostdlib -fPIC -Wl,--build-id={build_id} -o bin/exe.so bin/a.c"));
    scratch.run("mkdir kept");
    scratch.run("objcopy --only-keep-debug bin/exe.so kept/exe.so.debug");
    scratch.run("strip bin/exe.so");
    scratch.run("objcopy --add-gnu-debuglink=kept/exe.so.debug bin/exe.so");
    scratch
}

/// Looks for the debug file of `bin/exe.so`, which was found where it is.
fn search(scratch: &Scratch, options: SearchOptions<'_>) -> Located {
    let image = object(&scratch.read("bin/exe.so"));
    let link = image.debug_link();
    ask(scratch, &image, link.as_ref(), options)
}

fn ask(scratch: &Scratch, image: &Object, link: Option<&DebugLink>, options: SearchOptions<'_>) -> Located {
    let path = scratch.path("bin/exe.so");
    let core = core_of(&scratch.read("bin/exe.so"), &path, true);
    let module = only_module(&core);
    let wanted = DebugWanted {
        module: &module,
        build_id: module.build_id.as_ref().or(image.build_id()),
        image_path: Some(&path),
        link,
    };
    FileSearch::new(options).debug(&wanted)
}

#[test]
fn a_link_leads_to_the_places_that_gdb_looks_at() {
    need_tool!("gcc", "objcopy", "strip");
    for build_id in ["sha1", "none"] {
        let scratch = stripped(build_id);
        let located = search(&scratch, SearchOptions::default());
        assert!(missing(&located).iter().all(|(_, outcome)| **outcome == Outcome::Absent), "{located:?}");
        let debug = scratch.read("kept/exe.so.debug");
        let in_debug_dir = format!("debug{}/bin/exe.so.debug", scratch.folder().display());
        for place in ["bin/exe.so.debug", "bin/.debug/exe.so.debug", &in_debug_dir] {
            let path = scratch.write(place, &debug);
            let debug_dirs = vec![scratch.path("debug")];
            let located = search(&scratch, SearchOptions { debug_dirs, ..SearchOptions::default() });
            assert_eq!(found(&located), (Origin::DebugLink, FileState::Verified, path.as_path()));
            std::fs::remove_file(path).unwrap();
        }
    }
}

#[test]
fn without_build_ids_the_checksum_decides() {
    need_tool!("gcc", "objcopy", "strip");
    let scratch = stripped("none");
    let mut debug = scratch.read("kept/exe.so.debug");
    *debug.last_mut().unwrap() ^= 1;
    let path = scratch.write("bin/exe.so.debug", &debug);
    let located = search(&scratch, SearchOptions::default());
    assert!(missing(&located).contains(&(path.as_path(), &Outcome::OtherCrc)));
}

#[test]
fn with_build_ids_the_build_id_decides() {
    need_tool!("gcc", "objcopy", "strip");
    let scratch = stripped("0x1111111111");
    // The checksum of a file that was compressed later is another one; the build ID is not.
    let mut debug = scratch.read("kept/exe.so.debug");
    *debug.last_mut().unwrap() ^= 1;
    let path = scratch.write("bin/exe.so.debug", &debug);
    let located = search(&scratch, SearchOptions::default());
    assert_eq!(found(&located).1, FileState::Verified);
    let other = stripped("0x2222222222");
    scratch.write("bin/exe.so.debug", other.read("kept/exe.so.debug"));
    let located = search(&scratch, SearchOptions::default());
    let id = "2222222222".parse().unwrap();
    assert!(missing(&located).contains(&(path.as_path(), &Outcome::OtherBuild(Some(id)))));
}

#[test]
fn debug_folders_have_debug_files_by_build_id() {
    need_tool!("gcc", "objcopy", "strip");
    let scratch = stripped("0xabcdef0123");
    let debug = scratch.read("kept/exe.so.debug");
    let place = scratch.write("debug/.build-id/ab/cdef0123.debug", &debug);
    let debug_dirs = vec![scratch.path("debug")];
    let located = search(&scratch, SearchOptions { debug_dirs, ..SearchOptions::default() });
    assert_eq!(found(&located), (Origin::BuildId, FileState::Verified, place.as_path()));
    // Beneath a sysroot, where its own debug folder is.
    let place = scratch.write("root/usr/lib/debug/.build-id/ab/cdef0123.debug", &debug);
    let sysroot = Some(scratch.path("root"));
    let located = search(&scratch, SearchOptions { sysroot, ..SearchOptions::default() });
    assert_eq!(found(&located).2, place.as_path());
}

#[test]
fn a_link_that_is_a_path_is_not_followed() {
    need_tool!("gcc", "objcopy", "strip");
    let scratch = stripped("none");
    let image = object(&scratch.read("bin/exe.so"));
    let crc = image.debug_link().unwrap().crc;
    let absolute = scratch.path("kept/exe.so.debug").display().to_string();
    for name in ["../kept/exe.so.debug", "kept/../exe.so.debug", "..", ".", "/", "", &absolute] {
        let link = DebugLink { name: Path::new(name).to_owned(), crc };
        let located = ask(&scratch, &image, Some(&link), SearchOptions::default());
        assert!(missing(&located).is_empty(), "{name}: {located:?}");
    }
}

#[test]
fn a_file_is_not_its_own_debug_file() {
    need_tool!("gcc", "objcopy", "strip");
    let scratch = stripped("sha1");
    let image = object(&scratch.read("bin/exe.so"));
    let link = DebugLink { name: "exe.so".into(), crc: 0 };
    let located = ask(&scratch, &image, Some(&link), SearchOptions::default());
    let itself = scratch.path("bin/exe.so");
    assert!(missing(&located).iter().all(|(tried, _)| *tried != itself));
}

#[test]
fn a_fifo_in_the_place_of_a_debug_file_is_passed_over() {
    need_tool!("gcc", "objcopy", "strip", "mkfifo");
    let scratch = stripped("none");
    scratch.run("mkfifo bin/exe.so.debug");
    let debug = scratch.read("kept/exe.so.debug");
    let path = scratch.write("bin/.debug/exe.so.debug", debug);
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let located = search(&scratch, SearchOptions::default());
        send.send(found(&located).2.to_owned())
    });
    let got = receive.recv_timeout(std::time::Duration::from_secs(10)).expect("it hangs, or it panicked");
    assert_eq!(got, path);
}
