//! Debuggers that ask for files by build ID, as they ask a debuginfod server.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use epitaph_testkit::crash::{Crash, program};
use epitaph_testkit::need_tool;
use epitaph_testkit::servers::web;
use tempfile::TempDir;

use super::{Serving, TOKEN};
use crate::support::{epitaph, folder, plain_environment};

/// A core and the stripped program, and what explains them in a folder of its own.
struct World {
    dir: TempDir,
    core: PathBuf,
    id: String,
}

impl World {
    fn new() -> Option<World> {
        let crash = Crash::of_or_skip(program("null_deref"))?;
        let dir = folder();
        // The program itself, where the core says it is, goes with the crash.
        let app = dir.path().join("app");
        fs::copy(&crash.exe, &app).unwrap();
        let summary = epitaph().args(["show", "--json"]).arg(&crash.core).run().code(0).json();
        let modules = summary["modules"].as_array().unwrap();
        let main = modules.iter().find(|module| module["main"] == true).unwrap();
        let id = main["build_id"].as_str().unwrap().to_owned();
        let core = dir.path().join("core");
        fs::copy(&crash.core, &core).unwrap();
        let served = dir.path().join("out/buildid").join(&id);
        fs::create_dir_all(&served).unwrap();
        run(Command::new("objcopy").arg("--only-keep-debug").arg(&app).arg(served.join("debuginfo")));
        run(Command::new("strip").arg(&app));
        fs::copy(&app, served.join("executable")).unwrap();
        Some(World { dir, core, id })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A debugger that asks this server, and has asked none before.
    fn debugger(&self, name: &str, url: &str) -> Command {
        let home = self.path(&format!("home-{name}"));
        fs::create_dir_all(&home).unwrap();
        let mut command = Command::new(name);
        plain_environment(&mut command).env("HOME", &home).env("DEBUGINFOD_CACHE_PATH", home.join("cache"));
        command.env("DEBUGINFOD_URLS", url);
        command
    }
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let both = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&both).into_owned()
}

fn gdb(world: &World, url: &str) -> Command {
    let mut gdb = world.debugger("gdb", url);
    gdb.args(["-q", "-nx", "-batch", "-iex", "set debuginfod enabled on", "-ex", "bt"]);
    gdb.arg(world.path("app")).arg(&world.core);
    gdb
}

/// Serves the files as a store and as a folder.
fn both(world: &World) -> [Serving; 2] {
    let store = world.path("store");
    let push = epitaph().args(["push", "--destination=out"]).arg(world.path("out")).arg(&store);
    push.run().code(0);
    [Serving::start(&store, &[]), Serving::start(&world.path("out"), &[])]
}

#[test]
fn debuggers_find_the_files_of_a_stripped_program() {
    need_tool!("gdb", "eu-stack", "objcopy", "strip", "curl");
    let Some(world) = World::new() else { return };
    let without = output(&mut gdb(&world, ""));
    assert!(!without.contains("quantity_of"), "{without}");
    for serving in both(&world) {
        let _ = fs::remove_dir_all(world.path("home-gdb"));
        let story = output(&mut gdb(&world, &serving.url));
        assert!(story.contains("quantity_of (") && story.contains("null_deref.c:14"), "{story}");

        let _ = fs::remove_dir_all(world.path("home-eu-stack"));
        let mut stack = world.debugger("eu-stack", &serving.url);
        stack.arg("-s").arg("--executable").arg(world.path("app")).arg("--core").arg(&world.core);
        let story = output(&mut stack);
        assert!(story.contains("quantity_of") && story.contains("null_deref.c:14"), "{story}");

        let path = |kind: &str| format!("/buildid/{}/{kind}", world.id);
        let headers = serving.curl(&["-I"], &path("executable"));
        let size = fs::metadata(world.path("app")).unwrap().len();
        assert!(headers.contains(&format!("x-debuginfod-size: {size}\r")), "{headers}");
        assert!(headers.contains(&format!("content-length: {size}\r")), "{headers}");
        assert_eq!(serving.status(&["-r", "0-3"], &path("debuginfo")), "206");
        assert_eq!(serving.status(&[], &path("source/etc/passwd")), "404");
        assert_eq!(serving.status(&[], "/buildid/00ff00ff/debuginfo"), "404");
    }
}

/// The store itself behind any web server is a debuginfod server: nothing of ours runs then.
#[test]
fn debuggers_find_them_in_a_store_behind_nginx_alone() {
    need_tool!("gdb", "eu-stack", "objcopy", "strip");
    let Some(world) = World::new() else { return };
    let Some(nginx) = web::nginx_plain(None) else { return };
    let store = format!("{}/crashes/", nginx.url());
    epitaph().args(["push", "--destination=out"]).arg(world.path("out")).arg(&store).run().code(0);
    let story = output(&mut gdb(&world, &store));
    assert!(story.contains("quantity_of (") && story.contains("null_deref.c:14"), "{story}");
    let mut stack = world.debugger("eu-stack", &store);
    stack.arg("-s").arg("--executable").arg(world.path("app")).arg("--core").arg(&world.core);
    let story = output(&mut stack);
    assert!(story.contains("quantity_of") && story.contains("null_deref.c:14"), "{story}");
}

#[test]
fn our_own_reader_finds_them_too() {
    need_tool!("objcopy", "strip");
    let Some(world) = World::new() else { return };
    for (number, serving) in both(&world).into_iter().enumerate() {
        let cache = world.path(&format!("cache-{number}"));
        let show = epitaph().env("DEBUGINFOD_CACHE_PATH", cache).args(["show", "--debuginfod", &serving.url]);
        fs::rename(world.path("app"), world.path("app.away")).unwrap();
        show.arg(&world.core).run().code(0).says(&["quantity_of", "null_deref.c:14"]);
        fs::rename(world.path("app.away"), world.path("app")).unwrap();
    }
}

#[test]
fn debuggers_send_a_token_from_a_file_of_headers() {
    need_tool!("gdb", "objcopy", "strip");
    let Some(world) = World::new() else { return };
    let serving = Serving::start(Path::new(&world.path("out")), &[("EPITAPH_SERVE_TOKEN", TOKEN)]);
    let refused = output(&mut gdb(&world, &serving.url));
    assert!(!refused.contains("quantity_of"), "{refused}");
    let _ = fs::remove_dir_all(world.path("home-gdb"));
    let headers = world.path("headers");
    fs::write(&headers, format!("Authorization: Bearer {TOKEN}\n")).unwrap();
    let mut gdb = gdb(&world, &serving.url);
    let story = output(gdb.env("DEBUGINFOD_HEADERS_FILE", headers));
    assert!(story.contains("quantity_of ("), "{story}");
}
