//! `epitaph handler`: what the kernel starts for a core, and how it is put into the host's settings.
//!
//! These tests need root: the handler, its program and its spool are root's. Those that let the kernel start it change
//! the host's core pattern, under the lock that everyone who relies on the pattern shares, and it is put back however
//! they end.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use epitaph_testkit::crash::{Built, PatternGuard, or_skip, program, without_core_limit};
use epitaph_testkit::skip::skipped;
use serde_json::Value;
use tempfile::TempDir;

use crate::fixtures::{functions, small_core};
use crate::support::{Answer, epitaph, is_root, plain_environment, program as program_path, text};

/// A folder of root's alone, however deep the repository lies.
const TRUSTED: &str = "/var/lib";
/// The user whose programs crash: nobody's else.
pub(crate) const USER: u32 = 54_321;
/// The user and group that nobody is.
pub(crate) const NOBODY: u32 = 65_534;
/// How long a handler may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where cores go.
pub(crate) const PATTERN: &str = "/proc/sys/kernel/core_pattern";

/// A copy of the program where root alone can change it, and an empty spool beside it.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    /// Says why, and returns nothing, where this isn't root.
    pub(crate) fn new() -> Option<Place> {
        if !is_root() {
            skipped("only root can receive cores from the kernel");
            return None;
        }
        let folder = tempfile::Builder::new().prefix("ep").rand_bytes(6).tempdir_in(TRUSTED).unwrap();
        let readable = |path: &Path| fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
        readable(folder.path());
        let place = Place { folder };
        // By another process: as long as this one writes to it, whatever another thread starts keeps it busy.
        let copied = Command::new("cp").arg(program_path()).arg(place.program()).status().unwrap();
        assert!(copied.success());
        readable(&place.program());
        fs::create_dir(place.spool()).unwrap();
        readable(&place.spool());
        Some(place)
    }

    pub(crate) fn program(&self) -> PathBuf {
        self.folder.path().join("epitaph")
    }

    pub(crate) fn spool(&self) -> PathBuf {
        self.folder.path().join("s")
    }

    /// The program that crashes.
    pub(crate) fn exe(&self) -> PathBuf {
        self.folder.path().join("exe")
    }

    /// The files of a user's folder, but for those that only root reads.
    pub(crate) fn kept(&self, uid: u32) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.spool().join(uid.to_string())).into_iter().flatten();
        let mut kept: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        kept.retain(|path| !path.file_name().unwrap().to_str().unwrap().starts_with('.'));
        kept.sort();
        kept
    }

    /// The files whose names end so, as soon as there are so many and no handler is at work.
    #[track_caller]
    pub(crate) fn wait_for(&self, uid: u32, ending: &str, count: usize) -> Vec<PathBuf> {
        let started = Instant::now();
        loop {
            let all = self.kept(uid);
            let found: Vec<PathBuf> =
                all.iter().filter(|path| text(path).ends_with(ending)).cloned().collect();
            let busy = all.iter().any(|path| is(path, "partial"));
            if found.len() >= count && !busy {
                return found;
            }
            assert!(started.elapsed() < PATIENCE, "{count} {ending} wanted: {all:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// `epitaph handler install` of this copy, with this spool.
    pub(crate) fn install(&self, options: &[&str]) -> Answer {
        let install = epitaph().args(["handler", "install", "--force", "--program"]).arg(self.program());
        install.arg("--spool").arg(self.spool()).args(options).run()
    }

    /// The pattern that installing would set.
    pub(crate) fn pattern(&self) -> String {
        let answer = self.install(&["--dry-run"]).code(0);
        let pattern = answer.stdout().lines().find_map(|line| line.strip_prefix("  to   |"));
        format!("|{}", pattern.unwrap_or_else(|| panic!("{answer}")))
    }

    /// `epitaph handler run`, as the kernel starts it for a process that can't be proven to be that one.
    pub(crate) fn receive(&self, core: impl Into<Stdio>) -> Child {
        let arguments = format!(
            "handler run v=1 D={} P=1 I=1 u={USER} g={USER} s=11 t=1800000000 c=99 d=1 F= e=small",
            self.spool().display()
        );
        let mut command = Command::new(self.program());
        command.args(arguments.split(' ')).env_clear().current_dir("/").stdin(core);
        command.spawn().unwrap()
    }
}

/// Sets the pattern until the value is dropped; says why where that can't be.
pub(crate) fn kernel_starts(pattern: &str) -> Option<PatternGuard> {
    match PatternGuard::set(pattern) {
        Ok(guard) => Some(guard),
        Err(error) => {
            skipped(&format!("the core pattern can't be set: {error}"));
            None
        }
    }
}

/// Lets a program crash as the user.
pub(crate) fn crash(built: &Built, place: &Place) {
    let exe = place.exe();
    if !exe.exists() {
        let copied = Command::new("cp").arg("-p").arg(&built.exe).arg(&exe).status().unwrap();
        assert!(copied.success());
        fs::set_permissions(&exe, Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = without_core_limit(&exe);
    plain_environment(&mut command).current_dir("/").uid(USER).gid(USER).stderr(Stdio::null());
    let status = command.status().unwrap();
    assert!(!status.success(), "{status}");
}

pub(crate) fn settings() -> (String, String) {
    let read = |path: &str| fs::read_to_string(path).unwrap();
    (read(PATTERN), read("/proc/sys/kernel/core_pipe_limit"))
}

/// Tells whether the last part of a path's name is this.
pub(crate) fn is(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|it| it == extension)
}

pub(crate) fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn the_kernel_hands_over_a_core_and_its_user_alone_reads_it() {
    let Some(place) = Place::new() else { return };
    let Some(built) = or_skip(Built::of(program("null_deref"))) else { return };
    let Some(_guard) = kernel_starts(&place.pattern()) else { return };
    crash(&built, &place);
    let core = place.wait_for(USER, ".core.zst", 1).remove(0);
    let (file, folder) = (core.metadata().unwrap(), core.parent().unwrap().metadata().unwrap());
    assert_eq!((file.uid(), file.mode() & 0o777), (USER, 0o400));
    assert_eq!((folder.uid(), folder.mode() & 0o777), (0, 0o755));
    let kept = place.kept(USER);
    assert_eq!(kept.len(), 2, "the slim core has gone: {kept:?}");

    let facts = json_of(kept.iter().find(|path| is(path, "json")).unwrap());
    assert!(facts["proven_by"].is_string(), "{facts}");
    assert_eq!(facts["links"]["exe"], text(place.exe()));
    assert!(facts["files"].get("environ").is_none());
    assert_eq!(facts["uid"], USER);

    let shown = epitaph().args(["show", "--json"]).arg(&core).run().code(0).json();
    assert_eq!(functions(&shown)[..3], ["quantity_of", "price_of", "main"]);
}

#[test]
fn a_storm_keeps_the_first_and_counts_the_rest() {
    let Some(place) = Place::new() else { return };
    let Some(built) = or_skip(Built::of(program("null_deref"))) else { return };
    let Some(_guard) = kernel_starts(&place.pattern()) else { return };
    for _ in 0..5 {
        crash(&built, &place);
    }
    let started = Instant::now();
    let status = loop {
        let status = epitaph().args(["handler", "status", "--json"]).run().code(0).json();
        if status["users"][0]["counted"] == 2 && status["users"][0]["crashes"] == 3 {
            break status;
        }
        assert!(started.elapsed() < PATIENCE, "{status}");
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(place.wait_for(USER, ".core.zst", 3).len(), 3);
    assert_eq!(status["installed"], true);
    assert_eq!((&status["users"][0]["uid"], &status["users"][0]["crashes"]), (&USER.into(), &3.into()));
    assert_eq!(status["trouble"], Value::Null);

    // Root's collect finds what every user left; the spool is told by the pattern in force.
    let out = place.folder.path().join("out");
    let answer = epitaph().args(["collect", "--out"]).arg(&out).within(place.folder.path()).run().code(0);
    answer.says(&["quantity_of"]);
    let collected = fs::read_dir(out.join("crashes")).unwrap();
    assert!(collected.count() >= 3);
}

#[test]
fn installing_is_undone_by_uninstalling() {
    let Some(place) = Place::new() else { return };
    let Some(built) = or_skip(Built::of(program("null_deref"))) else { return };
    let pattern = place.pattern();
    // The guard's helper puts back the host's own pattern wherever it finds ours, should this test be killed.
    let Some(guard) = kernel_starts(&pattern) else { return };
    fs::write(PATTERN, format!("{}\n", guard.before())).unwrap();
    let before = settings();
    let _undone = Undo { place: &place };
    place.install(&["--quota", "1000000", "--keep-free", "18446744073709551615", "--first", "1"]).code(0);
    let installed = settings();
    assert_eq!(installed.0.trim_end(), pattern);
    assert_ne!(installed.1.trim_end(), "0", "the kernel waits for the handler");
    crash(&built, &place);
    let core = place.wait_for(USER, ".core", 1).remove(0);
    let shown = epitaph().args(["show", "--json"]).arg(&core).run().code(0).json();
    assert_eq!(functions(&shown)[..3], ["quantity_of", "price_of", "main"], "the slim core tells as much");

    // Installing once more doesn't forget what was there before.
    place.install(&["--first", "2"]).code(0).says(&["No setting has to be changed."]);
    let answer = epitaph().args(["handler", "status"]).run().code(0);
    answer.says(&["The handler is installed", "user 54321: 1 crashes", "the first 2 of a signature"]);
    epitaph().args(["handler", "uninstall", "--dry-run"]).run().code(0).says(&["would be changed"]);
    assert_eq!(settings(), installed);
    epitaph().args(["handler", "uninstall"]).run().code(0);
    assert_eq!(settings(), before);
    assert!(core.exists(), "cores stay");
    epitaph().args(["handler", "status"]).run().code(1).says(&["The handler is not installed"]);
    epitaph().args(["handler", "uninstall"]).run().code(1).tells(&["not installed"]);
}

#[test]
fn installing_with_another_spool_remembers_what_was_there_first() {
    let Some(place) = Place::new() else { return };
    let Some(guard) = kernel_starts(&place.pattern()) else { return };
    fs::write(PATTERN, format!("{}\n", guard.before())).unwrap();
    let before = settings();
    let (first, second) = (place.spool(), place.folder.path().join("t"));
    let _undone = Undo { place: &place };
    place.install(&[]).code(0);
    let install = epitaph().args(["handler", "install", "--force", "--program"]).arg(place.program());
    install.arg("--spool").arg(&second).run().code(0);
    let installed = settings();
    assert!(installed.0.contains(&text(&second)), "{installed:?}");
    epitaph().args(["handler", "uninstall"]).run().code(0);
    assert_eq!(settings(), before);
    assert!(first.join("handler.json").exists() && !second.join("handler.json").exists());
}

/// Uninstalls, however the test ends.
pub(crate) struct Undo<'a> {
    pub(crate) place: &'a Place,
}

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        drop(epitaph().args(["handler", "uninstall", "--spool"]).arg(self.place.spool()).run());
    }
}

#[test]
fn a_program_that_others_could_change_is_not_installed() {
    let Some(place) = Place::new() else { return };
    let refused = |program: &Path, why: &str| {
        let install = epitaph().args(["handler", "install", "--force", "--program"]).arg(program);
        install.arg("--spool").arg(place.spool()).run().code(1).tells(&[why, "hint: "]);
    };
    let open = place.folder.path().join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, Permissions::from_mode(0o777)).unwrap();
    fs::write(open.join("epitaph"), "").unwrap();
    refused(&open.join("epitaph"), "its mode lets others write to it");
    fs::set_permissions(place.program(), Permissions::from_mode(0o775)).unwrap();
    refused(&place.program(), "its mode lets others write to it");
    fs::set_permissions(place.program(), Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::chown(place.program(), Some(USER), None).unwrap();
    refused(&place.program(), "it doesn't belong to root");
    assert!(!place.spool().join("handler.json").exists(), "nothing was begun");
}

#[test]
fn what_has_no_proof_is_roots_alone() {
    let Some(place) = Place::new() else { return };
    let core = place.folder.path().join("core");
    small_core(1, "small").write_to(&core).unwrap();
    let status = place.receive(File::open(&core).unwrap()).wait().unwrap();
    assert!(status.success());
    assert!(place.kept(USER).is_empty());
    let kept = place.wait_for(0, ".core", 1);
    let metadata = kept[0].metadata().unwrap();
    assert_eq!((metadata.uid(), metadata.mode() & 0o777), (0, 0o400));
    assert_eq!(place.spool().join("0").metadata().unwrap().mode() & 0o777, 0o700);
    let shown = epitaph().args(["show", "--json"]).arg(&kept[0]).run().code(0).json();
    assert_eq!(shown["signal"]["name"], "SIGSEGV");
}

#[test]
fn nothing_but_a_core_becomes_one() {
    let Some(place) = Place::new() else { return };
    let core = place.folder.path().join("core");
    small_core(1, "small").write_to(&core).unwrap();
    let whole = fs::read(&core).unwrap();
    for bytes in [&b""[..], b"#!/bin/sh\n", &whole[..40], &whole[..100], &[0; 10_000]] {
        fs::write(&core, bytes).unwrap();
        let mut handler = place.receive(File::open(&core).unwrap());
        handler.wait().unwrap();
        let kept = place.kept(0);
        let left = |ending: &str| kept.iter().any(|path| text(path).ends_with(ending));
        assert!(!left(".partial") && !left(".core.zst"), "{kept:?}");
    }
}

#[test]
fn a_handler_that_is_killed_leaves_only_unfinished_names() {
    let Some(place) = Place::new() else { return };
    let core = place.folder.path().join("core");
    small_core(1, "small").write_to(&core).unwrap();
    let whole = fs::read(&core).unwrap();
    for sent in [0, 64, whole.len() / 2, whole.len() - 1] {
        let mut handler = place.receive(Stdio::piped());
        let mut pipe = handler.stdin.take().unwrap();
        pipe.write_all(&whole[..sent]).unwrap();
        let begun = Instant::now();
        while !place.kept(0).iter().any(|path| text(path).ends_with(".core.partial")) {
            assert!(begun.elapsed() < PATIENCE);
            std::thread::sleep(Duration::from_millis(5));
        }
        handler.kill().unwrap();
        handler.wait().unwrap();
        let kept = place.kept(0);
        assert!(kept.iter().all(|path| is(path, "partial") || is(path, "json")), "{kept:?}");
        for path in kept {
            fs::remove_file(path).unwrap();
        }
    }
}

#[test]
fn a_spool_that_leads_elsewhere_is_not_used() {
    let Some(place) = Place::new() else { return };
    let core = place.folder.path().join("core");
    small_core(1, "small").write_to(&core).unwrap();
    let elsewhere = place.folder.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    for link in [place.spool().join("0"), place.spool()] {
        let _ = fs::remove_dir_all(&link);
        symlink(&elsewhere, &link).unwrap();
        assert!(!place.receive(File::open(&core).unwrap()).wait().unwrap().success());
        assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
        fs::remove_file(&link).unwrap();
        fs::create_dir_all(place.spool()).unwrap();
    }
}

#[test]
fn arguments_of_another_layout_are_refused() {
    if !is_root() {
        skipped("only root can receive cores from the kernel");
        return;
    }
    for arguments in ["", "v=2", "v=1 P=1", "--help=x", "1 2 3 11 0"] {
        let arguments: Vec<OsString> = arguments.split(' ').map(OsString::from).collect();
        epitaph().args(["handler", "run"]).args(arguments).stdin(Stdio::null()).run().any_code();
    }
}

/// The processes whose program is this one.
pub(crate) fn processes_of(program: &Path) -> Vec<i32> {
    let numbers =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    numbers
        .filter(|pid: &i32| fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == program))
        .collect()
}

