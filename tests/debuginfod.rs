//! Files from debuginfod servers: elfutils' own on loopback, and others that do what none should.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use epitaph_testkit::crash::{Crash, program};
use epitaph_testkit::need_tool;
use epitaph_testkit::server::{End, Reply, Request, Server};
use serde_json::Value;
use tempfile::TempDir;

use crate::fixtures::{assert_chain, functions, own_functions};
use crate::support::{Answer, Epitaph, epitaph, folder, plain_environment, text};

/// The chain of `null_deref.c`.
const CHAIN: [&str; 3] = ["quantity_of", "price_of", "main"];

/// A core that is alone on a machine with nothing on it, and the files that explain it, for servers to serve.
struct World {
    dir: TempDir,
    /// What servers serve: name and bytes, by the path of the request.
    files: BTreeMap<String, Vec<u8>>,
    /// The program's build ID.
    id: String,
}

impl World {
    /// Lets a program crash, strips it, and leaves its core alone.
    fn new() -> Option<World> {
        let crash = Crash::of_or_skip(program("null_deref"))?;
        let summary = epitaph().args(["show", "--json"]).arg(&crash.core).run().code(0).json();
        let dir = folder();
        for name in ["alone", "empty", "served"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        fs::rename(&crash.core, dir.path().join("alone/core")).unwrap();
        let mut files = BTreeMap::new();
        let mut id = String::new();
        for module in summary["modules"].as_array().unwrap() {
            let (Some(path), Some(build_id)) = (module["path"].as_str(), module["build_id"].as_str()) else {
                continue;
            };
            let path = Path::new(path);
            if !path.is_file() {
                continue;
            }
            let copy = dir.path().join("served").join(path.file_name().unwrap());
            fs::copy(path, &copy).unwrap();
            if module["main"] == true {
                build_id.clone_into(&mut id);
                let debug = dir.path().join("served/the.debug");
                run(Command::new("objcopy").arg("--only-keep-debug").arg(&copy).arg(&debug));
                run(Command::new("strip").arg(&copy));
                files.insert(format!("/buildid/{id}/debuginfo"), fs::read(debug).unwrap());
            }
            files.insert(format!("/buildid/{build_id}/executable"), fs::read(&copy).unwrap());
        }
        assert!(files.len() >= 3, "the program's two files, and libc's: {:?}", files.keys());
        Some(World { dir, files, id })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `epitaph COMMAND`, for the core alone; other words may follow.
    fn epitaph(&self, command: &str) -> Epitaph {
        let cache = self.path("cache");
        let empty = self.path("empty");
        let epitaph = epitaph().env("DEBUGINFOD_CACHE_PATH", cache).env("EPITAPH_SYSROOT", empty);
        epitaph.arg(command).arg(self.path("alone/core"))
    }

    fn show(&self, options: &[&str]) -> Value {
        self.epitaph("show").arg("--json").args(options).run().code(0).json()
    }

    /// A server with these files; `spoil` may change an answer that would be right.
    fn server(&self, spoil: impl Fn(&Request, Reply) -> Reply + Send + Sync + 'static) -> Server {
        let files = self.files.clone();
        Server::start(move |request| match files.get(&request.path) {
            Some(bytes) => spoil(request, Reply::new(200, bytes.clone())),
            None => Reply::new(404, "no such file"),
        })
    }

    /// Empties the cache.
    fn forget(&self) {
        if self.path("cache").exists() {
            fs::remove_dir_all(self.path("cache")).unwrap();
        }
    }

    /// elfutils' client with the same cache; the file's path, if it has it.
    fn debuginfod_find(&self, server: &str, kind: &str, id: &str) -> Option<PathBuf> {
        let mut command = Command::new("debuginfod-find");
        plain_environment(&mut command).args([kind, id]);
        command.env("DEBUGINFOD_URLS", server).env("DEBUGINFOD_CACHE_PATH", self.path("cache"));
        let output = command.output().unwrap();
        let path = String::from_utf8(output.stdout).unwrap();
        output.status.success().then(|| PathBuf::from(path.trim_end()))
    }
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}

/// Debian's `debuginfod`, serving a folder.
struct Debuginfod {
    child: Child,
    port: u16,
}

impl Debuginfod {
    /// Starts it, and waits until it has a file.
    fn serve(world: &World) -> Debuginfod {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new("debuginfod");
        plain_environment(&mut command).env("HOME", world.path("empty"));
        command.args(["-p", &port.to_string(), "-t", "1", "-F", "-d"]);
        command.arg(world.path("index.sqlite")).arg(world.path("served"));
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let server = Debuginfod { child, port };
        let started = Instant::now();
        let wanted: Vec<&String> = world.files.keys().collect();
        while !wanted.iter().all(|path| server.has(path)) {
            assert!(started.elapsed() < Duration::from_secs(30), "debuginfod does not index {wanted:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn has(&self, path: &str) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) else { return false };
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut start = [0; 12];
        stream.read_exact(&mut start).is_ok() && start.ends_with(b"200")
    }
}

impl Drop for Debuginfod {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The warnings that are about debuginfod.
fn told(summary: &Value) -> Vec<&str> {
    let warnings = summary["warnings"].as_array().map(Vec::as_slice).unwrap_or_default();
    let about = warnings.iter().filter(|warning| warning["code"] == "debuginfod");
    about.map(|warning| warning["text"].as_str().unwrap()).collect()
}

/// Checks that the core's story is whole: functions, file and line.
#[track_caller]
fn assert_explained(summary: &Value) {
    assert_chain(&functions(summary), &CHAIN);
    let first = &summary["threads"][0]["frames"][0];
    assert!(first["file"].as_str().unwrap().ends_with("null_deref.c") && first["line"].is_u64(), "{first:#}");
}

#[track_caller]
fn assert_unexplained(summary: &Value) {
    assert!(
        own_functions(summary).iter().all(|function| function == "??"),
        "names are invented: {summary:#}"
    );
}

#[test]
fn elfutils_own_server_explains_a_core_that_is_alone() {
    need_tool!("debuginfod", "objcopy", "strip");
    let Some(world) = World::new() else { return };
    assert_unexplained(&world.show(&[]));
    let server = Debuginfod::serve(&world);
    let url = server.url();
    let ask = || world.epitaph("show").env("DEBUGINFOD_URLS", &url).arg("--json");
    assert_unexplained(&ask().arg("--no-debuginfod").run().code(0).json());
    assert!(!world.path("cache").exists());

    let summary = ask().run().code(0).json();
    assert_explained(&summary);
    assert_eq!(told(&summary), [""; 0]);
    let module =
        &summary["modules"].as_array().unwrap().iter().find(|module| module["main"] == true).unwrap();
    assert_eq!(
        (&module["file_origin"], &module["debug_origin"]),
        (&"debuginfod".into(), &"debuginfod".into())
    );
    assert_eq!(module["file_state"], "verified");
    let debug = world.path("cache").join(&world.id).join("debuginfo");
    assert_eq!(module["debug_file"], text(&debug));
    assert_eq!(fs::read(debug).unwrap(), world.files[&format!("/buildid/{}/debuginfo", world.id)]);

    // What came stays, also when the server is gone.
    drop(server);
    assert_explained(&ask().run().code(0).json());
    // Asked for by option and by variable, and for people.
    let answer = world.epitaph("show").args(["--debuginfod", &url]).run().code(0);
    answer.says(&["in quantity_of"]);
    let answer = world.epitaph("report").env("EPITAPH_DEBUGINFOD", &url).arg("--format=json").run();
    assert_explained(&answer.code(0).json());
}

#[test]
fn the_cache_is_shared_with_elfutils_client() {
    need_tool!("debuginfod", "debuginfod-find", "objcopy", "strip");
    let Some(world) = World::new() else { return };
    let server = Debuginfod::serve(&world);
    let url = server.url();
    let wanted: Vec<(&str, &str)> =
        world.files.keys().map(|path| path["/buildid/".len()..].split_once('/').unwrap()).collect();

    // What we got, it finds without a server.
    assert_explained(&world.show(&["--debuginfod", &url]));
    drop(server);
    for kind in ["executable", "debuginfo"] {
        let found =
            world.debuginfod_find(&url, kind, &world.id).unwrap_or_else(|| panic!("{kind} is not found"));
        assert_eq!(found, world.path("cache").join(&world.id).join(kind));
    }

    // What it got, we find without a server.
    world.forget();
    let server = Debuginfod::serve(&world);
    let url = server.url();
    for (id, kind) in &wanted {
        assert!(world.debuginfod_find(&url, kind, id).is_some(), "{kind} of {id}");
    }
    drop(server);
    let summary = world.show(&["--debuginfod", &url]);
    assert_explained(&summary);
}

#[test]
fn what_nobody_has_is_remembered_for_both_clients() {
    need_tool!("debuginfod-find", "objcopy", "strip");
    let Some(world) = World::new() else { return };
    let server = Server::start(|_| Reply::new(404, "no such file"));
    world.show(&["--debuginfod", &server.url()]);
    let path = format!("/buildid/{}/executable", world.id);
    assert_eq!(server.requests_for(&path).len(), 1);
    assert_eq!(world.debuginfod_find(&server.url(), "executable", &world.id), None);
    assert_eq!(server.requests_for(&path).len(), 1, "elfutils' client believes our note");

    world.forget();
    assert_eq!(world.debuginfod_find(&server.url(), "executable", &world.id), None);
    assert_eq!(server.requests_for(&path).len(), 2);
    world.show(&["--debuginfod", &server.url()]);
    assert_eq!(server.requests_for(&path).len(), 2, "we believe its note");
}

#[test]
fn nobody_is_asked_for_what_is_here() {
    let Some(crash) = Crash::of_or_skip(program("null_deref")) else { return };
    let server = Server::start(|_| Reply::new(404, "no such file"));
    let answer =
        epitaph().env("DEBUGINFOD_URLS", server.url()).args(["show", "--json"]).arg(&crash.core).run();
    let summary = answer.code(0).json();
    assert_explained(&summary);
    let main = summary["modules"].as_array().unwrap().iter().find(|module| module["main"] == true).unwrap();
    let id = main["build_id"].as_str().unwrap();
    assert!(server.requests_for(id).is_empty(), "{:?}", server.requests());
}

/// A server that spoils each file, and what is said of it.
type Fault = (&'static str, fn(&Request, Reply) -> Reply, &'static str);

#[test]
fn whatever_a_server_does_the_rest_of_the_story_is_told() {
    need_tool!("objcopy", "strip");
    let Some(world) = World::new() else { return };
    let other = fs::read(crate::support::program()).unwrap();
    let liar = move |_: &Request, _: Reply| Reply::new(200, other.clone());
    let server = world.server(liar);
    let summary = world.show(&["--debuginfod", &server.url()]);
    assert_unexplained(&summary);
    let lie = format!("asked for build ID {}, but: a different build", world.id);
    assert!(told(&summary).len() == 1 && told(&summary)[0].contains(&lie), "{:#?}", told(&summary));
    assert!(told(&summary)[0].starts_with(&server.url()));

    let faults: [Fault; 6] = [
        ("garbage", |_, _| Reply::new(200, "<html>Please log in</html>"), "not an ELF file"),
        ("nothing", |_, _| Reply::new(200, ""), "not an ELF file"),
        ("an error", |_, _| Reply::new(500, "oops"), "answered 500"),
        ("half, announced", |_, reply| reply.cut(3000, End::Close), "request to"),
        ("half, unannounced", |_, reply| reply.unannounced().cut(3000, End::Close), "it is cut short"),
        ("compressed", |_, reply| reply.header("Content-Encoding", "gzip"), "it is compressed"),
    ];
    for (name, spoil, words) in faults {
        world.forget();
        let server = world.server(spoil);
        let summary = world.show(&["--debuginfod", &server.url()]);
        assert_unexplained(&summary);
        assert!(
            told(&summary).len() == 1 && told(&summary)[0].contains(words),
            "{name}: {:#?}",
            told(&summary)
        );
        // Beside a good server it does no harm.
        world.forget();
        let good = world.server(|_, reply| reply.after(Duration::from_millis(20)));
        let summary = world.show(&["--debuginfod", &server.url(), "--debuginfod", &good.url()]);
        assert_explained(&summary);
    }
}

#[test]
fn a_redirect_leads_to_the_file() {
    need_tool!("objcopy", "strip");
    let Some(world) = World::new() else { return };
    let good = world.server(|_, reply| reply);
    let target = good.url();
    let server = world.server(move |request, _| Reply::redirect(&format!("{target}{}", request.path)));
    assert_explained(&world.show(&["--debuginfod", &server.url()]));
}

#[test]
fn the_time_for_a_core_is_kept_whatever_the_server_does() {
    need_tool!("objcopy", "strip");
    let Some(world) = World::new() else { return };
    let stalling = world.server(|_, reply| reply.cut(3000, End::Stall));
    let silent = world.server(|_, reply| reply.after(Duration::from_secs(15)));
    for server in [&stalling, &silent] {
        world.forget();
        let start = Instant::now();
        let summary = world.show(&["--debuginfod", &server.url(), "--debuginfod-budget", "1s"]);
        assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
        assert_unexplained(&summary);
        let told = told(&summary);
        assert!(
            told.len() == 2
                && told[0].contains(" sent ")
                && told[1].contains("1 s for this core were used up"),
            "{told:#?}"
        );
    }
    // What takes a server too long for elfutils' own variable takes it too long for us.
    world.forget();
    let start = Instant::now();
    let answer = world.epitaph("show").env("DEBUGINFOD_TIMEOUT", "1").args([
        "--json",
        "--debuginfod",
        &stalling.url(),
    ]);
    let summary = answer.run().code(0).json();
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
    assert!(told(&summary)[0].contains("it is not asked any more"), "{:#?}", told(&summary));
}

#[test]
fn limits_can_be_set() {
    need_tool!("objcopy", "strip");
    let Some(world) = World::new() else { return };
    let server = world.server(|_, reply| reply);
    let url = server.url();
    let summary = world.show(&["--debuginfod", &url, "--debuginfod-lookups", "1"]);
    assert_eq!(server.requests().len(), 1);
    assert!(told(&summary)[0].contains("the 1 look-ups for this core were used up"), "{:#?}", told(&summary));
    world.forget();
    let answer =
        world.epitaph("show").env("DEBUGINFOD_MAXSIZE", "1000").args(["--json", "--debuginfod", &url]);
    let summary = answer.run().code(0).json();
    assert!(told(&summary)[0].contains("more than the 1000 bytes that are taken"), "{:#?}", told(&summary));
    // 0 takes only what is there already.
    let before = server.requests().len();
    world.show(&["--debuginfod", &url, "--debuginfod-budget", "0"]);
    assert_eq!(server.requests().len(), before);
    let answer = world.epitaph("show").args(["--debuginfod", &url, "--debuginfod-budget", "soon"]).run();
    answer.code(2).tells(&["soon"]);
}

#[test]
fn progress_is_told_on_demand_where_nobody_watches() {
    need_tool!("objcopy", "strip");
    let Some(world) = World::new() else { return };
    let server = world.server(|_, reply| reply);
    let url = server.url();
    let quiet: Answer = world.epitaph("show").args(["--json", "--debuginfod", &url]).run().code(0);
    assert_eq!(quiet.stderr(), "");
    world.forget();
    let told =
        world.epitaph("show").env("DEBUGINFOD_PROGRESS", "1").args(["--json", "--debuginfod", &url]).run();
    told.code(0).tells(&["epitaph: downloading exe (debug) (", "epitaph: downloaded exe (debug)"]);
}

#[test]
fn collect_keeps_what_it_was_sent_and_is_a_server_itself() {
    need_tool!("objcopy", "strip");
    let Some(world) = World::new() else { return };
    let asked = |server: &Server| -> BTreeSet<String> {
        server.requests().into_iter().map(|request| request.path).collect()
    };
    let server = world.server(|_, reply| reply);
    world.show(&["--debuginfod", &server.url()]);
    let explaining = asked(&server);
    world.forget();

    let server = world.server(|_, reply| reply);
    let out = world.path("out");
    let collect = world.epitaph("collect").args(["--debuginfod", &server.url(), "--out"]).arg(&out);
    collect.run().code(0).says(&["in quantity_of"]);
    assert_eq!(asked(&server), explaining, "what explains nothing is not downloaded to be kept");
    for kind in ["executable", "debuginfo"] {
        let kept = fs::read(out.join("buildid").join(&world.id).join(kind)).unwrap();
        assert_eq!(kept, world.files[&format!("/buildid/{}/{kind}", world.id)]);
    }
    world.forget();
    let folder = format!("file://{}", text(&out));
    let summary = world.show(&["--debuginfod", &folder]);
    assert_explained(&summary);
    assert!(!world.path("cache").exists());
}
