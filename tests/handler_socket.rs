//! `epitaph handler serve`: cores that the kernel gives to a socket, where it can (Linux 6.16 and later).
//!
//! As in the handler's other tests, the host's core pattern is changed under the lock that all share, and put back
//! however they end.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use epitaph_testkit::crash::{Built, or_skip, program, without_core_limit};
use epitaph_testkit::skip::skipped;

use crate::fixtures::functions;
use crate::handler::{
    PATTERN, Place, USER, Undo, crash, eventually, is, json_of, kernel_starts, processes_of, settings,
};
use crate::support::{epitaph, text};

/// A server that is at work until the value is dropped.
struct Serving {
    child: Child,
    socket: PathBuf,
}

impl Serving {
    /// Says why, and returns nothing, where the kernel gives no cores to sockets.
    fn begin(place: &Place) -> Option<Serving> {
        let modes = fs::read_to_string("/proc/sys/kernel/core_modes").unwrap_or_default();
        if !modes.lines().any(|mode| mode == "socket") {
            skipped("the kernel gives no cores to sockets");
            return None;
        }
        let mut command = Command::new(place.program());
        command.args(["handler", "serve", "--spool"]).arg(place.spool()).env_clear();
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("cores are received at"), "{line}");
        Some(Serving { child, socket: place.spool().join("epitaph.sock") })
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn a_socket_hands_over_a_core_and_its_user_alone_reads_it() {
    let Some(place) = Place::new() else { return };
    let Some(built) = or_skip(Built::of(program("null_deref"))) else { return };
    let Some(serving) = Serving::begin(&place) else { return };
    for (index, sign) in ["@", "@@"].into_iter().enumerate() {
        let Some(_guard) = kernel_starts(&format!("{sign}{}", serving.socket.display())) else { return };
        crash(&built, &place);
        let core = place.wait_for(USER, ".core.zst", index + 1).remove(index);
        let file = core.metadata().unwrap();
        assert_eq!((file.uid(), file.mode() & 0o777), (USER, 0o400), "{sign}");
        let facts = json_of(&PathBuf::from(text(&core).replace(".core.zst", ".json")));
        assert_eq!(facts["proven_by"], "pidfd", "{facts}");
        assert_eq!(facts["links"]["exe"], text(place.exe()));
        assert_eq!((&facts["uid"], &facts["signal"]), (&USER.into(), &11.into()));
        assert_eq!((&facts["tid"], &facts["name"]), (&facts["pid"], &"exe".into()));
        assert_eq!((&facts["dumpable"], &facts["core_limit"]), (&1.into(), &u64::MAX.into()));
        assert_eq!(facts["warnings"].as_array().unwrap().len(), 0, "{facts}");
        let shown = epitaph().args(["show", "--json"]).arg(&core).run().code(0).json();
        assert_eq!(functions(&shown)[..3], ["quantity_of", "price_of", "main"]);
    }
    // One signature, however its cores came.
    let Some(_guard) = kernel_starts(&format!("@@{}", serving.socket.display())) else { return };
    for _ in 0..3 {
        crash(&built, &place);
    }
    eventually("two of five are counted", || {
        let status =
            epitaph().args(["handler", "status", "--json", "--spool"]).arg(place.spool()).run().json();
        (status["users"][0]["counted"] == 2).then_some(())
    });
    assert_eq!(place.wait_for(USER, ".core.zst", 3).len(), 3);
}

#[test]
fn who_wants_no_core_leaves_none() {
    let Some(place) = Place::new() else { return };
    let Some(serving) = Serving::begin(&place) else { return };
    let Some(_guard) = kernel_starts(&format!("@@{}", serving.socket.display())) else { return };
    let status =
        Command::new("bash").args(["-c", "ulimit -c 0; kill -SEGV $$"]).current_dir("/").status().unwrap();
    assert_eq!((status.signal(), status.core_dumped()), (Some(11), false), "the kernel is told so");
    eventually("its receiver has ended", || (processes_of(&place.program()).len() == 1).then_some(()));
    assert!(place.kept(0).is_empty());
}

#[test]
fn a_thread_that_crashes_is_named() {
    let Some(place) = Place::new() else { return };
    let Some(built) = or_skip(Built::of(program("threads"))) else { return };
    let Some(serving) = Serving::begin(&place) else { return };
    let Some(_guard) = kernel_starts(&format!("@{}", serving.socket.display())) else { return };
    let mut command = without_core_limit(&built.exe);
    command.current_dir("/").stderr(Stdio::null()).status().unwrap();
    let facts = place.wait_for(0, ".json", 1).remove(0);
    place.wait_for(0, ".core.zst", 1);
    let facts = json_of(&facts);
    assert_ne!(facts["tid"], facts["pid"], "{facts}");
    assert_eq!(facts["name"], facts["threads"][facts["tid"].to_string()]);
}

#[test]
fn nobody_but_the_kernel_is_served() {
    let Some(place) = Place::new() else { return };
    let Some(serving) = Serving::begin(&place) else { return };
    let socket = serving.socket.metadata().unwrap();
    assert!(socket.file_type().is_socket());
    assert_eq!((socket.uid(), socket.mode() & 0o077), (0, 0), "others can't connect");
    for sent in [&b"\x7fELF\x02\x01\x01"[..], b""] {
        // This process lives.
        let mut stream = UnixStream::connect(&serving.socket).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        // It may be refused before it has said anything.
        let _ = stream.write_all(sent);
        assert!(!matches!(stream.read(&mut [0]), Ok(1..)), "nothing is answered");
    }
    eventually("the receivers have ended", || (processes_of(&place.program()).len() == 1).then_some(()));
    assert!(place.kept(0).is_empty());
    // Nor is there a second server, and the first one goes on.
    let second = epitaph().args(["handler", "serve", "--spool"]).arg(place.spool()).run().code(1);
    second.tells(&["another `handler serve` is at work there"]);
    UnixStream::connect(&serving.socket).unwrap();
}

#[test]
fn a_server_that_is_started_again_takes_the_place_of_one_that_was_killed() {
    let Some(place) = Place::new() else { return };
    let Some(first) = Serving::begin(&place) else { return };
    drop(first);
    assert!(UnixStream::connect(place.spool().join("epitaph.sock")).is_err());
    let Some(second) = Serving::begin(&place) else { return };
    UnixStream::connect(&second.socket).unwrap();
    let left = fs::read_dir(place.spool()).unwrap().map(|entry| entry.unwrap().path());
    assert!(!left.into_iter().any(|path| is(&path, "partial")));
}

#[test]
fn installing_the_socket_is_undone_by_uninstalling() {
    let Some(place) = Place::new() else { return };
    let Some(built) = or_skip(Built::of(program("null_deref"))) else { return };
    let install = || {
        let install = epitaph().args(["handler", "install", "--force", "--socket", "--spool"]);
        install.arg(place.spool())
    };
    let Some(serving) = Serving::begin(&place) else { return };
    drop(serving);
    install().run().code(1).tells(&["nobody listens there", "hint: "]);
    let Some(serving) = Serving::begin(&place) else { return };
    let pattern = format!("@@{}", serving.socket.display());
    // The guard's helper puts back the host's own pattern wherever it finds ours, should this test be killed.
    let Some(guard) = kernel_starts(&pattern) else { return };
    fs::write(PATTERN, format!("{}\n", guard.before())).unwrap();
    let before = settings();
    let _undone = Undo { place: &place };
    install().run().code(0);
    assert_eq!(settings(), (format!("{pattern}\n"), before.1.clone()));
    crash(&built, &place);
    place.wait_for(USER, ".core.zst", 1);
    // Who collects is told by the pattern where the cores are.
    let out = place.exe().with_file_name("out");
    let collect = epitaph().args(["collect", "--out"]).arg(&out).within(out.parent().unwrap());
    collect.run().code(0).says(&["quantity_of"]);
    let status = || epitaph().args(["handler", "status"]).run();
    status().code(0).says(&["The handler is installed: ", "user 54321: 1 crashes"]);
    let doctor = || epitaph().args(["doctor", "--json"]).within(out.parent().unwrap()).run().json();
    let told = doctor();
    assert_eq!(told["canary"]["outcome"], "core", "{told}");
    drop(serving);
    status().code(1).says(&["will not work", "nobody listens there"]);
    let told = doctor();
    assert_eq!(told["reason"]["code"], "pattern_socket_refused", "{told}");
    assert!(told["reason"]["advice"].as_str().unwrap().contains("epitaph handler serve"), "{told}");
    epitaph().args(["handler", "uninstall"]).run().code(0);
    assert_eq!(settings(), before);
}
