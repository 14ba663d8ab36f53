//! Files that are fetched by build ID where no folder has them, and what comes that is not what was asked for.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use epitaph_elf::{CoreFile, DebugWanted, FileState, Locate as _, Located, Origin, Wanted};
use epitaph_symbols::{Fetch, FetchKind, FetchMissing, FetchWanted, FileSearch, SearchOptions};
use epitaph_testkit::need_tool;
use epitaph_testkit::scratch::Scratch;

use crate::support::{core_of, found, missing, only_module};

const ID: &str = "0123456789abcdef";

/// Offers one file, whatever is asked for, and remembers the questions and what was said of the file.
struct Offer {
    path: PathBuf,
    asked: Mutex<Vec<(String, FetchKind, String)>>,
    refused: Mutex<Vec<String>>,
}

impl Offer {
    fn of(path: PathBuf) -> Offer {
        Offer { path, asked: Mutex::default(), refused: Mutex::default() }
    }

    fn refused(&self) -> Vec<String> {
        self.refused.lock().unwrap().clone()
    }
}

impl Fetch for Offer {
    fn fetch(
        &self,
        wanted: &FetchWanted<'_>,
        check: &mut dyn FnMut(&Path) -> Result<(), String>,
    ) -> Option<PathBuf> {
        self.asked.lock().unwrap().push((wanted.build_id.to_string(), wanted.kind, wanted.name.to_owned()));
        match check(&self.path) {
            Ok(()) => Some(self.path.clone()),
            Err(why) => {
                self.refused.lock().unwrap().push(why);
                None
            }
        }
    }
}

/// Builds `lib.so`, stripped; its debug file; both in another build; and both cut short.
fn world() -> (Scratch, CoreFile) {
    let scratch = Scratch::new();
    scratch.write("a.c", "int a(int n) { return n + 1; }");
    for (id, name) in [(ID, "lib"), ("ffff", "other")] {
        scratch.run(&format!("gcc -g -shared -nostdlib -fPIC -Wl,--build-id=0x{id} -o {name}.so a.c"));
        scratch.run(&format!("objcopy --only-keep-debug {name}.so {name}.debug"));
        scratch.run(&format!("strip {name}.so"));
    }
    for name in ["lib.so", "lib.debug"] {
        let bytes = scratch.read(name);
        scratch.write(&format!("cut.{name}"), &bytes[..bytes.len() - 1]);
    }
    scratch.write("garbage", "<html>Welcome to this network!</html>");
    let core = core_of(&scratch.read("lib.so"), "/nowhere/lib.so", true);
    (scratch, core)
}

fn image(core: &CoreFile, options: SearchOptions<'_>, offer: &Offer) -> Located {
    let module = only_module(core);
    FetchMissing::new(FileSearch::new(options), offer).image(&Wanted { module: &module, arch: "x86_64" })
}

fn debug(core: &CoreFile, offer: &Offer) -> Located {
    let module = only_module(core);
    let wanted =
        DebugWanted { module: &module, build_id: module.build_id.as_ref(), image_path: None, link: None };
    FetchMissing::new(FileSearch::new(SearchOptions::default()), offer).debug(&wanted)
}

#[test]
fn what_no_folder_has_is_fetched_and_says_so() {
    need_tool!("gcc", "objcopy", "strip");
    let (scratch, core) = world();
    let offer = Offer::of(scratch.path("lib.so"));
    let located = image(&core, SearchOptions::default(), &offer);
    assert_eq!(found(&located), (Origin::Debuginfod, FileState::Verified, offer.path.as_path()));
    assert_eq!(*offer.asked.lock().unwrap(), [(ID.to_owned(), FetchKind::Image, "lib.so".to_owned())]);

    let offer = Offer::of(scratch.path("lib.debug"));
    let located = debug(&core, &offer);
    assert_eq!(found(&located), (Origin::Debuginfod, FileState::Verified, offer.path.as_path()));
    assert_eq!(*offer.asked.lock().unwrap(), [(ID.to_owned(), FetchKind::Debug, "lib.so".to_owned())]);
}

#[test]
fn what_is_not_the_wanted_file_is_refused_and_the_reason_said() {
    need_tool!("gcc", "objcopy", "strip");
    let (scratch, core) = world();
    for (name, why) in [
        ("other.so", "a different build (ffff)"),
        ("garbage", "not an ELF file"),
        ("absent", "no such file"),
        ("lib.debug", "it holds debug information only"),
        ("cut.lib.so", "it is cut short"),
    ] {
        let offer = Offer::of(scratch.path(name));
        let located = image(&core, SearchOptions::default(), &offer);
        assert!(!missing(&located).is_empty(), "the answer is the local search's");
        assert_eq!(offer.refused(), [why], "{name}");
    }
    for (name, why) in [
        ("other.debug", "a different build (ffff)"),
        ("garbage", "not an ELF file"),
        ("lib.so", "it holds no debug information"),
        ("cut.lib.debug", "it is cut short"),
    ] {
        let offer = Offer::of(scratch.path(name));
        missing(&debug(&core, &offer));
        assert_eq!(offer.refused(), [why], "{name}");
    }
}

#[test]
fn where_a_folder_has_it_nobody_is_asked() {
    need_tool!("gcc", "objcopy", "strip");
    let (scratch, core) = world();
    let offer = Offer::of(scratch.path("lib.so"));
    let options = SearchOptions { beside: Some(scratch.folder().to_owned()), ..SearchOptions::default() };
    assert_eq!(found(&image(&core, options, &offer)).0, Origin::Beside);
    assert!(offer.asked.lock().unwrap().is_empty());
}

#[test]
fn the_right_file_is_better_than_another_build_that_was_allowed() {
    need_tool!("gcc", "objcopy", "strip");
    let (scratch, core) = world();
    scratch.write("beside/lib.so", scratch.read("other.so"));
    let options = || SearchOptions {
        beside: Some(scratch.path("beside")),
        allow_mismatch: true,
        ..SearchOptions::default()
    };
    let located = image(&core, options(), &Offer::of(scratch.path("lib.so")));
    assert_eq!(found(&located).1, FileState::Verified);
    let located = image(&core, options(), &Offer::of(scratch.path("garbage")));
    assert_eq!(
        found(&located),
        (Origin::Beside, FileState::Mismatch, scratch.path("beside/lib.so").as_path())
    );
}
