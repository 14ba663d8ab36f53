//! Names of machines, also of those that cannot be read.

use goblin::elf::header::{EM_AARCH64, EM_ARM, EM_PPC64, EM_S390, EM_X86_64, machine_to_str};

use crate::header::{Class, Endian};

/// Names a machine for people: by `e_machine` (System V gABI, chapter 4), and by class and byte order where they make
/// it another one.
pub(crate) fn machine_name(machine: u16, class: Class, endian: Endian) -> String {
    match (machine, class, endian) {
        (EM_X86_64, Class::Elf32, Endian::Little) => "x32 (x86-64 with 32-bit addresses)".to_owned(),
        (EM_AARCH64, Class::Elf32, _) => "aarch64 ILP32 (32-bit addresses)".to_owned(),
        (EM_AARCH64, Class::Elf64, Endian::Big) => "aarch64_be (big-endian)".to_owned(),
        (EM_ARM, _, Endian::Big) => "armeb (big-endian)".to_owned(),
        (EM_PPC64, _, Endian::Big) => "ppc64 (big-endian)".to_owned(),
        (EM_S390, Class::Elf32, _) => "s390 (31-bit)".to_owned(),
        _ => match machine_to_str(machine) {
            "EM_UNKNOWN" => format!("number {machine} (e_machine), which has no name here"),
            name => name.to_lowercase(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_are_told_apart_by_class_and_byte_order() {
        let name = |machine, class, endian| machine_name(machine, class, endian);
        assert!(name(EM_X86_64, Class::Elf32, Endian::Little).starts_with("x32"));
        assert_eq!(name(EM_X86_64, Class::Elf64, Endian::Little), "x86_64");
        assert!(name(EM_PPC64, Class::Elf64, Endian::Big).starts_with("ppc64 "));
        assert!(name(60_000, Class::Elf64, Endian::Little).starts_with("number 60000"));
    }
}
