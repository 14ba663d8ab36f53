//! Finds the interpreter in a process.

use epitaph_elf::{Arch, Endian, LoadedModules, Memory};

use crate::debug_offsets;
use crate::layout::Layout;
use crate::version::Version;

/// An interpreter whose structures are known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Runtime {
    /// Where `_PyRuntime` is.
    pub(crate) address: u64,
    pub(crate) version: Version,
    pub(crate) layout: Layout,
}

/// Why the frames of an interpreter can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unread {
    /// It is of another version than those that are known.
    Version(Version),
    /// It was built without the global lock.
    FreeThreaded(Version),
    /// It runs on a machine on which its structures look otherwise.
    Machine,
}

impl std::fmt::Display for Unread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unread::Version(version) => {
                write!(f, "the frames of Python {version} can't be read; those of CPython 3.9 to 3.13 can")
            }
            Unread::FreeThreaded(version) => {
                write!(f, "the frames of a free-threaded Python {version} can't be read")
            }
            Unread::Machine => write!(
                f,
                "Python frames can be read on little-endian machines of 64 bits only, and this is another"
            ),
        }
    }
}

/// Finds the interpreter: in the module that the evaluator's frame is in, where there is such a frame, or else in one that is
/// called so.
pub(crate) fn find(
    arch: &Arch,
    memory: &dyn Memory,
    loaded: &LoadedModules<'_>,
    evaluator: Option<usize>,
) -> Option<Result<Runtime, Unread>> {
    let modules = loaded.modules().iter().enumerate();
    let named = modules.filter(|(_, entry)| is_interpreter(&entry.module.name())).map(|(index, _)| index);
    let candidates: Vec<usize> = evaluator.into_iter().chain(named).collect();
    let found = candidates.iter().find_map(|module| in_module(arch, memory, loaded, *module));
    // Before 3.7 there was no such variable.
    let version = || candidates.iter().find_map(|module| Version::of_module(arch, memory, loaded, *module));
    found.or_else(|| {
        version()
            .filter(|version| Layout::of(*version).is_none())
            .map(|version| Err(Unread::Version(version)))
    })
}

fn in_module(
    arch: &Arch,
    memory: &dyn Memory,
    loaded: &LoadedModules<'_>,
    module: usize,
) -> Option<Result<Runtime, Unread>> {
    let object = loaded.object(module)?;
    // Stripped programs that hold the interpreter have no symbol, but since 3.10 a section of its own for this.
    let address = object.variable(b"_PyRuntime").or_else(|| object.section_address(".PyRuntime"))?;
    let address = loaded.bias(module)?.wrapping_add(address);
    if arch.bits() != 64 || arch.endian() != Endian::Little {
        return Some(Err(Unread::Machine));
    }
    let (version, layout) = match debug_offsets::read(arch, memory, address) {
        Some(told) if told.free_threaded => return Some(Err(Unread::FreeThreaded(told.version))),
        Some(told) => (told.version, told.layout),
        None => {
            let version = Version::of_module(arch, memory, loaded, module)?;
            (version, Layout::of(version))
        }
    };
    Some(layout.map(|layout| Runtime { address, version, layout }).ok_or(Unread::Version(version)))
}

/// Tells whether a file's name is that of an interpreter: `python3.11`, `libpython3.9.so.1.0`.
fn is_interpreter(name: &str) -> bool {
    let rest = name.strip_prefix("lib").unwrap_or(name).strip_prefix("python");
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(|char: char| char.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpreters_are_known_by_name() {
        for name in ["python", "python3", "python3.11", "libpython3.9.so.1.0", "libpython2.7.so.1.0"] {
            assert!(is_interpreter(name), "{name}");
        }
        for name in
            ["_ctypes.cpython-311-x86_64-linux-gnu.so", "libboost_python311.so", "pythonista", "libpy.so"]
        {
            assert!(!is_interpreter(name), "{name}");
        }
    }
}
