//! The table of architectures, each with the ways in which its code is compiled and run.

use std::path::PathBuf;

use crate::core::machine::{self, Machine};

/// An architecture, compiled for in one way.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name here and in `testdata/cores`.
    pub name: &'static str,
    /// The machine.
    pub machine: Machine,
    /// What the names of its tools begin with (Debian's cross packages).
    pub triple: &'static str,
    /// Options of the compiler, besides a recipe's own.
    pub flags: &'static [&'static str],
    /// How its programs run.
    pub runner: Runner,
}

/// Who runs a program, and who writes its core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runner {
    /// The host's kernel.
    Kernel,
    /// qemu's user emulation, which writes the guest's core: its command, with options.
    Qemu(&'static [&'static str]),
    /// qemu's user emulation, which writes none: the testkit does, by qemu's gdb stub.
    Stub(&'static [&'static str]),
}

/// Every target.
pub const TARGETS: &[Target] = &[
    qemu("aarch64", machine::AARCH64, "aarch64-linux-gnu", &[], &["qemu-aarch64"]),
    // Return addresses are signed, and the processor checks them.
    qemu(
        "aarch64_pac",
        machine::AARCH64,
        "aarch64-linux-gnu",
        &["-mbranch-protection=standard"],
        &["qemu-aarch64", "-cpu", "max"],
    ),
    qemu("arm", machine::ARM, "arm-linux-gnueabihf", &["-mthumb"], &["qemu-arm"]),
    qemu("arm_a32", machine::ARM, "arm-linux-gnueabihf", &["-marm"], &["qemu-arm"]),
    qemu("i386", machine::I386, "i686-linux-gnu", &[], &["qemu-i386"]),
    Target {
        name: "i386_kernel",
        machine: machine::I386,
        triple: "i686-linux-gnu",
        flags: &[],
        runner: Runner::Kernel,
    },
    qemu("ppc64le", machine::PPC64LE, "powerpc64le-linux-gnu", &[], &["qemu-ppc64le"]),
    qemu("s390x", machine::S390X, "s390x-linux-gnu", &[], &["qemu-s390x"]),
    Target {
        name: "riscv64",
        machine: machine::RISCV64,
        triple: "riscv64-linux-gnu",
        flags: &[],
        runner: Runner::Stub(&["qemu-riscv64"]),
    },
];

const fn qemu(
    name: &'static str,
    machine: Machine,
    triple: &'static str,
    flags: &'static [&'static str],
    command: &'static [&'static str],
) -> Target {
    Target { name, machine, triple, flags, runner: Runner::Qemu(command) }
}

/// Returns the target of this name.
///
/// # Panics
/// When there is none.
pub fn target(name: &str) -> &'static Target {
    TARGETS
        .iter()
        .find(|target| target.name == name)
        .unwrap_or_else(|| panic!("no target {name:?} in the table"))
}

impl Target {
    /// Returns its C compiler.
    pub fn compiler(&self) -> String {
        format!("{}-gcc", self.triple)
    }

    /// Returns the folder that holds its `lib`.
    pub fn sysroot(&self) -> PathBuf {
        PathBuf::from("/usr").join(self.triple)
    }

    /// Returns the programs that building and running need.
    pub fn tools(&self) -> Vec<String> {
        let emulator = match self.runner {
            Runner::Kernel => None,
            Runner::Qemu(command) | Runner::Stub(command) => command.first(),
        };
        std::iter::once(self.compiler()).chain(emulator.map(|tool| (*tool).to_owned())).collect()
    }
}