/// A process of root's that crashed with much in its memory, whose whole core is being read.
struct Reading {
    shell: Child,
    pid: i32,
    slim: PathBuf,
    whole: PathBuf,
}

impl Reading {
    /// Lets it crash, and waits until the slim core is sealed and the whole one begun.
    fn begin(place: &Place) -> Reading {
        // Random bytes take long to compress: `tail` keeps what it is given until the pipe ends.
        let script = r"ulimit -c unlimited
            (head -c 300000000 /dev/urandom; echo; sleep 60) | exec tail -c 300000000";
        let mut shell = Command::new("bash");
        plain_environment(&mut shell).args(["-c", script]).stdout(Stdio::null()).stderr(Stdio::null());
        let shell = shell.current_dir("/").process_group(0).spawn().unwrap();
        let tail = Command::new("sh").args(["-c", "readlink -f $(command -v tail)"]).output().unwrap();
        let tail = PathBuf::from(String::from_utf8(tail.stdout).unwrap().trim());
        let memory = |pid: i32| {
            let pages = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
            pages.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
        };
        let pid = eventually("tail holds what it was given", || {
            processes_of(&tail).into_iter().find(|pid| memory(*pid) > 250_000_000)
        });
        signal("SEGV", pid);
        let (slim, whole) = eventually("the whole core is being read", || {
            let kept = place.kept(0);
            let ending = |ending: &str| kept.iter().find(|path| text(path).ends_with(ending)).cloned();
            assert!(ending(".core.zst").is_none(), "too late: {kept:?}");
            let partial =
                ending(".core.zst.partial").filter(|path| path.metadata().is_ok_and(|it| it.len() > 0));
            Some((ending(".core")?, partial?.with_extension("")))
        });
        Reading { shell, pid, slim, whole }
    }

