//! Is the process an emulator, whose core says nothing of the program that it ran?

use epitaph_elf::LoadedModules;
use epitaph_summary::Warning;

/// The guests of qemu-user, as its programs are named.
const GUESTS: [&str; 33] = [
    "aarch64",
    "aarch64_be",
    "alpha",
    "arm",
    "armeb",
    "cris",
    "hexagon",
    "hppa",
    "i386",
    "loongarch64",
    "m68k",
    "microblaze",
    "microblazeel",
    "mips",
    "mips64",
    "mips64el",
    "mipsel",
    "mipsn32",
    "mipsn32el",
    "nios2",
    "or1k",
    "ppc",
    "ppc64",
    "ppc64le",
    "riscv32",
    "riscv64",
    "s390x",
    "sh4",
    "sh4eb",
    "sparc",
    "sparc64",
    "x86_64",
    "xtensa",
];

/// Warns of a core whose main program is an emulator of user programs: its stacks are the emulator's own.
pub(crate) fn warning(loaded: &LoadedModules<'_>) -> Option<Warning> {
    let name = loaded.modules().iter().find(|entry| entry.module.main)?.module.name();
    let guest = guest(&name)?;
    Some(Warning::new(
        "emulator_core",
        format!(
            "this is a core of the emulator {name} itself: the stacks are the emulator's, not those of the {guest} \
             program that it ran (whose own core is named qemu_PROGRAM_DATE-TIME_PID.core, where qemu writes one)"
        ),
    ))
}

/// Returns the architecture that an emulator of this name runs programs of.
fn guest(name: &str) -> Option<&str> {
    let guest = name.strip_prefix("qemu-")?;
    let guest = guest.strip_suffix("-static").unwrap_or(guest);
    GUESTS.contains(&guest).then_some(guest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emulators_of_programs_are_known_by_name() {
        assert_eq!(guest("qemu-aarch64"), Some("aarch64"));
        assert_eq!(guest("qemu-ppc64le-static"), Some("ppc64le"));
        for other in ["qemu-img", "qemu-system-aarch64", "qemu-", "aarch64", "qemu-aarch64-dynamic"] {
            assert_eq!(guest(other), None, "{other}");
        }
    }
}
