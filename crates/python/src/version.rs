//! Which CPython it is.

use std::fmt;

use epitaph_elf::{Arch, LoadedModules, Memory, Object};

/// Longest text that a version is in the interpreter: `3.13.0rc2+`.
const LONGEST: usize = 16;

/// A minor version of CPython: the structures of the interpreter are the same in all of its releases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// `3`.
    pub major: u8,
    /// `11`.
    pub minor: u8,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl Version {
    /// Takes a `PY_VERSION_HEX` apart (Include/patchlevel.h): major, minor, micro, and level with serial, a byte each.
    pub(crate) fn of_hex(hex: u64) -> Option<Version> {
        let byte = |shift: u32| u8::try_from(hex >> shift & 0xff).ok();
        let version = Version { major: byte(24)?, minor: byte(16)? };
        (hex >> 32 == 0 && (2..=3).contains(&version.major)).then_some(version)
    }

    /// Finds the version of an interpreter, the surest first: the variable that says it (since 3.11), the name of its
    /// file, the text that it prints.
    pub(crate) fn of_module(
        arch: &Arch,
        memory: &dyn Memory,
        loaded: &LoadedModules<'_>,
        module: usize,
    ) -> Option<Version> {
        let object = loaded.object(module);
        let variable = || {
            let address = loaded.bias(module)?.wrapping_add(object?.variable(b"Py_Version")?);
            Version::of_hex(arch.read_word(memory, address).ok()?)
        };
        let name = || Version::in_name(&loaded.modules().get(module)?.module.name());
        variable().or_else(name).or_else(|| Version::in_text(object?))
    }

    /// Reads the version in a file's name: `libpython3.9.so.1.0`, `python3.10`.
    fn in_name(name: &str) -> Option<Version> {
        let (_, rest) = name.split_once("python")?;
        let mut numbers = rest.split('.');
        let major = numbers.next()?.parse().ok()?;
        let minor = numbers.next()?.trim_end_matches(|char: char| !char.is_ascii_digit()).parse().ok()?;
        Some(Version { major, minor })
    }

    /// Looks for the text of `Py_GetVersion` (Python/getversion.c): `3.9.18` between two NULs. Where there are several
    /// such texts, of other versions, none counts.
    fn in_text(object: &Object) -> Option<Version> {
        let text = object.section(".rodata").ok().flatten()?;
        let mut versions = memchr::memmem::find_iter(text, b"\x003.").filter_map(|at| {
            let text = text.get(at + 1..)?.split(|byte| *byte == 0).next()?;
            let text = std::str::from_utf8(text).ok().filter(|text| text.len() <= LONGEST)?;
            let mut numbers = text.split('.');
            let version =
                Version { major: numbers.next()?.parse().ok()?, minor: numbers.next()?.parse().ok()? };
            let is_release = numbers.next()?.starts_with(|char: char| char.is_ascii_digit());
            (is_release && numbers.next().is_none() && version.minor < 100).then_some(version)
        });
        let version = versions.next()?;
        versions.all(|other| other == version).then_some(version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_files_and_variables_say() {
        let name = |name| Version::in_name(name).map(|version| version.to_string());
        assert_eq!(name("libpython3.9.so.1.0").as_deref(), Some("3.9"));
        assert_eq!(name("python3.10").as_deref(), Some("3.10"));
        assert_eq!(name("libpython2.7.so.1.0").as_deref(), Some("2.7"));
        assert_eq!(name("libpython3.6m.so.1.0").as_deref(), Some("3.6"));
        assert_eq!(name("libpython3.13t.so.1.0").as_deref(), Some("3.13"));
        assert_eq!(name("python3"), None);
        assert_eq!(name("libshop.so"), None);
        assert_eq!(Version::of_hex(0x030b_07f0), Some(Version { major: 3, minor: 11 }));
        assert_eq!(Version::of_hex(0x1_030b_07f0), None);
        assert_eq!(Version::of_hex(0), None);
    }
}
