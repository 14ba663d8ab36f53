//! Makes the cores of `testdata/cores` anew: `fixtures FOLDER`, or one of them: `fixtures FOLDER TARGET
//! RECIPE`.
//!
//! It builds the program, lets it crash, and leaves `exe`, `core.zst` and `gdb.json`, what gdb-multiarch says of it (if
//! it ends at all), in `FOLDER/TARGET/RECIPE`.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a fixture that can't be made ends the program with the reason"
)]

use std::path::Path;
use std::process::Command;

use epitaph_testkit::cross::{CrossCrash, FIXTURES, Recipe, Target, recipe, target};
use epitaph_testkit::gdb::Gdb;

/// Frames of each thread that are kept.
const DEPTH: usize = 64;
/// How long gdb may take, in seconds; it hangs on signal frames of some architectures.
const PATIENCE: u32 = 20;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [folder] => {
            for (target_name, recipe_name) in FIXTURES {
                make(folder, target(target_name), recipe(recipe_name));
            }
        }
        [folder, target_name, recipe_name] => make(folder, target(target_name), recipe(recipe_name)),
        _ => panic!("usage: fixtures FOLDER [TARGET RECIPE]"),
    }
}

fn make(folder: &str, target: &'static Target, recipe: &Recipe) {
    let crash = CrossCrash::of_or_skip(target, recipe).expect("the tools that the fixture is made with");
    let folder = Path::new(folder).join(target.name).join(recipe.name);
    std::fs::create_dir_all(&folder).expect("the fixture's folder");
    let (exe, core) = (folder.join("exe"), folder.join("core.zst"));
    std::fs::copy(&crash.exe, &exe).expect("copying the executable");
    let zstd = Command::new("zstd").args(["-q", "-f", "-19"]).arg(&crash.core).arg("-o").arg(&core).status();
    assert!(zstd.is_ok_and(|status| status.success()), "compressing the core");
    let sysroot = target.sysroot();
    let gdb = Gdb { program: "gdb-multiarch", sysroot: Some(&sysroot), patience: PATIENCE };
    if let Ok(oracle) = gdb.backtrace(&crash.exe, &crash.core, DEPTH) {
        let json = serde_json::to_string_pretty(&oracle).expect("gdb's answer as JSON");
        std::fs::write(folder.join("gdb.json"), json + "\n").expect("writing gdb's answer");
    }
}
