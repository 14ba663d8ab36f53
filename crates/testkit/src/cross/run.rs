//! Building a program for a target, and running it until it dies or is looked at.

use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::recipes::{Recipe, sources_folder};
use super::stub::{Stopped, Stub};
use super::stub_core;
use super::targets::{Runner, Target};
use crate::core::CoreImage;
use crate::crash::{CoresHere, or_skip, without_core_limit};
use crate::scratch::Scratch;
use crate::{skip, tools};

/// How long a program may take to die, and qemu to open its gdb stub, in seconds.
const PATIENCE: u32 = 60;

/// A program that died on another architecture, and its core. The folder goes when this is dropped.
#[derive(Debug)]
pub struct CrossCrash {
    /// The executable, in a folder of its own with whatever was built beside it.
    pub exe: PathBuf,
    /// The core.
    pub core: PathBuf,
    /// The folder that holds both.
    pub scratch: Scratch,
}

/// A program that is built for a target, and has not run yet.
#[derive(Debug)]
pub struct Guest {
    /// The executable.
    pub exe: PathBuf,
    scratch: Scratch,
    target: &'static Target,
}

impl CrossCrash {
    /// Builds a recipe for a target and lets it crash; where this machine can't do it, says that the test is skipped
    /// and returns nothing.
    ///
    /// # Panics
    /// When it should have worked and didn't.
    pub fn of_or_skip(target: &'static Target, recipe: &Recipe) -> Option<CrossCrash> {
        let guest = Guest::of_or_skip(target, recipe)?;
        let core = match target.runner {
            Runner::Kernel => guest.crash_natively(recipe.signal)?,
            Runner::Qemu(command) => guest.crash_in_qemu(command, recipe.signal),
            Runner::Stub(_) => guest.crash_in_stub(recipe.signal),
        };
        let Guest { exe, scratch, .. } = guest;
        Some(CrossCrash { exe, core, scratch })
    }
}

impl Guest {
    /// Builds a recipe for a target; where this machine can't do it, says that the test is skipped and returns nothing.
    ///
    /// # Panics
    /// When a build step fails.
    pub fn of_or_skip(target: &'static Target, recipe: &Recipe) -> Option<Guest> {
        let missing: Vec<String> = target.tools().into_iter().filter(|tool| !tools::have(tool)).collect();
        if !missing.is_empty() {
            skip::skipped(&format!(
                "{} for {}: not installed: {} (EPITAPH_TEST_ALL=1 make setup installs it)",
                recipe.name,
                target.name,
                missing.join(", ")
            ));
            return None;
        }
        let scratch = Scratch::new();
        let sources = sources_folder();
        // No core or binary names the folders of the machine that made it.
        let mapped = [(scratch.folder(), "."), (sources.as_path(), "testdata")];
        let mapped = mapped.map(|(folder, name)| format!("-ffile-prefix-map={}={name}", folder.display()));
        let compiler = format!("{} {} {}", target.compiler(), target.flags.join(" "), mapped.join(" "));
        for step in recipe.build {
            let step = step.replacen("CC", &compiler, 1).replace('@', &format!("{}/", sources.display()));
            scratch.run(&step);
        }
        Some(Guest { exe: scratch.path("exe"), scratch, target })
    }

    /// Starts it in qemu, and stops it before its first instruction.
    ///
    /// # Panics
    /// When the target doesn't run in qemu, or qemu opens no gdb stub.
    pub fn start(&self) -> Stub {
        let (Runner::Qemu(command) | Runner::Stub(command)) = self.target.runner else {
            panic!("{} doesn't run in qemu", self.target.name)
        };
        let socket = self.scratch.path("stub");
        let mut child =
            self.qemu(command).arg("-g").arg(&socket).arg(&self.exe).spawn().expect("starting qemu");
        match connect(&mut child, &socket) {
            Some(stream) => Stub::new(child, stream),
            None => panic!("qemu opened no gdb stub: {:?}", child.wait()),
        }
    }

    /// qemu with its options, without the program that it is to run.
    fn qemu(&self, command: &[&str]) -> Command {
        let mut qemu = without_core_limit(command.first().expect("a command"));
        // The loader's own default may name a folder of the host's, which qemu then finds.
        qemu.args(command.iter().skip(1))
            .args(["-E", "LD_LIBRARY_PATH=/lib", "-L"])
            .arg(self.target.sysroot());
        qemu.env_clear().env("PATH", "/usr/bin:/bin").current_dir(self.scratch.folder());
        qemu.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        qemu
    }

    fn crash_in_qemu(&self, command: &[&str], signal: i32) -> PathBuf {
        let mut qemu = self.qemu(command).arg(&self.exe).spawn().expect("starting qemu");
        let ended = wait(&mut qemu);
        // It ends by its guest's signal; that it leaves a core of its own, too, is no use to anybody.
        assert_eq!(ended.and_then(|status| status.signal()), Some(signal), "{}", self.exe.display());
        let (mut guest, mut rest) = (None, Vec::new());
        for entry in std::fs::read_dir(self.scratch.folder()).expect("its folder").flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            match name.to_string_lossy() {
                name if name.starts_with("qemu_") && name.ends_with(".core") => guest = Some(path),
                name if name.starts_with("core") => rest.push(path),
                _ => {}
            }
        }
        for core in rest {
            std::fs::remove_file(core).expect("removing the emulator's own core");
        }
        guest.unwrap_or_else(|| panic!("qemu wrote no core of {}", self.exe.display()))
    }

    fn crash_in_stub(&self, signal: i32) -> PathBuf {
        let mut stub = self.start();
        let mut stopped = stub.run();
        while let Stopped::Signal(other) = stopped
            && stopped != Stopped::SEGV
        {
            stopped = stub.deliver(other);
        }
        assert_eq!((stopped, signal), (Stopped::SEGV, 11), "other ends aren't told apart here");
        let core = self.scratch.path("core");
        self.core(&mut stub, signal as u16).write_to(&core).expect("writing the core");
        core
    }

    /// Takes the core of a guest of this program that stands still, as if `signal` were about to end it.
    pub fn core(&self, stub: &mut Stub, signal: u16) -> CoreImage {
        stub_core::core(stub, self.target.machine, &self.exe, signal)
    }

    fn crash_natively(&self, signal: i32) -> Option<PathBuf> {
        let _cores_here = or_skip(CoresHere::acquire())?;
        let work = self.scratch.path("work");
        std::fs::create_dir(&work).expect("a folder to crash in");
        let mut child = without_core_limit(&self.exe)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .current_dir(&work)
            .spawn()
            .expect("starting the program");
        let ended = wait(&mut child);
        assert_eq!(ended.and_then(|status| status.signal()), Some(signal), "{}", self.exe.display());
        Some(CoresHere::core_in(&work).unwrap_or_else(|| panic!("no core in {}", work.display())))
    }
}

/// Waits until a program ends; kills it when it takes too long.
fn wait(child: &mut Child) -> Option<std::process::ExitStatus> {
    let deadline = Instant::now() + Duration::from_secs(PATIENCE.into());
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().expect("waiting for a child") {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().expect("ending a child");
    child.wait().ok()
}

fn connect(child: &mut Child, socket: &Path) -> Option<UnixStream> {
    let deadline = Instant::now() + Duration::from_secs(PATIENCE.into());
    while Instant::now() < deadline && child.try_wait().is_ok_and(|ended| ended.is_none()) {
        if let Ok(stream) = UnixStream::connect(socket) {
            return Some(stream);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().ok();
    None
}
