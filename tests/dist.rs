//! `make dist`: one file that works where there is nothing else: in a root file system with no other file than those of
//! the kernel, and in one with another C library. Only the sweeps have it built before.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use epitaph_testkit::need_tool;
use epitaph_testkit::skip::skipped;
use tempfile::TempDir;

use crate::support::{alone_by, epitaph, folder, plain_environment, repository, test_all};

/// The static binary, where it is to be tested.
fn dist() -> Option<PathBuf> {
    if !test_all() {
        return None;
    }
    let name = format!("epitaph-{}-x86_64-linux", env!("CARGO_PKG_VERSION"));
    let path = repository().join("target/dist").join(name);
    if !path.is_file() {
        skipped("there is no static binary (make dist builds it)");
        return None;
    }
    Some(path)
}

/// A root file system with the static binary as `/epitaph`, and empty folders for the kernel's.
struct Root(TempDir);

impl Root {
    fn with(dist: &Path) -> Root {
        let root = Root(folder());
        for name in ["proc", "dev", "tmp", "etc"] {
            fs::create_dir(root.path().join(name)).unwrap();
        }
        // By another process: one that forks meanwhile would hold the copy open for writing, and then it can't be run.
        root.copy(dist, "epitaph");
        root
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn copy(&self, from: &Path, to: &str) {
        let to = self.path().join(to);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        assert!(Command::new("cp").arg(from).arg(to).status().unwrap().success());
    }

    /// Runs a program of this root, with `/proc` and `/dev` there; `None` where the system doesn't allow that.
    fn run(&self, arguments: &[&str]) -> Option<Output> {
        self.run_with(&[], arguments)
    }

    /// As [`run`](Self::run), with more variables in its environment.
    fn run_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Option<Output> {
        let script = r#"mount --rbind /proc "$0/proc" && mount --rbind /dev "$0/dev" && cd "$0/tmp" && exec chroot "$0" "$@""#;
        let mut command = alone_by(script)?;
        command.arg(self.path()).args(arguments);
        plain_environment(&mut command).env_remove("TMPDIR").envs(variables.iter().copied());
        Some(command.output().unwrap())
    }
}

/// Checks that a command ended with a status, and returns what it wrote.
#[track_caller]
fn said(output: &Output, status: i32) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(status), "{stdout}\n{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    (stdout, stderr)
}

/// Compiles a program that aborts in `give_up`.
fn crasher(compiler: &str, options: &[&str], to: &Path) {
    let source = to.with_extension("c");
    let lines = "#include <stdlib.h>\n\
        __attribute__((noinline)) void give_up(void) { abort(); }\n\
        int main(void) { give_up(); return 0; }\n";
    fs::write(&source, lines).unwrap();
    let built =
        Command::new(compiler).args(["-g", "-o"]).arg(to).args(options).arg(&source).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    fs::remove_file(source).unwrap();
}

/// Runs a program of the root that crashes, and checks that its story is told and its core kept.
fn tells_a_crash(root: &Root, command: &[&str]) {
    let mut arguments = vec!["/epitaph", "run", "--capture", "ptrace", "--out", "/tmp/out", "--"];
    arguments.extend(command);
    let Some(output) = root.run(&arguments) else {
        skipped("a root file system can't be entered here");
        return;
    };
    let (_, stderr) = said(&output, 134);
    if stderr.contains("could not be traced") {
        skipped("processes can't be traced here");
        return;
    }
    assert!(stderr.contains("died of SIGABRT") && stderr.contains("in give_up"), "{stderr}");
    // What was kept there explains itself here.
    let shown = epitaph().arg("show").arg(root.path().join("tmp/out")).run().code(0);
    shown.says(&["died of SIGABRT", "in give_up"]);
}

#[test]
fn in_an_empty_root() {
    need_tool!("gcc", "chroot");
    let Some(dist) = dist() else { return };
    let root = Root::with(&dist);
    let Some(output) = root.run(&["/epitaph", "--version"]) else {
        skipped("a root file system can't be entered here");
        return;
    };
    assert_eq!(said(&output, 0).0, format!("epitaph {}\n", env!("CARGO_PKG_VERSION")));

    let fixture = repository().join("testdata/cores/i386");
    let copied = Command::new("cp").arg("-r").arg(&fixture).arg(root.path().join("core")).status().unwrap();
    assert!(copied.success());
    let (shown, _) = said(&root.run(&["/epitaph", "show", "/core"]).unwrap(), 0);
    let here = epitaph().arg("show").arg(&fixture).run().code(0);
    let first = |text: &str| text.lines().next().unwrap_or_default().to_owned();
    assert_eq!(first(&shown), first(here.stdout()), "the same story as here");

    crasher("gcc", &["-static"], &root.path().join("crasher"));
    tells_a_crash(&root, &["/crasher"]);
    // It says itself whether a crash leaves a core; here nothing can be said of which.
    let doctor = root.run(&["/epitaph", "doctor", "--json"]).unwrap();
    let facts: serde_json::Value = serde_json::from_slice(&doctor.stdout).unwrap();
    assert!(facts.is_object() && matches!(doctor.status.code(), Some(0 | 1)), "{facts:#}");
    let status = root.run(&["/epitaph", "handler", "status"]).unwrap();
    assert!(matches!(status.status.code(), Some(0 | 1)) && !status.stdout.is_empty(), "{status:?}");
    // The kernel starts the handler with nothing but a pipe, which is empty here.
    let handler = root.run(&["/epitaph", "handler", "run"]).unwrap();
    assert!(handler.status.code().is_some(), "it ends by itself: {handler:?}");
}

#[test]
fn beside_another_c_library() {
    need_tool!("musl-gcc", "chroot");
    let Some(dist) = dist() else { return };
    let loader = Path::new("/lib/ld-musl-x86_64.so.1");
    if !loader.exists() {
        skipped("there is no musl loader in /lib");
        return;
    }
    let root = Root::with(&dist);
    root.copy(&loader.canonicalize().unwrap(), "lib/ld-musl-x86_64.so.1");
    // An nsswitch.conf that names modules which aren't there, as on most systems.
    fs::write(root.path().join("etc/nsswitch.conf"), "passwd: sss systemd\nhosts: resolve sss dns\n")
        .unwrap();
    crasher("musl-gcc", &["-Wl,-rpath,/lib"], &root.path().join("crasher"));
    tells_a_crash(&root, &["/crasher"]);
}

#[test]
fn hosts_are_found_without_a_c_library() {
    need_tool!("chroot");
    let Some(dist) = dist() else { return };
    let root = Root::with(&dist);
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    fs::write(root.path().join("etc/hosts"), "127.0.0.1 artifacts.example\n").unwrap();
    let asked = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let (mut client, _) = server.accept().unwrap();
        let mut request = [0; 4096];
        let length = client.read(&mut request).unwrap();
        client
            .write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            .unwrap();
        String::from_utf8_lossy(&request[..length]).into_owned()
    });
    let address = format!("http://artifacts.example:{port}");
    let variables = [("EPITAPH_CIRCLECI_URL", address.as_str())];
    let Some(output) = root.run_with(&variables, &["/epitaph", "ls", "circleci://github/acme/app/42"]) else {
        skipped("a root file system can't be entered here");
        return;
    };
    let (_, stderr) = said(&output, 1);
    assert!(stderr.contains("404"), "{stderr}");
    assert!(asked.join().unwrap().contains(&format!("artifacts.example:{port}")));
}