    /// Checks that the slim core is what is left, and that nobody waits any more.
    fn leaves_the_slim_core(mut self, place: &Place) {
        eventually("all handlers have ended", || processes_of(&place.program()).is_empty().then_some(()));
        let exe = format!("/proc/{}/exe", self.pid);
        eventually("the process that crashed has ended", || fs::read_link(&exe).is_err().then_some(()));
        signal("KILL", -i32::try_from(self.shell.id()).unwrap());
        self.shell.wait().unwrap();
        assert!(!self.whole.exists());
        let shown = epitaph().args(["show", "--json"]).arg(&self.slim).run().code(0).json();
        assert_eq!(shown["signal"]["name"], "SIGSEGV");
    }
}

/// Waits for a value, for a bounded time.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "{what}: not yet");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Sends a signal, to a process or (negative) a group.
pub(crate) fn signal(name: &str, pid: i32) {
    let kill = Command::new("kill")
        .args([&format!("-{name}"), "--", &pid.to_string()])
        .stderr(Stdio::null())
        .status();
    kill.unwrap();
}

#[test]
fn a_handler_that_is_killed_while_it_reads_the_whole_core_leaves_the_slim_one() {
    let Some(place) = Place::new() else { return };
    let Some(_guard) = kernel_starts(&place.pattern()) else { return };
    let reading = Reading::begin(&place);
    let handlers = processes_of(&place.program());
    let statuses = handlers.iter().filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/status")).ok());
    let worker = statuses.into_iter().find(|status| status.contains("\nUid:\t65534\t65534\t65534\t65534\n"));
    let worker = worker.expect("root's own core is read by nobody");
    for given_up in ["\nGid:\t65534\t65534\t65534\t65534\n", "\nGroups:\t \n", "\nNoNewPrivs:\t1\n"] {
        assert!(worker.contains(given_up), "{given_up:?}: {worker}");
    }
    for capabilities in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert!(worker.contains(&format!("\n{capabilities}:\t0000000000000000\n")), "{worker}");
    }
    for pid in handlers {
        signal("KILL", pid);
    }
    reading.leaves_the_slim_core(&place);
}

#[test]
fn a_process_that_is_killed_while_it_dumps_leaves_the_slim_core() {
    let Some(place) = Place::new() else { return };
    let Some(_guard) = kernel_starts(&place.pattern()) else { return };
    let reading = Reading::begin(&place);
    signal("KILL", reading.pid);
    reading.leaves_the_slim_core(&place);
    assert_eq!(place.kept(0).len(), 2, "the half of the whole one has gone: {:?}", place.kept(0));
}

#[test]
fn many_handlers_at_once_count_right() {
    let Some(place) = Place::new() else { return };
    let core = place.folder.path().join("core");
    small_core(1, "small").write_to(&core).unwrap();
    let handlers: Vec<Child> = (0..16).map(|_| place.receive(File::open(&core).unwrap())).collect();
    for mut handler in handlers {
        assert!(handler.wait().unwrap().success());
    }
    let kept = place.kept(0);
    assert_eq!(kept.iter().filter(|path| is(path, "core")).count(), 3, "{kept:?}");
    assert!(!kept.iter().any(|path| is(path, "partial")), "{kept:?}");
    let status = epitaph().args(["handler", "status", "--json", "--spool"]).arg(place.spool()).run().json();
    assert_eq!(status["users"][0]["counted"], 13, "{status}");
}
